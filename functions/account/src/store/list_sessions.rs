//! Finding a person, with their sessions or without.

use std::future::Future;

use aws_sdk_dynamodb::types::AttributeValue;
use kernel::UserId;

use super::records::{self, PROFILE, SESSION_PREFIX, SessionRecord, UserRecord};
use super::{AccountTable, StoreError};
use crate::domain::{Session, User};

/// Lists sessions.
pub trait ListSessions {
    /// The person and all of their sessions that are remembered, in whatever state they are, as of now.
    fn list_sessions(
        &self,
        user: UserId,
    ) -> impl Future<Output = Result<Option<(User, Vec<Session>)>, StoreError>> + Send;
}

/// Finds people.
pub trait FindUser {
    /// The person, as of now.
    fn find_user(&self, user: UserId) -> impl Future<Output = Result<Option<User>, StoreError>> + Send;
}

impl ListSessions for AccountTable {
    async fn list_sessions(&self, user: UserId) -> Result<Option<(User, Vec<Session>)>, StoreError> {
        let mut pages = self
            .client
            .query()
            .table_name(&self.name)
            // The person sorts before the sessions, and nothing else stands between.
            .key_condition_expression("pk = :user AND sk BETWEEN :first AND :last")
            .expression_attribute_values(":user", AttributeValue::S(records::user_partition(user)))
            .expression_attribute_values(":first", AttributeValue::S(PROFILE.to_owned()))
            .expression_attribute_values(":last", AttributeValue::S(format!("{SESSION_PREFIX}~")))
            .consistent_read(true)
            .into_paginator()
            .items()
            .send();
        let mut user = None;
        let mut sessions = Vec::new();
        while let Some(item) = pages.next().await {
            let item = item?;
            if item.get("sk").is_some_and(|sk| *sk == AttributeValue::S(PROFILE.to_owned())) {
                user = Some(records::read::<UserRecord>(item)?.into());
            } else {
                sessions.push(records::read::<SessionRecord>(item)?.try_into()?);
            }
        }
        Ok(user.map(|user| (user, sessions)))
    }
}

impl FindUser for AccountTable {
    async fn find_user(&self, user: UserId) -> Result<Option<User>, StoreError> {
        let user = self.client.get_item().table_name(&self.name).set_key(Some(records::user_key(user)));
        let item = user.consistent_read(true).send().await?.item;
        Ok(item.map(records::read::<UserRecord>).transpose()?.map(User::from))
    }
}

#[cfg(test)]
mod tests {
    use kernel::testing::SeededRandom;

    use super::super::testing::{Accounts, hash, record, session, start, user};
    use super::super::{CreateUser, CreateUserOutcome};
    use super::*;
    use crate::domain::AuditEventKind;

    #[tokio::test]
    async fn a_persons_sessions_are_listed_with_them_in_one_round_trip_and_nobody_elses() {
        let (accounts, ada) = Accounts::with_ada().await;
        let bob = user(2, "bob@example.com", None);
        assert_eq!(
            accounts.table.create_user(&bob, &hash(), &record(AuditEventKind::SignedUp)).await,
            Ok(CreateUserOutcome::Created)
        );
        for (user, seed) in [(&ada, 2), (&ada, 3), (&bob, 4)] {
            start(&accounts, user, &session(seed)).await.unwrap();
        }
        accounts.engine.round_trips();
        let (found, mut sessions) = accounts.table.list_sessions(ada.id).await.unwrap().unwrap();
        assert_eq!((found, accounts.engine.round_trips().as_slice()), (ada, ["Query".to_owned()].as_slice()));
        let mut expected = [session(2), session(3)];
        sessions.sort_by_key(|session| session.id);
        expected.sort_by_key(|session| session.id);
        assert_eq!(sessions, expected);
    }

    #[tokio::test]
    async fn a_person_is_found_and_nobody_is_not() {
        let (accounts, ada) = Accounts::with_ada().await;
        let nobody = UserId::random(&SeededRandom::new(99));
        assert_eq!(accounts.table.find_user(ada.id).await, Ok(Some(ada)));
        assert_eq!(accounts.table.find_user(nobody).await, Ok(None));
        assert_eq!(accounts.table.list_sessions(nobody).await, Ok(None));
    }
}
