//! The claims of access tokens.

use std::fmt;

use kernel::{SessionId, Timestamp, UserId};
use serde::{Deserialize, Serialize};

/// The `typ` of an access token's header (RFC 9068, section 2.1), which no other kind of JWT has.
pub const TOKEN_TYPE: &str = "at+jwt";

/// The `client_id` of all access tokens: there are no registered clients.
pub const CLIENT_ID: &str = "first-party";

/// The claims of an access token. `Debug` omits the contact data.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    pub iss: String,
    pub aud: String,
    pub sub: UserId,
    pub sid: SessionId,
    /// Another one for each token (RFC 7519, section 4.1.7). Absent from older tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jti: Option<String>,
    /// The client that the token was issued to (RFC 9068, section 2.2). Absent from older tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// The user's epoch at issue. The ledger rejects the token once the user's epoch is higher.
    pub epoch: u64,
    /// In seconds since 1970.
    pub iat: i64,
    /// In seconds since 1970.
    pub exp: i64,
    /// As in `OpenID` Connect Core, section 5.1. Absent from older tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    #[serde(default)]
    pub email_verified: bool,
    /// In E.164 format.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone_number: Option<String>,
    #[serde(default)]
    pub phone_number_verified: bool,
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            iss,
            aud,
            sub,
            sid,
            jti,
            client_id,
            epoch,
            iat,
            exp,
            email_verified,
            phone_number_verified,
            email: _,
            phone_number: _,
        } = self;
        f.debug_struct("Claims")
            .field("iss", iss)
            .field("aud", aud)
            .field("sub", sub)
            .field("sid", sid)
            .field("jti", jti)
            .field("client_id", client_id)
            .field("epoch", epoch)
            .field("iat", iat)
            .field("exp", exp)
            .field("email_verified", email_verified)
            .field("phone_number_verified", phone_number_verified)
            .finish_non_exhaustive()
    }
}

/// The user and session that a verified token identifies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Principal {
    pub user_id: UserId,
    pub session_id: SessionId,
    /// The user's epoch at issue.
    pub epoch: u64,
    pub issued_at: Timestamp,
    pub expires_at: Timestamp,
    /// As of the time of issue.
    pub email_verified: bool,
    /// As of the time of issue.
    pub phone_verified: bool,
}
