//! Sessions.

mod record;
#[cfg(test)]
mod tests;

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use dynamo::{Item, Transaction, from_item, number, text, to_item};
use kernel::{SessionId, Timestamp, UserId};

use super::credentials::{Credential, read_credential};
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
    /// Nothing was written: the user has changed, and this is the current credential; `None` if the identifier belongs to
    /// no user any more.
    CredentialChanged(Option<Box<Credential>>),
}

/// A page of a user's sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionPage {
    /// In any state, the last started first. Expired sessions are included until DynamoDB deletes them.
    pub sessions: Vec<Session>,
    /// The last session of the page, if there are further ones.
    pub next: Option<SessionId>,
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
    Session,
    AuditEvent,
    /// The identifier that the user signed in with.
    Credential,
    OtherIdentifier,
}

/// The writes of the transaction that ends a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EndPart {
    Session,
    AuditEvent,
}

impl AccountTable {
    /// Starts a session, if the user has not changed.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the outcome is unknown.
    pub async fn start_session(&self, new: NewSession<'_>) -> Result<StartSessionOutcome, StoreError> {
        let NewSession { user, identifier, new_hash, session, event } = new;
        let put = self.table.put(to_item(SessionRecord::new(user.id, session))?, |put| put)?;
        let mut transaction =
            Transaction::new().with(StartPart::Session, put).with(StartPart::AuditEvent, self.audit()?.append(event)?);
        // Every change of a user, a suspension too, changes the copies in their identifiers in the same transaction, so one
        // condition on the copy's version detects all of them.
        let update = |own: &Identifier, expression: &str| {
            self.table.update(keys::identifier(own).into(), |update| {
                let update = update
                    .update_expression(expression)
                    .condition_expression("userId = :user AND version = :version")
                    .expression_attribute_values(":user", text(user.id))
                    .expression_attribute_values(":version", number(user.version));
                match new_hash {
                    Some(hash) => update.expression_attribute_values(":hash", text(hash.expose())),
                    None => update,
                }
            })
        };
        let upgrade = if new_hash.is_some() { "SET passwordHash = :hash" } else { "" };
        let reset = format!("{upgrade} REMOVE attempts, lastAttemptAt, inFlight");
        transaction.add(StartPart::Credential, update(identifier, &reset)?);
        if new_hash.is_some() {
            for other in user.identifiers().iter().filter(|own| *own != identifier) {
                transaction.add(StartPart::OtherIdentifier, update(other, upgrade)?);
            }
        }
        let Some(failed) = commit(&self.table, &transaction, StartPart::AuditEvent).await? else {
            return Ok(StartSessionOutcome::Started);
        };
        if !failed.contains(StartPart::Credential) {
            let parts: Vec<_> = failed.iter().map(|(part, _)| part).collect();
            return Err(StoreError::internal(format!("a sign-in failed an unexpected condition: {parts:?}")));
        }
        let current = failed.item(StartPart::Credential).cloned().map(read_credential).transpose()?;
        Ok(StartSessionOutcome::CredentialChanged(current.flatten().map(Box::new)))
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

    /// Lists sessions of a user from the last started one, or from the one that started before `after`. Sessions whose ids are
    /// of version 4 come first: they were started before ids sorted by time. Reads one
    /// more than `limit`, of up to half a kilobyte each.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if they could not be read.
    pub async fn list_sessions(
        &self,
        user: UserId,
        after: Option<SessionId>,
        limit: u8,
    ) -> Result<SessionPage, StoreError> {
        let start = after.map(|session| Item::from(keys::session(user, session)));
        let response = self
            .table
            .client()
            .query()
            .table_name(self.table.name())
            .key_condition_expression("pk = :user AND begins_with(sk, :session)")
            .expression_attribute_values(":user", text(keys::user_partition(user)))
            .expression_attribute_values(":session", text(SESSION_PREFIX))
            .set_exclusive_start_key(start)
            .scan_index_forward(false)
            // One more shows whether there is a next page.
            .limit(i32::from(limit) + 1)
            .consistent_read(true)
            .send()
            .await?;
        let mut items = response.items.unwrap_or_default();
        let has_more = items.len() > usize::from(limit);
        items.truncate(usize::from(limit));
        let records = items.into_iter().map(from_item::<SessionRecord>);
        let sessions = records.map(|record| record?.try_into()).collect::<Result<Vec<Session>, _>>()?;
        let next = sessions.last().filter(|_| has_more).map(|session| session.id);
        Ok(SessionPage { sessions, next })
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
        Ok(match commit(&self.table, &transaction, EndPart::AuditEvent).await? {
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
