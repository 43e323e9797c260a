//! Access tokens whose signature has been verified, so that a warm function verifies each of them once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jsonwebtoken::DecodingKey;
use ring::digest::{SHA256, digest};

use crate::{Principal, PublicKey};

/// The most tokens that are remembered, in at most 64 KiB.
const CAPACITY: usize = 256;

/// A public key, ready to verify.
#[derive(Debug)]
pub(crate) struct VerifyingKey {
    pub(crate) public: PublicKey,
    pub(crate) decoding: DecodingKey,
}

/// The SHA-256 of a whole token, signature included. No two tokens with the same digest can be found, so it identifies the
/// bytes that were verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TokenDigest([u8; 32]);

impl TokenDigest {
    pub(crate) fn of(token: &str) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        Self(bytes)
    }
}

/// What a token stated, and the key that signed it.
#[derive(Debug, Clone)]
pub(crate) struct VerifiedToken {
    pub(crate) key: Arc<VerifyingKey>,
    pub(crate) principal: Principal,
}

/// The tokens that were used last. Neither they nor contact data are kept, only their digests and principals.
///
/// A token that was verified is still to be checked at each use against the clock and the present keys.
#[derive(Debug, Default)]
pub(crate) struct VerifiedTokens {
    generations: Mutex<Generations>,
}

/// When the younger generation is full, it replaces the older one, so a token is forgotten once it was not used while
/// others filled a generation.
#[derive(Debug, Default)]
struct Generations {
    younger: HashMap<TokenDigest, VerifiedToken>,
    older: HashMap<TokenDigest, VerifiedToken>,
}

impl VerifiedTokens {
    pub(crate) fn get(&self, digest: TokenDigest) -> Option<VerifiedToken> {
        let mut generations = self.generations();
        if let Some(token) = generations.younger.get(&digest) {
            return Some(token.clone());
        }
        let token = generations.older.remove(&digest)?;
        generations.insert(digest, token.clone());
        Some(token)
    }

    pub(crate) fn insert(&self, digest: TokenDigest, token: VerifiedToken) {
        self.generations().insert(digest, token);
    }

    fn generations(&self) -> MutexGuard<'_, Generations> {
        self.generations.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        let generations = self.generations();
        generations.younger.len() + generations.older.len()
    }
}

impl Generations {
    fn insert(&mut self, digest: TokenDigest, token: VerifiedToken) {
        if self.younger.len() >= CAPACITY / 2 {
            self.older = std::mem::take(&mut self.younger);
        }
        self.younger.insert(digest, token);
    }
}

#[cfg(test)]
mod tests {
    use kernel::testing::SeededRandom;
    use kernel::{KeyId, SessionId, Timestamp, UserId};

    use super::*;

    fn token(seed: u64) -> VerifiedToken {
        let random = SeededRandom::new(seed);
        let public = PublicKey { kid: KeyId::new("a"), x: String::new() };
        VerifiedToken {
            key: Arc::new(VerifyingKey { public, decoding: DecodingKey::from_ed_der(&[]) }),
            principal: Principal {
                user_id: UserId::random(&random),
                session_id: SessionId::random(&random),
                epoch: seed,
                issued_at: Timestamp::from_unix_seconds(0).unwrap(),
                expires_at: Timestamp::from_unix_seconds(0).unwrap(),
                email_verified: false,
                phone_verified: false,
            },
        }
    }

    fn digest(n: usize) -> TokenDigest {
        TokenDigest::of(&n.to_string())
    }

    #[test]
    fn remembered_tokens_stay_within_the_capacity() {
        let tokens = VerifiedTokens::default();
        for n in 0..10 * CAPACITY {
            tokens.insert(digest(n), token(1));
            assert!(tokens.len() <= CAPACITY, "{n}");
        }
        assert!(tokens.get(digest(0)).is_none());
        for n in 10 * CAPACITY - CAPACITY / 2..10 * CAPACITY {
            assert!(tokens.get(digest(n)).is_some(), "{n}");
        }
        let entry = size_of::<(TokenDigest, VerifiedToken)>();
        // Two tables of a power of two of slots, each with a control byte.
        assert!(2 * CAPACITY * (entry + 1) <= 64 * 1024, "{entry}");
    }

    #[test]
    fn token_in_use_is_kept_while_others_come_and_go() {
        let tokens = VerifiedTokens::default();
        tokens.insert(digest(0), token(7));
        for n in 1..10 * CAPACITY {
            tokens.insert(digest(n), token(1));
            assert_eq!(tokens.get(digest(0)).unwrap().principal, token(7).principal, "{n}");
            assert!(tokens.len() <= CAPACITY, "{n}");
        }
    }
}
