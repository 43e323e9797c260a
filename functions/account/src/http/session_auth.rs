//! Authentication against the stored session, not only the token.

use auth::{LoadKeys, Principal, Verifier};
use http_api::{Problem, Request, authenticate};
use kernel::Clock;

use crate::app::error::AccountError;
use crate::domain::{Revoked, UserSession};
use crate::store::FindSession;

/// Authenticates the request and loads the session and the user, in one round trip.
/// # Errors
/// A 401 if the token is invalid or its session has ended.
pub(super) async fn signed_in<S, L, C>(
    sessions: &S,
    verifier: &Verifier<L, C>,
    clock: &C,
    request: &Request,
) -> Result<(Principal, UserSession), Problem>
where
    S: FindSession + Sync,
    L: LoadKeys + Sync,
    C: Clock + Sync,
{
    let principal = authenticate(verifier, request).await?;
    let found = sessions.find_session(principal.user_id, principal.session_id).await.map_err(AccountError::from)?;
    let signed_in = found.ok_or(Revoked::SessionNotFound).map_err(AccountError::from)?;
    signed_in.authorize(principal.epoch, clock.now()).map_err(AccountError::from)?;
    Ok((principal, signed_in))
}
