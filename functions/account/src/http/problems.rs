//! The problems of this context, and the mapping of errors to them.

use std::time::Duration;

use http_api::{FieldError, Problem, ProblemType};

use crate::app::error::AccountError;
use crate::domain::IdentifierKind;
use crate::store::StoreError;

pub const IDENTIFIER_TAKEN: ProblemType =
    ProblemType { code: "identifier_taken", status: 409, title: "Identifier already in use", retryable: false };
/// Returned for every cause, so that the response does not reveal whether an account exists.
pub const INVALID_CREDENTIALS: ProblemType =
    ProblemType { code: "invalid_credentials", status: 401, title: "Invalid credentials", retryable: false };

/// The session is valid, so this is not a 401: there is nothing to authenticate again for.
pub const WRONG_CURRENT_PASSWORD: ProblemType =
    ProblemType { code: "wrong_current_password", status: 403, title: "Wrong current password", retryable: false };

/// Sent with `Retry-After`.
pub const TOO_MANY_ATTEMPTS: ProblemType =
    ProblemType { code: "too_many_attempts", status: 429, title: "Too many failed attempts", retryable: true };

/// Sent with `Retry-After`. No attempt was made, and none is known to have failed.
pub const ATTEMPTS_IN_PROGRESS: ProblemType =
    ProblemType { code: "attempts_in_progress", status: 429, title: "Other attempts in progress", retryable: true };

/// Returned for every cause. The client has to sign in again.
pub const INVALID_REFRESH_TOKEN: ProblemType =
    ProblemType { code: "invalid_refresh_token", status: 401, title: "Invalid refresh token", retryable: false };
pub const SESSION_NOT_FOUND: ProblemType =
    ProblemType { code: "session_not_found", status: 404, title: "Session not found", retryable: false };

pub const ALREADY_VERIFIED: ProblemType =
    ProblemType { code: "already_verified", status: 409, title: "Identifier already verified", retryable: false };
/// Sent with `Retry-After`.
pub const CODE_SENT_RECENTLY: ProblemType =
    ProblemType { code: "code_sent_recently", status: 429, title: "Code sent recently", retryable: true };
/// Returned for every cause.
pub const INVALID_CODE: ProblemType =
    ProblemType { code: "invalid_code", status: 400, title: "Invalid code", retryable: false };

pub const ALL: &[ProblemType] = &[
    IDENTIFIER_TAKEN,
    INVALID_CREDENTIALS,
    WRONG_CURRENT_PASSWORD,
    TOO_MANY_ATTEMPTS,
    ATTEMPTS_IN_PROGRESS,
    INVALID_REFRESH_TOKEN,
    SESSION_NOT_FOUND,
    ALREADY_VERIFIED,
    CODE_SENT_RECENTLY,
    INVALID_CODE,
];

const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(1);

impl From<AccountError> for Problem {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::IdentifierTaken(taken) => identifier_taken(&taken),
            AccountError::InvalidCredentials => {
                Self::new(&INVALID_CREDENTIALS, "The identifier or the password is wrong.")
                    .header("www-authenticate", "Bearer realm=\"payments\"")
            }
            AccountError::WrongCurrentPassword => {
                Self::new(&WRONG_CURRENT_PASSWORD, "The current password is wrong, so nothing was changed.")
                    .with_field_error("currentPassword", "is wrong")
            }
            AccountError::TooManyAttempts(wait) => {
                Self::new(&TOO_MANY_ATTEMPTS, "Wait for as long as Retry-After says before the next attempt.")
                    .retry_after(wait)
            }
            AccountError::AttemptsInProgress => {
                Self::new(&ATTEMPTS_IN_PROGRESS, "Other attempts are still being checked. Retry this one.")
                    .retry_after(DEFAULT_RETRY_AFTER)
            }
            AccountError::InvalidRefreshToken(reason) => {
                Self::new(&INVALID_REFRESH_TOKEN, "The refresh token is invalid or has expired. Sign in again.")
                    .header("www-authenticate", "Bearer realm=\"payments\"")
                    .with_cause(reason)
            }
            AccountError::NoSuchIdentifier(kind) => {
                Self::field("identifier", format!("you have no {}; set one with PATCH /auth/me", kind.name()))
            }
            AccountError::AlreadyVerified(kind) => {
                Self::new(&ALREADY_VERIFIED, format!("Your {} is already verified.", kind.name()))
            }
            AccountError::CodeSentRecently(wait) => {
                Self::new(&CODE_SENT_RECENTLY, "Wait for as long as Retry-After says before requesting another code.")
                    .retry_after(wait)
            }
            AccountError::InvalidCode => {
                Self::new(&INVALID_CODE, "The code is wrong or has expired. Request a new one.")
            }
            AccountError::CodeNotSent { resend_after, .. } => Self::unavailable(resend_after, &error),
            AccountError::Revoked(reason) => Self::unauthenticated(true, reason),
            AccountError::UserKeptChanging
            | AccountError::NoSigningKey
            | AccountError::Store(StoreError::Unavailable(_)) => Self::unavailable(DEFAULT_RETRY_AFTER, &error),
            AccountError::Store(StoreError::Internal(_)) | AccountError::Hashing(_) | AccountError::Signing(_) => {
                Self::internal(&error)
            }
        }
    }
}

fn identifier_taken(taken: &[IdentifierKind]) -> Problem {
    let errors = taken
        .iter()
        .map(|kind| FieldError::new(kind.name(), "is already in use: sign in, or choose another"))
        .collect();
    let names: Vec<_> = taken.iter().map(|kind| kind.name()).collect();
    let detail = format!("Already in use: {}.", names.join(", "));
    let mut problem = Problem::new(&IDENTIFIER_TAKEN, detail);
    problem.errors = errors;
    problem
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn problem_codes_are_unique() {
        let all: Vec<_> = ALL.iter().chain(http_api::problem_types::ALL).collect();
        let codes: HashSet<_> = all.iter().map(|problem_type| problem_type.code).collect();
        assert_eq!(codes.len(), all.len());
    }

    #[test]
    fn problem_codes_are_documented() {
        let documented = include_str!("../../../../docs/api.md");
        for problem_type in ALL {
            let row = format!("| `{}` | {} |", problem_type.code, problem_type.status);
            assert!(documented.contains(&row), "docs/api.md has no row that begins {row}");
        }
    }

    #[test]
    fn taken_identifiers_are_reported_with_pointers() {
        let problem = Problem::from(AccountError::IdentifierTaken(vec![IdentifierKind::Email, IdentifierKind::Phone]));
        let pointers: Vec<_> = problem.errors.iter().map(|error| error.pointer.as_str()).collect();
        assert_eq!(pointers, ["/email", "/phone"]);
    }

    #[test]
    fn internal_causes_are_not_returned_to_clients() {
        for error in [
            AccountError::NoSigningKey,
            AccountError::Store(StoreError::Unavailable("table acct-7".to_owned())),
            AccountError::Store(StoreError::Internal("table acct-7".to_owned())),
        ] {
            let text = error.to_string();
            let problem = Problem::from(error);
            assert!(problem.problem_type.status >= 500);
            assert_eq!(problem.cause(), Some(text.as_str()));
            assert!(!problem.detail.contains("acct-7") && !problem.detail.contains("key"), "{}", problem.detail);
        }
    }
}
