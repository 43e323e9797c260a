//! Refresh tokens, which renew the tokens of a session.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kernel::{Random, Secret, SessionId, UserId};
use ring::{digest, hmac};
use zeroize::Zeroize;

use super::Revoked;

/// A refresh token: the session that it belongs to, a secret, and the proof that it was issued. `Debug` output is redacted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefreshToken {
    pub user: UserId,
    pub session: SessionId,
    secret: Secret<[u8; 32]>,
    /// `None` for a token that was issued before there were families.
    membership: Option<Membership>,
}

/// The membership of a token in its family: the tokens that descend from one another by rotation.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Membership {
    /// The secret that all tokens of the family share. The server stores its hash.
    family: Secret<[u8; 16]>,
    /// The first 128 bits of the HMAC-SHA-256 of the token's secret, keyed by the family's.
    proof: Secret<[u8; 16]>,
}

/// The SHA-256 hash of a refresh token's secrets, in base64url. A slow hash is not needed for 256 random bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefreshTokenHash(pub String);

/// The SHA-256 hash of the secret of a token family, in base64url. It is stored with the session and
/// distinguishes tokens that were issued for it from forged ones, although most of them are not stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenFamily(pub String);

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
    /// Used before; its session was ended.
    #[error("reused; its session was ended")]
    Reused,
    /// Replaced when the session was bound to a new epoch. The session stays active.
    #[error("superseded")]
    Superseded,
    /// Not known to have been issued for the session, which stays active.
    #[error("not recognized")]
    NotRecognized,
}

impl RefreshToken {
    /// Creates the first token of a family.
    pub fn new(user: UserId, session: SessionId, random: &(impl Random + ?Sized)) -> Self {
        let (mut secret, mut family) = ([0; 32], [0; 16]);
        random.fill(&mut secret);
        random.fill(&mut family);
        Self::in_family(user, session, secret, Secret::new(family))
    }

    fn in_family(user: UserId, session: SessionId, secret: [u8; 32], family: Secret<[u8; 16]>) -> Self {
        let proof = Secret::new(truncated_hmac(family.expose(), &secret));
        Self { user, session, secret: Secret::new(secret), membership: Some(Membership { family, proof }) }
    }

    /// Parses the text that clients hold.
    ///
    /// # Errors
    ///
    /// [`InvalidRefreshToken`] if the text is not a token issued by [`to_text`](Self::to_text).
    pub fn parse(text: &str) -> Result<Self, InvalidRefreshToken> {
        let mut bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidRefreshToken)?;
        let token = Self::from_parts(&bytes);
        bytes.zeroize();
        token.ok_or(InvalidRefreshToken)
    }

    fn from_parts(bytes: &[u8]) -> Option<Self> {
        let (user, rest) = bytes.split_first_chunk()?;
        let (session, rest) = rest.split_first_chunk()?;
        let (secret, rest) = rest.split_first_chunk()?;
        let membership = if rest.is_empty() {
            None
        } else {
            let (family, rest) = rest.split_first_chunk()?;
            Some(Membership { family: Secret::new(*family), proof: Secret::new(rest.try_into().ok()?) })
        };
        let (user, session) = (UserId::from_bytes(*user), SessionId::from_bytes(*session));
        Some(Self { user, session, secret: Secret::new(*secret), membership })
    }

    /// Returns the text that clients hold, which is opaque to them.
    pub fn to_text(&self) -> Secret<String> {
        let ids: [&[u8]; 2] = [self.user.as_bytes(), self.session.as_bytes()];
        let bytes = Secret::new([ids.concat().as_slice(), self.secrets().expose()].concat());
        Secret::new(URL_SAFE_NO_PAD.encode(bytes.expose()))
    }

    /// Everything but the ids.
    fn secrets(&self) -> Secret<Vec<u8>> {
        let membership = self.membership.as_ref();
        let [family, proof] = membership.map_or([&[][..]; 2], |m| [&m.family.expose()[..], &m.proof.expose()[..]]);
        Secret::new([&self.secret.expose()[..], family, proof].concat())
    }

    pub fn hash(&self) -> RefreshTokenHash {
        RefreshTokenHash(URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, self.secrets().expose())))
    }

    /// Returns the family that the token proves to have been issued in, if any.
    pub fn family(&self) -> Option<TokenFamily> {
        let Membership { family, proof } = self.membership.as_ref()?;
        if *proof.expose() != truncated_hmac(family.expose(), self.secret.expose()) {
            return None;
        }
        Some(TokenFamily(URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, family.expose()))))
    }

    /// Derives the token that replaces this one. It takes both the token and the nonce, so it follows neither from the
    /// stored items nor from an old token alone. A client that lost the response can therefore get the same successor
    /// again, although no token is stored in plain text. The successor is of the same family; that of a token without a
    /// family begins one.
    #[must_use]
    pub fn successor(&self, nonce: &RotationNonce) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.secret.expose());
        let tag = hmac::sign(&key, nonce.0.as_bytes());
        let mut secret = [0; 32];
        secret.copy_from_slice(tag.as_ref());
        let family = match &self.membership {
            Some(membership) => membership.family.clone(),
            None => Secret::new(truncated_hmac(self.secret.expose(), format!("family:{}", nonce.0).as_bytes())),
        };
        Self::in_family(self.user, self.session, secret, family)
    }

    /// Derives the id of the access token that is issued together with this token, with the claims of this version of the
    /// user. A replay of the response has the same id, any other response another one. It does not reveal the secret.
    pub fn access_token_id(&self, user_version: u64) -> String {
        URL_SAFE_NO_PAD.encode(truncated_hmac(self.secret.expose(), format!("access-token:{user_version}").as_bytes()))
    }
}

/// The first 128 bits of an HMAC-SHA-256.
fn truncated_hmac(key: &[u8], message: &[u8]) -> [u8; 16] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message);
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(tag.as_ref()).for_each(|(byte, from)| *byte = *from);
    bytes
}

impl RotationNonce {
    pub fn random(random: &(impl Random + ?Sized)) -> Self {
        let mut bytes = [0; 32];
        random.fill(&mut bytes);
        Self(URL_SAFE_NO_PAD.encode(bytes))
    }
}

#[cfg(test)]
pub(crate) mod tests {
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

    /// The token as it was issued before there were families.
    pub(crate) fn without_family(token: RefreshToken) -> RefreshToken {
        RefreshToken { membership: None, ..token }
    }

    #[test]
    fn token_without_family_is_valid_and_its_successor_has_one() {
        let (old, nonce) = (without_family(token(1)), RotationNonce::random(&SeededRandom::new(8)));
        assert_eq!(RefreshToken::parse(old.to_text().expose()), Ok(old.clone()));
        assert_eq!((old.to_text().expose().len(), old.family()), (86, None));
        let next = old.successor(&nonce);
        assert!(next.family().is_some());
        assert_eq!(next, old.successor(&nonce));
        assert_eq!(next.successor(&nonce).family(), next.family());
    }

    #[test]
    fn family_is_proven_by_issued_tokens_only() {
        let issued = token(1);
        let family = issued.family();
        assert!(family.is_some() && family != token(2).family());
        assert_eq!(issued.successor(&RotationNonce::random(&SeededRandom::new(8))).family(), family);
        assert!(!issued.to_text().expose().contains(&family.unwrap().0));
        let text = issued.to_text();
        for index in [43, 60, 85, 90, 106, 107, 127] {
            let mut altered = text.expose().clone();
            let replacement = if &altered[index..=index] == "A" { "B" } else { "A" };
            altered.replace_range(index..=index, replacement);
            let altered = RefreshToken::parse(&altered).unwrap();
            assert_ne!(altered.hash(), issued.hash());
            assert_ne!(altered.family(), issued.family(), "{index}");
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
    fn access_token_id_differs_per_token_and_user_version() {
        let id = token(1).access_token_id(1);
        assert_eq!((&id, id.len()), (&token(1).access_token_id(1), 22));
        let next = token(1).successor(&RotationNonce::random(&SeededRandom::new(8)));
        for other in [token(1).access_token_id(2), token(2).access_token_id(1), next.access_token_id(1)] {
            assert_ne!(other, id);
        }
    }

    #[test]
    fn refresh_token_hash_and_debug_output_hide_the_secret() {
        let text = token(1).to_text();
        assert!(!text.expose().contains(&token(1).hash().0));
        assert!(format!("{:?}", token(1)).contains("[secret]"));
    }
}
