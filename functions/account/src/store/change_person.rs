//! Changing a person.

use std::future::Future;

use aws_sdk_dynamodb::types::{AttributeValue, Delete, ReturnValuesOnConditionCheckFailure, TransactWriteItem};
use dynamo::compat::condition_failed;
use kernel::Random;

use super::items::{self, IdentifierItem, PersonAttributes, PersonItem};
use super::transaction::{commit, put, update};
use super::{AccountTable, StoreError};
use crate::domain::{AuditRecord, Identifier, IdentifierKind, PasswordHash, Person, Session};

/// A change of a person, whatever it is of.
#[derive(Debug)]
pub struct PersonChange<'a> {
    /// As they were found.
    pub before: &'a Person,
    /// As they will be, in the next version.
    pub after: &'a Person,
    /// The hash of the password that is good after the change, where the change needs it: the password changes, or an
    /// identifier is new.
    pub password_hash: Option<&'a PasswordHash>,
    /// Whether the person has just shown that they know their password: then failed attempts are forgotten.
    pub knows_password: bool,
    /// The session, as it will be, that goes on although all of the person's others end.
    pub carried: Option<&'a Session>,
    /// What is written down of it.
    pub record: &'a AuditRecord,
}

/// Changes people.
pub trait ChangePerson {
    /// Makes the person what they will be: the copies that their identifiers hold too, with the identifiers that they
    /// gain claimed and those that they lose given up, and the session that goes on carried along. All of it or nothing.
    /// MUST answer [`Changed::PersonIsNow`] if they have changed, however close in time.
    fn change_person(&self, change: PersonChange<'_>) -> impl Future<Output = Result<Changed, StoreError>> + Send;
}

/// Whether a person was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed {
    /// They were.
    Yes,
    /// They were not: somebody else has these identifiers.
    Taken(Vec<IdentifierKind>),
    /// They were not: this is how they are now, or there is no such person any more.
    PersonIsNow(Option<Box<Person>>),
    /// They were not: the session that should go on has ended or was refreshed at the same moment.
    SessionMoved,
}

/// What a write of the transaction is there for.
enum Part {
    Person,
    Claim(IdentifierKind),
    Session,
    More,
    Other,
}

impl<R: Random + Sync> ChangePerson for AccountTable<R> {
    async fn change_person(&self, change: PersonChange<'_>) -> Result<Changed, StoreError> {
        let changed = self.change_person_with(change, None).await?;
        changed.ok_or_else(|| StoreError::internal("a change was refused by a write that is not in it"))
    }
}

impl<R: Random + Sync> AccountTable<R> {
    /// Changes a person, and with them what else is given. `None` if the condition of that does not hold.
    pub(super) async fn change_person_with(
        &self,
        change: PersonChange<'_>,
        more: Option<TransactWriteItem>,
    ) -> Result<Option<Changed>, StoreError> {
        let PersonChange { before, after, password_hash, knows_password, carried, record } = change;
        let mut person = put(&self.name, PersonItem::from(after), Some("version = :version"))?;
        if let Some(put) = person.put.as_mut() {
            let version = AttributeValue::N(before.version.to_string());
            put.expression_attribute_values.get_or_insert_default().insert(":version".to_owned(), version);
        }
        let mut writes = vec![(Part::Person, person), (Part::Other, self.audit()?.with(record)?)];
        let (had, has) = (before.identifiers(), after.identifiers());
        for kept in had.iter().filter(|identifier| has.contains(identifier)) {
            writes.push((Part::Other, self.change_copy(kept, after, password_hash, knows_password)?));
        }
        for lost in had.iter().filter(|identifier| !has.contains(identifier)) {
            writes.push((Part::Other, self.give_up(lost, before)?));
        }
        for gained in has.iter().filter(|identifier| !had.contains(identifier)) {
            let hash =
                password_hash.ok_or_else(|| StoreError::internal("a new identifier needs the password's hash"))?;
            let claim =
                put(&self.name, IdentifierItem::new(gained, after, hash), Some("attribute_not_exists(userId)"))?;
            writes.push((Part::Claim(gained.kind()), claim));
        }
        if knows_password {
            writes.push((Part::Other, self.forget_attempts(after)?));
        }
        if let Some(session) = carried {
            writes.push((Part::Session, self.carry(session, after)?));
        }
        writes.extend(more.map(|write| (Part::More, write)));
        let (parts, writes): (Vec<_>, Vec<_>) = writes.into_iter().unzip();
        let Err(reasons) = commit(&self.client, &self.random, writes).await? else {
            return Ok(Some(Changed::Yes));
        };
        let mut taken = Vec::new();
        let mut session_moved = false;
        let mut refused = false;
        // Then somebody else is changing the person, and what their identifiers hold tells nothing yet.
        let is_contended = reasons.iter().any(|reason| reason.code() == Some("TransactionConflict"));
        for (part, reason) in parts.into_iter().zip(reasons).filter(|(_, reason)| condition_failed(reason)) {
            match part {
                Part::Person => {
                    let item =
                        reason.item.filter(|item| !item.is_empty()).map(items::read::<PersonItem>).transpose()?;
                    return Ok(Some(Changed::PersonIsNow(item.map(|item| Box::new(item.into())))));
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
            (false, ..) => Ok(Some(Changed::Taken(taken))),
            (true, true, _) => Ok(Some(Changed::SessionMoved)),
            (true, false, true) => Ok(None),
            (true, false, false) => Err(StoreError::internal("a change was refused for no reason that we know")),
        }
    }
}

impl<R: Random> AccountTable<R> {
    /// Brings the copy of a person that an identifier holds up to date.
    fn change_copy(
        &self,
        identifier: &Identifier,
        person: &Person,
        password_hash: Option<&PasswordHash>,
        knows_password: bool,
    ) -> Result<TransactWriteItem, StoreError> {
        let mut copy = items::write(PersonAttributes::from(person))?;
        if let Some(hash) = password_hash {
            copy.insert("passwordHash".to_owned(), AttributeValue::S(hash.expose().to_owned()));
        }
        let mut gone = if knows_password { vec!["attempts", "lastAttemptAt"] } else { Vec::new() };
        if !copy.contains_key("phone") {
            gone.push("phone");
        }
        let sets: Vec<_> = copy.keys().map(|name| format!("#{name} = :{name}")).collect();
        let mut expression = format!("SET {}", sets.join(", "));
        if !gone.is_empty() {
            expression.push_str(" REMOVE ");
            expression.push_str(&gone.join(", "));
        }
        update(&self.name, items::identifier_key(identifier), |mut change| {
            for (name, value) in copy {
                change = change
                    .expression_attribute_names(format!("#{name}"), &name)
                    .expression_attribute_values(format!(":{name}"), value);
            }
            change
                .update_expression(expression)
                .condition_expression("userId = :user")
                .expression_attribute_values(":user", AttributeValue::S(person.id.to_string()))
        })
    }

    /// Forgets that whoever is signed in failed to show their password. They were counted before: the item is there.
    fn forget_attempts(&self, person: &Person) -> Result<TransactWriteItem, StoreError> {
        update(&self.name, items::attempts_key(person.id), |change| {
            change.update_expression("REMOVE attempts, lastAttemptAt")
        })
    }

    /// Lets go of an identifier, for whoever wants it next.
    fn give_up(&self, identifier: &Identifier, person: &Person) -> Result<TransactWriteItem, StoreError> {
        let delete = Delete::builder()
            .table_name(&self.name)
            .set_key(Some(items::identifier_key(identifier)))
            .condition_expression("userId = :user")
            .expression_attribute_values(":user", AttributeValue::S(person.id.to_string()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::None)
            .build()
            .map_err(StoreError::internal)?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }

    /// Carries a session over to the person's new epoch, with another refresh token.
    fn carry(&self, session: &Session, person: &Person) -> Result<TransactWriteItem, StoreError> {
        update(&self.name, items::session_key(person.id, session.id), |change| {
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

    use super::super::testing::{Accounts, hash, now, person, record, session, start};
    use super::super::{CountAttempt, Counted, CreatePerson, Created, FindCredential, FindPerson, FindSession};
    use super::*;
    use crate::domain::{AuditKind, PersonStatus};

    fn later(before: &Person) -> Person {
        before.next_version(now().plus(Duration::from_mins(1)))
    }

    async fn change(accounts: &Accounts, before: &Person, after: &Person) -> Changed {
        let record = record(AuditKind::IdentifierChanged);
        let hash = hash();
        let change = PersonChange {
            before,
            after,
            password_hash: Some(&hash),
            knows_password: false,
            carried: None,
            record: &record,
        };
        accounts.table.change_person(change).await.unwrap()
    }

    async fn copy(accounts: &Accounts, identifier: &Identifier) -> Option<Person> {
        accounts.table.find_credential(identifier).await.unwrap().map(|credential| credential.person)
    }

    fn email(text: &str) -> Identifier {
        Identifier::Email(Email::parse(text).unwrap())
    }

    #[tokio::test]
    async fn a_person_and_every_copy_of_them_change_together_in_one_round_trip() {
        let (accounts, ada) = Accounts::with_ada().await;
        let after = Person { status: PersonStatus::Suspended, email_verified: true, ..later(&ada) }.revoked();
        assert_eq!(change(&accounts, &ada, &after).await, Changed::Yes);
        assert_eq!(accounts.engine.round_trips(), ["TransactWriteItems"]);
        assert_eq!(accounts.table.find_person(ada.id).await, Ok(Some(after.clone())));
        for identifier in ada.identifiers() {
            assert_eq!(copy(&accounts, &identifier).await, Some(after.clone()));
        }
        assert_eq!(accounts.audited().await, ["IDENTIFIER_CHANGED"]);
    }

    #[tokio::test]
    async fn a_new_address_is_claimed_and_the_old_one_is_free_for_others() {
        let (accounts, ada) = Accounts::with_ada().await;
        let after = Person { email: Email::parse("ada@example.org").unwrap(), phone: None, ..later(&ada) };
        assert_eq!(change(&accounts, &ada, &after).await, Changed::Yes);
        assert_eq!(copy(&accounts, &email("ada@example.org")).await, Some(after));
        for lost in ada.identifiers() {
            assert_eq!(copy(&accounts, &lost).await, None);
        }
        let bob = person(2, "ada@example.com", Some("+33612345678"));
        assert_eq!(accounts.table.create_person(&bob, &hash(), &record(AuditKind::SignedUp)).await, Ok(Created::Yes));
    }

    #[tokio::test]
    async fn what_somebody_else_has_is_named_and_nothing_changes() {
        let (accounts, ada) = Accounts::with_ada().await;
        let bob = person(2, "bob@example.com", Some("+33600000000"));
        assert_eq!(accounts.table.create_person(&bob, &hash(), &record(AuditKind::SignedUp)).await, Ok(Created::Yes));
        let phone = Some(Phone::parse("+33600000000").unwrap());
        let after = Person { email: bob.email.clone(), phone, ..later(&ada) };
        let taken = vec![IdentifierKind::Email, IdentifierKind::Phone];
        assert_eq!(change(&accounts, &ada, &after).await, Changed::Taken(taken));
        assert_eq!(accounts.table.find_person(ada.id).await, Ok(Some(ada.clone())));
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
                    change(&accounts, &ada, &Person { email, ..later(&ada) }).await
                })
            })
            .collect();
        let mut outcomes = Vec::new();
        for attempt in attempts {
            outcomes.push(attempt.await.unwrap());
        }
        let now = accounts.table.find_person(ada.id).await.unwrap().unwrap();
        assert_eq!(now.version, 2);
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == Changed::Yes).count(), 1);
        let others = Changed::PersonIsNow(Some(Box::new(now)));
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
        let carried = Session { epoch: after.epoch, token_expires_at: now().plus(Duration::from_mins(20)), ..own };
        let record = record(AuditKind::PasswordChanged);
        let change = PersonChange {
            before: &ada,
            after: &after,
            password_hash: None,
            knows_password: false,
            carried: Some(&carried),
            record: &record,
        };
        assert_eq!(accounts.table.change_person(change).await, Ok(Changed::Yes));
        let own = accounts.table.find_session(ada.id, carried.id).await.unwrap().unwrap();
        assert_eq!((own.is_alive(now()), &own.session), (Ok(()), &carried));
        let other = accounts.table.find_session(ada.id, other.id).await.unwrap().unwrap();
        assert!(other.is_alive(now()).is_err());
    }

    #[tokio::test]
    async fn a_session_that_is_gone_is_carried_nowhere_and_nothing_changes() {
        let (accounts, ada) = Accounts::with_ada().await;
        let after = later(&ada).revoked();
        let record = record(AuditKind::PasswordChanged);
        let change = PersonChange {
            before: &ada,
            after: &after,
            password_hash: None,
            knows_password: false,
            carried: Some(&session(2)),
            record: &record,
        };
        assert_eq!(accounts.table.change_person(change).await, Ok(Changed::SessionMoved));
        assert_eq!(accounts.table.find_person(ada.id).await, Ok(Some(ada)));
    }

    #[tokio::test]
    async fn whoever_knows_the_password_has_their_failed_attempts_forgotten() {
        let (accounts, ada) = Accounts::with_ada().await;
        let [email, ..] = &ada.identifiers()[..] else { panic!() };
        for _ in 0..4 {
            accounts.table.count_attempt(email, now()).await.unwrap();
        }
        let after = later(&ada);
        let other = PasswordHash::of_nobody();
        let record = record(AuditKind::PasswordChanged);
        let change = PersonChange {
            before: &ada,
            after: &after,
            password_hash: Some(&other),
            knows_password: true,
            carried: None,
            record: &record,
        };
        assert_eq!(accounts.table.change_person(change).await, Ok(Changed::Yes));
        let counted = accounts.table.count_attempt(email, now()).await.unwrap();
        let Counted::Allowed { credential: Some(credential), attempts: 1 } = counted else { panic!("{counted:?}") };
        assert_eq!((credential.password_hash, credential.person), (other, after));
    }
}
