//! `POST /auth/verifications/confirm`: confirms a verification code.

use auth::{LoadKeys, Verifier};
use http_api::{Problem, Request, Response, json_body};
use kernel::{Clock, Random};
use lambda_http::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use super::client_info::caller;
use super::me::SignedInUser;
use super::send_code::IdentifierName;
use super::session_auth::signed_in;
use crate::app::verify_identifier::ConfirmVerification;
use crate::domain::verification_code::Code;
use crate::store::{AppendAuditEvent, CountCodeAttempt, FindSession, VerifyIdentifier};

pub struct ConfirmCode<S, L, R, C> {
    pub verifier: Verifier<L, C>,
    pub confirm: ConfirmVerification<S, R, C>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CodeReturned)]
pub(super) struct Body {
    identifier: IdentifierName,
    #[schema(value_type = String, pattern = "^[0-9]{6}$", example = "012345")]
    code: kernel::Secret<String>,
}

/// Confirms the code in three round trips.
/// # Errors
/// A 401 if the token is invalid; the same 400 for every reason to reject the code; a 409 if the identifier is already
/// verified.
pub async fn confirm_code<S, L, R, C>(deps: &ConfirmCode<S, L, R, C>, request: Request) -> Result<Response, Problem>
where
    S: FindSession + CountCodeAttempt + VerifyIdentifier + AppendAuditEvent + Sync,
    L: LoadKeys + Sync,
    R: Random + Sync,
    C: Clock + Sync,
{
    let confirm = &deps.confirm;
    let (principal, who) = signed_in(&confirm.users, &deps.verifier, &confirm.clock, &request).await?;
    let Body { identifier, code } = json_body(&request)?;
    let code = Code::parse(code.expose()).map_err(|error| Problem::field("code", error))?;
    let user = confirm.confirm(who, principal.epoch, identifier.into(), &code, &caller(&request)).await?;
    Response::json(StatusCode::OK, &SignedInUser::from(&user))
}
