//! Revocation: once the payment context has applied an event, the tokens that it revokes change nothing.

use std::collections::{BTreeMap, BTreeSet};

use contracts::{AccountEvent, Envelope};

use super::{Checked, Running, ensure};
use crate::tables::{Change, PAYMENT_TABLE, text};

#[derive(Debug, Default)]
pub(super) struct Revocation {
    epochs: BTreeMap<String, u64>,
    sessions: BTreeSet<String>,
}

impl Revocation {
    pub(super) fn applied(&mut self, body: &str) {
        let Ok(envelope) = Envelope::<AccountEvent>::read(body) else { return };
        match envelope.event {
            AccountEvent::UserCreated(user) | AccountEvent::UserUpdated(user) => {
                let epoch = self.epochs.entry(user.id.to_string()).or_default();
                *epoch = user.epoch.max(*epoch);
            }
            AccountEvent::SessionEnded(end) => {
                self.sessions.insert(end.session_id.to_string());
            }
            AccountEvent::SigningKeyPublished(_) | AccountEvent::SigningKeyRetired(_) => {}
        }
    }

    pub(super) fn committed(&self, running: &Running, changes: &[Change]) -> Checked {
        let Some(principal) = &running.principal else { return Ok(()) };
        // The record of a failed transfer states what was decided while the token was valid, and moves nothing.
        let is_failure = |change: &Change| {
            change.key.sk == "TRANSFER" && change.new.as_ref().is_some_and(|item| text(item, "status") == "FAILED")
        };
        let has_effect = changes.iter().any(|change| change.key.table == PAYMENT_TABLE && !is_failure(change));
        let epoch = self.epochs.get(&principal.user_id.to_string()).copied().unwrap_or_default();
        let revoked = principal.epoch < epoch || self.sessions.contains(&principal.session_id.to_string());
        ensure(!(has_effect && revoked), "revoked token changed something", || {
            format!("{}: epoch {} of {epoch}, session {}", running.command, principal.epoch, principal.session_id)
        })
    }
}
