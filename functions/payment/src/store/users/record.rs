//! The stored replica of a user.

use std::collections::BTreeMap;

use dynamo::{Item, from_item, key};
use kernel::UserId;
use serde::Deserialize;

use crate::domain::{EndedSession, EndedSessions, Replica, UserStatus};
use crate::store::{StoreError, with_sort_key};

/// A user. The end of a session creates the item too, so it can exist before the user is replicated.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::store) struct UserRecord {
    status: Option<UserStatus>,
    pub(in crate::store) epoch: u64,
    pub(in crate::store) account_ids: Vec<String>,
    /// The expiry of each session's last token.
    ended_sessions: Option<BTreeMap<String, i64>>,
    /// The second before which each session's tokens were issued, unless it is not known.
    tokens_issued_before: BTreeMap<String, i64>,
    fence_version: u64,
    revoked_until: i64,
    tokens_not_before: i64,
}

pub(in crate::store) fn user_key(id: UserId) -> Item {
    key(format_args!("USER#{id}"), "USER")
}

/// The user in the response of a batch read.
pub(in crate::store) fn user_among(items: &[Item]) -> Result<Replica, StoreError> {
    let user = with_sort_key(items, "USER").cloned().map(from_item::<UserRecord>).transpose()?;
    Ok(user.unwrap_or_default().replica())
}

impl UserRecord {
    pub(in crate::store) fn ended_sessions(&self) -> EndedSessions {
        match &self.ended_sessions {
            None => EndedSessions::default(),
            Some(expiries) => EndedSessions {
                version: self.fence_version,
                sessions: expiries.iter().map(|(id, expiry)| (id.clone(), self.ended_session(id, *expiry))).collect(),
                tokens_not_before: self.tokens_not_before,
                revoked_until: self.revoked_until,
            },
        }
    }

    fn ended_session(&self, id: &str, expiry: i64) -> EndedSession {
        EndedSession { expiry, issued_before: self.tokens_issued_before.get(id).copied() }
    }

    /// Whether the user is replicated.
    pub(in crate::store) const fn is_replicated(&self) -> bool {
        self.status.is_some()
    }

    /// The state of the user. A user who is not replicated yet is active.
    pub(in crate::store) fn replica(self) -> Replica {
        let ended_sessions = self.ended_sessions();
        let status = self.status.unwrap_or(UserStatus::Active);
        Replica { status, epoch: self.epoch, ended_sessions, account_ids: self.account_ids }
    }
}
