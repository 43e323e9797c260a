//! Users.

pub(super) mod record;
mod update;

use dynamo::{Transaction, from_item, to_item};
use kernel::UserId;
pub(crate) use record::UserRecord;

use super::credentials::IdentifierRecord;
use super::keys;
use super::{AccountTable, StoreError, commit};
use crate::domain::{AuditEvent, IdentifierKind, PasswordHash, User};

#[cfg(test)]
pub(crate) use update::UPDATE_ATTEMPTS;
pub use update::{UpdateConflict, UpdateError, UpdateOutcome, UpdatePlan};

/// The outcome of creating a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CreateUserOutcome {
    Created,
    /// Nothing was written: other users have these identifiers.
    IdentifierTaken(Vec<IdentifierKind>),
}

/// The writes of the transaction that creates a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    User,
    Identifier(IdentifierKind),
    AuditEvent,
}

impl AccountTable {
    /// Creates a user and claims the user's identifiers. Of concurrent claims of one identifier, one succeeds.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the outcome is unknown, or the user's id exists already.
    pub async fn create_user(
        &self,
        user: &User,
        password_hash: &PasswordHash,
        event: &AuditEvent,
    ) -> Result<CreateUserOutcome, StoreError> {
        let mut transaction =
            Transaction::new().with(Part::User, self.table.put_new(to_item(UserRecord::from(user))?)?);
        for identifier in user.identifiers() {
            let item = to_item(IdentifierRecord::new(&identifier, user, password_hash))?;
            // An unknown identifier may have an item already, which counts attempts to sign in.
            let claim = self.table.put(item, |put| put.condition_expression("attribute_not_exists(userId)"))?;
            transaction.add(Part::Identifier(identifier.kind()), claim);
        }
        transaction.add(Part::AuditEvent, self.audit()?.append(event)?);
        let Some(failed) = commit(&self.table, &transaction, Part::AuditEvent).await? else {
            return Ok(CreateUserOutcome::Created);
        };
        let taken: Vec<_> = failed
            .iter()
            .filter_map(|(part, _)| if let Part::Identifier(kind) = part { Some(kind) } else { None })
            .collect();
        if taken.is_empty() {
            return Err(StoreError::internal("the id of a new user exists already"));
        }
        Ok(CreateUserOutcome::IdentifierTaken(taken))
    }

    /// Finds a user.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the user could not be read.
    pub async fn find_user(&self, user: UserId) -> Result<Option<User>, StoreError> {
        let item = self.table.get(keys::user(user).into()).await?;
        Ok(item.map(from_item::<UserRecord>).transpose()?.map(User::from))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use dynamo::{Item, number};

    use super::super::Credential;
    use super::super::testing::{Accounts, event, hash, user};
    use super::*;
    use crate::domain::AuditEventKind;

    fn text(item: &Item, attribute: &str) -> String {
        item[attribute].as_s().unwrap().clone()
    }

    #[tokio::test]
    async fn created_user_is_found_by_every_identifier() {
        let (accounts, ada) = Accounts::with_ada().await;
        let credential = Credential { user: ada.clone(), password_hash: hash() };
        for identifier in ada.identifiers() {
            assert_eq!(accounts.table.find_credential(&identifier).await, Ok(Some(credential.clone())));
        }
        assert_eq!(accounts.records().await.len(), 3);
    }

    #[tokio::test]
    async fn profile_item_has_no_password_hash() {
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
        assert_eq!(profile["version"], number(1));
        assert_eq!(profile["epoch"], number(0));
    }

    #[tokio::test]
    async fn create_user_with_taken_identifier_writes_nothing() {
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
                accounts.table.create_user(&bob, &hash(), &event(AuditEventKind::SignedUp)).await,
                Ok(CreateUserOutcome::IdentifierTaken(taken))
            );
        }
        assert_eq!(accounts.records().await.len(), 3);
        let bob = user(2, "bob@example.com", Some("+33600000000"));
        assert_eq!(
            accounts.table.create_user(&bob, &hash(), &event(AuditEventKind::SignedUp)).await,
            Ok(CreateUserOutcome::Created)
        );
    }

    #[tokio::test]
    async fn create_user_with_existing_id_is_an_error() {
        let (accounts, ada) = Accounts::with_ada().await;
        let same_id = user(1, "bob@example.com", None);
        assert_eq!(same_id.id, ada.id);
        let outcome = accounts.table.create_user(&same_id, &hash(), &event(AuditEventKind::SignedUp)).await;
        assert!(matches!(outcome, Err(StoreError::Internal(_))), "{outcome:?}");
    }

    #[tokio::test]
    async fn concurrent_sign_ups_with_one_identifier_create_one_user() {
        let accounts = Arc::new(Accounts::empty().await);
        let hash = hash();
        let attempts: Vec<_> = (0..8)
            .map(|seed| {
                let (accounts, hash) = (Arc::clone(&accounts), hash.clone());
                tokio::spawn(async move {
                    let user = user(seed, "ada@example.com", Some(&format!("+3361234567{seed}")));
                    accounts.table.create_user(&user, &hash, &event(AuditEventKind::SignedUp)).await.unwrap()
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
    async fn create_user_is_retried_on_conflict_within_budget() {
        let accounts = Accounts::empty().await;
        let ada = user(1, "ada@example.com", None);
        accounts.engine.raise_transaction_conflicts(4, 1, 2);
        assert_eq!(
            accounts.table.create_user(&ada, &hash(), &event(AuditEventKind::SignedUp)).await,
            Ok(CreateUserOutcome::Created)
        );
        assert_eq!(accounts.engine.round_trips(), ["TransactWriteItems"; 5]);

        accounts.engine.raise_transaction_conflicts(usize::MAX, 1, 2);
        let outcome = accounts
            .table
            .create_user(&user(2, "bob@example.com", None), &hash(), &event(AuditEventKind::SignedUp))
            .await;
        assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{outcome:?}");
    }
}
