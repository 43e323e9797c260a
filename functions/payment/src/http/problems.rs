//! The problem types of this context, with their stable codes, and the mapping of errors to problems.

use std::time::Duration;

use http_api::{FieldErrors, Problem, ProblemType};
use kernel::Amount;

use super::idempotency::REPLAYED;
use crate::app::PaymentError;
use crate::app::webhook_secrets::LoadSecretsError;
use crate::domain::{AccountType, FailureReason, InvalidTransition, Party};
use crate::store::StoreError;

pub(super) const ACCOUNT_NOT_FOUND: ProblemType =
    ProblemType { code: "account_not_found", status: 404, title: "Payment account not found", retryable: false };
pub(super) const TRANSFER_NOT_FOUND: ProblemType =
    ProblemType { code: "transfer_not_found", status: 404, title: "Transfer not found", retryable: false };
pub(super) const PAYMENT_NOT_FOUND: ProblemType =
    ProblemType { code: "payment_not_found", status: 404, title: "Payment not found", retryable: false };
pub(super) const INVALID_TRANSITION: ProblemType =
    ProblemType { code: "invalid_transition", status: 400, title: "Invalid status transition", retryable: false };
pub(super) const INVALID_SIGNATURE: ProblemType =
    ProblemType { code: "invalid_signature", status: 401, title: "Invalid webhook signature", retryable: false };
pub(super) const PROVIDER_TRANSACTION_USED: ProblemType = ProblemType {
    code: "provider_transaction_used",
    status: 409,
    title: "Provider transaction has settled another payment",
    retryable: false,
};
pub(super) const UNPROCESSABLE_WEBHOOK: ProblemType =
    ProblemType { code: "unprocessable_webhook", status: 422, title: "Unprocessable webhook", retryable: false };
pub(super) const WEBHOOK_ID_REUSED: ProblemType =
    ProblemType { code: "webhook_id_reused", status: 409, title: "Webhook id reused", retryable: false };
pub(super) const ACCOUNT_ID_TAKEN: ProblemType =
    ProblemType { code: "account_id_taken", status: 409, title: "Payment account id taken", retryable: false };
pub(super) const INSUFFICIENT_FUNDS: ProblemType =
    ProblemType { code: "insufficient_funds", status: 422, title: "Insufficient funds", retryable: false };
pub(super) const CURRENCY_MISMATCH: ProblemType =
    ProblemType { code: "currency_mismatch", status: 422, title: "Currency mismatch", retryable: false };
pub(super) const ACCOUNT_FROZEN: ProblemType =
    ProblemType { code: "account_frozen", status: 422, title: "Account frozen", retryable: false };
pub(super) const HEADROOM_EXCEEDED: ProblemType =
    ProblemType { code: "headroom_exceeded", status: 422, title: "Balance limit exceeded", retryable: false };
pub(super) const SAME_ACCOUNT: ProblemType =
    ProblemType { code: "same_account", status: 422, title: "Payer and payee are the same account", retryable: false };
pub(super) const WRONG_ACCOUNT_TYPE: ProblemType =
    ProblemType { code: "wrong_account_type", status: 422, title: "Wrong account type", retryable: false };
pub(super) const LIMIT_EXCEEDED: ProblemType =
    ProblemType { code: "limit_exceeded", status: 422, title: "Platform limit exceeded", retryable: false };
pub(super) const IDEMPOTENCY_KEY_REUSED: ProblemType = ProblemType {
    code: "idempotency_key_reused",
    status: 422,
    title: "Idempotency key reused with a different payload",
    retryable: false,
};
pub(super) const SELF_DEPOSIT_DISABLED: ProblemType = ProblemType {
    code: "self_deposit_disabled",
    status: 403,
    title: "Self-service deposits disabled",
    retryable: false,
};
pub(super) const SELF_CREDIT_DISABLED: ProblemType =
    ProblemType { code: "self_credit_disabled", status: 403, title: "Self-service credit disabled", retryable: false };
pub(super) const VERIFICATION_REQUIRED: ProblemType =
    ProblemType { code: "verification_required", status: 403, title: "Verification required", retryable: false };
pub(super) const USER_NOT_SYNCED: ProblemType =
    ProblemType { code: "user_not_synced", status: 503, title: "User not synchronized yet", retryable: true };
pub(super) const CONTENTION: ProblemType =
    ProblemType { code: "contention", status: 503, title: "Account contention", retryable: true };
/// A request without an idempotency key that may have been executed.
pub(super) const OUTCOME_UNKNOWN: ProblemType =
    ProblemType { code: "outcome_unknown", status: 503, title: "Outcome unknown", retryable: false };

/// The problem types of this context, in addition to those that all endpoints share.
pub const ALL: &[ProblemType] = &[
    ACCOUNT_NOT_FOUND,
    TRANSFER_NOT_FOUND,
    PAYMENT_NOT_FOUND,
    INVALID_TRANSITION,
    INVALID_SIGNATURE,
    PROVIDER_TRANSACTION_USED,
    UNPROCESSABLE_WEBHOOK,
    WEBHOOK_ID_REUSED,
    ACCOUNT_ID_TAKEN,
    INSUFFICIENT_FUNDS,
    CURRENCY_MISMATCH,
    ACCOUNT_FROZEN,
    HEADROOM_EXCEEDED,
    SAME_ACCOUNT,
    WRONG_ACCOUNT_TYPE,
    LIMIT_EXCEEDED,
    IDEMPOTENCY_KEY_REUSED,
    SELF_DEPOSIT_DISABLED,
    SELF_CREDIT_DISABLED,
    VERIFICATION_REQUIRED,
    USER_NOT_SYNCED,
    CONTENTION,
    OUTCOME_UNKNOWN,
];

/// The problems of an endpoint that moves money between payment accounts.
pub(super) const ACCOUNT_PROBLEMS: &[&ProblemType] =
    &[&ACCOUNT_NOT_FOUND, &CURRENCY_MISMATCH, &ACCOUNT_FROZEN, &CONTENTION];

/// The problems of an endpoint whose payment credits an account, which may be frozen: the customer has paid.
pub(super) const COLLECTION_PROBLEMS: &[&ProblemType] = &[&ACCOUNT_NOT_FOUND, &CONTENTION];

/// The `Retry-After` of a transient problem.
const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(1);

/// The request fields that name the payer's and the payee's account.
#[derive(Debug, Clone, Copy)]
pub(super) struct PartyFields {
    pub(super) from: &'static str,
    pub(super) to: &'static str,
}

/// The fields of a request that names one account.
pub(super) const PAYMENT_ACCOUNT: PartyFields = PartyFields { from: "paymentAccountId", to: "paymentAccountId" };

impl PartyFields {
    const fn of(self, party: Party) -> &'static str {
        match party {
            Party::Payer => self.from,
            Party::Payee => self.to,
        }
    }
}

impl From<PaymentError> for Problem {
    fn from(error: PaymentError) -> Self {
        problem(&error, PAYMENT_ACCOUNT)
    }
}

/// Maps an error to its problem, which points at the fields that name the accounts.
pub(super) fn problem(error: &PaymentError, fields: PartyFields) -> Problem {
    match error {
        PaymentError::Rejected { reason, replayed: false } => rejected(*reason, fields),
        PaymentError::Rejected { reason, replayed: true } => rejected(*reason, fields).header(REPLAYED.0, REPLAYED.1),
        PaymentError::SameAccount => Problem::new(&SAME_ACCOUNT, "The payer and the payee must be different accounts.")
            .with_field_error(fields.to, "must differ from the payer's account"),
        PaymentError::WrongAccountType { allowed } => wrong_account_type(allowed, fields),
        PaymentError::AccountIdTaken => Problem::new(&ACCOUNT_ID_TAKEN, "A payment account with this id exists.")
            .with_field_error("paymentAccountId", "choose another id"),
        PaymentError::UserNotSynced => {
            let detail = "Your registration has not been synchronized to the payment service yet. Try again.";
            Problem::new(&USER_NOT_SYNCED, detail).retry_after(DEFAULT_RETRY_AFTER)
        }
        PaymentError::TooManyAccounts => {
            Problem::new(&LIMIT_EXCEEDED, "You have the maximum number of payment accounts.")
        }
        PaymentError::CreditLimitTooHigh { max } => limit_exceeded("creditLimit", *max),
        PaymentError::PrincipalTooHigh { max } => limit_exceeded("principal", *max),
        PaymentError::SelfDepositDisabled => {
            let detail = "Self-service deposits are disabled in this deployment. Accounts are funded by collections.";
            Problem::new(&SELF_DEPOSIT_DISABLED, detail)
        }
        PaymentError::SelfCreditDisabled => {
            let detail = "CREDIT and LOAN accounts are opened by the operator of this deployment.";
            Problem::new(&SELF_CREDIT_DISABLED, detail)
        }
        PaymentError::CreditPerUserExceeded { max } => {
            let max = max.minor();
            let detail = format!("Your credit in this currency would exceed the limit of {max} minor units.");
            Problem::new(&LIMIT_EXCEEDED, detail)
        }
        PaymentError::KeyReused(_) => {
            let detail = "This Idempotency-Key was used with a different payload. Nothing was changed.";
            Problem::new(&IDEMPOTENCY_KEY_REUSED, detail)
        }
        PaymentError::Revoked(_) => Problem::unauthenticated(true, error),
        PaymentError::TransferNotFound => transfer_not_found(),
        PaymentError::PaymentNotFound => payment_not_found(),
        PaymentError::InvalidTransition(InvalidTransition { from, to }) => {
            Problem::new(&INVALID_TRANSITION, format!("A payment with status {from} can't change to {to}."))
                .with_field_error("status", format!("the payment has status {from}"))
        }
        PaymentError::ProviderTransactionUsed => {
            let detail = "The provider's transaction has settled another payment. Nothing was changed.";
            Problem::new(&PROVIDER_TRANSACTION_USED, detail)
                .with_field_error("providerTransactionId", "has settled another payment")
        }
        PaymentError::WebhookIdReused => {
            Problem::new(&WEBHOOK_ID_REUSED, "This webhook id was used with different data. Nothing was changed.")
        }
        PaymentError::Conflict => {
            let detail = "Nothing was changed, because concurrent requests use the same accounts. Try again.";
            Problem::new(&CONTENTION, detail).retry_after(DEFAULT_RETRY_AFTER).with_cause(error)
        }
        PaymentError::Store(error @ StoreError::Unavailable(_)) => Problem::unavailable(DEFAULT_RETRY_AFTER, error),
        PaymentError::Store(error @ StoreError::Internal(_)) => Problem::internal(error),
    }
}

/// Maps an error that concerns no field of the request.
pub(super) fn problem_without_fields(error: &PaymentError) -> Problem {
    let mut problem = problem(error, PAYMENT_ACCOUNT);
    problem.errors.clear();
    problem
}

/// Maps the error of a request that creates something. If the store's response was lost, the request may have been executed.
/// Repeating it is safe with an idempotency key only.
pub(super) fn creation_problem(error: &PaymentError, fields: PartyFields, keyed: bool) -> Problem {
    let problem = problem(error, fields);
    if keyed || !matches!(error, PaymentError::Store(_)) {
        return problem;
    }
    let detail = "The request may have been executed. Check before you repeat it, and send an Idempotency-Key with \
                  requests that must not be executed twice.";
    Problem::new(&OUTCOME_UNKNOWN, detail).with_cause(problem.cause().unwrap_or_default())
}

fn rejected(reason: FailureReason, fields: PartyFields) -> Problem {
    let party = match reason.party() {
        Party::Payer => "payer's",
        Party::Payee => "payee's",
    };
    let (problem_type, detail) = match reason {
        FailureReason::AccountNotFound(Party::Payer) => {
            (&ACCOUNT_NOT_FOUND, "You have no payment account with this id.".to_owned())
        }
        FailureReason::AccountNotFound(Party::Payee) => {
            (&ACCOUNT_NOT_FOUND, "There is no payment account with this id to credit.".to_owned())
        }
        FailureReason::CurrencyMismatch(_) => {
            (&CURRENCY_MISMATCH, format!("The {party} account has a different currency."))
        }
        FailureReason::AccountFrozen(_) => (&ACCOUNT_FROZEN, format!("The {party} account is frozen.")),
        FailureReason::InsufficientFunds => {
            (&INSUFFICIENT_FUNDS, "The amount exceeds the account's available balance.".to_owned())
        }
        FailureReason::HeadroomExceeded => {
            (&HEADROOM_EXCEEDED, "The amount exceeds the balance limit of the payee's account.".to_owned())
        }
    };
    Problem::new(problem_type, detail.clone()).with_field_error(fields.of(reason.party()), detail)
}

fn wrong_account_type(allowed: &[AccountType], fields: PartyFields) -> Problem {
    let allowed = allowed.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ");
    Problem::new(&WRONG_ACCOUNT_TYPE, format!("The account must be of type {allowed}."))
        .with_field_error(fields.to, format!("must be a {allowed} account of yours"))
}

/// The same problem for every cause, so that an attacker learns nothing from it.
pub(super) fn invalid_signature(rejection: webhook::Rejection) -> Problem {
    let detail =
        "Sign the message according to Standard Webhooks with the secret of this deployment, at the time it is sent.";
    Problem::new(&INVALID_SIGNATURE, detail)
        .header("www-authenticate", "Signature realm=\"webhooks\"")
        .with_cause(rejection)
}

pub(super) fn unprocessable_webhook(fields: FieldErrors) -> Problem {
    let detail = "The message is authentic, but a required field is missing or invalid. It is recorded for \
                  reconciliation and not applied.";
    fields.problem_of(&UNPROCESSABLE_WEBHOOK, detail)
}

pub(super) fn secrets_unavailable(error: &LoadSecretsError) -> Problem {
    Problem::unavailable(DEFAULT_RETRY_AFTER, error)
}

pub(super) fn payment_not_found() -> Problem {
    Problem::new(&PAYMENT_NOT_FOUND, "You have no payment with this reference.")
}

pub(super) fn transfer_not_found() -> Problem {
    Problem::new(&TRANSFER_NOT_FOUND, "You have no transfer with this id.")
}

pub(super) fn verification_required(identifier: &str) -> Problem {
    let detail = format!(
        "Verify your {identifier} with POST /auth/verifications and POST /auth/verifications/confirm, then get a new access \
         token with POST /auth/refresh."
    );
    Problem::new(&VERIFICATION_REQUIRED, detail)
}

fn limit_exceeded(field: &str, max: Amount) -> Problem {
    Problem::new(&LIMIT_EXCEEDED, "The amount exceeds the limit of this platform.")
        .with_field_error(field, format!("must be at most {} minor units", max.minor()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use http_api::problem_types;

    use super::*;
    use crate::domain::TokenRevoked;

    #[test]
    fn problem_codes_are_unique() {
        let types: Vec<&ProblemType> = ALL.iter().chain(problem_types::ALL).collect();
        let codes: BTreeSet<&str> = types.iter().map(|problem_type| problem_type.code).collect();
        assert_eq!(codes.len(), types.len());
    }

    #[test]
    fn every_problem_code_is_documented() {
        let documented = include_str!("../../../../docs/api.md");
        for problem_type in ALL.iter().chain(problem_types::ALL) {
            let row = format!("| `{}` | {} |", problem_type.code, problem_type.status);
            assert!(documented.contains(&row), "docs/api.md has no row that begins {row}");
        }
    }

    #[test]
    fn revoked_token_is_reported_as_unauthenticated() {
        for keyed in [false, true] {
            let problem = creation_problem(&PaymentError::Revoked(TokenRevoked), PAYMENT_ACCOUNT, keyed);
            assert_eq!(problem.problem_type, &problem_types::UNAUTHENTICATED);
        }
        assert_eq!(Problem::from(PaymentError::Revoked(TokenRevoked)).problem_type, &problem_types::UNAUTHENTICATED);
    }

    #[test]
    fn failed_transfer_and_its_problem_have_the_same_code() {
        for reason in FailureReason::ALL {
            assert_eq!(rejected(reason, PAYMENT_ACCOUNT).problem_type.code, reason.code());
        }
    }
}
