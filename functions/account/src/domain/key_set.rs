//! The set of keys that sign access tokens, and its rotation.
//!
//! | state | signs | verifies | until |
//! |---|---|---|---|
//! | NEXT | no | yes | every verifier has the key, and the current key is due |
//! | CURRENT | yes | yes | the next key is promoted |
//! | RETIRING | no | yes | every token that it signed has expired |
//! | RETIRED | no | no | a tombstone of its public key, which outlasts delayed events about the key |
//!
//! At any time, every unexpired token is signed by a key that every verifier has. The key set has no side effects: a
//! [`KeySetChange`] describes what is to be stored in one transaction.

use std::str::FromStr;
use std::time::Duration;

use kernel::{KeyId, Timestamp};
use serde::{Deserialize, Serialize};

use super::SigningKey;

/// How long a function may cache the signing key.
pub const SIGNING_KEY_TTL: Duration = Duration::from_mins(5);
/// The minimum time between publishing a key and signing with it. It exceeds the reload interval of every verifier,
/// including those that read the JWKS, and the delay of the events that publish keys to other contexts.
pub const PROPAGATION_DELAY: Duration = Duration::from_hours(1);
/// How long before the current key is due the next one is published: the interval of the schedule.
const PUBLICATION_LEAD: Duration = Duration::from_hours(24);
/// The maximum access token lifetime that the template allows.
const MAX_TOKEN_TTL: Duration = Duration::from_hours(1);
/// Allowance for requests in progress and for clock skew.
const REQUEST_SLACK: Duration = Duration::from_mins(1);
/// How long a key verifies tokens after it has stopped signing.
pub const RETIREMENT_DELAY: Duration = MAX_TOKEN_TTL.saturating_add(SIGNING_KEY_TTL).saturating_add(REQUEST_SLACK);

const MAX_SIGNING_DAYS: u64 = 366;

/// How long a key signs before it is due for rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RotationPolicy {
    signs_for: Duration,
}

/// The text is not a valid rotation policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a whole number of days from 1 to {MAX_SIGNING_DAYS}")]
pub struct InvalidRotationPolicy;

impl FromStr for RotationPolicy {
    type Err = InvalidRotationPolicy;

    /// Parses a number of days.
    fn from_str(text: &str) -> Result<Self, InvalidRotationPolicy> {
        let days: u64 = text.parse().map_err(|_| InvalidRotationPolicy)?;
        if !(1..=MAX_SIGNING_DAYS).contains(&days) {
            return Err(InvalidRotationPolicy);
        }
        Ok(Self { signs_for: Duration::from_hours(24 * days) })
    }
}

/// A key of the set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeySetEntry {
    pub kid: KeyId,
    /// When the key entered its state.
    pub since: Timestamp,
}

/// The state of a key of the set. Retired keys are not part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum KeyState {
    /// Published, but does not sign yet.
    Next,
    /// Signs.
    Current,
    /// Does not sign any more. Tokens that it signed may not have expired.
    Retiring,
}

/// The signing keys of a deployment, without the retired ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySet {
    /// Increased by every change. 0 if the set was stored before versions were introduced.
    pub version: u64,
    pub current: KeySetEntry,
    pub next: Option<KeySetEntry>,
    /// In the order in which they signed.
    pub retiring: Vec<KeySetEntry>,
}

/// The next step of a rotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// Generate and publish the next key.
    Publish,
    /// Sign with the next key.
    Promote,
    /// Retire this key.
    Retire(KeyId),
}

/// A change of the key set, to be stored in one transaction.
#[derive(Debug)]
pub struct KeySetChange {
    /// The key set after the change.
    pub key_set: KeySet,
    /// A new key, whose private and public keys are stored.
    pub adds: Option<SigningKey>,
    /// The next key, which becomes the current one.
    pub promotes: Option<KeyId>,
    /// A key whose private key is deleted.
    pub removes: Option<KeyId>,
    /// A key whose public key stops verifying.
    pub retires: Option<KeyId>,
}

impl KeySet {
    /// Creates the key set of a new deployment. Its key signs immediately: no verifier has cached an older key set.
    pub fn initial(key: SigningKey, now: Timestamp) -> KeySetChange {
        let current = KeySetEntry { kid: key.kid().clone(), since: now };
        Self { version: 0, current, next: None, retiring: Vec::new() }.into_change().adding(key)
    }

    /// Returns the step that is due first, if any. The current key is also due if it is `overdue`, regardless of its
    /// age.
    pub fn due(&self, policy: RotationPolicy, overdue: Option<&KeyId>, now: Timestamp) -> Option<Due> {
        let has_retired = |key: &&KeySetEntry| now >= key.since.plus(RETIREMENT_DELAY);
        if let Some(key) = self.retiring.iter().find(has_retired) {
            return Some(Due::Retire(key.kid.clone()));
        }
        let is_overdue = overdue == Some(&self.current.kid);
        let ends_at = self.current.since.plus(policy.signs_for);
        match &self.next {
            None if is_overdue || now.plus(PUBLICATION_LEAD) >= ends_at => Some(Due::Publish),
            Some(next) if (is_overdue || now >= ends_at) && next.is_propagated(now) => Some(Due::Promote),
            _ => None,
        }
    }

    /// Publishes the next key.
    pub fn publish(&self, key: SigningKey, now: Timestamp) -> KeySetChange {
        let next = Some(KeySetEntry { kid: key.kid().clone(), since: now });
        Self { next, ..self.clone() }.into_change().adding(key)
    }

    /// Makes the next key the current one. Returns `None` if there is no next key.
    pub fn promote(&self, now: Timestamp) -> Option<KeySetChange> {
        let kid = self.next.as_ref()?.kid.clone();
        let previous = self.current.kid.clone();
        let current = KeySetEntry { kid: kid.clone(), since: now };
        let retiring = [&self.retiring[..], &[KeySetEntry { kid: previous.clone(), since: now }]].concat();
        let key_set = Self { version: self.version, current, next: None, retiring };
        Some(KeySetChange { promotes: Some(kid), removes: Some(previous), ..key_set.into_change() })
    }

    /// Retires a key that does not sign any more.
    pub fn retire(&self, kid: &KeyId) -> KeySetChange {
        let retiring = self.retiring.iter().filter(|key| key.kid != *kid).cloned().collect();
        let key_set = Self { retiring, ..self.clone() };
        KeySetChange { retires: Some(kid.clone()), ..key_set.into_change() }
    }

    /// Retires a compromised key immediately, whatever its state. The current key is replaced by the next one, if that
    /// has propagated to verifiers, or else by `replacement`. Returns `None` if the key is not in the set.
    pub fn revoke(&self, kid: &KeyId, replacement: SigningKey, now: Timestamp) -> Option<KeySetChange> {
        if self.retiring.iter().any(|key| key.kid == *kid) {
            return Some(self.retire(kid));
        }
        let change = if self.next.as_ref().is_some_and(|next| next.kid == *kid) {
            Self { next: None, ..self.clone() }.into_change()
        } else if self.current.kid != *kid {
            return None;
        } else if self.next.as_ref().is_some_and(|next| next.is_propagated(now)) {
            let change = self.promote(now)?;
            let retiring = change.key_set.retiring.iter().filter(|key| key.kid != *kid).cloned().collect();
            KeySetChange { key_set: Self { retiring, ..change.key_set }, ..change }
        } else {
            let current = KeySetEntry { kid: replacement.kid().clone(), since: now };
            Self { current, ..self.clone() }.into_change().adding(replacement)
        };
        Some(KeySetChange { removes: Some(kid.clone()), retires: Some(kid.clone()), ..change })
    }

    /// Returns every key with its state, in the order in which they sign.
    pub fn keys(&self) -> impl Iterator<Item = (&KeySetEntry, KeyState)> {
        let retiring = self.retiring.iter().map(|key| (key, KeyState::Retiring));
        retiring.chain([(&self.current, KeyState::Current)]).chain(self.next.iter().map(|key| (key, KeyState::Next)))
    }

    fn into_change(self) -> KeySetChange {
        let key_set = Self { version: self.version.saturating_add(1), ..self };
        KeySetChange { key_set, adds: None, promotes: None, removes: None, retires: None }
    }
}

impl KeySetEntry {
    fn is_propagated(&self, now: Timestamp) -> bool {
        now >= self.since.plus(PROPAGATION_DELAY)
    }
}

impl KeySetChange {
    fn adding(self, key: SigningKey) -> Self {
        Self { adds: Some(key), ..self }
    }

    /// Whether the added key is the current one.
    pub fn adds_current_key(&self) -> bool {
        self.adds.as_ref().is_some_and(|key| *key.kid() == self.key_set.current.kid)
    }
}

#[cfg(test)]
mod tests {
    use kernel::testing::SeededRandom;

    use super::*;

    const HOUR: Duration = Duration::from_hours(1);
    const DAY: Duration = Duration::from_hours(24);

    /// The duration less a millisecond.
    fn almost(duration: Duration) -> Duration {
        duration.saturating_sub(Duration::from_millis(1))
    }

    fn policy() -> RotationPolicy {
        "30".parse().unwrap()
    }

    fn start() -> Timestamp {
        Timestamp::parse("2026-01-31T12:00:00Z").unwrap()
    }

    fn key(seed: u64) -> SigningKey {
        SigningKey::generate(&SeededRandom::new(seed)).unwrap()
    }

    fn kid(seed: u64) -> KeyId {
        key(seed).kid().clone()
    }

    fn first() -> KeySet {
        KeySet::initial(key(1), start()).key_set
    }

    /// A key set whose second key was published at this time.
    fn with_next(at: Timestamp) -> KeySet {
        first().publish(key(2), at).key_set
    }

    fn states(key_set: &KeySet) -> Vec<(KeyId, KeyState)> {
        key_set.keys().map(|(key, state)| (key.kid.clone(), state)).collect()
    }

    #[test]
    fn initial_key_set_has_one_current_key() {
        let change = KeySet::initial(key(1), start());
        assert!(change.adds_current_key());
        assert_eq!((change.key_set.version, states(&change.key_set)), (1, vec![(kid(1), KeyState::Current)]));
        assert_eq!(change.key_set.due(policy(), None, start()), None);
    }

    #[test]
    fn next_key_is_published_a_day_before_current_key_is_due() {
        let ahead = start().plus(29 * DAY);
        assert_eq!(first().due(policy(), None, start().plus(almost(29 * DAY))), None);
        assert_eq!(first().due(policy(), None, ahead), Some(Due::Publish));
        let change = first().publish(key(2), ahead);
        assert!(change.adds.is_some() && !change.adds_current_key());
        assert_eq!(states(&change.key_set), [(kid(1), KeyState::Current), (kid(2), KeyState::Next)]);
        assert_eq!(change.key_set.due(policy(), None, ahead), None, "a next key exists already");
    }

    #[test]
    fn next_key_is_promoted_when_due_and_propagated() {
        let due = start().plus(30 * DAY);
        let early = with_next(start().plus(29 * DAY));
        assert_eq!(early.due(policy(), None, start().plus(almost(30 * DAY))), None);
        assert_eq!(early.due(policy(), None, due), Some(Due::Promote));
        let late = with_next(due);
        assert_eq!(late.due(policy(), None, due.plus(almost(HOUR))), None);
        assert_eq!(late.due(policy(), None, due.plus(HOUR)), Some(Due::Promote));
    }

    #[test]
    fn promotion_retires_old_key_and_removes_its_private_key() {
        let now = start().plus(30 * DAY);
        let change = with_next(start().plus(29 * DAY)).promote(now).unwrap();
        assert_eq!((change.promotes, change.removes, change.retires), (Some(kid(2)), Some(kid(1)), None));
        assert_eq!(states(&change.key_set), [(kid(1), KeyState::Retiring), (kid(2), KeyState::Current)]);
        assert_eq!((change.key_set.version, change.key_set.current.since), (3, now));
        assert!(first().promote(now).is_none(), "there is no next key");
    }

    #[test]
    fn retiring_key_is_retired_after_its_last_token_expires() {
        let now = start().plus(30 * DAY);
        let key_set = with_next(start().plus(29 * DAY)).promote(now).unwrap().key_set;
        // It may have been cached just before, for five minutes, and have signed tokens of an hour.
        assert_eq!(key_set.due(policy(), None, now.plus(HOUR + SIGNING_KEY_TTL)), None);
        assert_eq!(key_set.due(policy(), None, now.plus(RETIREMENT_DELAY)), Some(Due::Retire(kid(1))));
        let change = key_set.retire(&kid(1));
        assert_eq!((change.retires, change.removes), (Some(kid(1)), None));
        assert_eq!(states(&change.key_set), [(kid(2), KeyState::Current)]);
    }

    #[test]
    fn overdue_key_is_replaced_after_propagation_delay_only() {
        let overdue = kid(1);
        assert_eq!(first().due(policy(), Some(&overdue), start()), Some(Due::Publish));
        let key_set = with_next(start());
        assert_eq!(key_set.due(policy(), Some(&overdue), start().plus(almost(HOUR))), None);
        assert_eq!(key_set.due(policy(), Some(&overdue), start().plus(HOUR)), Some(Due::Promote));
        let key_set = key_set.promote(start().plus(HOUR)).unwrap().key_set;
        assert_eq!(
            key_set.due(policy(), Some(&overdue), start().plus(HOUR)),
            None,
            "the new current key is not overdue"
        );
    }

    #[test]
    fn revoked_key_is_removed_and_a_current_key_remains() {
        let later = start().plus(HOUR);
        let retiring = with_next(start()).promote(later).unwrap().key_set;
        for (key_set, revoked, adds, promotes, left) in [
            (first(), kid(1), true, None, vec![(kid(3), KeyState::Current)]),
            // The next key has not propagated yet.
            (with_next(later), kid(1), true, None, vec![(kid(3), KeyState::Current), (kid(2), KeyState::Next)]),
            (with_next(start()), kid(1), false, Some(kid(2)), vec![(kid(2), KeyState::Current)]),
            (with_next(start()), kid(2), false, None, vec![(kid(1), KeyState::Current)]),
        ] {
            let change = key_set.revoke(&revoked, key(3), later).unwrap();
            assert_eq!((change.adds_current_key(), &change.promotes), (adds, &promotes));
            assert_eq!((&change.retires, &change.removes), (&Some(revoked.clone()), &Some(revoked)));
            assert_eq!((states(&change.key_set), change.key_set.version), (left, key_set.version + 1));
        }
        let change = retiring.revoke(&kid(1), key(3), later).unwrap();
        assert_eq!(
            (change.retires, change.removes, states(&change.key_set)),
            (Some(kid(1)), None, vec![(kid(2), KeyState::Current)])
        );
        assert!(first().revoke(&kid(9), key(3), later).is_none());
    }

    #[test]
    fn rotation_policy_accepts_1_to_366_days() {
        for text in ["1", "30", "366"] {
            assert!(text.parse::<RotationPolicy>().is_ok(), "{text}");
        }
        for text in ["", "0", "367", "-1", "1.5", "a month"] {
            assert_eq!(text.parse::<RotationPolicy>(), Err(InvalidRotationPolicy), "{text}");
        }
    }

    #[test]
    fn rotation_delays_cover_cache_age_and_token_lifetime() {
        assert!(PROPAGATION_DELAY > auth::MAX_AGE);
        let template = include_str!("../../../../template.yaml");
        let (_, parameter) = template.split_once("\n  AccessTokenSeconds:\n").unwrap();
        let longest = parameter.split_once("MaxValue: ").unwrap().1.split_whitespace().next().unwrap();
        assert_eq!(longest.parse().map(Duration::from_secs), Ok(MAX_TOKEN_TTL));
    }
}
