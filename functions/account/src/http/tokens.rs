//! Tokens in a body, for clients that are no browsers.

use serde::Serialize;
use utoipa::ToSchema;

use crate::app::token_issuer::TokenPair;

/// A successful response of OAuth 2.0 (RFC 6749, section 5.1), with its names.
#[derive(Serialize, ToSchema)]
pub(super) struct Tokens<'a> {
    access_token: &'a str,
    /// Always Bearer.
    token_type: &'static str,
    /// How long the access token is good for, in seconds.
    expires_in: u64,
    /// Good for the next tokens, once.
    refresh_token: &'a str,
    /// How long the session goes on without a refresh, in seconds.
    refresh_expires_in: u64,
}

impl<'a> From<&'a TokenPair> for Tokens<'a> {
    fn from(grant: &'a TokenPair) -> Self {
        Self {
            access_token: grant.access.token.expose(),
            token_type: "Bearer",
            expires_in: grant.access.expires_in.as_secs(),
            refresh_token: grant.refresh_token.expose(),
            refresh_expires_in: grant.refresh_expires_in.as_secs(),
        }
    }
}
