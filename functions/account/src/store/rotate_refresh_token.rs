//! Spending a refresh token.

use std::future::Future;

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use kernel::UserId;

use super::records::{self, SessionRecord};
use super::transaction::retry_on_conflict;
use super::{AccountTable, StoreError};
use crate::domain::{RefreshTokenHash, Session};

/// Spends refresh tokens.
pub trait RotateRefreshToken {
    /// Makes the session what it is after the rotation, if this token is still the one that is good and the session has
    /// not ended. Answers whether it was so. Of several at once, MUST let one through.
    fn rotate_refresh_token(
        &self,
        user: UserId,
        good: &RefreshTokenHash,
        after: &Session,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;
}

impl RotateRefreshToken for AccountTable {
    async fn rotate_refresh_token(
        &self,
        user: UserId,
        good: &RefreshTokenHash,
        after: &Session,
    ) -> Result<bool, StoreError> {
        let item = records::write(SessionRecord::new(user, after))?;
        let outcome = retry_on_conflict(&*self.random, || {
            self.client
                .put_item()
                .table_name(&self.name)
                .set_item(Some(item.clone()))
                // The epoch too: a session that is carried to another one meanwhile must not be put back.
                .condition_expression("refreshHash = :good AND attribute_not_exists(endedAt) AND epoch = :epoch")
                .expression_attribute_values(":good", AttributeValue::S(good.0.clone()))
                .expression_attribute_values(":epoch", AttributeValue::N(after.epoch.to_string()))
                .send()
        })
        .await;
        match outcome {
            Ok(_) => Ok(true),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(_)) => Ok(false),
                _ => Err(error.into()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use kernel::testing::SeededRandom;

    use super::super::testing::{Accounts, LIFETIMES, now, record, session_and_token, start};
    use super::super::{EndSession, FindSession, UpdateOutcome, UpdateUser, UserUpdate};
    use super::*;
    use crate::domain::{AuditEventKind, Refresh, RefreshToken, User};

    async fn with_session() -> (Accounts, User, Session, RefreshToken) {
        let (accounts, ada) = Accounts::with_ada().await;
        let (session, token) = session_and_token(&ada, 2);
        start(&accounts, &ada, &session).await.unwrap();
        accounts.engine.round_trips();
        (accounts, ada, session, token)
    }

    fn rotated(session: &Session, token: &RefreshToken, seed: u64) -> Session {
        let later = now().plus(Duration::from_mins(10));
        let Refresh::Rotated(after, _) = session.refresh(token, LIFETIMES, later, &SeededRandom::new(seed)) else {
            panic!()
        };
        *after
    }

    #[tokio::test]
    async fn a_session_goes_on_as_its_rotation_says_in_one_round_trip() {
        let (accounts, ada, session, token) = with_session().await;
        let after = rotated(&session, &token, 5);
        assert_eq!(accounts.table.rotate_refresh_token(ada.id, &token.hash(), &after).await, Ok(true));
        assert_eq!(accounts.engine.round_trips(), ["PutItem"]);
        assert_eq!(accounts.table.find_session(ada.id, session.id).await.unwrap().unwrap().session, after);
    }

    #[tokio::test]
    async fn of_several_that_spend_one_token_at_once_one_does() {
        let (accounts, ada, session, token) = with_session().await;
        let accounts = Arc::new(accounts);
        let attempts: Vec<_> = (0..8)
            .map(|seed| {
                let (accounts, after, good) = (Arc::clone(&accounts), rotated(&session, &token, seed), token.hash());
                tokio::spawn(async move { accounts.table.rotate_refresh_token(ada.id, &good, &after).await.unwrap() })
            })
            .collect();
        let mut spent = 0;
        for attempt in attempts {
            spent += usize::from(attempt.await.unwrap());
        }
        assert_eq!(spent, 1);
    }

    #[tokio::test]
    async fn a_session_that_has_ended_does_not_go_on() {
        let (accounts, ada, session, token) = with_session().await;
        accounts.table.end_session(ada.id, session.id, now(), &record(AuditEventKind::SessionEnded)).await.unwrap();
        let after = rotated(&session, &token, 5);
        assert_eq!(accounts.table.rotate_refresh_token(ada.id, &token.hash(), &after).await, Ok(false));
        assert!(accounts.table.find_session(ada.id, session.id).await.unwrap().unwrap().session.ended_at.is_some());
    }

    #[tokio::test]
    async fn a_session_that_was_carried_to_another_epoch_meanwhile_is_not_put_back() {
        let (accounts, ada, session, token) = with_session().await;
        let after = ada.next_version(now()).revoked();
        let retained_session = session.rebind_to_epoch(after.epoch, &token, LIFETIMES, now());
        let change = UserUpdate {
            before: &ada,
            after: &after,
            password_hash: None,
            reset_failed_attempts: false,
            retained_session: Some(&retained_session),
            record: &record(AuditEventKind::SessionsRevoked),
        };
        assert_eq!(accounts.table.update_user(change).await, Ok(UpdateOutcome::Updated));
        let rotation = rotated(&session, &token, 5);
        assert_eq!(accounts.table.rotate_refresh_token(ada.id, &token.hash(), &rotation).await, Ok(false));
        let rotation = rotated(&retained_session, &token, 5);
        assert_eq!(accounts.table.rotate_refresh_token(ada.id, &token.hash(), &rotation).await, Ok(true));
    }

    #[tokio::test]
    async fn a_rotation_that_meets_a_transaction_on_the_session_waits_its_turn() {
        let (accounts, ada, session, token) = with_session().await;
        accounts.engine.raise_conflicts("PutItem", 2);
        let after = rotated(&session, &token, 5);
        assert_eq!(accounts.table.rotate_refresh_token(ada.id, &token.hash(), &after).await, Ok(true));
        assert_eq!(accounts.engine.round_trips(), ["PutItem"; 3]);
    }
}
