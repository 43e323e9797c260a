//! `GET /payments/accounts` and `GET /payments/account`: one's own accounts.

use auth::Principal;
use http_api::{Problem, Response};
use lambda_http::http::StatusCode;

use super::problems;
use super::wire::AccountBody;
use crate::store::accounts::ListAccounts;

/// Answers the request.
///
/// # Errors
///
/// A [`Problem`] if the table does not answer.
pub async fn handle<S: ListAccounts>(store: &S, principal: Principal) -> Result<Response, Problem> {
    let accounts = store.accounts_of(principal.user_id).await.map_err(|error| problems::store(&error))?;
    Response::json(StatusCode::OK, &accounts.iter().map(AccountBody::from).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use kernel::{Currency, UserId};
    use serde_json::json;

    use super::super::testing::{ada, body_of, now};
    use super::*;
    use crate::domain::{Account, NewAccount, PaymentAccountId};
    use crate::store::StoreError;

    struct OneAccount;

    impl ListAccounts for OneAccount {
        async fn accounts_of(&self, owner: UserId) -> Result<Vec<Account>, StoreError> {
            let id = PaymentAccountId::parse("main").unwrap();
            Ok(vec![NewAccount::Debit { deposit: None, intake_shards: None }.open(
                id,
                owner,
                Currency::parse("USD").unwrap(),
                now(),
            )])
        }
    }

    #[tokio::test]
    async fn accounts_are_listed_for_the_principal() {
        let answer = handle(&OneAccount, ada()).await.unwrap();
        assert_eq!(
            body_of(&answer),
            json!([{
                "id": "main", "paymentAccountId": "main", "paymentAccountType": "DEBIT", "currency": "USD",
                "userId": ada().user_id, "balance": 0, "available": 0, "status": "ACTIVE",
                "createdAt": "2026-01-31T12:00:00.000Z",
            }])
        );
    }
}
