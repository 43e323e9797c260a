//! Creating a payment.

use dynamo::{Transaction, TransactionOutcome, from_item, text};
use kernel::Timestamp;

use super::record::{PaymentRecord, payment_item};
use crate::domain::{AccountState, AccountType, IdempotentRequest, Payment, PaymentAccountId, Stored, TokenClaims};
use crate::store::accounts::record::{AccountRecord, account_key};
use crate::store::revocations::{NOT_REVOKED, revocation_values};
use crate::store::{Store, StoreError, ensure_conclusive};

/// The command to create a payment.
#[derive(Debug, Clone)]
pub struct CreatePayment {
    /// The payment. Its creation time is replaced by that of the attempt that is committed.
    pub payment: Payment,
    pub request: IdempotentRequest,
    pub claims: TokenClaims,
}

/// The result of [`CreatePayment`]. Unless the payment is created, nothing was written.
#[derive(Debug)]
pub enum CreateOutcome {
    /// The creation time of the payment.
    Created(Timestamp),
    /// A payment of this reference exists, and is returned as it is now.
    Exists(Stored<Payment>),
    /// The owner's token is revoked.
    TokenRevoked,
    /// The condition on the account that should be credited is false. `None` if the account does not exist.
    AccountRejected(Option<AccountState>),
    /// Other transactions kept using the account.
    Conflict,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Payment,
    Account,
    Owner,
}

impl Store {
    /// Creates a payment, if the account that it should credit is its owner's and holds its currency.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the request fails.
    pub async fn create_payment(&self, command: &CreatePayment) -> Result<CreateOutcome, StoreError> {
        let CreatePayment { payment, request, claims } = command;
        let build = |now| {
            let item = payment_item(&payment.clone().with_created_at(now), request.fingerprint.as_ref())?;
            let check = match &payment.payment_account_id {
                Some(account) => (Part::Account, self.check_account(account, payment, claims)?),
                None => (Part::Owner, self.check_user(payment.owner, claims)?),
            };
            Ok(Transaction::new().with(Part::Payment, self.table.put_new(item)?).with(check.0, check.1))
        };
        let failed = match self.table.commit_with_time(build).await? {
            (TransactionOutcome::Committed, created_at) => return Ok(CreateOutcome::Created(created_at)),
            (TransactionOutcome::Conflict, _) => return Ok(CreateOutcome::Conflict),
            (TransactionOutcome::ConditionFailed(failed), _) => failed,
        };
        // Revocation is checked first: a revoked token must not reveal the result of an earlier request.
        let account = failed.item(Part::Account).map(AccountRecord::state).transpose()?;
        let is_revoked =
            |state: &AccountState| state.account.owner == payment.owner && state.revocation.is_revoked(claims);
        if failed.contains(Part::Owner) || account.as_ref().is_some_and(is_revoked) {
            ensure_conclusive(&failed, request)?;
            return Ok(CreateOutcome::TokenRevoked);
        }
        if let Some(stored) = failed.item(Part::Payment) {
            let record: PaymentRecord = from_item(stored.clone())?;
            let fingerprint = record.fingerprint().cloned();
            return Ok(CreateOutcome::Exists(Stored { value: record.into(), fingerprint }));
        }
        ensure_conclusive(&failed, request)?;
        if failed.contains(Part::Account) {
            return Ok(CreateOutcome::AccountRejected(account));
        }
        Err(StoreError::internal("a payment failed an unexpected condition"))
    }

    /// Checks, without a write, that a payment can credit an account.
    fn check_account(
        &self,
        account: &PaymentAccountId,
        payment: &Payment,
        claims: &TokenClaims,
    ) -> Result<aws_sdk_dynamodb::types::TransactWriteItem, StoreError> {
        self.table.check(account_key(account), |check| {
            check
                .condition_expression(format!("{NOT_REVOKED} AND currency = :currency AND #type <> :loan"))
                .expression_attribute_names("#type", "type")
                .set_expression_attribute_values(Some(revocation_values(payment.owner, claims)))
                .expression_attribute_values(":currency", text(payment.currency))
                .expression_attribute_values(":loan", text(AccountType::Loan))
        })
    }
}
