//! `POST /auth/verifications/confirm`: confirms a verification code.

use http_api::{Problem, Request, Response, json_body};
use kernel::Secret;
use lambda_http::http::StatusCode;
use openapi::Endpoint;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::client_info::client_info;
use super::me::SignedInUser;
use super::send_code::IdentifierName;
use super::{ACCOUNT, examples, problems};
use crate::app::active_session::AuthenticatedSession;
pub use crate::app::verify_identifier::ConfirmVerification as State;
use crate::domain::verification_code::Code;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CodeReturned)]
pub(super) struct Body {
    identifier: IdentifierName,
    #[schema(value_type = String, pattern = "^[0-9]{6}$", example = "012345")]
    code: Secret<String>,
}

/// # Errors
///
/// The same 400 for every reason to reject the code; a 409 if the identifier is already verified.
pub async fn handle(state: &State, session: AuthenticatedSession, request: Request) -> Result<Response, Problem> {
    let Body { identifier, code } = json_body(&request)?;
    let code = Code::parse(code.expose()).map_err(|error| Problem::field("code", error))?;
    let user = state.confirm(session, identifier.into(), &code, &client_info(&request)).await?;
    Response::json(StatusCode::OK, &SignedInUser::from(&user))
}

pub(super) fn describe() -> Endpoint {
    Endpoint::new(
        "post",
        "/auth/verifications/confirm",
        ACCOUNT,
        "confirmCode",
        "Confirm a verification code",
    )
    .description(
        "A code allows five attempts. The current access token does not include the new status; the next one, from a \
             refresh, does.",
    )
    .authenticated()
    .request_body::<Body>(&[("example", json!({"identifier": "email", "code": "012345"}))])
    .response::<SignedInUser<'_>>(
        200,
        "The user, as in `GET /auth/me`.",
        &examples::user(),
    )
    .problems(&[&problems::INVALID_CODE, &problems::ALREADY_VERIFIED])
}
