//! The active sessions of a user.

use std::cmp::Reverse;

use auth::Principal;
use futures_util::future::join;
use kernel::SessionId;

use super::active_session::find_active_session;
use super::error::AccountError;
use crate::store::{AccountTable, SessionPage};

/// Lists the active sessions on a page of all sessions, newest first, and checks that the session of the request is active,
/// in one round trip.
///
/// # Errors
///
/// [`AccountError::Revoked`] if the session of the request has ended.
pub async fn list_sessions(
    accounts: &AccountTable,
    principal: &Principal,
    after: Option<SessionId>,
    limit: u8,
) -> Result<SessionPage, AccountError> {
    let (current, page) =
        join(find_active_session(accounts, principal), accounts.list_sessions(principal.user_id, after, limit)).await;
    let (current, mut page) = (current?, page?);
    let now = accounts.now();
    page.sessions.retain(|session| session.ensure_active(&current.user, now).is_ok());
    page.sessions.sort_by_key(|session| Reverse((session.started_at, session.id)));
    Ok(page)
}
