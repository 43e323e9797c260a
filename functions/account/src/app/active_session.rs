//! The session that an access token belongs to.

use auth::{Claims, Principal};

use super::error::AccountError;
use crate::domain::{Revoked, UserSession};
use crate::store::{AccountTable, StoreError};

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

/// Whether an access token has not been revoked: its session is active, and it is of the user's epoch. Takes one round trip.
///
/// # Errors
///
/// [`StoreError`] if the session could not be read.
pub async fn is_active(accounts: &AccountTable, claims: &Claims) -> Result<bool, StoreError> {
    let found = accounts.find_session(claims.sub, claims.sid).await?;
    Ok(found.is_some_and(|session| session.authorize(claims.epoch, accounts.now()).is_ok()))
}
