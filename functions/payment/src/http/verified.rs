//! What a deployment wants people to have verified before they may do more than look.

use std::str::FromStr;

use auth::Principal;
use http_api::Problem;
use lambda_http::http::Method;

use super::problems;

/// Which of their identifiers people must have verified, by the setting `REQUIRE_VERIFIED`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequireVerified {
    /// None of them.
    None,
    /// The e-mail address.
    Email,
    /// The phone number.
    Phone,
}

impl FromStr for RequireVerified {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "none" => Ok(Self::None),
            "email" => Ok(Self::Email),
            "phone" => Ok(Self::Phone),
            _ => Err("must be none, email or phone"),
        }
    }
}

impl RequireVerified {
    /// Lets a request pass that only looks, or whose token says that what is wanted was verified when it was issued.
    pub(crate) fn check(self, principal: &Principal, method: &Method) -> Result<(), Problem> {
        let (is_verified, what) = match self {
            Self::None => return Ok(()),
            Self::Email => (principal.email_verified, "e-mail address"),
            Self::Phone => (principal.phone_verified, "phone number"),
        };
        if is_verified || method.is_safe() { Ok(()) } else { Err(problems::verification_required(what)) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::ada;
    use super::*;

    fn passes(required: RequireVerified, email_verified: bool, phone_verified: bool, method: &Method) -> bool {
        let principal = Principal { email_verified, phone_verified, ..ada() };
        match required.check(&principal, method) {
            Ok(()) => true,
            Err(problem) => {
                assert_eq!((problem.problem_type.status, problem.problem_type.code), (403, "verification_required"));
                false
            }
        }
    }

    #[test]
    fn a_change_takes_what_the_deployment_wants_verified_and_nothing_else() {
        use RequireVerified::{Email, None, Phone};
        for (required, email, phone, passed) in [
            (None, false, false, true),
            (Email, false, false, false),
            (Email, true, false, true),
            (Email, false, true, false),
            (Phone, false, false, false),
            (Phone, false, true, true),
            (Phone, true, false, false),
        ] {
            for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
                assert_eq!(passes(required, email, phone, &method), passed, "{required:?} {email} {phone} {method}");
            }
            assert!(passes(required, email, phone, &Method::GET), "{required:?}: whoever looks");
            assert!(passes(required, email, phone, &Method::HEAD), "{required:?}: whoever looks");
        }
    }

    #[test]
    fn the_refusal_says_what_to_verify_and_how_to_come_by_a_token_that_says_so() {
        let problem = RequireVerified::Phone.check(&ada(), &Method::POST).unwrap_err();
        for words in ["phone number", "/auth/verifications", "/auth/refresh"] {
            assert!(problem.detail.contains(words), "{}", problem.detail);
        }
    }

    #[test]
    fn only_what_can_be_verified_can_be_wanted() {
        for (text, known) in [("none", true), ("email", true), ("phone", true), ("", false), ("Email", false)] {
            assert_eq!(text.parse::<RequireVerified>().is_ok(), known, "{text}");
        }
    }
}
