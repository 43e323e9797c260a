//! Optimistic updates of users.

use aws_sdk_dynamodb::types::TransactWriteItem;
use dynamo::{Transaction, from_item, number, text, to_item};

use super::super::credentials::IdentifierRecord;
use super::super::{AccountTable, StoreError, commit, keys};
use super::record::{UserAttributes, UserRecord};
use crate::domain::verification_code::CodeHash;
use crate::domain::{AuditEvent, Identifier, IdentifierKind, PasswordHash, Session, User};

/// The number of times that an update is attempted while the user keeps changing.
pub(crate) const UPDATE_ATTEMPTS: usize = 3;

/// The outcome of an update of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpdateOutcome {
    Updated,
    /// Nothing was written: other users have these identifiers.
    IdentifierTaken(Vec<IdentifierKind>),
    /// Nothing was written: the user has changed, and this is the current state; `None` if the user was deleted.
    VersionConflict(Option<Box<User>>),
    /// Nothing was written: the session to retain has ended.
    SessionConflict,
    /// Nothing was written: the verification code was used or replaced.
    CodeExpired,
}

/// An update of a user, planned from the state that was read.
#[derive(Debug)]
pub struct UpdatePlan {
    /// The user in the next version.
    pub user: User,
    /// The password hash after the update. Required if the password changes or an identifier is added.
    pub password_hash: Option<PasswordHash>,
    /// Whether failed attempts are reset, because the user has confirmed their password.
    pub reset_failed_attempts: bool,
    /// The session that stays active although the update revokes all others, bound to the new epoch.
    pub retained_session: Option<Session>,
    /// The verification code that the update uses up.
    pub used_code: Option<(IdentifierKind, CodeHash)>,
    pub event: AuditEvent,
}

impl UpdatePlan {
    /// Plans an update of the user's own attributes.
    pub const fn new(user: User, event: AuditEvent) -> Self {
        Self { user, password_hash: None, reset_failed_attempts: false, retained_session: None, used_code: None, event }
    }
}

/// A conflict after which an update can be planned again.
#[derive(Debug)]
pub enum UpdateConflict {
    /// The user has changed, and this is the current state; `None` if the user was deleted.
    Version(Option<Box<User>>),
    /// The session to retain has ended.
    Session,
}

/// The reason why a user was not updated.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError {
    #[error("identifier is taken")]
    IdentifierTaken(Vec<IdentifierKind>),
    #[error("verification code was used or replaced")]
    CodeExpired,
    #[error("user was updated concurrently, {UPDATE_ATTEMPTS} times in a row")]
    TooManyConflicts,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The writes of the transaction that updates a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    User,
    AuditEvent,
    /// An identifier that is kept or released.
    OwnIdentifier(IdentifierKind),
    NewIdentifier(IdentifierKind),
    Attempts,
    Session,
    Code,
}

impl AccountTable {
    /// Updates a user optimistically: loads the state, plans the update and writes it. After a conflict, `load` is
    /// called with it, and the update is planned again. Returns the state that was loaded last, and the update, unless
    /// `plan` returned `None` because there is nothing to update.
    ///
    /// Each attempt is one round trip, in addition to those of `load`.
    ///
    /// # Errors
    ///
    /// Errors of `load`, and [`UpdateError`].
    pub async fn update_user_with_retry<S, E, F>(
        &self,
        mut load: impl FnMut(Option<UpdateConflict>) -> F,
        mut plan: impl FnMut(&S) -> Option<UpdatePlan>,
    ) -> Result<(S, Option<UpdatePlan>), E>
    where
        S: AsRef<User>,
        E: From<UpdateError>,
        F: Future<Output = Result<S, E>>,
    {
        let mut conflict = None;
        for _ in 0..UPDATE_ATTEMPTS {
            let state = load(conflict.take()).await?;
            let Some(update) = plan(&state) else { return Ok((state, None)) };
            match self.update_user(state.as_ref(), &update).await.map_err(UpdateError::from)? {
                UpdateOutcome::Updated => return Ok((state, Some(update))),
                UpdateOutcome::VersionConflict(user) => conflict = Some(UpdateConflict::Version(user)),
                UpdateOutcome::SessionConflict => conflict = Some(UpdateConflict::Session),
                UpdateOutcome::IdentifierTaken(taken) => return Err(UpdateError::IdentifierTaken(taken).into()),
                UpdateOutcome::CodeExpired => return Err(UpdateError::CodeExpired.into()),
            }
        }
        Err(UpdateError::TooManyConflicts.into())
    }

    /// Updates a user, the copies in the user's identifiers and the session to retain; claims added identifiers and
    /// releases removed ones. Of concurrent updates of one version, one succeeds.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the outcome is unknown.
    pub async fn update_user(&self, before: &User, plan: &UpdatePlan) -> Result<UpdateOutcome, StoreError> {
        let UpdatePlan { user: after, password_hash, reset_failed_attempts, retained_session, used_code, event } = plan;
        let password_hash = password_hash.as_ref();
        let user = self.table.put(to_item(UserRecord::from(after))?, |put| {
            put.condition_expression("version = :version")
                .expression_attribute_values(":version", number(before.version))
        })?;
        let mut transaction =
            Transaction::new().with(Part::User, user).with(Part::AuditEvent, self.audit()?.append(event)?);
        let (old, new) = (before.identifiers(), after.identifiers());
        for kept in old.iter().filter(|identifier| new.contains(identifier)) {
            let copy = self.update_copy(kept, after, password_hash, *reset_failed_attempts)?;
            transaction.add(Part::OwnIdentifier(kept.kind()), copy);
        }
        for removed in old.iter().filter(|identifier| !new.contains(identifier)) {
            transaction.add(Part::OwnIdentifier(removed.kind()), self.release(removed, before)?);
        }
        for added in new.iter().filter(|identifier| !old.contains(identifier)) {
            let hash = password_hash.ok_or_else(|| StoreError::internal("a new identifier needs a password hash"))?;
            let item = to_item(IdentifierRecord::new(added, after, hash))?;
            let claim = self.table.put(item, |put| put.condition_expression("attribute_not_exists(userId)"))?;
            transaction.add(Part::NewIdentifier(added.kind()), claim);
        }
        if *reset_failed_attempts {
            transaction.add(Part::Attempts, self.reset_attempts(after)?);
        }
        if let Some(session) = retained_session {
            transaction.add(Part::Session, self.rebind_session(session, after)?);
        }
        if let Some((kind, hash)) = used_code {
            transaction.add(Part::Code, self.use_code(before.id, *kind, hash)?);
        }
        let Some(failed) = commit(&self.table, &transaction, Part::AuditEvent).await? else {
            return Ok(UpdateOutcome::Updated);
        };
        if failed.contains(Part::User) {
            let current = failed.item(Part::User).cloned().map(from_item::<UserRecord>).transpose()?;
            let current = current.map(|record| Box::new(record.into()));
            return Ok(UpdateOutcome::VersionConflict(current));
        }
        let mut taken = Vec::new();
        for (part, _) in failed.iter() {
            match part {
                Part::NewIdentifier(kind) => taken.push(kind),
                Part::User | Part::Session | Part::Code => {}
                Part::AuditEvent | Part::OwnIdentifier(_) | Part::Attempts => {
                    return Err(StoreError::internal(format!("inconsistent items of a user: {part:?}")));
                }
            }
        }
        Ok(if !taken.is_empty() {
            UpdateOutcome::IdentifierTaken(taken)
        } else if failed.contains(Part::Session) {
            UpdateOutcome::SessionConflict
        } else {
            UpdateOutcome::CodeExpired
        })
    }

    /// Updates the copy of a user in an identifier.
    fn update_copy(
        &self,
        identifier: &Identifier,
        user: &User,
        password_hash: Option<&PasswordHash>,
        reset_failed_attempts: bool,
    ) -> Result<TransactWriteItem, StoreError> {
        let mut copy = to_item(UserAttributes::from(user))?;
        if let Some(hash) = password_hash {
            copy.insert("passwordHash".to_owned(), text(hash.expose()));
        }
        let mut removed =
            if reset_failed_attempts { vec!["attempts", "lastAttemptAt", "inFlight"] } else { Vec::new() };
        removed.extend(["phone", "emailAsTyped"].into_iter().filter(|name| !copy.contains_key(*name)));
        let sets: Vec<_> = copy.keys().map(|name| format!("#{name} = :{name}")).collect();
        let mut expression = format!("SET {}", sets.join(", "));
        if !removed.is_empty() {
            expression.push_str(" REMOVE ");
            expression.push_str(&removed.join(", "));
        }
        self.table.update(keys::identifier(identifier).into(), |mut update| {
            for (name, value) in copy {
                update = update
                    .expression_attribute_names(format!("#{name}"), &name)
                    .expression_attribute_values(format!(":{name}"), value);
            }
            update
                .update_expression(expression)
                .condition_expression("userId = :user")
                .expression_attribute_values(":user", text(user.id))
        })
    }

    /// Resets the count of failed reauthentication attempts. The item exists, since the successful attempt was counted.
    fn reset_attempts(&self, user: &User) -> Result<TransactWriteItem, StoreError> {
        self.table.update(keys::attempts(user.id).into(), |update| {
            update.update_expression("REMOVE attempts, lastAttemptAt, inFlight")
        })
    }

    /// Deletes an identifier, so that other users can claim it.
    fn release(&self, identifier: &Identifier, user: &User) -> Result<TransactWriteItem, StoreError> {
        self.table.delete(keys::identifier(identifier).into(), |delete| {
            delete.condition_expression("userId = :user").expression_attribute_values(":user", text(user.id))
        })
    }

    /// Binds a session to the user's new epoch, with a new refresh token of a new family.
    fn rebind_session(&self, session: &Session, user: &User) -> Result<TransactWriteItem, StoreError> {
        let families = [
            (&session.family, ":family", "familyHash = :family", "familyHash"),
            (&session.former_family, ":former", "formerFamilyHash = :former", "formerFamilyHash"),
        ];
        let mut set = vec!["epoch = :epoch", "lastUsedAt = :used", "tokenExpiresAt = :token", "refreshHash = :refresh"];
        let mut remove = vec!["#rotation"];
        for (family, _, assignment, attribute) in families {
            if family.is_some() { set.push(assignment) } else { remove.push(attribute) }
        }
        self.table.update(keys::session(user.id, session.id).into(), |mut update| {
            for (family, value, ..) in families {
                if let Some(family) = family {
                    update = update.expression_attribute_values(value, text(&family.0));
                }
            }
            update
                .update_expression(format!("SET {} REMOVE {}", set.join(", "), remove.join(", ")))
                .condition_expression("attribute_exists(pk) AND attribute_not_exists(endedAt)")
                .expression_attribute_names("#rotation", "rotation")
                .expression_attribute_values(":refresh", text(&session.refresh_hash.0))
                .expression_attribute_values(":epoch", number(session.epoch))
                .expression_attribute_values(":used", text(session.last_used_at))
                .expression_attribute_values(":token", text(session.token_expires_at))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use contact::{Email, Phone};

    use super::super::super::testing::{Accounts, event, hash, now, session, start, user};
    use super::super::super::{CreateUserOutcome, SignInAttempt};
    use super::*;
    use crate::domain::throttle::RateLimit;
    use crate::domain::{AuditEventKind, UserStatus};

    fn later(before: &User) -> User {
        before.next_version(now().plus(Duration::from_mins(1)))
    }

    async fn change(accounts: &Accounts, before: &User, after: &User) -> UpdateOutcome {
        let plan = UpdatePlan {
            password_hash: Some(hash()),
            ..UpdatePlan::new(after.clone(), event(AuditEventKind::IdentifierChanged))
        };
        accounts.table.update_user(before, &plan).await.unwrap()
    }

    async fn copy(accounts: &Accounts, identifier: &Identifier) -> Option<User> {
        accounts.table.find_credential(identifier).await.unwrap().map(|credential| credential.user)
    }

    fn email(text: &str) -> Identifier {
        Identifier::Email(Email::parse(text).unwrap())
    }

    #[tokio::test]
    async fn update_changes_user_and_all_copies_in_one_round_trip() {
        let (accounts, ada) = Accounts::with_ada().await;
        let after = User { status: UserStatus::Suspended, email_verified: true, ..later(&ada) }.revoked();
        assert_eq!(change(&accounts, &ada, &after).await, UpdateOutcome::Updated);
        assert_eq!(accounts.engine.round_trips(), ["TransactWriteItems"]);
        assert_eq!(accounts.table.find_user(ada.id).await, Ok(Some(after.clone())));
        for identifier in ada.identifiers() {
            assert_eq!(copy(&accounts, &identifier).await, Some(after.clone()));
        }
        assert_eq!(accounts.audited().await, ["IDENTIFIER_CHANGED"]);
    }

    #[tokio::test]
    async fn update_removes_the_old_spelling_from_kept_copies() {
        let (accounts, ada) = Accounts::with_ada().await;
        let typed = User { email: Email::parse("Ada@m\u{fc}nchen.example").unwrap(), ..later(&ada) };
        assert_eq!(change(&accounts, &ada, &typed).await, UpdateOutcome::Updated);
        let phone = Identifier::Phone(ada.phone.clone().unwrap());
        assert!(copy(&accounts, &phone).await.unwrap().email.typed().is_some());
        let plain = User { email: Email::parse("ada@example.org").unwrap(), ..later(&typed) };
        assert_eq!(change(&accounts, &typed, &plain).await, UpdateOutcome::Updated);
        assert_eq!(copy(&accounts, &phone).await.unwrap().email.typed(), None);
    }

    #[tokio::test]
    async fn update_claims_new_email_and_releases_old_one() {
        let (accounts, ada) = Accounts::with_ada().await;
        let after = User { email: Email::parse("ada@example.org").unwrap(), phone: None, ..later(&ada) };
        assert_eq!(change(&accounts, &ada, &after).await, UpdateOutcome::Updated);
        assert_eq!(copy(&accounts, &email("ada@example.org")).await, Some(after));
        for lost in ada.identifiers() {
            assert_eq!(copy(&accounts, &lost).await, None);
        }
        let bob = user(2, "ada@example.com", Some("+33612345678"));
        assert_eq!(
            accounts.table.create_user(&bob, &hash(), &event(AuditEventKind::SignedUp)).await,
            Ok(CreateUserOutcome::Created)
        );
    }

    #[tokio::test]
    async fn update_with_taken_identifiers_changes_nothing() {
        let (accounts, ada) = Accounts::with_ada().await;
        let bob = user(2, "bob@example.com", Some("+33600000000"));
        assert_eq!(
            accounts.table.create_user(&bob, &hash(), &event(AuditEventKind::SignedUp)).await,
            Ok(CreateUserOutcome::Created)
        );
        let phone = Some(Phone::parse("+33600000000").unwrap());
        let after = User { email: bob.email.clone(), phone, ..later(&ada) };
        let taken = vec![IdentifierKind::Email, IdentifierKind::Phone];
        assert_eq!(change(&accounts, &ada, &after).await, UpdateOutcome::IdentifierTaken(taken));
        assert_eq!(accounts.table.find_user(ada.id).await, Ok(Some(ada.clone())));
        assert_eq!(copy(&accounts, &email("ada@example.com")).await, Some(ada));
        assert!(accounts.audited().await.is_empty());
    }

    #[tokio::test]
    async fn concurrent_updates_apply_one_and_return_current_user() {
        let (accounts, ada) = Accounts::with_ada().await;
        let accounts = Arc::new(accounts);
        let attempts: Vec<_> = (0..6)
            .map(|n| {
                let (accounts, ada) = (Arc::clone(&accounts), ada.clone());
                tokio::spawn(async move {
                    let email = Email::parse(&format!("ada{n}@example.com")).unwrap();
                    change(&accounts, &ada, &User { email, ..later(&ada) }).await
                })
            })
            .collect();
        let mut outcomes = Vec::new();
        for attempt in attempts {
            outcomes.push(attempt.await.unwrap());
        }
        let now = accounts.table.find_user(ada.id).await.unwrap().unwrap();
        assert_eq!(now.version, 2);
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == UpdateOutcome::Updated).count(), 1);
        let others = UpdateOutcome::VersionConflict(Some(Box::new(now)));
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == others).count(), 5);
    }

    #[tokio::test]
    async fn retained_session_stays_active_and_others_end() {
        let (accounts, ada) = Accounts::with_ada().await;
        let (own, other) = (session(2), session(3));
        for session in [&own, &other] {
            start(&accounts, &ada, session).await.unwrap();
        }
        let after = later(&ada).revoked();
        let retained_session =
            Session { epoch: after.epoch, token_expires_at: now().plus(Duration::from_mins(20)), ..own };
        let event = event(AuditEventKind::PasswordChanged);
        let plan = UpdatePlan {
            password_hash: None,
            reset_failed_attempts: false,
            retained_session: Some(retained_session.clone()),
            ..UpdatePlan::new(after.clone(), event.clone())
        };

        assert_eq!(accounts.table.update_user(&ada, &plan).await, Ok(UpdateOutcome::Updated));
        let own = accounts.table.find_session(ada.id, retained_session.id).await.unwrap().unwrap();
        assert_eq!((own.ensure_active(now()), &own.session), (Ok(()), &retained_session));
        let other = accounts.table.find_session(ada.id, other.id).await.unwrap().unwrap();
        assert!(other.ensure_active(now()).is_err());
    }

    #[tokio::test]
    async fn update_retaining_missing_session_changes_nothing() {
        let (accounts, ada) = Accounts::with_ada().await;
        let after = later(&ada).revoked();
        let event = event(AuditEventKind::PasswordChanged);
        let plan = UpdatePlan {
            password_hash: None,
            reset_failed_attempts: false,
            retained_session: Some(session(2).clone()),
            ..UpdatePlan::new(after.clone(), event.clone())
        };

        assert_eq!(accounts.table.update_user(&ada, &plan).await, Ok(UpdateOutcome::SessionConflict));
        assert_eq!(accounts.table.find_user(ada.id).await, Ok(Some(ada)));
    }

    #[tokio::test]
    async fn update_with_known_password_resets_failed_attempts() {
        let (accounts, ada) = Accounts::with_ada().await;
        let [email, ..] = &ada.identifiers()[..] else { panic!() };
        for _ in 0..4 {
            accounts.table.count_attempt(email, now()).await.unwrap();
        }
        let after = later(&ada);
        let other = PasswordHash::dummy();
        let event = event(AuditEventKind::PasswordChanged);
        let plan = UpdatePlan {
            password_hash: Some(other.clone()),
            reset_failed_attempts: true,
            retained_session: None,
            ..UpdatePlan::new(after.clone(), event.clone())
        };

        assert_eq!(accounts.table.update_user(&ada, &plan).await, Ok(UpdateOutcome::Updated));
        let counted = accounts.table.count_attempt(email, now()).await.unwrap();
        let RateLimit::Allowed(SignInAttempt { credential: Some(credential), counted }) = counted else {
            panic!("{counted:?}")
        };
        assert_eq!((credential.password_hash, credential.user, counted.number), (other, after, 1));
    }

    /// Updates Ada with retries, loading her once. Returns the conflict that would require another load as an error.
    async fn update_loaded_once(accounts: &Accounts, plan: UpdatePlan) -> Result<bool, UpdateError> {
        let mut plan = Some(plan);
        let load = |conflict: Option<UpdateConflict>| async move {
            match conflict {
                None => Ok(user(1, "ada@example.com", Some("+33612345678"))),
                Some(conflict) => Err(UpdateError::Store(StoreError::internal(format!("{conflict:?}")))),
            }
        };
        let (_, update) = accounts.table.update_user_with_retry(load, |_| plan.take()).await?;
        Ok(update.is_some())
    }

    #[tokio::test]
    async fn update_with_retry_reports_each_rejection() {
        let (accounts, ada) = Accounts::with_ada().await;
        let bob = user(2, "bob@example.com", None);
        accounts.table.create_user(&bob, &hash(), &event(AuditEventKind::SignedUp)).await.unwrap();
        let plan = || UpdatePlan::new(later(&ada), event(AuditEventKind::IdentifierChanged));

        let taken = UpdatePlan {
            user: User { email: bob.email.clone(), ..later(&ada) },
            password_hash: Some(hash()),
            ..plan()
        };
        let outcome = update_loaded_once(&accounts, taken).await;
        assert!(matches!(&outcome, Err(UpdateError::IdentifierTaken(taken)) if *taken == [IdentifierKind::Email]));

        let ended = UpdatePlan { retained_session: Some(session(2)), ..plan() };
        let outcome = update_loaded_once(&accounts, ended).await;
        assert!(matches!(&outcome, Err(UpdateError::Store(StoreError::Internal(text))) if text == "Session"));

        let code = CodeHash::from_stored(PasswordHash::dummy().expose()).unwrap();
        let without_code = UpdatePlan { used_code: Some((IdentifierKind::Email, code)), ..plan() };
        assert!(matches!(update_loaded_once(&accounts, without_code).await, Err(UpdateError::CodeExpired)));

        assert_eq!(accounts.table.find_user(ada.id).await, Ok(Some(ada.clone())));
        assert!(matches!(update_loaded_once(&accounts, plan()).await, Ok(true)));
    }

    #[tokio::test]
    async fn update_of_inconsistent_identifier_is_an_error() {
        let (accounts, ada) = Accounts::with_ada().await;
        let [email, ..] = &ada.identifiers()[..] else { panic!() };
        accounts.set(keys::identifier(email), "userId", text("another")).await;
        let plan = UpdatePlan {
            password_hash: None,
            reset_failed_attempts: false,
            retained_session: None,
            ..UpdatePlan::new(later(&ada), event(AuditEventKind::IdentifierChanged))
        };

        let outcome = accounts.table.update_user(&ada, &plan).await;
        assert!(matches!(outcome, Err(StoreError::Internal(_))), "{outcome:?}");
    }
}
