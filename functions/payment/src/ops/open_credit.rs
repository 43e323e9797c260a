//! Opening a CREDIT or LOAN account for a user.

use aws_sdk_dynamodb::Client;
use config::{ConfigError, Env};
use kernel::{Amount, Currency, SystemClock, SystemRandom, UserId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{MAX_REASON_CHARACTERS, check_length};
use crate::app::PaymentError;
use crate::app::config::Limits;
use crate::app::open_account::NewAccountParams;
use crate::domain::{Account, AccountType, IdempotentRequest, NewAccount, PaymentAccountId};
use crate::store::Store;
use crate::store::commands::OperatorCommand;

const MAX_KEY_CHARACTERS: usize = 255;

/// The state of the function.
pub struct OpenCredit {
    pub store: Store,
    pub limits: Limits,
}

/// The event.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct OpenCreditRequest {
    user_id: UserId,
    payment_account_type: AccountType,
    /// Generated if it is absent.
    payment_account_id: Option<PaymentAccountId>,
    currency: String,
    /// The credit limit or the principal, in minor units.
    amount: i64,
    /// LOAN only, required: the user's DEBIT account that receives the principal.
    disburse_to: Option<PaymentAccountId>,
    /// Identifies the command: a repeated command opens one account.
    key: String,
    /// The operator's reason, which is recorded. Not part of the fingerprint: a repeated command may state another one.
    #[serde(skip_serializing)]
    reason: String,
}

/// The account that the command opened.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenedAccount {
    payment_account_id: PaymentAccountId,
    user_id: UserId,
    payment_account_type: AccountType,
    currency: Currency,
    /// Whether an earlier command with the same key opened it.
    replayed: bool,
}

/// No account was opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenCreditError {
    /// The event is malformed. The message omits the cause: the message is logged, and the cause may quote the event.
    #[error(
        "the event must be an object with userId, paymentAccountType (CREDIT or LOAN), currency, amount (minor units), key \
         and reason, and optionally paymentAccountId and disburseTo"
    )]
    InvalidEvent,
    #[error(transparent)]
    Fingerprint(#[from] serde_json::Error),
    #[error("{0}")]
    InvalidField(String),
    #[error(transparent)]
    Payment(#[from] PaymentError),
}

impl OpenCredit {
    /// # Errors
    ///
    /// [`ConfigError`] if an environment variable is missing or invalid.
    pub fn from_env(env: &Env, client: Client) -> Result<Self, ConfigError> {
        let store = Store::new(client, env.required("PAYMENT_TABLE")?, SystemClock, SystemRandom);
        Ok(Self { store, limits: Limits::from_env(env)? })
    }
}

/// Opens a CREDIT or LOAN account for a user, within the limits of the deployment, and records the command.
///
/// # Errors
///
/// [`OpenCreditError`], which is returned to the operator as the failure of the invocation.
pub async fn open_credit(
    state: &OpenCredit,
    event: Value,
    request_id: String,
) -> Result<OpenedAccount, OpenCreditError> {
    let request: OpenCreditRequest = serde_json::from_value(event).map_err(|_| OpenCreditError::InvalidEvent)?;
    let params = request.params()?;
    let idempotent = IdempotentRequest::keyed(request.user_id, "open-credit", &request.key, &request)?;
    let operator = OperatorCommand { request_id, reason: request.reason };
    let (store, limits) = (&state.store, &state.limits);
    let opened =
        crate::app::open_credit::open_credit(store, request.user_id, idempotent, params, limits, operator).await?;
    let Account { id, owner, kind, currency, .. } = opened.value;
    Ok(OpenedAccount {
        payment_account_id: id,
        user_id: owner,
        payment_account_type: kind,
        currency,
        replayed: opened.replayed,
    })
}

impl OpenCreditRequest {
    fn params(&self) -> Result<NewAccountParams, OpenCreditError> {
        let invalid = |message: String| OpenCreditError::InvalidField(message);
        let amount = Amount::from_minor(self.amount).map_err(|error| invalid(format!("amount: {error}")))?;
        let currency = Currency::parse(&self.currency).map_err(|error| invalid(format!("currency: {error}")))?;
        for (field, text, max) in
            [("key", &self.key, MAX_KEY_CHARACTERS), ("reason", &self.reason, MAX_REASON_CHARACTERS)]
        {
            check_length(field, text, max).map_err(invalid)?;
        }
        let new = match (self.payment_account_type, &self.disburse_to) {
            (AccountType::Credit, None) => NewAccount::Credit { limit: amount },
            (AccountType::Loan, Some(account)) => NewAccount::Loan { principal: amount, disburse_to: account.clone() },
            (AccountType::Loan, None) => return Err(invalid("disburseTo: is required for a LOAN".to_owned())),
            (AccountType::Credit, Some(_)) => return Err(invalid("disburseTo: is for a LOAN only".to_owned())),
            (AccountType::Debit, _) => {
                return Err(invalid("paymentAccountType: must be CREDIT or LOAN".to_owned()));
            }
        };
        Ok(NewAccountParams { id: self.payment_account_id.clone(), currency, new })
    }
}

#[cfg(test)]
mod tests;
