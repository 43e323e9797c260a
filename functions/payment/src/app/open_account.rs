//! Opening an account.

use kernel::{Amount, Currency};

use super::config::{Limits, SelfCredit, SelfDeposit};
use super::{OperationContext, PaymentError};
use crate::domain::{Account, Idempotent, NewAccount, PaymentAccountId, Rejection, Transfer, TransferStatus};
use crate::store::Store;
use crate::store::accounts::{OpenAccount, OpenOutcome};
use crate::store::commands::OperatorCommand;

/// The maximum number of attempts while sessions of the owner end.
const MAX_ATTEMPTS: usize = 3;

/// The parameters of a new account.
#[derive(Debug, Clone)]
pub struct NewAccountParams {
    /// Generated if it is absent.
    pub id: Option<PaymentAccountId>,
    pub currency: Currency,
    pub new: NewAccount,
}

impl NewAccountParams {
    /// Checks the parameters against the platform's limits.
    ///
    /// # Errors
    ///
    /// [`PaymentError`] if a limit is exceeded.
    pub fn check(&self, limits: &Limits) -> Result<(), PaymentError> {
        match &self.new {
            NewAccount::Credit { limit } if *limit > limits.max_credit_limit => {
                Err(PaymentError::CreditLimitTooHigh { max: limits.max_credit_limit })
            }
            NewAccount::Loan { principal, .. } if *principal > limits.max_loan_principal => {
                Err(PaymentError::PrincipalTooHigh { max: limits.max_loan_principal })
            }
            NewAccount::Debit { .. } | NewAccount::Credit { .. } | NewAccount::Loan { .. } => Ok(()),
        }
    }

    /// Checks whether users can open such an account themselves.
    ///
    /// # Errors
    ///
    /// [`PaymentError`] if the deployment disables it.
    pub const fn check_self_service(
        &self,
        self_deposit: SelfDeposit,
        self_credit: SelfCredit,
    ) -> Result<(), PaymentError> {
        match &self.new {
            NewAccount::Debit { deposit: None, .. } => Ok(()),
            NewAccount::Debit { deposit: Some(_), .. } => self_deposit.check(),
            NewAccount::Credit { .. } | NewAccount::Loan { .. } => self_credit.check(),
        }
    }
}

/// Opens an account, at most once per request with an idempotency key, and posts its opening transfer.
///
/// # Errors
///
/// [`PaymentError`] if no account was opened.
pub async fn open_account(
    store: &Store,
    context: OperationContext,
    params: NewAccountParams,
    limits: &Limits,
    operator: Option<OperatorCommand>,
) -> Result<Idempotent<Account>, PaymentError> {
    let OperationContext { user, claims, request } = context;
    let NewAccountParams { id, currency, new } = params;
    let id = id.unwrap_or_else(|| request.id.into());
    if matches!(&new, NewAccount::Loan { disburse_to, .. } if *disburse_to == id) {
        return Err(PaymentError::SameAccount);
    }
    let created_at = store.now();
    let transfer = new.opening_transfer(&id).map(|(posting, amount): (_, Amount)| Transfer {
        id: request.id.derive("opening").into(),
        posting,
        status: TransferStatus::Completed,
        amount,
        currency,
        note: None,
        initiated_by: user,
        created_at,
    });
    let credit = new.credit().map(|amount| (amount, limits.max_credit_per_user));
    if let Some((amount, max)) = credit
        && amount > max
    {
        return Err(PaymentError::CreditPerUserExceeded { max });
    }
    let account = new.open(id, user, currency, created_at);
    let max_accounts = limits.max_accounts_per_user;
    execute(store, OpenAccount { request, account, transfer, claims, max_accounts, credit, operator }).await
}

pub(crate) async fn execute(store: &Store, command: OpenAccount) -> Result<Idempotent<Account>, PaymentError> {
    // Usually no session has ended recently, and one attempt is enough.
    let mut ended = None;
    for _ in 0..MAX_ATTEMPTS {
        match store.open_account(&command, ended.as_ref()).await? {
            OpenOutcome::Opened(created_at) => {
                return Ok(Idempotent::executed(Account { created_at, ..command.account }));
            }
            OpenOutcome::Exists(stored) => return Ok(command.request.replay(stored)?),
            OpenOutcome::IdTaken => return Err(PaymentError::AccountIdTaken),
            OpenOutcome::Conflict => return Err(PaymentError::Conflict),
            OpenOutcome::PayeeRejected(payee) => {
                let Account { owner, currency, .. } = command.account;
                return Err(Rejection::of_disbursement(payee.as_ref(), owner, currency, &command.claims).into());
            }
            OpenOutcome::OwnerRejected { owner: None, .. } => return Err(PaymentError::UserNotSynced),
            OpenOutcome::OwnerRejected { owner: Some(owner), credit } => {
                owner.admit(&command.claims)?;
                if u32::try_from(owner.account_ids.len()).unwrap_or(u32::MAX) >= command.max_accounts {
                    return Err(PaymentError::TooManyAccounts);
                }
                if let Some((amount, max)) = command.credit
                    && credit.saturating_add(amount.minor()) > max.minor()
                {
                    return Err(PaymentError::CreditPerUserExceeded { max });
                }
                ended = Some(owner.ended_sessions);
            }
        }
    }
    Err(PaymentError::Conflict)
}

#[cfg(test)]
mod tests;
