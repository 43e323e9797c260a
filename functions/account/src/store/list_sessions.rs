//! Finding a person, with their sessions or without.

use std::future::Future;

use aws_sdk_dynamodb::types::AttributeValue;
use kernel::{Random, UserId};

use super::items::{self, PROFILE, PersonItem, SESSION_PREFIX, SessionItem};
use super::{AccountTable, StoreError};
use crate::domain::{Person, Session};

/// Lists sessions.
pub trait ListSessions {
    /// The person and all of their sessions that are remembered, in whatever state they are, as of now.
    fn list_sessions(
        &self,
        user: UserId,
    ) -> impl Future<Output = Result<Option<(Person, Vec<Session>)>, StoreError>> + Send;
}

/// Finds people.
pub trait FindPerson {
    /// The person, as of now.
    fn find_person(&self, user: UserId) -> impl Future<Output = Result<Option<Person>, StoreError>> + Send;
}

impl<R: Random + Sync> ListSessions for AccountTable<R> {
    async fn list_sessions(&self, user: UserId) -> Result<Option<(Person, Vec<Session>)>, StoreError> {
        let mut pages = self
            .client
            .query()
            .table_name(&self.name)
            // The person sorts before the sessions, and nothing else stands between.
            .key_condition_expression("pk = :user AND sk BETWEEN :first AND :last")
            .expression_attribute_values(":user", AttributeValue::S(items::user_partition(user)))
            .expression_attribute_values(":first", AttributeValue::S(PROFILE.to_owned()))
            .expression_attribute_values(":last", AttributeValue::S(format!("{SESSION_PREFIX}~")))
            .consistent_read(true)
            .into_paginator()
            .items()
            .send();
        let mut person = None;
        let mut sessions = Vec::new();
        while let Some(item) = pages.next().await {
            let item = item?;
            if item.get("sk").is_some_and(|sk| *sk == AttributeValue::S(PROFILE.to_owned())) {
                person = Some(items::read::<PersonItem>(item)?.into());
            } else {
                sessions.push(items::read::<SessionItem>(item)?.try_into()?);
            }
        }
        Ok(person.map(|person| (person, sessions)))
    }
}

impl<R: Random + Sync> FindPerson for AccountTable<R> {
    async fn find_person(&self, user: UserId) -> Result<Option<Person>, StoreError> {
        let person = self.client.get_item().table_name(&self.name).set_key(Some(items::person_key(user)));
        let item = person.consistent_read(true).send().await?.item;
        Ok(item.map(items::read::<PersonItem>).transpose()?.map(Person::from))
    }
}

#[cfg(test)]
mod tests {
    use kernel::testing::SeededRandom;

    use super::super::testing::{Accounts, hash, person, record, session, start};
    use super::super::{CreatePerson, Created};
    use super::*;
    use crate::domain::AuditKind;

    #[tokio::test]
    async fn a_persons_sessions_are_listed_with_them_in_one_round_trip_and_nobody_elses() {
        let (accounts, ada) = Accounts::with_ada().await;
        let bob = person(2, "bob@example.com", None);
        assert_eq!(accounts.table.create_person(&bob, &hash(), &record(AuditKind::SignedUp)).await, Ok(Created::Yes));
        for (person, seed) in [(&ada, 2), (&ada, 3), (&bob, 4)] {
            start(&accounts, person, &session(seed)).await.unwrap();
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
        assert_eq!(accounts.table.find_person(ada.id).await, Ok(Some(ada)));
        assert_eq!(accounts.table.find_person(nobody).await, Ok(None));
        assert_eq!(accounts.table.list_sessions(nobody).await, Ok(None));
    }
}
