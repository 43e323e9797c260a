//! Revocation of tokens: the ended sessions of a user, and the condition that a token is not revoked.
//!
//! The ended sessions are stored on the USER item, with a version, and copied from there to each of the user's accounts,
//! where the condition of a transfer reads them. A copy only replaces an older version, so the copies can be made in any
//! order and repeated. A new account inherits the current version: see [`accounts`](super::accounts).

use std::fmt::Display;

use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem};
use dynamo::{Item, WriteOutcome, from_item, number, text};
use kernel::{SessionId, UserId};

use super::users::record::{UserRecord, user_key};
use super::{Store, StoreError};
use crate::domain::{EndedSession, EndedSessions, TokenClaims, UserStatus};

/// The condition that an account belongs to a user and that their token is not revoked. It needs the values of
/// [`revocation_values`].
pub(super) const NOT_REVOKED: &str = "ownerId = :me AND ownerEpoch <= :epoch \
     AND NOT contains(revokedSessions, :session) \
     AND (attribute_not_exists(tokensNotBefore) OR tokensNotBefore <= :issuedAt)";

/// The values of [`NOT_REVOKED`].
pub(super) fn revocation_values(owner: impl Display, claims: &TokenClaims) -> Item {
    Item::from([
        (":me".to_owned(), text(owner)),
        (":epoch".to_owned(), number(claims.epoch)),
        (":session".to_owned(), text(claims.session)),
        (":issuedAt".to_owned(), number(claims.issued_at)),
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
                     AND attribute_not_exists(endedSessions.#session) \
                     AND (attribute_not_exists(tokensNotBefore) OR tokensNotBefore <= :issuedAt)",
                )
                .expression_attribute_names("#status", "status")
                .expression_attribute_names("#session", claims.session.to_string())
                .expression_attribute_values(":active", text(UserStatus::Active))
                .expression_attribute_values(":epoch", number(claims.epoch))
                .expression_attribute_values(":issuedAt", number(claims.issued_at))
        })
    }

    /// Revokes the tokens of an ended session on each of the user's accounts, and on those that are opened later, until
    /// the last token has expired. Safe to repeat, in any order with other events of the user, and before the user is
    /// replicated: a later call completes a call that failed half-way.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the tokens were not revoked on every account.
    pub async fn revoke_session(&self, user: UserId, id: SessionId, session: EndedSession) -> Result<(), StoreError> {
        let mut record = self.user(user).await?.unwrap_or_default();
        let mut retries = self.table.retries();
        loop {
            let now = self.now();
            if session.expiry <= now.unix_seconds() {
                return Ok(());
            }
            // Once the item revokes the session, it also contains every account that was opened without knowing of it: a
            // later opening sees it.
            let ended = record.ended_sessions();
            if ended.contains(id) || ended.exclude_tokens_of(session) {
                return self.revoke_on_accounts(&record.account_ids, &ended, now.unix_seconds()).await;
            }
            let next = ended.with(id, session, now);
            record = self.put_ended_sessions(user, ended.version, &next).await?;
            if record.ended_sessions() != next && !retries.pause_after_conflict().await {
                return Err(StoreError::Unavailable("other sessions of the user kept ending in between".to_owned()));
            }
        }
    }

    /// Stores the ended sessions of a user, unless the stored version is not `current`: another call has updated the item.
    /// Returns the item as it is now, in either case.
    async fn put_ended_sessions(
        &self,
        user: UserId,
        current: u64,
        next: &EndedSessions,
    ) -> Result<UserRecord, StoreError> {
        let expiries: Item = next.sessions.iter().map(|(id, session)| (id.clone(), number(session.expiry))).collect();
        let issued_before = next.sessions.iter().filter_map(|(id, session)| Some((id.clone(), session.issued_before?)));
        let issued_before: Item = issued_before.map(|(id, time)| (id, number(time))).collect();
        let update = |update: UpdateItemFluentBuilder| {
            let update = match current {
                0 => update.condition_expression("attribute_not_exists(fenceVersion)"),
                current => update
                    .condition_expression("fenceVersion = :seen")
                    .expression_attribute_values(":seen", number(current)),
            };
            update
                .update_expression(
                    "SET endedSessions = :expiries, tokensIssuedBefore = :issuedBefore, revokedUntil = :last, \
                     tokensNotBefore = :notBefore, fenceVersion = :next",
                )
                .expression_attribute_values(":expiries", AttributeValue::M(expiries.clone()))
                .expression_attribute_values(":issuedBefore", AttributeValue::M(issued_before.clone()))
                .expression_attribute_values(":last", number(next.revoked_until))
                .expression_attribute_values(":notBefore", number(next.tokens_not_before))
                .expression_attribute_values(":next", number(next.version))
        };
        match self.table.update_item(user_key(user), update).await? {
            WriteOutcome::Written(item) | WriteOutcome::ConditionFailed(Some(item)) => from_item(item),
            WriteOutcome::ConditionFailed(None) => Ok(UserRecord::default()),
        }
    }

    /// Copies the ended sessions to the accounts.
    async fn revoke_on_accounts(&self, accounts: &[String], ended: &EndedSessions, now: i64) -> Result<(), StoreError> {
        let revoked = ended.unexpired(now);
        self.update_accounts(accounts, |update| {
            // A set can't be empty.
            let update = if revoked.is_empty() {
                update.update_expression(
                    "SET tokensNotBefore = :notBefore, fenceVersion = :version REMOVE revokedSessions",
                )
            } else {
                update
                    .update_expression(
                        "SET revokedSessions = :revoked, tokensNotBefore = :notBefore, fenceVersion = :version",
                    )
                    .expression_attribute_values(":revoked", AttributeValue::Ss(revoked.clone()))
            };
            update
                .condition_expression(
                    "attribute_exists(pk) AND (attribute_not_exists(fenceVersion) OR fenceVersion < :version)",
                )
                .expression_attribute_values(":notBefore", number(ended.tokens_not_before))
                .expression_attribute_values(":version", number(ended.version))
        })
        .await
    }
}

#[cfg(test)]
mod tests;
