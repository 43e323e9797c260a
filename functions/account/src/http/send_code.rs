//! `POST /auth/verifications`: sends a verification code to the user's e-mail address or phone number.

use config::{ConfigError, Env};
use http_api::{Problem, Request, Response, json_body};
use kernel::Timestamp;
use lambda_http::http::StatusCode;
use openapi::Endpoint;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::client_info::client_info;
use super::{ACCOUNT, problems};
use crate::Clients;
use crate::app::active_session::AuthenticatedSession;
use crate::app::settings;
pub use crate::app::verify_identifier::SendVerification as State;
use crate::domain::IdentifierKind;
use crate::notify::{Delivery, SendCode};
use crate::store::AccountTable;

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

impl State<Delivery> {
    /// # Errors
    ///
    /// [`ConfigError`] if a setting is missing.
    pub fn from_env(env: &Env, clients: &Clients) -> Result<Self, ConfigError> {
        Ok(Self {
            accounts: AccountTable::from_env(env, clients.dynamodb.clone())?,
            delivery: Delivery::from_env(env, &clients.config)?,
            audit_log: settings::audit_log(env)?,
        })
    }
}

/// Sends the code, in two round trips to the table and one to the sender.
///
/// # Errors
///
/// A 400 if the user has no phone number; a 409 if the identifier is already verified; a 429 if a code was sent recently; a
/// 503 if the code could not be sent.
pub async fn handle<D: SendCode + Sync>(
    state: &State<D>,
    session: AuthenticatedSession,
    request: Request,
) -> Result<Response, Problem> {
    let Body { identifier } = json_body(&request)?;
    let sent = state.send(&session.user_session.user, identifier.into(), &client_info(&request)).await?;
    let body = CodeSent { identifier, expires_at: sent.expires_at, resend_after: sent.resend_after };
    Response::json(StatusCode::ACCEPTED, &body)
}

pub(super) fn describe() -> Endpoint {
    Endpoint::new("post", "/auth/verifications", ACCOUNT, "sendCode", "Send a verification code")
        .description(
            "Sends six digits by e-mail or SMS, valid for ten minutes. A new code replaces the previous one and can be \
             requested after a minute, at most ten times in 24 hours.",
        )
        .authenticated()
        .request_body::<Body>(&[
            ("by e-mail", json!({"identifier": "email"})),
            ("by SMS", json!({"identifier": "phone"})),
        ])
        .response::<CodeSent>(
            202,
            "The code was sent.",
            &json!({
                "identifier": "email", "expiresAt": "2026-01-31T12:10:00.000Z", "resendAfter": "2026-01-31T12:01:00.000Z"
            }),
        )
        .problems(&[&problems::ALREADY_VERIFIED, &problems::CODE_SENT_RECENTLY])
}
