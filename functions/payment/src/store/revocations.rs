//! Revocation of tokens: the ended sessions of a user, and the condition that a token is not revoked.
//!
//! The ended sessions are stored on the USER item, with a version, and copied from there to each of the user's accounts,
//! where the condition of a transfer reads them. A copy only replaces an older version, so the copies can be made in any
//! order and repeated. A new account inherits the current version: see [`accounts`](super::accounts).

use std::fmt::Display;
use std::time::Duration;

use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem};
use dynamo::{Item, number, text};
use futures_util::future::join_all;
use kernel::{SessionId, Timestamp, UserId};

use super::accounts::record::account_key;
use super::users::record::user_key;
use super::{Store, StoreError};
use crate::domain::{EndedSessions, TokenClaims, UserStatus};

/// The time that an ended session is kept beyond the expiry of its tokens, because clocks differ.
const CLOCK_SKEW: Duration = Duration::from_mins(1);
/// The maximum number of attempts to update the ended sessions of a user while others update them.
const MAX_ATTEMPTS: usize = 5;

/// The condition that an account belongs to a user and that their token is not revoked. It needs the values of
/// [`revocation_values`].
pub(super) const NOT_REVOKED: &str =
    "ownerId = :me AND ownerEpoch <= :epoch AND NOT contains(revokedSessions, :session)";

/// The values of [`NOT_REVOKED`].
pub(super) fn revocation_values(owner: impl Display, claims: &TokenClaims) -> Item {
    Item::from([
        (":me".to_owned(), text(owner)),
        (":epoch".to_owned(), number(claims.epoch)),
        (":session".to_owned(), text(claims.session)),
    ])
}

/// Sets the values of [`NOT_REVOKED`], which the condition of the update must contain.
pub(super) fn with_revocation_check(update: UpdateBuilder, owner: impl Display, claims: &TokenClaims) -> UpdateBuilder {
    update.set_expression_attribute_values(Some(revocation_values(owner, claims)))
}

impl Store {
    /// Checks, without a write, that a user's token is not revoked and that the user is not suspended. A user who is not
    /// replicated yet passes.
    pub(super) fn check_user(&self, user: UserId, claims: &TokenClaims) -> Result<TransactWriteItem, StoreError> {
        self.table.check(user_key(user), |check| {
            check
                .condition_expression(
                    "(attribute_not_exists(#status) OR #status = :active) \
                     AND (attribute_not_exists(epoch) OR epoch <= :epoch) \
                     AND attribute_not_exists(endedSessions.#session)",
                )
                .expression_attribute_names("#status", "status")
                .expression_attribute_names("#session", claims.session.to_string())
                .expression_attribute_values(":active", text(UserStatus::Active))
                .expression_attribute_values(":epoch", number(claims.epoch))
        })
    }

    /// Revokes the tokens of an ended session on each of the user's accounts, and on those that are opened later, until
    /// the last token has expired. Safe to repeat, in any order with other events of the user, and before the user is
    /// replicated: a later call completes a call that failed half-way.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the tokens were not revoked on every account.
    pub async fn revoke_session(
        &self,
        user: UserId,
        session: SessionId,
        tokens_expire_at: Timestamp,
    ) -> Result<(), StoreError> {
        let expiry = tokens_expire_at.plus(CLOCK_SKEW).unix_seconds();
        for _ in 0..MAX_ATTEMPTS {
            let now = self.now().unix_seconds();
            if expiry <= now {
                return Ok(());
            }
            // Once the item contains the session, it also contains every account that was opened without knowing of it:
            // a later opening sees the session.
            let user_record = self.user(user).await?.unwrap_or_default();
            let ended = user_record.ended_sessions();
            if ended.contains(session) {
                return self.revoke_on_accounts(&user_record.account_ids, &ended, now).await;
            }
            // If the condition is false, another call has updated the item. Either way it is read again.
            self.put_ended_sessions(user, ended.version, &ended.with(session, expiry, now)).await?;
        }
        Err(StoreError::Unavailable("other sessions of the user kept ending in between".to_owned()))
    }

    /// Stores the ended sessions of a user, unless the stored version is not `current`.
    async fn put_ended_sessions(&self, user: UserId, current: u64, next: &EndedSessions) -> Result<(), StoreError> {
        let update = self.table.update(user_key(user), |update| {
            let sessions = next.expiries.iter().map(|(session, expiry)| (session.clone(), number(expiry))).collect();
            let update = match current {
                0 => update.condition_expression("attribute_not_exists(fenceVersion)"),
                current => update
                    .condition_expression("fenceVersion = :seen")
                    .expression_attribute_values(":seen", number(current)),
            };
            update
                .update_expression("SET endedSessions = :sessions, revokedUntil = :last, fenceVersion = :next")
                .expression_attribute_values(":sessions", AttributeValue::M(sessions))
                .expression_attribute_values(":last", number(next.last_expiry().unwrap_or_default()))
                .expression_attribute_values(":next", number(next.version))
        })?;
        self.update_if(update).await
    }

    /// Copies the ended sessions to the accounts. Every account is attempted; the next delivery of the event repeats those
    /// that failed.
    async fn revoke_on_accounts(&self, accounts: &[String], ended: &EndedSessions, now: i64) -> Result<(), StoreError> {
        let revoked = ended.unexpired(now);
        if revoked.is_empty() {
            return Ok(());
        }
        let copied = join_all(accounts.iter().map(async |account| {
            let update = self.table.update(account_key(account), |update| {
                update
                    .update_expression("SET revokedSessions = :revoked, fenceVersion = :version")
                    .condition_expression(
                        "attribute_exists(pk) AND (attribute_not_exists(fenceVersion) OR fenceVersion < :version)",
                    )
                    .expression_attribute_values(":revoked", AttributeValue::Ss(revoked.clone()))
                    .expression_attribute_values(":version", number(ended.version))
            })?;
            self.update_if(update).await
        }));
        copied.await.into_iter().collect()
    }
}

#[cfg(test)]
mod tests;
