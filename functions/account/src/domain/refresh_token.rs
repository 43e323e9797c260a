//! Refresh tokens: what keeps a session going when its access token has expired.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kernel::{Random, Secret, SessionId, UserId};
use ring::{digest, hmac};
use zeroize::Zeroize;

/// A refresh token: which session it is of, and a secret that only its holder knows. It does not print itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefreshToken {
    /// Whose session.
    pub user: UserId,
    /// The session.
    pub session: SessionId,
    secret: Secret<[u8; 32]>,
}

/// What is kept of a refresh token: the SHA-256 of its secret in base64url. The secret is 256 random bits, so there is
/// nothing to guess that a slow hash would protect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefreshTokenHash(pub String);

/// What a rotation adds to the old secret to make the new one, in base64url. It is kept with the session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RotationNonce(pub String);

/// The text is no refresh token of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a refresh token")]
pub struct InvalidRefreshToken;

impl RefreshToken {
    /// The first token of a session.
    pub fn new(user: UserId, session: SessionId, random: &impl Random) -> Self {
        let mut secret = [0; 32];
        random.fill(&mut secret);
        Self { user, session, secret: Secret::new(secret) }
    }

    /// Reads a token in the form in which it is given out.
    ///
    /// # Errors
    ///
    /// [`InvalidRefreshToken`] for anything else.
    pub fn parse(text: &str) -> Result<Self, InvalidRefreshToken> {
        let mut bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidRefreshToken)?;
        let token = match (bytes.get(..16), bytes.get(16..32), bytes.get(32..)) {
            (Some(user), Some(session), Some(secret)) => Self::from_parts(user, session, secret),
            _ => Err(InvalidRefreshToken),
        };
        bytes.zeroize();
        token
    }

    fn from_parts(user: &[u8], session: &[u8], secret: &[u8]) -> Result<Self, InvalidRefreshToken> {
        Ok(Self {
            user: UserId::from_bytes(user.try_into().map_err(|_| InvalidRefreshToken)?),
            session: SessionId::from_bytes(session.try_into().map_err(|_| InvalidRefreshToken)?),
            secret: Secret::new(secret.try_into().map_err(|_| InvalidRefreshToken)?),
        })
    }

    /// The token as its holder gets it: opaque to them.
    pub fn to_text(&self) -> Secret<String> {
        let parts: [&[u8]; 3] = [self.user.as_bytes(), self.session.as_bytes(), self.secret.expose()];
        Secret::new(URL_SAFE_NO_PAD.encode(Secret::new(parts.concat()).expose()))
    }

    /// What is kept of it.
    pub fn hash(&self) -> RefreshTokenHash {
        RefreshTokenHash(URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, self.secret.expose())))
    }

    /// The token that follows this one. It takes both: the table alone does not give it, nor does an old token alone. So
    /// whoever lost the answer gets the very same successor again, and none is kept in the clear.
    #[must_use]
    pub fn successor(&self, nonce: &RotationNonce) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.secret.expose());
        let tag = hmac::sign(&key, nonce.0.as_bytes());
        let mut secret = [0; 32];
        secret.copy_from_slice(tag.as_ref());
        Self { user: self.user, session: self.session, secret: Secret::new(secret) }
    }
}

impl RotationNonce {
    /// A new one.
    pub fn random(random: &impl Random) -> Self {
        let mut bytes = [0; 32];
        random.fill(&mut bytes);
        Self(URL_SAFE_NO_PAD.encode(bytes))
    }
}

#[cfg(test)]
mod tests {
    use kernel::testing::SeededRandom;

    use super::*;

    fn token(seed: u64) -> RefreshToken {
        let random = SeededRandom::new(seed);
        RefreshToken::new(UserId::random(&random), SessionId::random(&random), &random)
    }

    #[test]
    fn a_token_reads_back_and_nothing_else_is_one() {
        assert_eq!(RefreshToken::parse(token(1).to_text().expose()), Ok(token(1)));
        let text = token(1).to_text();
        for other in ["", "a.b.c", &text.expose()[1..], &format!("{}A", text.expose()), &format!(" {}", text.expose())]
        {
            assert_eq!(RefreshToken::parse(other), Err(InvalidRefreshToken), "{other}");
        }
    }

    #[test]
    fn a_successor_is_of_the_same_session_and_follows_from_the_token_and_the_nonce_alone() {
        let (one, two) = (RotationNonce::random(&SeededRandom::new(8)), RotationNonce::random(&SeededRandom::new(9)));
        let next = token(1).successor(&one);
        assert_eq!((next.user, next.session), (token(1).user, token(1).session));
        assert_eq!(next, token(1).successor(&one));
        assert_ne!(next.hash(), token(1).hash());
        assert_ne!(next.hash(), token(1).successor(&two).hash());
        assert_ne!(next.hash(), token(2).successor(&one).hash());
    }

    #[test]
    fn what_is_kept_of_a_token_is_not_the_token_and_neither_prints_it() {
        let text = token(1).to_text();
        assert!(!text.expose().contains(&token(1).hash().0));
        assert!(format!("{:?}", token(1)).contains("[secret]"));
    }
}
