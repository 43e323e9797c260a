//! What a client is told of each error: here, and nowhere else.

use std::time::Duration;

use http_api::{FieldError, Problem};

use crate::app::error::AccountError;
use crate::domain::IdentifierKind;
use crate::store::StoreError;

/// The kinds of problem that are this context's own.
pub mod problem_types {
    use http_api::ProblemType;

    /// Somebody has this e-mail address or phone number already.
    pub const IDENTIFIER_TAKEN: ProblemType =
        ProblemType { code: "identifier_taken", status: 409, title: "The identifier is taken", retryable: false };
    /// One answer for every cause, so that nobody can learn from it who has an account.
    pub const INVALID_CREDENTIALS: ProblemType = ProblemType {
        code: "invalid_credentials",
        status: 401,
        title: "The credentials are invalid",
        retryable: false,
    };

    /// Too many attempts have failed: `Retry-After` says when the next may be made.
    pub const TOO_MANY_ATTEMPTS: ProblemType =
        ProblemType { code: "too_many_attempts", status: 429, title: "Too many failed attempts", retryable: true };

    /// One answer for every cause: sign in again.
    pub const INVALID_REFRESH_TOKEN: ProblemType = ProblemType {
        code: "invalid_refresh_token",
        status: 401,
        title: "The refresh token is invalid",
        retryable: false,
    };
    /// The person has no such session.
    pub const SESSION_NOT_FOUND: ProblemType =
        ProblemType { code: "session_not_found", status: 404, title: "There is no such session", retryable: false };

    /// There is nothing left to verify.
    pub const ALREADY_VERIFIED: ProblemType =
        ProblemType { code: "already_verified", status: 409, title: "The identifier is verified", retryable: false };
    /// `Retry-After` says when another may be asked for.
    pub const CODE_SENT_RECENTLY: ProblemType =
        ProblemType { code: "code_sent_recently", status: 429, title: "A code was sent recently", retryable: true };
    /// One answer for every cause.
    pub const INVALID_CODE: ProblemType =
        ProblemType { code: "invalid_code", status: 400, title: "The code is invalid", retryable: false };

    /// All of the above.
    pub const ALL: &[ProblemType] = &[
        IDENTIFIER_TAKEN,
        INVALID_CREDENTIALS,
        TOO_MANY_ATTEMPTS,
        INVALID_REFRESH_TOKEN,
        SESSION_NOT_FOUND,
        ALREADY_VERIFIED,
        CODE_SENT_RECENTLY,
        INVALID_CODE,
    ];
}

const SOON: Duration = Duration::from_secs(1);

impl From<AccountError> for Problem {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::IdentifierTaken(taken) => identifier_taken(&taken),
            AccountError::InvalidCredentials => {
                Self::new(&problem_types::INVALID_CREDENTIALS, "No account has this identifier and this password.")
                    .header("www-authenticate", "Bearer realm=\"payments\"")
            }
            AccountError::TooManyAttempts(wait) => {
                Self::new(&problem_types::TOO_MANY_ATTEMPTS, "Wait as long as Retry-After says before you try again.")
                    .retry_after(wait)
            }
            AccountError::InvalidRefreshToken(reason) => Self::new(
                &problem_types::INVALID_REFRESH_TOKEN,
                "The refresh token is not good any more. Sign in again.",
            )
            .header("www-authenticate", "Bearer realm=\"payments\"")
            .with_cause(reason),
            AccountError::NoSuchIdentifier(kind) => {
                Self::field("identifier", format!("you have no {}: set one by PATCH /auth/me", kind.name()))
            }
            AccountError::AlreadyVerified(kind) => Self::new(
                &problem_types::ALREADY_VERIFIED,
                format!("Your {} is verified: there is nothing to do.", kind.name()),
            ),
            AccountError::CodeSentRecently(wait) => Self::new(
                &problem_types::CODE_SENT_RECENTLY,
                "Wait as long as Retry-After says before you ask for another code.",
            )
            .retry_after(wait),
            AccountError::InvalidCode => {
                Self::new(&problem_types::INVALID_CODE, "The code is wrong or not good any more. Ask for another one.")
            }
            AccountError::CodeNotSent { resend_after, .. } => Self::unavailable(resend_after, &error),
            AccountError::Revoked(reason) => Self::unauthenticated(true, reason),
            AccountError::UserKeptChanging
            | AccountError::NoSigningKey
            | AccountError::Store(StoreError::Unavailable(_)) => Self::unavailable(SOON, &error),
            AccountError::Store(StoreError::Internal(_)) | AccountError::Hashing(_) | AccountError::Signing(_) => {
                Self::internal(&error)
            }
        }
    }
}

fn identifier_taken(taken: &[IdentifierKind]) -> Problem {
    let errors = taken.iter().map(|kind| FieldError::new(kind.name(), "is taken: sign in, or use another")).collect();
    let names: Vec<_> = taken.iter().map(|kind| kind.name()).collect();
    let detail = format!("Somebody has signed up with this {} already.", names.join(" and this "));
    let mut problem = Problem::new(&problem_types::IDENTIFIER_TAKEN, detail);
    problem.errors = errors;
    problem
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_code_is_unique_together_with_the_shared_ones() {
        let all: Vec<_> = problem_types::ALL.iter().chain(http_api::problem_types::ALL).collect();
        let codes: HashSet<_> = all.iter().map(|kind| kind.code).collect();
        assert_eq!(codes.len(), all.len());
    }

    #[test]
    fn every_code_is_documented() {
        let documented = include_str!("../../../../docs/api.md");
        for kind in problem_types::ALL {
            let row = format!("| `{}` | {} |", kind.code, kind.status);
            assert!(documented.contains(&row), "docs/api.md has no row that begins {row}");
        }
    }

    #[test]
    fn a_taken_identifier_is_pointed_at() {
        let problem = Problem::from(AccountError::IdentifierTaken(vec![IdentifierKind::Email, IdentifierKind::Phone]));
        let pointers: Vec<_> = problem.errors.iter().map(|error| error.pointer.as_str()).collect();
        assert_eq!(pointers, ["/email", "/phone"]);
    }

    #[test]
    fn what_is_wrong_inside_is_for_the_log_alone() {
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
