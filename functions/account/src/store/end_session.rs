//! Ending a session.

use std::future::Future;

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use kernel::{Random, SessionId, Timestamp, UserId};

use super::{AccountTable, StoreError, items};

/// Ends sessions.
pub trait EndSession {
    /// Ends the session, if there is one and it has not ended before.
    fn end_session(
        &self,
        user: UserId,
        session: SessionId,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

impl<R: Random + Sync> EndSession for AccountTable<R> {
    async fn end_session(&self, user: UserId, session: SessionId, now: Timestamp) -> Result<(), StoreError> {
        let outcome = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(items::session_key(user, session)))
            .update_expression("SET endedAt = if_not_exists(endedAt, :now)")
            // Without it, the update of a session that is gone would make one.
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":now", AttributeValue::S(now.to_string()))
            .send()
            .await;
        match outcome {
            Err(error)
                if error.as_service_error().is_some_and(UpdateItemError::is_conditional_check_failed_exception) =>
            {
                Ok(())
            }
            outcome => outcome.map(drop).map_err(StoreError::from),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::testing::{Accounts, now, session};
    use super::super::{FindSession, StartSession};
    use super::*;

    #[tokio::test]
    async fn a_session_ends_once_and_no_other_with_it() {
        let (accounts, ada) = Accounts::with_ada().await;
        let (ended, other) = (session(2), session(3));
        for session in [&ended, &other] {
            accounts.table.start_session(&ada, session).await.unwrap();
        }
        let ended_at =
            async |session| accounts.table.find_session(ada.id, session).await.unwrap().unwrap().session.ended_at;
        for later in [Duration::ZERO, Duration::from_secs(9)] {
            assert_eq!(accounts.table.end_session(ada.id, ended.id, now().plus(later)).await, Ok(()));
            assert_eq!(ended_at(ended.id).await, Some(now()));
        }
        assert_eq!(ended_at(other.id).await, None);
    }

    #[tokio::test]
    async fn ending_a_session_that_is_not_there_makes_none() {
        let (accounts, ada) = Accounts::with_ada().await;
        assert_eq!(accounts.table.end_session(ada.id, session(2).id, now()).await, Ok(()));
        assert_eq!(accounts.items().await.len(), 3);
    }
}
