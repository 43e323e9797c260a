//! Every problem of this context, with its stable code, and which error becomes which.

use std::time::Duration;

use http_api::{Problem, ProblemType, problem_types};

use crate::domain::{Party, Refusal};
use crate::secrets::LoadSecretsError;
use crate::store::StoreError;
use crate::store::accounts::OpenError;
use crate::store::histories::HistoryError;
use crate::store::ledger::PostError;
use crate::store::payments::{AdvanceError, CreateError};
use crate::store::webhooks::WebhookError;

pub(super) const ACCOUNT_NOT_FOUND: ProblemType =
    ProblemType { code: "account_not_found", status: 404, title: "No such payment account", retryable: false };
pub(super) const TRANSFER_NOT_FOUND: ProblemType =
    ProblemType { code: "transfer_not_found", status: 404, title: "No such transfer", retryable: false };
pub(super) const PAYMENT_NOT_FOUND: ProblemType =
    ProblemType { code: "payment_not_found", status: 404, title: "No such payment", retryable: false };
pub(super) const INVALID_TRANSITION: ProblemType = ProblemType {
    code: "invalid_transition",
    status: 400,
    title: "The payment cannot take this step",
    retryable: false,
};
pub(super) const INVALID_SIGNATURE: ProblemType =
    ProblemType { code: "invalid_signature", status: 401, title: "The webhook is not authentic", retryable: false };
pub(super) const WEBHOOK_ID_REUSED: ProblemType =
    ProblemType { code: "webhook_id_reused", status: 409, title: "The webhook's id was used before", retryable: false };
pub(super) const ACCOUNT_ID_TAKEN: ProblemType =
    ProblemType { code: "account_id_taken", status: 409, title: "The payment account id is taken", retryable: false };
pub(super) const INSUFFICIENT_FUNDS: ProblemType =
    ProblemType { code: "insufficient_funds", status: 422, title: "Insufficient funds", retryable: false };
pub(super) const CURRENCY_MISMATCH: ProblemType =
    ProblemType { code: "currency_mismatch", status: 422, title: "The currencies differ", retryable: false };
pub(super) const ACCOUNT_FROZEN: ProblemType =
    ProblemType { code: "account_frozen", status: 422, title: "The account is frozen", retryable: false };
pub(super) const HEADROOM_EXCEEDED: ProblemType = ProblemType {
    code: "headroom_exceeded",
    status: 422,
    title: "More than the account may take in",
    retryable: false,
};
pub(super) const SAME_ACCOUNT: ProblemType =
    ProblemType { code: "same_account", status: 422, title: "Both sides are the same account", retryable: false };
pub(super) const WRONG_ACCOUNT_TYPE: ProblemType =
    ProblemType { code: "wrong_account_type", status: 422, title: "Not for this type of account", retryable: false };
pub(super) const LIMIT_EXCEEDED: ProblemType =
    ProblemType { code: "limit_exceeded", status: 422, title: "Beyond a limit of this platform", retryable: false };
pub(super) const IDEMPOTENCY_KEY_REUSED: ProblemType = ProblemType {
    code: "idempotency_key_reused",
    status: 422,
    title: "The idempotency key was used for another request",
    retryable: false,
};
pub(super) const SELF_DEPOSIT_DISABLED: ProblemType =
    ProblemType { code: "self_deposit_disabled", status: 403, title: "Deposits are closed here", retryable: false };
pub(super) const VERIFICATION_REQUIRED: ProblemType =
    ProblemType { code: "verification_required", status: 403, title: "Not before you are verified", retryable: false };
pub(super) const USER_NOT_SYNCED: ProblemType =
    ProblemType { code: "user_not_synced", status: 503, title: "The user is not known here yet", retryable: true };
pub(super) const CONTENTION: ProblemType =
    ProblemType { code: "contention", status: 503, title: "Too much at once on these accounts", retryable: true };

/// Every kind of problem that this context adds to those all endpoints share.
pub const ALL: &[ProblemType] = &[
    ACCOUNT_NOT_FOUND,
    TRANSFER_NOT_FOUND,
    PAYMENT_NOT_FOUND,
    INVALID_TRANSITION,
    INVALID_SIGNATURE,
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
    VERIFICATION_REQUIRED,
    USER_NOT_SYNCED,
    CONTENTION,
    OUTCOME_UNKNOWN,
];

/// A request without a key whose answer from the table was lost.
pub(super) const OUTCOME_UNKNOWN: ProblemType =
    ProblemType { code: "outcome_unknown", status: 503, title: "It is not known what came of it", retryable: false };

/// When to try again what failed for a reason that passes.
const SOON: Duration = Duration::from_secs(1);

/// The header that tells a repeated answer from a first one.
pub(super) const REPLAYED: (&str, &str) = ("idempotent-replayed", "true");

/// Which fields of a request name the two sides of its transfer.
#[derive(Debug, Clone, Copy)]
pub(super) struct SideFields {
    pub(super) from: &'static str,
    pub(super) to: &'static str,
}

fn refused(refusal: Refusal, fields: SideFields) -> Problem {
    let kind = match refusal {
        Refusal::AccountNotFound(_) => &ACCOUNT_NOT_FOUND,
        Refusal::CurrencyMismatch(_) => &CURRENCY_MISMATCH,
        Refusal::AccountFrozen(_) => &ACCOUNT_FROZEN,
        Refusal::InsufficientFunds => &INSUFFICIENT_FUNDS,
        Refusal::HeadroomExceeded => &HEADROOM_EXCEEDED,
    };
    let field = match refusal.party() {
        Party::Payer => fields.from,
        Party::Payee => fields.to,
    };
    Problem::new(kind, refusal.to_string()).with_field_error(field, refusal)
}

pub(super) fn store(error: &StoreError) -> Problem {
    match error {
        StoreError::Unavailable(_) => Problem::unavailable(SOON, error),
        StoreError::Internal(_) => Problem::internal(error),
    }
}

/// What a client is told of a command that failed. If the table's answer was lost, the command may have been carried out:
/// sent again with its key it acts once, but without one it would act twice.
pub(super) fn of_command(problem: Problem, is_named: bool) -> Problem {
    if is_named || ![problem_types::UNAVAILABLE.code, problem_types::INTERNAL.code].contains(&problem.problem_type.code)
    {
        return problem;
    }
    let detail = "It may have been carried out. Look before you send it again, and send an Idempotency-Key with what must \
                  not happen twice.";
    Problem::new(&OUTCOME_UNKNOWN, detail).with_cause(problem.cause().unwrap_or_default())
}

fn contention(error: &dyn std::error::Error) -> Problem {
    Problem::new(&CONTENTION, "Nothing was changed: other requests held the same accounts. Try again.")
        .retry_after(SOON)
        .with_cause(error)
}

fn key_reused() -> Problem {
    Problem::new(&IDEMPOTENCY_KEY_REUSED, "This Idempotency-Key stands for another request. Nothing was changed.")
}

pub(super) fn post(error: &PostError, fields: SideFields) -> Problem {
    match error {
        PostError::Refused { refusal, replayed: false } => refused(*refusal, fields),
        PostError::Refused { refusal, replayed: true } => refused(*refusal, fields).header(REPLAYED.0, REPLAYED.1),
        PostError::KeyReused => key_reused(),
        PostError::Revoked => Problem::unauthenticated(true, error),
        PostError::Contention => contention(error),
        PostError::Store(error) => store(error),
    }
}

pub(super) fn open(error: &OpenError) -> Problem {
    match error {
        OpenError::IdTaken => Problem::new(&ACCOUNT_ID_TAKEN, "A payment account of this id exists.")
            .with_field_error("paymentAccountId", "choose another id"),
        OpenError::UserNotSynced => {
            Problem::new(&USER_NOT_SYNCED, "Your sign-up has not reached the payment side yet. Try again.")
                .retry_after(SOON)
        }
        OpenError::TooManyAccounts => {
            Problem::new(&LIMIT_EXCEEDED, "You have as many payment accounts as one person may have.")
        }
        OpenError::Disbursement(refusal) => refused(*refusal, SideFields { from: "principal", to: "disburseTo" }),
        OpenError::DisbursementType => Problem::new(&WRONG_ACCOUNT_TYPE, "A loan is disbursed to a DEBIT account.")
            .with_field_error("disburseTo", "name a DEBIT account of yours"),
        OpenError::KeyReused => key_reused(),
        OpenError::Revoked => Problem::unauthenticated(true, error),
        OpenError::Contention => contention(error),
        OpenError::Store(error) => store(error),
    }
}

pub(super) fn create_payment(error: &CreateError) -> Problem {
    match error {
        CreateError::Account(refusal) => {
            refused(*refusal, SideFields { from: "paymentAccountId", to: "paymentAccountId" })
        }
        CreateError::AccountType => Problem::new(&WRONG_ACCOUNT_TYPE, "A loan takes no collections.")
            .with_field_error("paymentAccountId", "name a DEBIT or CREDIT account of yours"),
        CreateError::KeyReused => key_reused(),
        CreateError::Revoked => Problem::unauthenticated(true, error),
        CreateError::Contention => contention(error),
        CreateError::Store(error) => store(error),
    }
}

pub(super) fn advance(error: &AdvanceError) -> Problem {
    match error {
        AdvanceError::NotFound => payment_not_found(),
        AdvanceError::InvalidTransition { from, to } => {
            let detail = format!("A payment that is {from} does not become {to}.");
            Problem::new(&INVALID_TRANSITION, detail).with_field_error("status", format!("the payment is {from}"))
        }
        AdvanceError::Revoked => Problem::unauthenticated(true, error),
        AdvanceError::CreditNotAllowed => self_deposit_disabled(),
        AdvanceError::Credit(refusal) => {
            refused(*refusal, SideFields { from: "paymentAccountId", to: "paymentAccountId" })
        }
        AdvanceError::Contention => contention(error),
        AdvanceError::Store(error) => store(error),
    }
}

pub(super) fn webhook(error: &WebhookError) -> Problem {
    match error {
        WebhookError::IdReused => {
            Problem::new(&WEBHOOK_ID_REUSED, "Another body came under this webhook id. Nothing was changed.")
        }
        WebhookError::Advance(error) => advance(error),
    }
}

/// One answer for every cause: a forger learns nothing.
pub(super) fn invalid_signature(rejection: webhook::Rejection) -> Problem {
    let detail = "Sign the message by Standard Webhooks, with the secret of this deployment, and send it at once.";
    Problem::new(&INVALID_SIGNATURE, detail)
        .header("www-authenticate", "Signature realm=\"webhooks\"")
        .with_cause(rejection)
}

/// The secrets cannot be had just now.
pub(super) fn secrets_unavailable(error: &LoadSecretsError) -> Problem {
    Problem::unavailable(SOON, error)
}

pub(super) fn payment_not_found() -> Problem {
    Problem::new(&PAYMENT_NOT_FOUND, "You have no payment of this reference.")
}

pub(super) fn history(error: &HistoryError) -> Problem {
    match error {
        HistoryError::AccountNotFound => account_not_found("paymentAccountId"),
        HistoryError::Store(error) => store(error),
    }
}

fn account_not_found(field: &'static str) -> Problem {
    refused(Refusal::AccountNotFound(Party::Payer), SideFields { from: field, to: field })
}

pub(super) fn transfer_not_found() -> Problem {
    Problem::new(&TRANSFER_NOT_FOUND, "You have no transfer of this id.")
}

pub(super) fn same_account(field: &str) -> Problem {
    Problem::new(&SAME_ACCOUNT, "A transfer runs between two accounts.")
        .with_field_error(field, "name another account than the paying one")
}

pub(super) fn self_deposit_disabled() -> Problem {
    let detail = "Nobody deposits to their own account on this deployment; money comes in by collections.";
    Problem::new(&SELF_DEPOSIT_DISABLED, detail)
}

pub(super) fn verification_required(what: &str) -> Problem {
    let detail = format!(
        "Verify your {what} first: POST /auth/verifications, then /auth/verifications/confirm. The token that \
         POST /auth/refresh gives you after that says so."
    );
    Problem::new(&VERIFICATION_REQUIRED, detail)
}

pub(super) fn limit_exceeded(field: &str, most: i64) -> Problem {
    Problem::new(&LIMIT_EXCEEDED, "More than this platform grants.")
        .with_field_error(field, format!("may be at most {most} minor units"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_kinds_of_problem_share_a_code() {
        let kinds: Vec<&ProblemType> = ALL.iter().chain(problem_types::ALL).collect();
        let codes: BTreeSet<&str> = kinds.iter().map(|kind| kind.code).collect();
        assert_eq!(codes.len(), kinds.len());
    }

    #[test]
    fn every_code_is_documented() {
        let documented = include_str!("../../../../docs/api.md");
        for kind in ALL.iter().chain(problem_types::ALL) {
            let row = format!("| `{}` | {} |", kind.code, kind.status);
            assert!(documented.contains(&row), "docs/api.md has no row that begins {row}");
        }
    }

    #[test]
    fn a_revoked_token_is_answered_as_a_bad_one_wherever_that_is_found_out() {
        let fields = SideFields { from: "from", to: "to" };
        for problem in [
            post(&PostError::Revoked, fields),
            open(&OpenError::Revoked),
            create_payment(&CreateError::Revoked),
            advance(&AdvanceError::Revoked),
        ] {
            assert_eq!(problem.problem_type, &problem_types::UNAUTHENTICATED);
        }
    }

    #[test]
    fn a_refused_transfer_and_its_problem_bear_the_same_code() {
        let fields = SideFields { from: "from", to: "to" };
        for refusal in Refusal::ALL {
            assert_eq!(refused(refusal, fields).problem_type.code, refusal.code());
        }
    }
}
