//! The session that an access token belongs to.

use auth::Principal;

use super::error::AccountError;
use crate::domain::{Revoked, UserSession};
use crate::store::AccountTable;

/// A user whose access token is valid and whose session is active.
#[derive(Debug, Clone)]
pub struct AuthenticatedSession {
    pub principal: Principal,
    pub user_session: UserSession,
}

/// Loads the user and the session of an access token, in one round trip.
///
/// # Errors
///
/// [`AccountError::Revoked`] if the session has ended or the token's epoch is over.
pub async fn find_active_session(accounts: &AccountTable, principal: &Principal) -> Result<UserSession, AccountError> {
    let found = accounts.find_session(principal.user_id, principal.session_id).await?;
    let session = found.ok_or(Revoked::SessionNotFound)?;
    session.authorize(principal.epoch, accounts.now())?;
    Ok(session)
}
