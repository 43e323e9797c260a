//! The active sessions of a user.

use std::cmp::Reverse;

use auth::Principal;

use super::error::AccountError;
use crate::domain::{Revoked, Session, UserSession};
use crate::store::AccountTable;

/// Lists the active sessions, newest first, and checks that the session of the request is one of them, in one round trip.
///
/// # Errors
///
/// [`AccountError::Revoked`] if the session of the request has ended.
pub async fn list_sessions(accounts: &AccountTable, principal: &Principal) -> Result<Vec<Session>, AccountError> {
    let (user, mut sessions) = accounts.list_sessions(principal.user_id).await?.ok_or(Revoked::SessionNotFound)?;
    let now = accounts.now();
    let current = sessions.iter().find(|session| session.id == principal.session_id).cloned();
    let current = UserSession { user, session: current.ok_or(Revoked::SessionNotFound)? };
    current.authorize(principal.epoch, now)?;
    sessions.retain(|session| session.ensure_active(&current.user, now).is_ok());
    sessions.sort_by_key(|session| Reverse((session.started_at, session.id)));
    Ok(sessions)
}
