//! The stored representation of sessions.

use kernel::{SessionId, Timestamp, UserId};
use serde::{Deserialize, Serialize};

use super::super::StoreError;
use super::super::keys::{self, PrimaryKey};
use crate::domain::{RefreshTokenHash, Rotation, RotationNonce, Session, TokenFamily};

/// The version of a session that is active, or has expired.
const INITIAL_VERSION: u64 = 1;
/// The version of a session that was ended before its expiry. Only that change is published.
pub(super) const ENDED_VERSION: u64 = 2;

/// A session.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionRecord {
    #[serde(flatten)]
    key: PrimaryKey,
    pub(crate) id: SessionId,
    pub(crate) user_id: UserId,
    pub(crate) version: u64,
    created_at: Timestamp,
    pub(crate) last_used_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user_agent: Option<String>,
    epoch: u64,
    absolute_expires_at: Timestamp,
    /// The TTL, in Unix seconds.
    expires_at: i64,
    pub(crate) token_expires_at: Timestamp,
    refresh_hash: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    family_hash: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    former_family_hash: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rotation: Option<RotationAttribute>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ended_at: Option<Timestamp>,
}

/// The last rotation of a session's refresh token.
#[derive(Serialize, Deserialize)]
struct RotationAttribute {
    #[serde(rename = "spent")]
    used: String,
    nonce: String,
    at: Timestamp,
}

impl SessionRecord {
    pub(super) fn new(user: UserId, session: &Session) -> Self {
        Self {
            key: keys::session(user, session.id),
            id: session.id,
            user_id: user,
            version: if session.ended_at.is_none() { INITIAL_VERSION } else { ENDED_VERSION },
            created_at: session.started_at,
            last_used_at: session.last_used_at,
            user_agent: session.user_agent.clone(),
            epoch: session.epoch,
            absolute_expires_at: session.absolute_expires_at,
            expires_at: session.expires_at.unix_seconds(),
            token_expires_at: session.token_expires_at,
            refresh_hash: session.refresh_hash.0.clone(),
            family_hash: session.family.as_ref().map(|family| family.0.clone()),
            former_family_hash: session.former_family.as_ref().map(|family| family.0.clone()),
            rotation: session.rotation.as_ref().map(|rotation| RotationAttribute {
                used: rotation.used.0.clone(),
                nonce: rotation.nonce.0.clone(),
                at: rotation.at,
            }),
            ended_at: session.ended_at,
        }
    }
}

impl TryFrom<SessionRecord> for Session {
    type Error = StoreError;

    fn try_from(record: SessionRecord) -> Result<Self, StoreError> {
        Ok(Self {
            id: record.id,
            started_at: record.created_at,
            last_used_at: record.last_used_at,
            user_agent: record.user_agent,
            epoch: record.epoch,
            absolute_expires_at: record.absolute_expires_at,
            expires_at: Timestamp::from_unix_seconds(record.expires_at).map_err(StoreError::internal)?,
            token_expires_at: record.token_expires_at,
            refresh_hash: RefreshTokenHash(record.refresh_hash),
            family: record.family_hash.map(TokenFamily),
            former_family: record.former_family_hash.map(TokenFamily),
            rotation: record.rotation.map(|RotationAttribute { used, nonce, at }| Rotation {
                used: RefreshTokenHash(used),
                nonce: RotationNonce(nonce),
                at,
            }),
            ended_at: record.ended_at,
        })
    }
}
