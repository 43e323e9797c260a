//! `POST /auth/verifications`: sends a verification code to the user's e-mail address or phone number.

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

pub struct SendCodes<S, D, L, R, C> {
    pub verifier: Verifier<L, C>,
    pub send: SendVerification<S, D, R, C>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum IdentifierName {
    Email,
    Phone,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CodeWanted)]
pub(super) struct Body {
    identifier: IdentifierName,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CodeSent {
    identifier: IdentifierName,
    /// The expiry of the code.
    expires_at: Timestamp,
    /// The earliest time for another code.
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

/// Sends the code: three round trips to the table and one to the sender.
/// # Errors
/// A 401 if the token is invalid; a 400 if the user has no phone number; a 409 if the identifier is already verified; a 429
/// if a code was sent recently; a 503 if the code could not be sent.
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
