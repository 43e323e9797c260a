//! Finding what a sign-in is checked against.

use std::future::Future;

use super::records::{self, IdentifierRecord};
use super::{AccountTable, StoreError};
use crate::domain::{Identifier, PasswordHash, User};

/// Finds credentials.
pub trait FindCredential {
    /// The credential of whoever signs in by this, as of now.
    fn find_credential(
        &self,
        identifier: &Identifier,
    ) -> impl Future<Output = Result<Option<Credential>, StoreError>> + Send;
}

/// What a sign-in is checked against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// Whose it is: a copy, which [`StartSession`](super::StartSession) checks.
    pub user: User,
    /// The hash of their password.
    pub password_hash: PasswordHash,
}

impl FindCredential for AccountTable {
    async fn find_credential(&self, identifier: &Identifier) -> Result<Option<Credential>, StoreError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.name)
            .set_key(Some(records::identifier_key(identifier)))
            .consistent_read(true)
            .send()
            .await?;
        answer.item.map(|item| records::read::<IdentifierRecord>(item)?.try_into()).transpose()
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::types::AttributeValue;
    use contact::{Email, Phone};

    use super::super::testing::Accounts;
    use super::*;

    #[tokio::test]
    async fn an_identifier_that_nobody_has_finds_nobody() {
        let (accounts, _) = Accounts::with_ada().await;
        for identifier in [
            Identifier::Email(Email::parse("bob@example.com").unwrap()),
            Identifier::Phone(Phone::parse("+33600000000").unwrap()),
        ] {
            assert_eq!(accounts.table.find_credential(&identifier).await, Ok(None));
        }
    }

    #[tokio::test]
    async fn a_credential_whose_hash_is_none_is_an_error_that_does_not_tell_it() {
        let (accounts, ada) = Accounts::with_ada().await;
        let identifier = Identifier::Email(ada.email);
        let hash = AttributeValue::S("hunter2".to_owned());
        accounts.set(records::identifier_key(&identifier), "passwordHash", hash).await;
        let Err(StoreError::Internal(text)) = accounts.table.find_credential(&identifier).await else { panic!() };
        assert!(!text.contains("hunter2"), "{text}");
    }
}
