//! Starting a session.

use std::future::Future;

use aws_sdk_dynamodb::types::{AttributeValue, ConditionCheck, ReturnValuesOnConditionCheckFailure, TransactWriteItem};
use dynamo::compat::condition_failed;

use super::records::{self, SessionRecord, UserRecord};
use super::transaction::{commit, put, update};
use super::{AccountTable, StoreError};
use crate::domain::{AuditEvent, Identifier, PasswordHash, Session, User};

/// A session that someone who knew the password may start.
#[derive(Debug)]
pub struct NewSession<'a> {
    /// Who, as they were found.
    pub user: &'a User,
    /// By which identifier: its failed attempts are forgotten.
    pub identifier: &'a Identifier,
    /// The password hashed anew, where the stored hash was made by other parameters than today's.
    pub new_hash: Option<&'a PasswordHash>,
    /// The session.
    pub session: &'a Session,
    /// What is written down of it.
    pub record: &'a AuditEvent,
}

/// Starts sessions.
pub trait StartSession {
    /// Starts a session of a person who may act and is still as they are given, or does nothing. MUST answer
    /// [`StartSessionOutcome::VersionConflict`] if they have changed, however close in time, or may not act.
    fn start_session(
        &self,
        new: NewSession<'_>,
    ) -> impl Future<Output = Result<StartSessionOutcome, StoreError>> + Send;
}

/// Whether a session was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartSessionOutcome {
    /// It was.
    Started,
    /// It was not: this is how the person is now, or there is no such person any more.
    VersionConflict(Option<Box<User>>),
    /// It was not: the person is as given, but what their identifier holds is of another version.
    StaleCredential,
}

impl StartSession for AccountTable {
    async fn start_session(&self, new: NewSession<'_>) -> Result<StartSessionOutcome, StoreError> {
        let NewSession { user, identifier, new_hash, session, record } = new;
        // Checked in the transaction that writes the session, so a revocation cannot slip in between.
        let person_is_as_given = ConditionCheck::builder()
            .table_name(&self.name)
            .set_key(Some(records::user_key(user.id)))
            .condition_expression("version = :version AND #status = :active")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":version", AttributeValue::N(user.version.to_string()))
            .expression_attribute_values(":active", AttributeValue::S("ACTIVE".to_owned()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(StoreError::internal)?;
        let mut writes = vec![
            TransactWriteItem::builder().condition_check(person_is_as_given).build(),
            put(&self.name, SessionRecord::new(user.id, session), None)?,
            self.audit()?.with(record)?,
        ];
        for own in user.identifiers() {
            let forget = if own == *identifier { "REMOVE attempts, lastAttemptAt" } else { "" };
            let upgrade = if new_hash.is_some() { "SET passwordHash = :hash " } else { "" };
            if forget.is_empty() && upgrade.is_empty() {
                continue;
            }
            writes.push(update(&self.name, records::identifier_key(&own), |change| {
                let change = change
                    .update_expression(format!("{upgrade}{forget}"))
                    // The hash that was checked is of the person's version: commits reach items one by one.
                    .condition_expression("userId = :user AND version = :version")
                    .expression_attribute_values(":user", AttributeValue::S(user.id.to_string()))
                    .expression_attribute_values(":version", AttributeValue::N(user.version.to_string()));
                match new_hash {
                    Some(hash) => {
                        change.expression_attribute_values(":hash", AttributeValue::S(hash.expose().to_owned()))
                    }
                    None => change,
                }
            })?);
        }
        let Err(reasons) = commit(&self.client, &*self.random, writes).await? else {
            return Ok(StartSessionOutcome::Started);
        };
        let Some(about_the_person) = reasons.into_iter().next().filter(condition_failed) else {
            return Ok(StartSessionOutcome::StaleCredential);
        };
        let person_now = about_the_person.item.filter(|item| !item.is_empty()).map(records::read::<UserRecord>);
        Ok(StartSessionOutcome::VersionConflict(person_now.transpose()?.map(|item| Box::new(item.into()))))
    }
}

#[cfg(test)]
mod tests {
    use super::super::records::user_key;
    use super::super::testing::{Accounts, hash, now, record, session, start};
    use super::super::{CountAttempt, Counted, FindCredential, FindSession};
    use super::*;
    use crate::domain::{AuditEventKind, UserSession, UserStatus};

    #[tokio::test]
    async fn a_session_is_found_with_its_person_and_will_be_deleted_once_it_has_expired() {
        let (accounts, ada) = Accounts::with_ada().await;
        let session = session(2);
        assert_eq!(start(&accounts, &ada, &session).await, Ok(StartSessionOutcome::Started));
        assert_eq!(accounts.engine.round_trips(), ["TransactWriteItems"]);
        let found = accounts.table.find_session(ada.id, session.id).await;
        assert_eq!(found, Ok(Some(UserSession { user: ada, session: session.clone() })));
        let records = accounts.records().await;
        let item =
            records.iter().find(|item| item["sk"] == AttributeValue::S(format!("SESSION#{}", session.id))).unwrap();
        assert_eq!(item["expiresAt"], AttributeValue::N(session.expires_at.unix_seconds().to_string()));
    }

    #[tokio::test]
    async fn for_a_person_who_has_changed_nothing_is_started_and_the_answer_says_how_they_are() {
        let (accounts, ada) = Accounts::with_ada().await;
        accounts.set(user_key(ada.id), "epoch", AttributeValue::N("1".to_owned())).await;
        accounts.set(user_key(ada.id), "version", AttributeValue::N("2".to_owned())).await;
        let now = User { epoch: 1, version: 2, ..ada.clone() };
        let outcome = start(&accounts, &ada, &session(2)).await;
        assert_eq!(outcome, Ok(StartSessionOutcome::VersionConflict(Some(Box::new(now.clone())))));
        assert_eq!(accounts.table.find_session(ada.id, session(2).id).await, Ok(None));
    }

    #[tokio::test]
    async fn for_a_suspended_person_nothing_is_started_even_under_the_same_version() {
        let (accounts, ada) = Accounts::with_ada().await;
        accounts.set(user_key(ada.id), "status", AttributeValue::S("SUSPENDED".to_owned())).await;
        let Ok(StartSessionOutcome::VersionConflict(Some(now))) = start(&accounts, &ada, &session(2)).await else {
            panic!()
        };
        assert_eq!(now.status, UserStatus::Suspended);
        assert_eq!(accounts.table.find_session(ada.id, session(2).id).await, Ok(None));
    }

    #[tokio::test]
    async fn for_a_person_who_is_gone_nothing_is_started() {
        let (accounts, ada) = Accounts::with_ada().await;
        accounts.delete(user_key(ada.id)).await;
        assert_eq!(start(&accounts, &ada, &session(2)).await, Ok(StartSessionOutcome::VersionConflict(None)));
    }

    #[tokio::test]
    async fn a_conflict_with_another_sign_in_is_tried_again() {
        let (accounts, ada) = Accounts::with_ada().await;
        accounts.engine.raise_transaction_conflicts(1, 0, 2);
        assert_eq!(start(&accounts, &ada, &session(2)).await, Ok(StartSessionOutcome::Started));
        assert_eq!(accounts.engine.round_trips(), ["TransactWriteItems"; 2]);
    }

    #[tokio::test]
    async fn a_success_forgets_the_failed_attempts_by_its_identifier_and_no_others() {
        let (accounts, ada) = Accounts::with_ada().await;
        let [email, phone] = &ada.identifiers()[..] else { panic!() };
        for _ in 0..3 {
            for identifier in [email, phone] {
                accounts.table.count_attempt(identifier, now()).await.unwrap();
            }
        }
        assert_eq!(start(&accounts, &ada, &session(2)).await, Ok(StartSessionOutcome::Started));
        for (identifier, expected) in [(email, 1), (phone, 4)] {
            let counted = accounts.table.count_attempt(identifier, now()).await.unwrap();
            assert!(matches!(counted, Counted::Allowed { attempts, .. } if attempts == expected), "{counted:?}");
        }
    }

    #[tokio::test]
    async fn a_password_that_was_hashed_anew_is_so_for_every_identifier() {
        let (accounts, ada) = Accounts::with_ada().await;
        let other = PasswordHash::dummy();
        let [email, ..] = &ada.identifiers()[..] else { panic!() };
        let new = NewSession {
            user: &ada,
            identifier: email,
            new_hash: Some(&other),
            session: &session(2),
            record: &record(AuditEventKind::SignedIn),
        };
        assert_eq!(accounts.table.start_session(new).await, Ok(StartSessionOutcome::Started));
        for identifier in ada.identifiers() {
            let found = accounts.table.find_credential(&identifier).await.unwrap().unwrap();
            assert_eq!(found.password_hash, other);
            assert_ne!(found.password_hash, hash());
        }
    }

    #[tokio::test]
    async fn what_is_written_down_stands_if_and_only_if_the_session_does() {
        let (accounts, ada) = Accounts::with_ada().await;
        accounts.set(user_key(ada.id), "version", AttributeValue::N("2".to_owned())).await;
        start(&accounts, &ada, &session(2)).await.unwrap();
        assert!(accounts.audited().await.is_empty());
        let now = User { version: 2, ..ada };
        assert_eq!(start(&accounts, &now, &session(2)).await, Ok(StartSessionOutcome::StaleCredential));
        assert!(accounts.audited().await.is_empty());
        let email = records::identifier_key(&Identifier::Email(now.email.clone()));
        accounts.set(email, "version", AttributeValue::N("2".to_owned())).await;
        assert_eq!(start(&accounts, &now, &session(2)).await, Ok(StartSessionOutcome::Started));
        assert_eq!(accounts.audited().await, ["SIGNED_IN"]);
    }
}
