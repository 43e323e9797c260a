//! Credentials in request bodies, shared by the cookie flow and the bearer token flow.

use contact::{Email, Phone};
use http_api::{FieldErrors, Problem};
use kernel::Secret;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::app::sign_in::SignInRequest;
use crate::app::sign_up::SignUpParams;
use crate::domain::{ClientInfo, Identifier, PasswordPolicy};

/// The body of a sign-in: one identifier and the password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Credentials {
    /// Either this or the phone number.
    #[schema(value_type = Option<Email>)]
    email: Option<String>,
    /// Either this or the e-mail address, in any international format.
    #[schema(example = "+250 788 123 456")]
    phone: Option<String>,
    #[schema(value_type = String, format = Password)]
    password: Secret<String>,
}

impl Credentials {
    pub(super) fn try_into_domain(self, client: ClientInfo) -> Result<SignInRequest, Problem> {
        let identifier = match (self.email, self.phone) {
            (Some(email), None) => {
                Email::parse(&email).map(Identifier::Email).map_err(|error| Problem::field("email", error))?
            }
            (None, Some(phone)) => {
                Phone::parse(&phone).map(Identifier::Phone).map_err(|error| Problem::field("phone", error))?
            }
            (None, None) => return Err(Problem::field("email", "send an email or a phone")),
            (Some(_), Some(_)) => return Err(Problem::field("phone", "send an email or a phone, not both")),
        };
        Ok(SignInRequest { identifier, password: self.password, client })
    }
}

/// Parses a sign-up, collecting the errors of all fields.
pub(super) fn sign_up_params(
    email: &str,
    phone: Option<&str>,
    password: Secret<String>,
    policy: PasswordPolicy,
    client: ClientInfo,
) -> Result<SignUpParams, Problem> {
    let mut fields = FieldErrors::default();
    let email = fields.read("email", Email::parse(email));
    let phone = fields.read_optional("phone", phone.map(Phone::parse));
    let known_phone = phone.as_ref().and_then(Option::as_ref);
    let password = fields.read("password", policy.accept(password, email.as_ref(), known_phone));
    match (email, phone, password) {
        (Some(email), Some(phone), Some(password)) => Ok(SignUpParams { email, phone, password, client }),
        _ => Err(fields.problem()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{PASSWORD, ada};

    #[test]
    fn every_spelling_of_an_identifier_is_normalized() {
        for (field, spelling, identifier) in [
            ("email", "ADA@Example.com", Identifier::Email(ada().email)),
            ("phone", "+33612345678", Identifier::Phone(ada().phone.unwrap())),
            ("phone", "+33 6 12 34 56 78", Identifier::Phone(ada().phone.unwrap())),
            ("phone", "+33 (0)6-12-34-56-78", Identifier::Phone(ada().phone.unwrap())),
        ] {
            let body: Credentials = serde_json::from_value(json!({field: spelling, "password": PASSWORD})).unwrap();
            assert_eq!(body.try_into_domain(ClientInfo::default()).unwrap().identifier, identifier, "{spelling}");
        }
    }

    #[test]
    fn exactly_one_valid_identifier_is_required() {
        for (body, pointer) in [
            (json!({"password": PASSWORD}), "/email"),
            (json!({"email": "ada@example.com", "phone": "+33612345678", "password": PASSWORD}), "/phone"),
            (json!({"email": "ada", "password": PASSWORD}), "/email"),
            (json!({"phone": "0612345678", "password": PASSWORD}), "/phone"),
        ] {
            let problem = serde_json::from_value::<Credentials>(body.clone())
                .unwrap()
                .try_into_domain(ClientInfo::default())
                .unwrap_err();
            assert_eq!((problem.problem_type.status, problem.errors[0].pointer.as_str()), (400, pointer), "{body}");
        }
    }

    #[test]
    fn every_invalid_field_of_a_sign_up_is_reported() {
        let policy = "8".parse().unwrap();
        let problem =
            sign_up_params("ada", Some("0612345678"), Secret::new("short".to_owned()), policy, ClientInfo::default())
                .unwrap_err();
        let pointers: Vec<_> = problem.errors.iter().map(|error| error.pointer.as_str()).collect();
        assert_eq!(pointers, ["/email", "/phone", "/password"]);
    }
}
