//! The requirement that a user has verified an identifier before they can change anything.

use auth::Principal;
use http_api::Problem;
use lambda_http::http::Method;

use super::problems;
use crate::app::config::RequireVerified;

impl RequireVerified {
    /// Admits a request with a safe method, and any other one if its token says that the required identifier is verified.
    ///
    /// # Errors
    ///
    /// A 403 [`Problem`] if the identifier is not verified.
    pub(crate) fn check(self, principal: &Principal, method: &Method) -> Result<(), Problem> {
        let (is_verified, identifier) = match self {
            Self::None => return Ok(()),
            Self::Email => (principal.email_verified, "e-mail address"),
            Self::Phone => (principal.phone_verified, "phone number"),
        };
        if is_verified || method.is_safe() { Ok(()) } else { Err(problems::verification_required(identifier)) }
    }
}

#[cfg(test)]
mod tests {
    use kernel::testing::SeededRandom;
    use kernel::{SessionId, Timestamp, UserId};

    use super::*;

    fn principal(email_verified: bool, phone_verified: bool) -> Principal {
        let random = SeededRandom::new(1);
        Principal {
            user_id: UserId::random(&random),
            session_id: SessionId::random(&random),
            epoch: 3,
            issued_at: Timestamp::parse("2026-01-31T11:45:00Z").unwrap(),
            expires_at: Timestamp::parse("2026-01-31T12:00:00Z").unwrap(),
            email_verified,
            phone_verified,
        }
    }

    fn is_admitted(required: RequireVerified, email_verified: bool, phone_verified: bool, method: &Method) -> bool {
        match required.check(&principal(email_verified, phone_verified), method) {
            Ok(()) => true,
            Err(problem) => {
                assert_eq!((problem.problem_type.status, problem.problem_type.code), (403, "verification_required"));
                false
            }
        }
    }

    #[test]
    fn change_requires_the_configured_verification() {
        use RequireVerified::{Email, None, Phone};
        for (required, email, phone, admitted) in [
            (None, false, false, true),
            (Email, false, false, false),
            (Email, true, false, true),
            (Email, false, true, false),
            (Phone, false, false, false),
            (Phone, false, true, true),
            (Phone, true, false, false),
        ] {
            for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
                let outcome = is_admitted(required, email, phone, &method);
                assert_eq!(outcome, admitted, "{required:?} {email} {phone} {method}");
            }
            assert!(is_admitted(required, email, phone, &Method::GET), "{required:?}: reading");
            assert!(is_admitted(required, email, phone, &Method::HEAD), "{required:?}: reading");
        }
    }

    #[test]
    fn verification_problem_names_the_identifier_and_the_steps() {
        let problem = RequireVerified::Phone.check(&principal(false, false), &Method::POST).unwrap_err();
        for words in ["phone number", "/auth/verifications", "/auth/refresh"] {
            assert!(problem.detail.contains(words), "{}", problem.detail);
        }
    }
}
