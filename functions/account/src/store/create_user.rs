//! Creating a person.

use std::future::Future;

use dynamo::compat::condition_failed;

use super::records::{IdentifierRecord, UserRecord};
use super::transaction::{commit, put};
use super::{AccountTable, StoreError};
use crate::domain::{AuditEvent, IdentifierKind, PasswordHash, User};

/// Creates people.
pub trait CreateUser {
    /// Creates the person, claims all that they sign in by and writes it down, or does nothing. MUST answer [`CreateUserOutcome::IdentifierTaken`] if
    /// anybody else has claimed any of it, however close in time.
    fn create_user(
        &self,
        user: &User,
        password_hash: &PasswordHash,
        record: &AuditEvent,
    ) -> impl Future<Output = Result<CreateUserOutcome, StoreError>> + Send;
}

/// Whether a person was created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CreateUserOutcome {
    /// They were.
    Created,
    /// They were not: somebody has these.
    IdentifierTaken(Vec<IdentifierKind>),
}

impl CreateUser for AccountTable {
    async fn create_user(
        &self,
        user: &User,
        password_hash: &PasswordHash,
        record: &AuditEvent,
    ) -> Result<CreateUserOutcome, StoreError> {
        let identifiers = user.identifiers();
        let mut writes = vec![put(&self.name, UserRecord::from(user), Some("attribute_not_exists(pk)"))?];
        for identifier in &identifiers {
            let item = IdentifierRecord::new(identifier, user, password_hash);
            writes.push(put(&self.name, item, Some("attribute_not_exists(userId)"))?);
        }
        writes.push(self.audit()?.with(record)?);
        let Err(reasons) = commit(&self.client, &*self.random, writes).await? else {
            return Ok(CreateUserOutcome::Created);
        };
        let taken: Vec<_> = identifiers
            .iter()
            .zip(reasons.iter().skip(1))
            .filter(|(_, reason)| condition_failed(reason))
            .map(|(identifier, _)| identifier.kind())
            .collect();
        if taken.is_empty() {
            return Err(StoreError::internal("a new person's id is somebody's already"));
        }
        Ok(CreateUserOutcome::IdentifierTaken(taken))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use aws_sdk_dynamodb::types::AttributeValue;

    use super::super::records::Item;
    use super::super::testing::{Accounts, hash, record, user};
    use super::super::{Credential, FindCredential};
    use super::*;
    use crate::domain::AuditEventKind;

    fn text(item: &Item, attribute: &str) -> String {
        item[attribute].as_s().unwrap().clone()
    }

    #[tokio::test]
    async fn a_person_can_be_found_by_all_that_they_sign_in_by() {
        let (accounts, ada) = Accounts::with_ada().await;
        let credential = Credential { user: ada.clone(), password_hash: hash() };
        for identifier in ada.identifiers() {
            assert_eq!(accounts.table.find_credential(&identifier).await, Ok(Some(credential.clone())));
        }
        assert_eq!(accounts.records().await.len(), 3);
    }

    #[tokio::test]
    async fn the_item_that_is_published_holds_no_hash_and_no_other_item_looks_like_it() {
        let (accounts, ada) = Accounts::with_ada().await;
        let profiles: Vec<_> =
            accounts.records().await.into_iter().filter(|item| text(item, "sk") == "PROFILE").collect();
        let [profile] = profiles.as_slice() else { panic!("{profiles:?}") };
        let mut attributes: Vec<_> = profile.keys().map(String::as_str).collect();
        attributes.sort_unstable();
        let expected = [
            "createdAt",
            "email",
            "emailVerified",
            "epoch",
            "id",
            "phone",
            "phoneVerified",
            "pk",
            "sk",
            "status",
            "updatedAt",
            "version",
        ];
        assert_eq!(attributes, expected);
        assert_eq!((text(profile, "pk"), text(profile, "status")), (format!("USER#{}", ada.id), "ACTIVE".to_owned()));
        assert_eq!(profile["version"], AttributeValue::N("1".to_owned()));
        assert_eq!(profile["epoch"], AttributeValue::N("0".to_owned()));
    }

    #[tokio::test]
    async fn a_claimed_identifier_is_named_and_nothing_is_written() {
        use IdentifierKind::{Email, Phone};
        let (accounts, _) = Accounts::with_ada().await;
        for (email, phone, taken) in [
            ("ada@example.com", Some("+33600000000"), vec![Email]),
            ("ada@example.com", None, vec![Email]),
            ("bob@example.com", Some("+33612345678"), vec![Phone]),
            ("ada@example.com", Some("+33612345678"), vec![Email, Phone]),
        ] {
            let bob = user(2, email, phone);
            assert_eq!(
                accounts.table.create_user(&bob, &hash(), &record(AuditEventKind::SignedUp)).await,
                Ok(CreateUserOutcome::IdentifierTaken(taken))
            );
        }
        assert_eq!(accounts.records().await.len(), 3);
        let bob = user(2, "bob@example.com", Some("+33600000000"));
        assert_eq!(
            accounts.table.create_user(&bob, &hash(), &record(AuditEventKind::SignedUp)).await,
            Ok(CreateUserOutcome::Created)
        );
    }

    #[tokio::test]
    async fn an_id_that_is_somebody_s_is_not_taken_over() {
        let (accounts, ada) = Accounts::with_ada().await;
        let same_id = user(1, "bob@example.com", None);
        assert_eq!(same_id.id, ada.id);
        let outcome = accounts.table.create_user(&same_id, &hash(), &record(AuditEventKind::SignedUp)).await;
        assert!(matches!(outcome, Err(StoreError::Internal(_))), "{outcome:?}");
    }

    #[tokio::test]
    async fn of_those_who_claim_an_identifier_at_once_one_gets_it() {
        let accounts = Arc::new(Accounts::empty().await);
        let hash = hash();
        let attempts: Vec<_> = (0..8)
            .map(|seed| {
                let (accounts, hash) = (Arc::clone(&accounts), hash.clone());
                tokio::spawn(async move {
                    let somebody = user(seed, "ada@example.com", Some(&format!("+3361234567{seed}")));
                    accounts.table.create_user(&somebody, &hash, &record(AuditEventKind::SignedUp)).await.unwrap()
                })
            })
            .collect();
        let mut created = 0;
        for attempt in attempts {
            match attempt.await.unwrap() {
                CreateUserOutcome::Created => created += 1,
                CreateUserOutcome::IdentifierTaken(taken) => assert_eq!(taken, [IdentifierKind::Email]),
            }
        }
        assert_eq!((created, accounts.records().await.len()), (1, 3));
    }

    #[tokio::test]
    async fn a_conflict_is_tried_again_but_not_for_ever() {
        let accounts = Accounts::empty().await;
        let ada = user(1, "ada@example.com", None);
        accounts.engine.raise_transaction_conflicts(4, 1, 2);
        assert_eq!(
            accounts.table.create_user(&ada, &hash(), &record(AuditEventKind::SignedUp)).await,
            Ok(CreateUserOutcome::Created)
        );
        assert_eq!(accounts.engine.round_trips(), ["TransactWriteItems"; 5]);

        accounts.engine.raise_transaction_conflicts(usize::MAX, 1, 2);
        let outcome = accounts
            .table
            .create_user(&user(2, "bob@example.com", None), &hash(), &record(AuditEventKind::SignedUp))
            .await;
        assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{outcome:?}");
    }
}
