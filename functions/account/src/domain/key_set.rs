//! The keys that sign access tokens, and when one follows the other.
//!
//! | state | signs | verifies | until |
//! |---|---|---|---|
//! | NEXT | no | yes | every verifier knows it, and the current key is due |
//! | CURRENT | yes | yes | the next key follows it |
//! | RETIRING | no | yes | whatever it signed has expired |
//! | RETIRED | no | no | a tombstone of its public half, against news of it that come late |
//!
//! So at every moment each token that is alive was signed by a key that every verifier has. The ring is pure: a
//! [`KeySetChange`] says what is to be stored, all of it or nothing.

use std::str::FromStr;
use std::time::Duration;

use kernel::{KeyId, Timestamp};
use serde::{Deserialize, Serialize};

use super::SigningKey;

/// How long a function that signs may hold the key in memory.
pub const SIGNING_KEY_TTL: Duration = Duration::from_mins(5);
/// How long the next key is published, at least, before it signs: longer than any verifier, ours or one that reads the
/// JWKS, goes without a look, and long enough for the events that tell the other contexts.
pub const PROPAGATION_DELAY: Duration = Duration::from_hours(1);
/// How long before the current key is due the next one is published: a day, for that is how often the schedule runs.
const PUBLISHED_AHEAD: Duration = Duration::from_hours(24);
/// The longest life of an access token that the template allows.
const MAX_TOKEN_TTL: Duration = Duration::from_hours(1);
/// What a request may still take that has the key in its hands, with what clocks may differ by.
const REQUEST_SLACK: Duration = Duration::from_mins(1);
/// How long a key that signs no more goes on verifying.
pub const RETIREMENT_DELAY: Duration = MAX_TOKEN_TTL.saturating_add(SIGNING_KEY_TTL).saturating_add(REQUEST_SLACK);

/// The longest that a deployment may let a key sign.
const MOST_DAYS: u64 = 366;

/// How long a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RotationPolicy {
    signs_for: Duration,
}

/// The setting is no policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a whole number of days from 1 to {MOST_DAYS}")]
pub struct InvalidRotationPolicy;

impl FromStr for RotationPolicy {
    type Err = InvalidRotationPolicy;

    /// The number of days, in digits.
    fn from_str(text: &str) -> Result<Self, InvalidRotationPolicy> {
        let days: u64 = text.parse().map_err(|_| InvalidRotationPolicy)?;
        if !(1..=MOST_DAYS).contains(&days) {
            return Err(InvalidRotationPolicy);
        }
        Ok(Self { signs_for: Duration::from_hours(24 * days) })
    }
}

/// A key in the ring, by its id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeySetEntry {
    /// Which key.
    pub kid: KeyId,
    /// Since when it is in its state.
    pub since: Timestamp,
}

/// The state of a key in the ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum KeyState {
    /// Published, and signs nothing yet.
    Next,
    /// Signs.
    Current,
    /// Signs no more; what it signed may still be alive.
    Retiring,
}

/// A deployment's keys, all but the retired ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySet {
    /// Raised by every turn. Zero in a ring from before there were turns.
    pub version: u64,
    /// The key that signs.
    pub current: KeySetEntry,
    /// The key that follows, once it is published.
    pub next: Option<KeySetEntry>,
    /// Keys that signed, the latest last.
    pub retiring: Vec<KeySetEntry>,
}

/// What is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// A next key is to be made and published.
    Publish,
    /// The next key is to sign.
    Promote,
    /// This key is to be retired.
    Retire(KeyId),
}

/// One change of the ring: what is to be stored, all of it or nothing.
#[derive(Debug)]
pub struct KeySetChange {
    /// The ring after it.
    pub ring: KeySet,
    /// A key that is new in the ring: its private half is stored and its public half published.
    pub adds: Option<SigningKey>,
    /// A key of the ring that signs from now on.
    pub promotes: Option<KeyId>,
    /// A key whose private half is deleted.
    pub forgets: Option<KeyId>,
    /// A key whose public half verifies no more.
    pub retires: Option<KeyId>,
}

impl KeySet {
    /// The first key of a deployment. It signs at once: there are no verifiers yet that would not know it.
    pub fn initial(key: SigningKey, now: Timestamp) -> KeySetChange {
        let current = KeySetEntry { kid: key.kid().clone(), since: now };
        Self { version: 0, current, next: None, retiring: Vec::new() }.turned().adding(key)
    }

    /// The first thing that is due, if anything is. The key that `overdue` names has signed for long enough, whenever it
    /// began.
    pub fn due(&self, policy: RotationPolicy, overdue: Option<&KeyId>, now: Timestamp) -> Option<Due> {
        let for_long_enough = |key: &&KeySetEntry| now >= key.since.plus(RETIREMENT_DELAY);
        if let Some(key) = self.retiring.iter().find(for_long_enough) {
            return Some(Due::Retire(key.kid.clone()));
        }
        let is_overdue = overdue == Some(&self.current.kid);
        let ends_at = self.current.since.plus(policy.signs_for);
        match &self.next {
            None if is_overdue || now.plus(PUBLISHED_AHEAD) >= ends_at => Some(Due::Publish),
            Some(next) if (is_overdue || now >= ends_at) && next.may_sign(now) => Some(Due::Promote),
            _ => None,
        }
    }

    /// Publishes the next key.
    pub fn publish(&self, key: SigningKey, now: Timestamp) -> KeySetChange {
        let next = Some(KeySetEntry { kid: key.kid().clone(), since: now });
        Self { next, ..self.clone() }.turned().adding(key)
    }

    /// Lets the next key sign, if there is one, and the current one no more.
    pub fn promote(&self, now: Timestamp) -> Option<KeySetChange> {
        let kid = self.next.as_ref()?.kid.clone();
        let former = self.current.kid.clone();
        let current = KeySetEntry { kid: kid.clone(), since: now };
        let retiring = [&self.retiring[..], &[KeySetEntry { kid: former.clone(), since: now }]].concat();
        let ring = Self { version: self.version, current, next: None, retiring };
        Some(KeySetChange { promotes: Some(kid), forgets: Some(former), ..ring.turned() })
    }

    /// Takes a key out that signs no more.
    pub fn retire(&self, kid: &KeyId) -> KeySetChange {
        let retiring = self.retiring.iter().filter(|key| key.kid != *kid).cloned().collect();
        let ring = Self { retiring, ..self.clone() };
        KeySetChange { retires: Some(kid.clone()), ..ring.turned() }
    }

    /// Takes a key out at once that somebody else may have, whatever its state. If it is the one that signs, the next one
    /// follows it where verifiers know that one already, else `replacement`, which they must learn of first. `None` if
    /// the key is not in the ring.
    pub fn revoke(&self, kid: &KeyId, replacement: SigningKey, now: Timestamp) -> Option<KeySetChange> {
        if self.retiring.iter().any(|key| key.kid == *kid) {
            return Some(self.retire(kid));
        }
        let turn = if self.next.as_ref().is_some_and(|next| next.kid == *kid) {
            Self { next: None, ..self.clone() }.turned()
        } else if self.current.kid != *kid {
            return None;
        } else if self.next.as_ref().is_some_and(|next| next.may_sign(now)) {
            let turn = self.promote(now)?;
            let retiring = turn.ring.retiring.iter().filter(|key| key.kid != *kid).cloned().collect();
            KeySetChange { ring: Self { retiring, ..turn.ring }, ..turn }
        } else {
            let current = KeySetEntry { kid: replacement.kid().clone(), since: now };
            Self { current, ..self.clone() }.turned().adding(replacement)
        };
        Some(KeySetChange { forgets: Some(kid.clone()), retires: Some(kid.clone()), ..turn })
    }

    /// Every key with its state, in the order in which they sign.
    pub fn keys(&self) -> impl Iterator<Item = (&KeySetEntry, KeyState)> {
        let retiring = self.retiring.iter().map(|key| (key, KeyState::Retiring));
        retiring.chain([(&self.current, KeyState::Current)]).chain(self.next.iter().map(|key| (key, KeyState::Next)))
    }

    fn turned(self) -> KeySetChange {
        let ring = Self { version: self.version.saturating_add(1), ..self };
        KeySetChange { ring, adds: None, promotes: None, forgets: None, retires: None }
    }
}

impl KeySetEntry {
    fn may_sign(&self, now: Timestamp) -> bool {
        now >= self.since.plus(PROPAGATION_DELAY)
    }
}

impl KeySetChange {
    fn adding(self, key: SigningKey) -> Self {
        Self { adds: Some(key), ..self }
    }

    /// Whether the key that it adds signs from now on.
    pub fn adds_the_current_key(&self) -> bool {
        self.adds.as_ref().is_some_and(|key| *key.kid() == self.ring.current.kid)
    }
}

#[cfg(test)]
mod tests {
    use kernel::testing::SeededRandom;

    use super::*;

    const HOUR: Duration = Duration::from_hours(1);
    const DAY: Duration = Duration::from_hours(24);

    /// A millisecond less.
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
        KeySet::initial(key(1), start()).ring
    }

    /// With the second key published at this time.
    fn with_next(at: Timestamp) -> KeySet {
        first().publish(key(2), at).ring
    }

    fn states(ring: &KeySet) -> Vec<(KeyId, KeyState)> {
        ring.keys().map(|(key, state)| (key.kid.clone(), state)).collect()
    }

    #[test]
    fn a_deployment_begins_with_one_key_that_signs() {
        let turn = KeySet::initial(key(1), start());
        assert!(turn.adds_the_current_key());
        assert_eq!((turn.ring.version, states(&turn.ring)), (1, vec![(kid(1), KeyState::Current)]));
        assert_eq!(turn.ring.due(policy(), None, start()), None);
    }

    #[test]
    fn the_next_key_is_published_a_day_before_the_current_one_is_due() {
        let ahead = start().plus(29 * DAY);
        assert_eq!(first().due(policy(), None, start().plus(almost(29 * DAY))), None);
        assert_eq!(first().due(policy(), None, ahead), Some(Due::Publish));
        let turn = first().publish(key(2), ahead);
        assert!(turn.adds.is_some() && !turn.adds_the_current_key());
        assert_eq!(states(&turn.ring), [(kid(1), KeyState::Current), (kid(2), KeyState::Next)]);
        assert_eq!(turn.ring.due(policy(), None, ahead), None, "one is enough");
    }

    #[test]
    fn the_next_key_signs_once_the_current_one_is_due_and_it_is_known_everywhere() {
        let due = start().plus(30 * DAY);
        let early = with_next(start().plus(29 * DAY));
        assert_eq!(early.due(policy(), None, start().plus(almost(30 * DAY))), None);
        assert_eq!(early.due(policy(), None, due), Some(Due::Promote));
        let late = with_next(due);
        assert_eq!(late.due(policy(), None, due.plus(almost(HOUR))), None);
        assert_eq!(late.due(policy(), None, due.plus(HOUR)), Some(Due::Promote));
    }

    #[test]
    fn a_promotion_leaves_one_key_that_signs_and_forgets_the_private_half_of_the_former() {
        let now = start().plus(30 * DAY);
        let turn = with_next(start().plus(29 * DAY)).promote(now).unwrap();
        assert_eq!((turn.promotes, turn.forgets, turn.retires), (Some(kid(2)), Some(kid(1)), None));
        assert_eq!(states(&turn.ring), [(kid(1), KeyState::Retiring), (kid(2), KeyState::Current)]);
        assert_eq!((turn.ring.version, turn.ring.current.since), (3, now));
        assert!(first().promote(now).is_none(), "there is none to follow");
    }

    #[test]
    fn a_key_verifies_until_the_last_token_it_signed_has_expired_and_is_then_retired() {
        let now = start().plus(30 * DAY);
        let ring = with_next(start().plus(29 * DAY)).promote(now).unwrap().ring;
        // It may have been loaded just before, signed with for five minutes, and into tokens of an hour.
        assert_eq!(ring.due(policy(), None, now.plus(HOUR + SIGNING_KEY_TTL)), None);
        assert_eq!(ring.due(policy(), None, now.plus(RETIREMENT_DELAY)), Some(Due::Retire(kid(1))));
        let turn = ring.retire(&kid(1));
        assert_eq!((turn.retires, turn.forgets), (Some(kid(1)), None));
        assert_eq!(states(&turn.ring), [(kid(2), KeyState::Current)]);
    }

    #[test]
    fn who_is_in_a_hurry_waits_only_for_what_must_be_waited_for() {
        let overdue = kid(1);
        assert_eq!(first().due(policy(), Some(&overdue), start()), Some(Due::Publish));
        let ring = with_next(start());
        assert_eq!(ring.due(policy(), Some(&overdue), start().plus(almost(HOUR))), None);
        assert_eq!(ring.due(policy(), Some(&overdue), start().plus(HOUR)), Some(Due::Promote));
        let ring = ring.promote(start().plus(HOUR)).unwrap().ring;
        assert_eq!(ring.due(policy(), Some(&overdue), start().plus(HOUR)), None, "the key that follows is not overdue");
    }

    #[test]
    fn a_revoked_key_is_out_at_once_and_there_is_always_one_that_signs() {
        let later = start().plus(HOUR);
        let retiring = with_next(start()).promote(later).unwrap().ring;
        for (ring, revoked, adds, promotes, left) in [
            (first(), kid(1), true, None, vec![(kid(3), KeyState::Current)]),
            // Nobody knows the next key yet.
            (with_next(later), kid(1), true, None, vec![(kid(3), KeyState::Current), (kid(2), KeyState::Next)]),
            (with_next(start()), kid(1), false, Some(kid(2)), vec![(kid(2), KeyState::Current)]),
            (with_next(start()), kid(2), false, None, vec![(kid(1), KeyState::Current)]),
        ] {
            let turn = ring.revoke(&revoked, key(3), later).unwrap();
            assert_eq!((turn.adds_the_current_key(), &turn.promotes), (adds, &promotes));
            assert_eq!((&turn.retires, &turn.forgets), (&Some(revoked.clone()), &Some(revoked)));
            assert_eq!((states(&turn.ring), turn.ring.version), (left, ring.version + 1));
        }
        let turn = retiring.revoke(&kid(1), key(3), later).unwrap();
        assert_eq!(
            (turn.retires, turn.forgets, states(&turn.ring)),
            (Some(kid(1)), None, vec![(kid(2), KeyState::Current)])
        );
        assert!(first().revoke(&kid(9), key(3), later).is_none());
    }

    #[test]
    fn a_setting_is_a_number_of_days() {
        for text in ["1", "30", "366"] {
            assert!(text.parse::<RotationPolicy>().is_ok(), "{text}");
        }
        for text in ["", "0", "367", "-1", "1.5", "a month"] {
            assert_eq!(text.parse::<RotationPolicy>(), Err(InvalidRotationPolicy), "{text}");
        }
    }

    #[test]
    fn the_waits_are_longer_than_what_they_wait_for() {
        assert!(PROPAGATION_DELAY > auth::MAX_AGE);
        let template = include_str!("../../../../template.yaml");
        let (_, parameter) = template.split_once("\n  AccessTokenSeconds:\n").unwrap();
        let longest = parameter.split_once("MaxValue: ").unwrap().1.split_whitespace().next().unwrap();
        assert_eq!(longest.parse().map(Duration::from_secs), Ok(MAX_TOKEN_TTL));
    }
}
