//! `POST /auth/verifications`: a code to the person's e-mail address or phone number.

use auth::{LoadKeys, Verifier};
use http_api::{Problem, Request, Response, json_body};
use kernel::{Clock, Random, Timestamp};
use lambda_http::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::client_info::caller;
use super::session_auth::signed_in;
use crate::app::verify_identifier::SendVerification;
use crate::domain::IdentifierKind;
use crate::notify::SendCode;
use crate::store::{FindCodeHistory, FindSession, StoreCode};

/// What the endpoint needs.
pub struct SendCodes<S, D, L, R, C> {
    /// Tells whose token it is.
    pub verifier: Verifier<L, C>,
    /// Sends the code; finds the session where codes are kept.
    pub send: SendVerification<S, D, R, C>,
}

/// Which of a person's identifiers.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum IdentifierName {
    /// Their e-mail address.
    Email,
    /// Their phone number.
    Phone,
}

/// What a person wants to verify.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CodeWanted)]
pub(super) struct Body {
    identifier: IdentifierName,
}

/// A code that was sent.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CodeSent {
    identifier: IdentifierName,
    /// Until when the code is good.
    expires_at: Timestamp,
    /// From when on another may be asked for.
    resend_after: Timestamp,
}

impl From<IdentifierName> for IdentifierKind {
    fn from(name: IdentifierName) -> Self {
        match name {
            IdentifierName::Email => Self::Email,
            IdentifierName::Phone => Self::Phone,
        }
    }
}

/// Answers one request, in three round trips to the table and one to whoever brings the code.
///
/// # Errors
///
/// A 401 if the token is not good; a 400 for a phone number that the person has not; a 409 if it is verified; a 429 if a
/// code was sent a moment ago; a 503 if it could not be sent.
pub async fn send_code<S, D, L, R, C>(deps: &SendCodes<S, D, L, R, C>, request: Request) -> Result<Response, Problem>
where
    S: FindSession + FindCodeHistory + StoreCode + Sync,
    D: SendCode + Sync,
    L: LoadKeys + Sync,
    R: Random + Sync,
    C: Clock + Sync,
{
    let verification = &deps.send;
    let (_, who) = signed_in(&verification.codes, &deps.verifier, &verification.clock, &request).await?;
    let Body { identifier } = json_body(&request)?;
    let sent = verification.send(&who.user, identifier.into(), &caller(&request)).await?;
    let body = CodeSent { identifier, expires_at: sent.expires_at, resend_after: sent.resend_after };
    Response::json(StatusCode::ACCEPTED, &body)
}
