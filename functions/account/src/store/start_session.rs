//! Starting a session.

use std::future::Future;

use aws_sdk_dynamodb::types::{AttributeValue, ConditionCheck, ReturnValuesOnConditionCheckFailure, TransactWriteItem};
use kernel::Random;

use super::items::{self, PersonItem, SessionItem};
use super::transaction::{commit, put};
use super::{AccountTable, StoreError};
use crate::domain::{Person, Session};

/// Starts sessions.
pub trait StartSession {
    /// Starts a session of a person who may act and is still as they are given, or does nothing. MUST answer
    /// [`Started::PersonIsNow`] if they have changed, however close in time, or may not act.
    fn start_session(
        &self,
        person: &Person,
        session: &Session,
    ) -> impl Future<Output = Result<Started, StoreError>> + Send;
}

/// Whether a session was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Started {
    /// It was.
    Yes,
    /// It was not: this is how the person is now, or there is no such person any more.
    PersonIsNow(Option<Box<Person>>),
}

impl<R: Random + Sync> StartSession for AccountTable<R> {
    async fn start_session(&self, person: &Person, session: &Session) -> Result<Started, StoreError> {
        // Checked in the transaction that writes the session, so a revocation cannot slip in between.
        let person_is_as_given = ConditionCheck::builder()
            .table_name(&self.name)
            .set_key(Some(items::person_key(person.id)))
            .condition_expression("version = :version AND #status = :active")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":version", AttributeValue::N(person.version.to_string()))
            .expression_attribute_values(":active", AttributeValue::S("ACTIVE".to_owned()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(StoreError::broken)?;
        let writes = vec![
            TransactWriteItem::builder().condition_check(person_is_as_given).build(),
            put(&self.name, SessionItem::new(person.id, session), None)?,
        ];
        let Err(reasons) = commit(&self.client, &self.random, writes).await? else {
            return Ok(Started::Yes);
        };
        let person_now = reasons.into_iter().next().and_then(|reason| reason.item).map(items::read::<PersonItem>);
        Ok(Started::PersonIsNow(person_now.transpose()?.map(|item| Box::new(item.into()))))
    }
}

#[cfg(test)]
mod tests {
    use super::super::FindSession;
    use super::super::items::person_key;
    use super::super::testing::{Accounts, session};
    use super::*;
    use crate::domain::{PersonStatus, SignedIn};

    #[tokio::test]
    async fn a_session_is_found_with_its_person_and_will_be_deleted_once_it_has_expired() {
        let (accounts, ada) = Accounts::with_ada().await;
        let session = session(2);
        assert_eq!(accounts.table.start_session(&ada, &session).await, Ok(Started::Yes));
        assert_eq!(accounts.engine.round_trips(), ["TransactWriteItems"]);
        let found = accounts.table.find_session(ada.id, session.id).await;
        assert_eq!(found, Ok(Some(SignedIn { person: ada, session: session.clone() })));
        let items = accounts.items().await;
        let item =
            items.iter().find(|item| item["sk"] == AttributeValue::S(format!("SESSION#{}", session.id))).unwrap();
        assert_eq!(item["expiresAt"], AttributeValue::N(session.expires_at.unix_seconds().to_string()));
    }

    #[tokio::test]
    async fn for_a_person_who_has_changed_nothing_is_started_and_the_answer_says_how_they_are() {
        let (accounts, ada) = Accounts::with_ada().await;
        accounts.set(person_key(ada.id), "epoch", AttributeValue::N("1".to_owned())).await;
        accounts.set(person_key(ada.id), "version", AttributeValue::N("2".to_owned())).await;
        let now = Person { epoch: 1, version: 2, ..ada.clone() };
        let outcome = accounts.table.start_session(&ada, &session(2)).await;
        assert_eq!(outcome, Ok(Started::PersonIsNow(Some(Box::new(now.clone())))));
        assert_eq!(accounts.table.find_session(ada.id, session(2).id).await, Ok(None));
        assert_eq!(accounts.table.start_session(&now, &session(2)).await, Ok(Started::Yes));
    }

    #[tokio::test]
    async fn for_a_suspended_person_nothing_is_started_even_under_the_same_version() {
        let (accounts, ada) = Accounts::with_ada().await;
        accounts.set(person_key(ada.id), "status", AttributeValue::S("SUSPENDED".to_owned())).await;
        let Ok(Started::PersonIsNow(Some(now))) = accounts.table.start_session(&ada, &session(2)).await else {
            panic!()
        };
        assert_eq!(now.status, PersonStatus::Suspended);
        assert_eq!(accounts.table.find_session(ada.id, session(2).id).await, Ok(None));
    }

    #[tokio::test]
    async fn for_a_person_who_is_gone_nothing_is_started() {
        let (accounts, ada) = Accounts::with_ada().await;
        accounts.delete(person_key(ada.id)).await;
        assert_eq!(accounts.table.start_session(&ada, &session(2)).await, Ok(Started::PersonIsNow(None)));
    }

    #[tokio::test]
    async fn a_conflict_with_another_sign_in_is_tried_again() {
        let (accounts, ada) = Accounts::with_ada().await;
        accounts.engine.raise_transaction_conflicts(1, 0, 2);
        assert_eq!(accounts.table.start_session(&ada, &session(2)).await, Ok(Started::Yes));
        assert_eq!(accounts.engine.round_trips(), ["TransactWriteItems"; 2]);
    }
}
