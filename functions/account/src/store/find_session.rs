//! Finding a session and whose it is.

use std::future::Future;

use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use kernel::{SessionId, UserId};

use super::records::{self, Item, SessionRecord, UserRecord};
use super::{AccountTable, StoreError};
use crate::domain::UserSession;

/// Finds sessions.
pub trait FindSession {
    /// This person's session and the person, as of now, in whatever state they are.
    fn find_session(
        &self,
        user: UserId,
        session: SessionId,
    ) -> impl Future<Output = Result<Option<UserSession>, StoreError>> + Send;
}

impl FindSession for AccountTable {
    async fn find_session(&self, user: UserId, session: SessionId) -> Result<Option<UserSession>, StoreError> {
        let both = KeysAndAttributes::builder()
            .keys(records::user_key(user))
            .keys(records::session_key(user, session))
            .consistent_read(true)
            .build()
            .map_err(StoreError::internal)?;
        let answer = self.client.batch_get_item().request_items(&self.name, both).send().await?;
        if answer.unprocessed_keys.is_some_and(|keys| !keys.is_empty()) {
            return Err(StoreError::Unavailable("the table has too much to do to read two items".to_owned()));
        }
        let found = answer.responses.and_then(|mut responses| responses.remove(&self.name)).unwrap_or_default();
        let (users, sessions): (Vec<_>, Vec<_>) = found.into_iter().partition(is_user);
        let (Some(user), Some(session)) = (users.into_iter().next(), sessions.into_iter().next()) else {
            return Ok(None);
        };
        Ok(Some(UserSession {
            user: records::read::<UserRecord>(user)?.into(),
            session: records::read::<SessionRecord>(session)?.try_into()?,
        }))
    }
}

fn is_user(item: &Item) -> bool {
    item.get("sk").is_some_and(|sk| *sk == AttributeValue::S(records::PROFILE.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::super::records::user_key;
    use super::super::testing::{Accounts, hash, record, session, start, user};
    use super::super::{CreateUser, CreateUserOutcome};
    use super::*;
    use crate::domain::AuditEventKind;

    #[tokio::test]
    async fn a_session_is_found_for_its_own_person_only_and_in_one_round_trip() {
        let (accounts, ada) = Accounts::with_ada().await;
        let bob = user(2, "bob@example.com", None);
        assert_eq!(
            accounts.table.create_user(&bob, &hash(), &record(AuditEventKind::SignedUp)).await,
            Ok(CreateUserOutcome::Created)
        );
        start(&accounts, &ada, &session(2)).await.unwrap();
        accounts.engine.round_trips();
        assert!(accounts.table.find_session(ada.id, session(2).id).await.unwrap().is_some());
        assert_eq!(accounts.engine.round_trips(), ["BatchGetItem"]);
        assert_eq!(accounts.table.find_session(bob.id, session(2).id).await, Ok(None));
        assert_eq!(accounts.table.find_session(ada.id, session(3).id).await, Ok(None));
    }

    #[tokio::test]
    async fn the_session_of_a_person_who_is_gone_is_not_found() {
        let (accounts, ada) = Accounts::with_ada().await;
        start(&accounts, &ada, &session(2)).await.unwrap();
        accounts.delete(user_key(ada.id)).await;
        assert_eq!(accounts.table.find_session(ada.id, session(2).id).await, Ok(None));
    }
}
