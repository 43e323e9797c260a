//! The stored replica of a user.

use std::collections::BTreeMap;

use dynamo::{Item, key};
use kernel::UserId;
use serde::Deserialize;

use crate::domain::{EndedSessions, Replica, UserStatus};

/// A user. The end of a session creates the item too, so it can exist before the user is replicated.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::store) struct UserRecord {
    status: Option<UserStatus>,
    pub(in crate::store) epoch: u64,
    pub(in crate::store) account_ids: Vec<String>,
    ended_sessions: Option<BTreeMap<String, i64>>,
    fence_version: u64,
}

pub(in crate::store) fn user_key(id: UserId) -> Item {
    key(format_args!("USER#{id}"), "USER")
}

impl UserRecord {
    pub(in crate::store) fn ended_sessions(&self) -> EndedSessions {
        match &self.ended_sessions {
            None => EndedSessions::default(),
            Some(expiries) => EndedSessions { version: self.fence_version, expiries: expiries.clone() },
        }
    }

    /// The user, if they are replicated.
    pub(in crate::store) fn replica(&self) -> Option<Replica> {
        let ended_sessions = self.ended_sessions();
        let (epoch, accounts) = (self.epoch, self.account_ids.len());
        self.status.map(|status| Replica { status, epoch, ended_sessions, accounts })
    }
}
