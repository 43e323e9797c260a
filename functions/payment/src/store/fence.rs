//! The fence around the money of a person: which of their sessions have ended though tokens of theirs are still alive.
//!
//! It is kept on the USER item, with a version, and from there it is brought to each of the person's accounts, where a
//! transfer's own condition reads it. A version is brought to an account only over an older one, so the order in which
//! that is done does not matter, and doing it again changes nothing. An account that opens is born with the fence of that
//! moment, or not at all: see [`accounts`](super::accounts).

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use contracts::SessionEnd;
use futures_util::future::join_all;
use kernel::{SessionId, UserId};

use super::item::{Item, Reader, key, number, user_key};
use super::{StoreError, Table};

/// How much longer than its tokens an ended session is remembered: the clocks that tell the time are not one.
const CLOCKS_DIFFER_BY: Duration = Duration::from_mins(1);
/// How often a change begins anew because another one came in between.
const ATTEMPTS: usize = 5;

/// Closes the gate for the tokens of sessions that have ended.
pub trait SyncSessionEnd {
    /// Fences the session's tokens off each of the person's accounts, and off those that they open from now on, until the
    /// last of these tokens has expired. MUST be safe to repeat and in any order with all else that is told of the
    /// person, even before they are known here: a call that ended half way is completed by the next one.
    fn sync_session_end(&self, end: &SessionEnd) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// The sessions of a person that have ended, as the USER item says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct EndedSessions {
    /// 0 where none has ended yet.
    version: u64,
    /// Until when each is remembered, in seconds since 1970.
    until: BTreeMap<String, i64>,
}

impl EndedSessions {
    pub(crate) fn read(user: &Item) -> Result<Self, StoreError> {
        let reader = Reader(user);
        let Some(sessions) = user.get("endedSessions").and_then(|value| value.as_m().ok()) else {
            return Ok(Self::default());
        };
        let sessions_reader = Reader(sessions);
        let until = sessions.keys().map(|session| Ok((session.clone(), sessions_reader.integer(session)?)));
        Ok(Self { version: reader.integer("fenceVersion")?, until: until.collect::<Result<_, StoreError>>()? })
    }

    pub(crate) fn contain(&self, session: SessionId) -> bool {
        self.until.contains_key(&session.to_string())
    }

    pub(crate) const fn version(&self) -> u64 {
        self.version
    }

    /// The sessions whose tokens may be alive at this time, in seconds since 1970: what an account's `revokedSessions`
    /// is to hold. A set of DynamoDB is never empty.
    pub(crate) fn revoked_at(&self, now: i64) -> Option<AttributeValue> {
        let revoked = self.until.iter().filter(|(_, until)| **until > now).map(|(session, _)| session.clone());
        let revoked: Vec<String> = revoked.collect();
        (!revoked.is_empty()).then_some(AttributeValue::Ss(revoked))
    }

    /// The next version: with one more session, and without those whose tokens have all expired.
    fn with(&self, session: SessionId, until: i64, now: i64) -> Self {
        let mut next = Self { version: self.version.saturating_add(1), until: self.until.clone() };
        next.until.retain(|_, until| *until > now);
        next.until.insert(session.to_string(), until);
        next
    }
}

impl SyncSessionEnd for Table {
    async fn sync_session_end(&self, end: &SessionEnd) -> Result<(), StoreError> {
        let until = end.tokens_expire_at.plus(CLOCKS_DIFFER_BY).unix_seconds();
        for _ in 0..ATTEMPTS {
            let now = self.clock.now().unix_seconds();
            if until <= now {
                return Ok(());
            }
            // Once the session stands here, so do all the accounts that do not know of it: who opens one later sees it.
            let user = self.user(end.user_id).await?.unwrap_or_default();
            let ended = EndedSessions::read(&user)?;
            if ended.contain(end.session_id) {
                return self.fence_accounts(Reader(&user).texts("accountIds"), &ended, now).await;
            }
            let next = ended.with(end.session_id, until, now);
            let change = self.update(user_key(end.user_id), |update| {
                let sessions = next.until.iter().map(|(session, until)| (session.clone(), number(until))).collect();
                let last = next.until.values().max().copied().unwrap_or(until);
                let update = match ended.version {
                    0 => update.condition_expression("attribute_not_exists(fenceVersion)"),
                    seen => update
                        .condition_expression("fenceVersion = :seen")
                        .expression_attribute_values(":seen", number(seen)),
                };
                update
                    .update_expression("SET endedSessions = :sessions, revokedUntil = :last, fenceVersion = :next")
                    .expression_attribute_values(":sessions", AttributeValue::M(sessions))
                    .expression_attribute_values(":last", number(last))
                    .expression_attribute_values(":next", number(next.version))
            })?;
            // Whether by this change or by another's, the item is another now.
            self.change_in_turn(change).await?;
        }
        Err(StoreError::Unavailable("other sessions of this person kept ending in between".to_owned()))
    }
}

impl Table {
    /// What is known here of a person.
    pub(crate) async fn user(&self, id: UserId) -> Result<Option<Item>, StoreError> {
        let request = self.client.get_item().table_name(&self.name).set_key(Some(user_key(id))).consistent_read(true);
        Ok(request.send().await?.item)
    }

    /// Brings the fence to the accounts. Each is tried, whatever becomes of the others: what fails is done by the next
    /// delivery.
    async fn fence_accounts(&self, accounts: &[String], ended: &EndedSessions, now: i64) -> Result<(), StoreError> {
        let Some(revoked) = ended.revoked_at(now) else { return Ok(()) };
        let fenced = join_all(accounts.iter().map(async |account| {
            let fence = self.update(key(format!("ACCOUNT#{account}"), "ACCOUNT"), |update| {
                update
                    .update_expression("SET revokedSessions = :revoked, fenceVersion = :version")
                    .condition_expression(
                        "attribute_exists(pk) AND (attribute_not_exists(fenceVersion) OR fenceVersion < :version)",
                    )
                    .expression_attribute_values(":revoked", revoked.clone())
                    .expression_attribute_values(":version", number(ended.version))
            })?;
            self.change_in_turn(fence).await
        }));
        fenced.await.into_iter().collect()
    }
}
