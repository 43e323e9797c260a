//! Tokens in a response body, for clients other than browsers.

use serde::Serialize;
use utoipa::ToSchema;

use crate::app::token_issuer::TokenPair;

/// A successful token response of OAuth 2.0 (RFC 6749, section 5.1).
#[derive(Serialize, ToSchema)]
pub(super) struct Tokens<'a> {
    access_token: &'a str,
    /// Always Bearer.
    token_type: &'static str,
    /// Seconds until the access token expires.
    expires_in: u64,
    /// Valid once.
    refresh_token: &'a str,
    /// Seconds until the session expires unless it is refreshed.
    refresh_expires_in: u64,
}

impl<'a> From<&'a TokenPair> for Tokens<'a> {
    fn from(tokens: &'a TokenPair) -> Self {
        Self {
            access_token: tokens.access.token.expose(),
            token_type: "Bearer",
            expires_in: tokens.access.expires_in.as_secs(),
            refresh_token: tokens.refresh_token.expose(),
            refresh_expires_in: tokens.refresh_expires_in.as_secs(),
        }
    }
}
