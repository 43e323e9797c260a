//! What an access token says.

use std::fmt;

use kernel::{SessionId, Timestamp, UserId};
use serde::{Deserialize, Serialize};

/// The `typ` of an access token's header (RFC 9068, section 2.1): no other kind of JWT passes for one.
pub const TOKEN_TYPE: &str = "at+jwt";

/// The claims of an access token. How the person is reached does not print itself.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who issued it.
    pub iss: String,
    /// Whom it is for.
    pub aud: String,
    /// The person.
    pub sub: UserId,
    /// The session it belongs to.
    pub sid: SessionId,
    /// The person's epoch when it was issued: once theirs is higher, it moves no money.
    pub epoch: u64,
    /// When it was issued, in seconds since 1970.
    pub iat: i64,
    /// When it expires, in seconds since 1970.
    pub exp: i64,
    /// The person's e-mail address when it was issued (`OpenID` Connect Core, section 5.1). Older tokens name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Whether they had shown that it reaches them (in that section too).
    #[serde(default)]
    pub email_verified: bool,
    /// Their phone number in the form of E.164 when it was issued, if they had one (in that section too).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone_number: Option<String>,
    /// Whether they had shown that it reaches them (in that section too).
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
            .field("epoch", epoch)
            .field("iat", iat)
            .field("exp", exp)
            .field("email_verified", email_verified)
            .field("phone_number_verified", phone_number_verified)
            .finish_non_exhaustive()
    }
}

/// Who is asking, as a verified token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Principal {
    /// The person.
    pub user_id: UserId,
    /// The session.
    pub session_id: SessionId,
    /// The person's epoch when the token was issued.
    pub epoch: u64,
    /// When the token expires.
    pub expires_at: Timestamp,
    /// Whether the person had shown that their e-mail address reaches them, when the token was issued.
    pub email_verified: bool,
    /// Whether they had shown that their phone number does.
    pub phone_verified: bool,
}
