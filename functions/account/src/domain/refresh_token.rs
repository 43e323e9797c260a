//! Refresh tokens, which renew the tokens of a session.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kernel::{Random, Secret, SessionId, UserId};
use ring::{digest, hmac};
use zeroize::Zeroize;

use super::Revoked;

/// A refresh token: the session that it belongs to, and a secret. `Debug` output is redacted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefreshToken {
    pub user: UserId,
    pub session: SessionId,
    secret: Secret<[u8; 32]>,
}

/// The SHA-256 hash of a refresh token's secret, in base64url. A slow hash is not needed for a secret of 256 random bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefreshTokenHash(pub String);

/// The nonce of a rotation, in base64url, from which the new secret is derived together with the old one. It is stored
/// with the session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RotationNonce(pub String);

/// The text is not a valid refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a refresh token")]
pub struct InvalidRefreshToken;

/// The reason why a refresh token was rejected. It is logged, but not returned to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RefreshTokenRejection {
    #[error("missing")]
    Missing,
    #[error("malformed")]
    Malformed,
    /// The session has ended or never existed.
    #[error(transparent)]
    Revoked(#[from] Revoked),
    /// Used before or forged; its session was ended.
    #[error("reused; its session was ended")]
    Reused,
}

impl RefreshToken {
    /// Creates the first token of a session.
    pub fn new(user: UserId, session: SessionId, random: &(impl Random + ?Sized)) -> Self {
        let mut secret = [0; 32];
        random.fill(&mut secret);
        Self { user, session, secret: Secret::new(secret) }
    }

    /// Parses the text that clients hold.
    ///
    /// # Errors
    ///
    /// [`InvalidRefreshToken`] if the text is not a token issued by [`to_text`](Self::to_text).
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

    /// Returns the text that clients hold, which is opaque to them.
    pub fn to_text(&self) -> Secret<String> {
        let parts: [&[u8]; 3] = [self.user.as_bytes(), self.session.as_bytes(), self.secret.expose()];
        Secret::new(URL_SAFE_NO_PAD.encode(Secret::new(parts.concat()).expose()))
    }

    pub fn hash(&self) -> RefreshTokenHash {
        RefreshTokenHash(URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, self.secret.expose())))
    }

    /// Derives the token that replaces this one. It takes both the token and the nonce, so it follows neither from the
    /// stored items nor from an old token alone. A client that lost the response can therefore get the same successor
    /// again, although no token is stored in plain text.
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
    pub fn random(random: &(impl Random + ?Sized)) -> Self {
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
    fn refresh_token_round_trips_and_other_text_is_rejected() {
        assert_eq!(RefreshToken::parse(token(1).to_text().expose()), Ok(token(1)));
        let text = token(1).to_text();
        for other in ["", "a.b.c", &text.expose()[1..], &format!("{}A", text.expose()), &format!(" {}", text.expose())]
        {
            assert_eq!(RefreshToken::parse(other), Err(InvalidRefreshToken), "{other}");
        }
    }

    #[test]
    fn successor_token_is_derived_from_token_and_nonce() {
        let (one, two) = (RotationNonce::random(&SeededRandom::new(8)), RotationNonce::random(&SeededRandom::new(9)));
        let next = token(1).successor(&one);
        assert_eq!((next.user, next.session), (token(1).user, token(1).session));
        assert_eq!(next, token(1).successor(&one));
        assert_ne!(next.hash(), token(1).hash());
        assert_ne!(next.hash(), token(1).successor(&two).hash());
        assert_ne!(next.hash(), token(2).successor(&one).hash());
    }

    #[test]
    fn refresh_token_hash_and_debug_output_hide_the_secret() {
        let text = token(1).to_text();
        assert!(!text.expose().contains(&token(1).hash().0));
        assert!(format!("{:?}", token(1)).contains("[secret]"));
    }
}
