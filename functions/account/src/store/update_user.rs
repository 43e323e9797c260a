//! Changing a person.

use std::future::Future;

use aws_sdk_dynamodb::types::{AttributeValue, Delete, ReturnValuesOnConditionCheckFailure, TransactWriteItem};
use dynamo::compat::condition_failed;

use super::records::{self, IdentifierRecord, UserAttributes, UserRecord};
use super::transaction::{commit, put, update};
use super::{AccountTable, StoreError};
use crate::domain::{AuditEvent, Identifier, IdentifierKind, PasswordHash, Session, User};

/// A change of a person, whatever it is of.
#[derive(Debug)]
pub struct UserUpdate<'a> {
    /// As they were found.
    pub before: &'a User,
    /// As they will be, in the next version.
    pub after: &'a User,
    /// The hash of the password that is good after the change, where the change needs it: the password changes, or an
    /// identifier is new.
    pub password_hash: Option<&'a PasswordHash>,
    /// Whether the person has just shown that they know their password: then failed attempts are forgotten.
    pub reset_failed_attempts: bool,
    /// The session, as it will be, that goes on although all of the person's others end.
    pub retained_session: Option<&'a Session>,
    /// What is written down of it.
    pub record: &'a AuditEvent,
}

/// Changes people.
pub trait UpdateUser {
    /// Makes the person what they will be: the copies that their identifiers hold too, with the identifiers that they
    /// gain claimed and those that they lose given up, and the session that goes on carried along. All of it or nothing.
    /// MUST answer [`UpdateOutcome::VersionConflict`] if they have changed, however close in time.
    fn update_user(&self, change: UserUpdate<'_>) -> impl Future<Output = Result<UpdateOutcome, StoreError>> + Send;
}

/// Whether a person was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpdateOutcome {
    /// They were.
    Updated,
    /// They were not: somebody else has these identifiers.
    IdentifierTaken(Vec<IdentifierKind>),
    /// They were not: this is how they are now, or there is no such person any more.
    VersionConflict(Option<Box<User>>),
    /// They were not: the session that should go on has ended or was refreshed at the same moment.
    SessionConflict,
}

/// What a write of the transaction is there for.
enum Part {
    User,
    Claim(IdentifierKind),
    Session,
    More,
    Other,
}

impl UpdateUser for AccountTable {
    async fn update_user(&self, change: UserUpdate<'_>) -> Result<UpdateOutcome, StoreError> {
        let changed = self.update_user_with(change, None).await?;
        changed.ok_or_else(|| StoreError::internal("a change was refused by a write that is not in it"))
    }
}

impl AccountTable {
    /// Changes a person, and with them what else is given. `None` if the condition of that does not hold.
    pub(super) async fn update_user_with(
        &self,
        change: UserUpdate<'_>,
        more: Option<TransactWriteItem>,
    ) -> Result<Option<UpdateOutcome>, StoreError> {
        let UserUpdate { before, after, password_hash, reset_failed_attempts, retained_session, record } = change;
        let mut user = put(&self.name, UserRecord::from(after), Some("version = :version"))?;
        if let Some(put) = user.put.as_mut() {
            let version = AttributeValue::N(before.version.to_string());
            put.expression_attribute_values.get_or_insert_default().insert(":version".to_owned(), version);
        }
        let mut writes = vec![(Part::User, user), (Part::Other, self.audit()?.with(record)?)];
        let (had, has) = (before.identifiers(), after.identifiers());
        for kept in had.iter().filter(|identifier| has.contains(identifier)) {
            writes.push((Part::Other, self.change_copy(kept, after, password_hash, reset_failed_attempts)?));
        }
        for lost in had.iter().filter(|identifier| !has.contains(identifier)) {
            writes.push((Part::Other, self.give_up(lost, before)?));
        }
        for gained in has.iter().filter(|identifier| !had.contains(identifier)) {
            let hash =
                password_hash.ok_or_else(|| StoreError::internal("a new identifier needs the password's hash"))?;
            let claim =
                put(&self.name, IdentifierRecord::new(gained, after, hash), Some("attribute_not_exists(userId)"))?;
            writes.push((Part::Claim(gained.kind()), claim));
        }
        if reset_failed_attempts {
            writes.push((Part::Other, self.forget_attempts(after)?));
        }
        if let Some(session) = retained_session {
            writes.push((Part::Session, self.carry(session, after)?));
        }
        writes.extend(more.map(|write| (Part::More, write)));
        let (parts, writes): (Vec<_>, Vec<_>) = writes.into_iter().unzip();
        let Err(reasons) = commit(&self.client, &*self.random, writes).await? else {
            return Ok(Some(UpdateOutcome::Updated));
        };
        let mut taken = Vec::new();
        let mut session_moved = false;
        let mut refused = false;
        // Then somebody else is changing the person, and what their identifiers hold tells nothing yet.
        let is_contended = reasons.iter().any(|reason| reason.code() == Some("TransactionConflict"));
        for (part, reason) in parts.into_iter().zip(reasons).filter(|(_, reason)| condition_failed(reason)) {
            match part {
                Part::User => {
                    let item =
                        reason.item.filter(|item| !item.is_empty()).map(records::read::<UserRecord>).transpose()?;
                    return Ok(Some(UpdateOutcome::VersionConflict(item.map(|item| Box::new(item.into())))));
                }
                Part::Claim(kind) => taken.push(kind),
                Part::Session => session_moved = true,
                Part::More => refused = true,
                Part::Other if is_contended => {
                    return Err(StoreError::Unavailable("somebody else is changing the person".to_owned()));
                }
                Part::Other => return Err(StoreError::internal("an identifier of a person is not theirs")),
            }
        }
        match (taken.is_empty(), session_moved, refused) {
            (false, ..) => Ok(Some(UpdateOutcome::IdentifierTaken(taken))),
            (true, true, _) => Ok(Some(UpdateOutcome::SessionConflict)),
            (true, false, true) => Ok(None),
            (true, false, false) => Err(StoreError::internal("a change was refused for no reason that we know")),
        }
    }
}

impl AccountTable {
    /// Brings the copy of a person that an identifier holds up to date.
    fn change_copy(
        &self,
        identifier: &Identifier,
        user: &User,
        password_hash: Option<&PasswordHash>,
        reset_failed_attempts: bool,
    ) -> Result<TransactWriteItem, StoreError> {
        let mut copy = records::write(UserAttributes::from(user))?;
        if let Some(hash) = password_hash {
            copy.insert("passwordHash".to_owned(), AttributeValue::S(hash.expose().to_owned()));
        }
        let mut gone = if reset_failed_attempts { vec!["attempts", "lastAttemptAt"] } else { Vec::new() };
        if !copy.contains_key("phone") {
            gone.push("phone");
        }
        let sets: Vec<_> = copy.keys().map(|name| format!("#{name} = :{name}")).collect();
        let mut expression = format!("SET {}", sets.join(", "));
        if !gone.is_empty() {
            expression.push_str(" REMOVE ");
            expression.push_str(&gone.join(", "));
        }
        update(&self.name, records::identifier_key(identifier), |mut change| {
            for (name, value) in copy {
                change = change
                    .expression_attribute_names(format!("#{name}"), &name)
                    .expression_attribute_values(format!(":{name}"), value);
            }
            change
                .update_expression(expression)
                .condition_expression("userId = :user")
                .expression_attribute_values(":user", AttributeValue::S(user.id.to_string()))
        })
    }

    /// Forgets that whoever is signed in failed to show their password. They were counted before: the item is there.
    fn forget_attempts(&self, user: &User) -> Result<TransactWriteItem, StoreError> {
        update(&self.name, records::attempts_key(user.id), |change| {
            change.update_expression("REMOVE attempts, lastAttemptAt")
        })
    }

    /// Lets go of an identifier, for whoever wants it next.
    fn give_up(&self, identifier: &Identifier, user: &User) -> Result<TransactWriteItem, StoreError> {
        let delete = Delete::builder()
            .table_name(&self.name)
            .set_key(Some(records::identifier_key(identifier)))
            .condition_expression("userId = :user")
            .expression_attribute_values(":user", AttributeValue::S(user.id.to_string()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::None)
            .build()
            .map_err(StoreError::internal)?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }

    /// Carries a session over to the person's new epoch, with another refresh token.
    fn carry(&self, session: &Session, user: &User) -> Result<TransactWriteItem, StoreError> {
        update(&self.name, records::session_key(user.id, session.id), |change| {
            change
                .update_expression(
                    "SET epoch = :epoch, tokenExpiresAt = :token, refreshHash = :refresh REMOVE #rotation",
                )
                .condition_expression("attribute_exists(pk) AND attribute_not_exists(endedAt)")
                .expression_attribute_names("#rotation", "rotation")
                .expression_attribute_values(":refresh", AttributeValue::S(session.refresh_hash.0.clone()))
                .expression_attribute_values(":epoch", AttributeValue::N(session.epoch.to_string()))
                .expression_attribute_values(":token", AttributeValue::S(session.token_expires_at.to_string()))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use contact::{Email, Phone};

    use super::super::testing::{Accounts, hash, now, record, session, start, user};
    use super::super::{CountAttempt, Counted, CreateUser, CreateUserOutcome, FindCredential, FindSession, FindUser};
    use super::*;
    use crate::domain::{AuditEventKind, UserStatus};

    fn later(before: &User) -> User {
        before.next_version(now().plus(Duration::from_mins(1)))
    }

    async fn change(accounts: &Accounts, before: &User, after: &User) -> UpdateOutcome {
        let record = record(AuditEventKind::IdentifierChanged);
        let hash = hash();
        let change = UserUpdate {
            before,
            after,
            password_hash: Some(&hash),
            reset_failed_attempts: false,
            retained_session: None,
            record: &record,
        };
        accounts.table.update_user(change).await.unwrap()
    }

    async fn copy(accounts: &Accounts, identifier: &Identifier) -> Option<User> {
        accounts.table.find_credential(identifier).await.unwrap().map(|credential| credential.user)
    }

    fn email(text: &str) -> Identifier {
        Identifier::Email(Email::parse(text).unwrap())
    }

    #[tokio::test]
    async fn a_person_and_every_copy_of_them_change_together_in_one_round_trip() {
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
    async fn a_new_address_is_claimed_and_the_old_one_is_free_for_others() {
        let (accounts, ada) = Accounts::with_ada().await;
        let after = User { email: Email::parse("ada@example.org").unwrap(), phone: None, ..later(&ada) };
        assert_eq!(change(&accounts, &ada, &after).await, UpdateOutcome::Updated);
        assert_eq!(copy(&accounts, &email("ada@example.org")).await, Some(after));
        for lost in ada.identifiers() {
            assert_eq!(copy(&accounts, &lost).await, None);
        }
        let bob = user(2, "ada@example.com", Some("+33612345678"));
        assert_eq!(
            accounts.table.create_user(&bob, &hash(), &record(AuditEventKind::SignedUp)).await,
            Ok(CreateUserOutcome::Created)
        );
    }

    #[tokio::test]
    async fn what_somebody_else_has_is_named_and_nothing_changes() {
        let (accounts, ada) = Accounts::with_ada().await;
        let bob = user(2, "bob@example.com", Some("+33600000000"));
        assert_eq!(
            accounts.table.create_user(&bob, &hash(), &record(AuditEventKind::SignedUp)).await,
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
    async fn of_two_changes_at_once_one_is_made_and_the_other_learns_how_the_person_is() {
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
    async fn a_session_that_is_carried_along_goes_on_and_the_others_do_not() {
        let (accounts, ada) = Accounts::with_ada().await;
        let (own, other) = (session(2), session(3));
        for session in [&own, &other] {
            start(&accounts, &ada, session).await.unwrap();
        }
        let after = later(&ada).revoked();
        let retained_session =
            Session { epoch: after.epoch, token_expires_at: now().plus(Duration::from_mins(20)), ..own };
        let record = record(AuditEventKind::PasswordChanged);
        let change = UserUpdate {
            before: &ada,
            after: &after,
            password_hash: None,
            reset_failed_attempts: false,
            retained_session: Some(&retained_session),
            record: &record,
        };
        assert_eq!(accounts.table.update_user(change).await, Ok(UpdateOutcome::Updated));
        let own = accounts.table.find_session(ada.id, retained_session.id).await.unwrap().unwrap();
        assert_eq!((own.ensure_active(now()), &own.session), (Ok(()), &retained_session));
        let other = accounts.table.find_session(ada.id, other.id).await.unwrap().unwrap();
        assert!(other.ensure_active(now()).is_err());
    }

    #[tokio::test]
    async fn a_session_that_is_gone_is_carried_nowhere_and_nothing_changes() {
        let (accounts, ada) = Accounts::with_ada().await;
        let after = later(&ada).revoked();
        let record = record(AuditEventKind::PasswordChanged);
        let change = UserUpdate {
            before: &ada,
            after: &after,
            password_hash: None,
            reset_failed_attempts: false,
            retained_session: Some(&session(2)),
            record: &record,
        };
        assert_eq!(accounts.table.update_user(change).await, Ok(UpdateOutcome::SessionConflict));
        assert_eq!(accounts.table.find_user(ada.id).await, Ok(Some(ada)));
    }

    #[tokio::test]
    async fn whoever_knows_the_password_has_their_failed_attempts_forgotten() {
        let (accounts, ada) = Accounts::with_ada().await;
        let [email, ..] = &ada.identifiers()[..] else { panic!() };
        for _ in 0..4 {
            accounts.table.count_attempt(email, now()).await.unwrap();
        }
        let after = later(&ada);
        let other = PasswordHash::dummy();
        let record = record(AuditEventKind::PasswordChanged);
        let change = UserUpdate {
            before: &ada,
            after: &after,
            password_hash: Some(&other),
            reset_failed_attempts: true,
            retained_session: None,
            record: &record,
        };
        assert_eq!(accounts.table.update_user(change).await, Ok(UpdateOutcome::Updated));
        let counted = accounts.table.count_attempt(email, now()).await.unwrap();
        let Counted::Allowed { credential: Some(credential), attempts: 1 } = counted else { panic!("{counted:?}") };
        assert_eq!((credential.password_hash, credential.user), (other, after));
    }
}
