//! Sessions.

mod record;
#[cfg(test)]
mod tests;

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use dynamo::{Item, Transaction, from_item, number, text, to_item};
use kernel::{SessionId, Timestamp, UserId};

use super::keys::{self, PROFILE, SESSION_PREFIX};
use super::users::UserRecord;
use super::{AccountTable, StoreError, commit};
use crate::domain::{AuditEvent, Identifier, PasswordHash, RefreshTokenHash, Session, User, UserSession};

use record::ENDED_VERSION;
pub(crate) use record::SessionRecord;

/// A session to start for a user who has presented a valid password.
#[derive(Debug)]
pub struct NewSession<'a> {
    /// The user as read.
    pub user: &'a User,
    /// The identifier that the user signed in with. Its failed attempts are reset.
    pub identifier: &'a Identifier,
    /// A new hash of the password, if the stored one has outdated parameters.
    pub new_hash: Option<&'a PasswordHash>,
    pub session: &'a Session,
    pub event: &'a AuditEvent,
}

/// The outcome of starting a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartSessionOutcome {
    Started,
    /// Nothing was written: the user has changed or is suspended, and this is the current state; `None` if the user was
    /// deleted.
    VersionConflict(Option<Box<User>>),
    /// Nothing was written: an identifier's copy of the user has another version.
    StaleCredential,
}

/// The outcome of ending a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndSessionOutcome {
    Ended,
    AlreadyEnded,
    /// The user has no such session.
    NotFound,
}

/// The writes of the transaction that starts a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StartPart {
    User,
    Session,
    AuditEvent,
    Identifier,
}

/// The writes of the transaction that ends a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EndPart {
    Session,
    AuditEvent,
}

impl AccountTable {
    /// Starts a session, if the user is active and has not changed.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the outcome is unknown.
    pub async fn start_session(&self, new: NewSession<'_>) -> Result<StartSessionOutcome, StoreError> {
        let NewSession { user, identifier, new_hash, session, event } = new;
        // In the same transaction as the session, so that a concurrent revocation is not missed.
        let user_is_unchanged = self.table.check(keys::user(user.id).into(), |check| {
            check
                .condition_expression("version = :version AND #status = :active")
                .expression_attribute_names("#status", "status")
                .expression_attribute_values(":version", number(user.version))
                .expression_attribute_values(":active", text("ACTIVE"))
        })?;
        let put = self.table.put(to_item(SessionRecord::new(user.id, session))?, |put| put)?;
        let mut transaction = Transaction::new()
            .with(StartPart::User, user_is_unchanged)
            .with(StartPart::Session, put)
            .with(StartPart::AuditEvent, self.audit()?.append(event)?);
        for own in user.identifiers() {
            let reset = if own == *identifier { "REMOVE attempts, lastAttemptAt, inFlight" } else { "" };
            let upgrade = if new_hash.is_some() { "SET passwordHash = :hash " } else { "" };
            if reset.is_empty() && upgrade.is_empty() {
                continue;
            }
            let update = self.table.update(keys::identifier(&own).into(), |update| {
                let update = update
                    .update_expression(format!("{upgrade}{reset}"))
                    // The password was checked against a hash of the user's version. A transaction may be observed in
                    // part, so the identifier's version is checked as well.
                    .condition_expression("userId = :user AND version = :version")
                    .expression_attribute_values(":user", text(user.id))
                    .expression_attribute_values(":version", number(user.version));
                match new_hash {
                    Some(hash) => update.expression_attribute_values(":hash", text(hash.expose())),
                    None => update,
                }
            })?;
            transaction.add(StartPart::Identifier, update);
        }
        let Some(failed) = commit(&self.table, &transaction).await? else {
            return Ok(StartSessionOutcome::Started);
        };
        if !failed.contains(StartPart::User) {
            return Ok(StartSessionOutcome::StaleCredential);
        }
        let current = failed.item(StartPart::User).cloned().map(from_item::<UserRecord>).transpose()?;
        Ok(StartSessionOutcome::VersionConflict(current.map(|record| Box::new(record.into()))))
    }

    /// Finds a session and its user, in any state.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if they could not be read.
    pub async fn find_session(&self, user: UserId, session: SessionId) -> Result<Option<UserSession>, StoreError> {
        let keys = vec![keys::user(user).into(), keys::session(user, session).into()];
        let (users, sessions): (Vec<_>, Vec<_>) = self.table.batch_get(keys).await?.into_iter().partition(is_user);
        let (Some(user), Some(session)) = (users.into_iter().next(), sessions.into_iter().next()) else {
            return Ok(None);
        };
        Ok(Some(UserSession {
            user: from_item::<UserRecord>(user)?.into(),
            session: from_item::<SessionRecord>(session)?.try_into()?,
        }))
    }

    /// Lists the sessions of a user, in any state, together with the user. Expired sessions are included until DynamoDB
    /// deletes them. One round trip per page.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if they could not be read.
    pub async fn list_sessions(&self, user: UserId) -> Result<Option<(User, Vec<Session>)>, StoreError> {
        let mut items = self
            .table
            .client()
            .query()
            .table_name(self.table.name())
            // The user sorts before the sessions, with no other items in between.
            .key_condition_expression("pk = :user AND sk BETWEEN :first AND :last")
            .expression_attribute_values(":user", text(keys::user_partition(user)))
            .expression_attribute_values(":first", text(PROFILE))
            .expression_attribute_values(":last", text(format_args!("{SESSION_PREFIX}~")))
            .consistent_read(true)
            .into_paginator()
            .items()
            .send();
        let mut user = None;
        let mut sessions = Vec::new();
        while let Some(item) = items.next().await {
            let item = item?;
            if is_user(&item) {
                user = Some(from_item::<UserRecord>(item)?.into());
            } else {
                sessions.push(from_item::<SessionRecord>(item)?.try_into()?);
            }
        }
        Ok(user.map(|user| (user, sessions)))
    }

    /// Ends a session that has not been ended yet. The end is published.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the outcome is unknown.
    pub async fn end_session(
        &self,
        user: UserId,
        session: SessionId,
        now: Timestamp,
        event: &AuditEvent,
    ) -> Result<EndSessionOutcome, StoreError> {
        let end = self.table.update(keys::session(user, session).into(), |update| {
            update
                .update_expression("SET endedAt = :now, version = :ended")
                // An update of a missing item would create it.
                .condition_expression("attribute_exists(pk) AND attribute_not_exists(endedAt)")
                .expression_attribute_values(":now", text(now))
                .expression_attribute_values(":ended", number(ENDED_VERSION))
        })?;
        let transaction =
            Transaction::new().with(EndPart::Session, end).with(EndPart::AuditEvent, self.audit()?.append(event)?);
        Ok(match commit(&self.table, &transaction).await? {
            None => EndSessionOutcome::Ended,
            Some(failed) if failed.item(EndPart::Session).is_some() => EndSessionOutcome::AlreadyEnded,
            Some(_) => EndSessionOutcome::NotFound,
        })
    }

    /// Replaces a session by its state after a rotation of its refresh token, if `current` is still the current token
    /// and the session has not been ended. Returns whether it was replaced. Of concurrent rotations, one succeeds.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the outcome is unknown.
    pub async fn rotate_refresh_token(
        &self,
        user: UserId,
        current: &RefreshTokenHash,
        after: &Session,
    ) -> Result<bool, StoreError> {
        let item = to_item(SessionRecord::new(user, after))?;
        let send = || {
            let put = self.table.client().put_item().table_name(self.table.name()).set_item(Some(item.clone()));
            // The epoch is checked as well: a session that was bound to a new epoch must not be overwritten.
            put.condition_expression("refreshHash = :good AND attribute_not_exists(endedAt) AND epoch = :epoch")
                .expression_attribute_values(":good", text(&current.0))
                .expression_attribute_values(":epoch", number(after.epoch))
                .send()
        };
        match self.table.retry_on_conflict(send).await {
            Ok(_) => Ok(true),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(_)) => Ok(false),
                _ => Err(error.into()),
            },
        }
    }
}

fn is_user(item: &Item) -> bool {
    item.get("sk").is_some_and(|sk| *sk == text(PROFILE))
}
