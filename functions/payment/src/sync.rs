//! What the account context's events change here. Idempotent, whatever the order in which they come.

use contracts::{AccountEvent, Envelope, Event, Unreadable};

use crate::store::StoreError;
use crate::store::fence::SyncSessionEnd;
use crate::store::keys::{SyncKey, SyncKeyEnd};
use crate::store::users::SyncUser;

/// Why an event was not applied. The queue delivers it again, and in the end to the dead-letter queue.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// It is no event that this build can apply.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// The event's own version is no version.
    #[error("an aggregate's version begins at 1")]
    NoVersion,
    /// The table.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Applies one message's event.
///
/// # Errors
///
/// [`SyncError`] if nothing, or not all of it, was applied.
pub async fn apply<S>(store: &S, body: &str) -> Result<(), SyncError>
where
    S: SyncUser + SyncSessionEnd + SyncKey + SyncKeyEnd,
{
    let Envelope { id, aggregate_version, event, .. } = Envelope::<AccountEvent>::read(body)?;
    if aggregate_version == 0 {
        return Err(SyncError::NoVersion);
    }
    let name = event.name();
    match event {
        AccountEvent::UserCreated(user) | AccountEvent::UserUpdated(user) => {
            store.sync_user(&user, aggregate_version).await?;
        }
        AccountEvent::SessionEnded(end) => store.sync_session_end(&end).await?,
        AccountEvent::SigningKeyPublished(key) => store.sync_key(&key, aggregate_version).await?,
        AccountEvent::SigningKeyRetired(key) => store.sync_key_end(&key, aggregate_version).await?,
    }
    tracing::info!(event_id = id, event = name, "applied");
    Ok(())
}
