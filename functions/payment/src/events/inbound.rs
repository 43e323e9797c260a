//! Events of the account context. Each is applied idempotently and in any order.

use contracts::{AccountEvent, DecodeError, Envelope, Event};

use crate::domain::{EndedSession, User, UserStatus};
use crate::store::{Store, StoreError};

/// The reason why an event was not applied. The queue delivers it again, and finally moves it to the dead-letter queue.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// This build can't read the event.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error("the version of an aggregate is at least 1")]
    InvalidVersion,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Applies the event of one message.
///
/// # Errors
///
/// [`ApplyError`] if the event was not applied, or only in part.
pub async fn apply(store: &Store, body: &str) -> Result<(), ApplyError> {
    let Envelope { id, aggregate_version: version, event, .. } = Envelope::<AccountEvent>::read(body)?;
    if version == 0 {
        return Err(ApplyError::InvalidVersion);
    }
    let name = event.name();
    match event {
        AccountEvent::UserCreated(user) | AccountEvent::UserUpdated(user) => {
            store.replicate_user(&replicated(user), version).await?;
        }
        AccountEvent::SessionEnded(end) => {
            let session = EndedSession::new(end.tokens_expire_at, end.ended_at, end.last_token_issued_at);
            store.revoke_session(end.user_id, end.session_id, session).await?;
        }
        AccountEvent::SigningKeyPublished(key) => store.put_key(&key.kid, &key.public_key, version).await?,
        AccountEvent::SigningKeyRetired(key) => store.retire_key(&key.kid, version).await?,
    }
    tracing::info!(event_id = id, event = name, "event applied");
    Ok(())
}

fn replicated(user: contracts::User) -> User {
    let status = match user.status {
        contracts::UserStatus::Active => UserStatus::Active,
        contracts::UserStatus::Suspended => UserStatus::Suspended,
    };
    User { id: user.id, email: user.email, status, epoch: user.epoch }
}
