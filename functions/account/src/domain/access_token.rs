//! Issuing access tokens. What they say, and how they are verified, is in [`auth`].

use std::time::Duration;

use auth::{Claims, TOKEN_TYPE};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use kernel::{Secret, SessionId, Timestamp};

use super::{Person, SigningKey};

/// Issues access tokens.
#[derive(Debug, Clone)]
pub struct AccessTokens {
    issuer: String,
    audience: String,
    lifetime: Duration,
}

/// A token could not be signed.
#[derive(Debug, thiserror::Error)]
#[error("an access token could not be signed")]
pub struct SigningFailed(#[from] jsonwebtoken::errors::Error);

impl AccessTokens {
    /// Issues tokens from this issuer for this audience that live so long, in whole seconds.
    pub fn new(issuer: impl Into<String>, audience: impl Into<String>, lifetime: Duration) -> Self {
        auth::install_crypto();
        Self { issuer: issuer.into(), audience: audience.into(), lifetime }
    }

    /// How long a token lives.
    pub const fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// A token that lets its bearer act as this person, in this session, from now on.
    ///
    /// # Errors
    ///
    /// [`SigningFailed`] if the key cannot sign.
    pub fn issue(
        &self,
        key: &SigningKey,
        person: &Person,
        session: SessionId,
        now: Timestamp,
    ) -> Result<Secret<String>, SigningFailed> {
        let header = Header {
            typ: Some(TOKEN_TYPE.to_owned()),
            kid: Some(key.kid().to_string()),
            ..Header::new(Algorithm::EdDSA)
        };
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
            sub: person.id,
            sid: session,
            epoch: person.epoch,
            iat: now.unix_seconds(),
            exp: now.plus(self.lifetime).unix_seconds(),
            email: Some(person.email.as_str().to_owned()),
            phone_number: person.phone.as_ref().map(|phone| phone.as_str().to_owned()),
        };
        let key = EncodingKey::from_ed_der(key.pkcs8().expose());
        Ok(Secret::new(jsonwebtoken::encode(&header, &claims, &key)?))
    }
}

#[cfg(test)]
mod tests {
    use auth::{LoadKeys, LoadKeysError, PublicKey, Verifier};
    use contact::{Email, Phone};
    use kernel::UserId;
    use kernel::random::Seeded;
    use kernel::time::FixedClock;

    use super::*;

    struct Published(PublicKey);

    impl LoadKeys for Published {
        async fn load_keys(&self) -> Result<Vec<PublicKey>, LoadKeysError> {
            Ok(vec![self.0.clone()])
        }
    }

    fn now() -> Timestamp {
        Timestamp::parse("2026-01-31T12:00:00.999Z").unwrap()
    }

    fn person(phone: Option<Phone>) -> Person {
        let email = Email::parse("ada@example.com").unwrap();
        Person { epoch: 4, ..Person::new(UserId::random(&Seeded::new(2)), email, phone, now()) }
    }

    #[tokio::test]
    async fn a_token_says_how_its_person_is_reached() {
        let key = SigningKey::generate(&Seeded::new(1)).unwrap();
        let published = Published(PublicKey { kid: key.kid().clone(), x: key.public_key().to_owned() });
        let verifier = Verifier::new("issuer", "audience", published, FixedClock(now()));
        let tokens = AccessTokens::new("issuer", "audience", Duration::from_mins(15));
        for phone in [None, Some(Phone::parse("+33612345678").unwrap())] {
            let person = person(phone);
            let token = tokens.issue(&key, &person, SessionId::random(&Seeded::new(3)), now()).unwrap();
            let claims = verifier.claims(token.expose()).await.unwrap();
            assert_eq!(claims.email.as_deref(), Some("ada@example.com"));
            assert_eq!(claims.phone_number.as_deref(), person.phone.as_ref().map(Phone::as_str));
        }
    }

    #[tokio::test]
    async fn a_token_passes_the_verifier_for_its_lifetime() {
        let (now, person) = (now(), person(None));
        let key = SigningKey::generate(&Seeded::new(1)).unwrap();
        let session = SessionId::random(&Seeded::new(3));
        let tokens = AccessTokens::new("issuer", "audience", Duration::from_mins(15));
        let token = tokens.issue(&key, &person, session, now).unwrap();

        let published = || Published(PublicKey { kid: key.kid().clone(), x: key.public_key().to_owned() });
        let verifier = Verifier::new("issuer", "audience", published(), FixedClock(now));
        let principal = verifier.verify(token.expose()).await.unwrap();
        assert_eq!((principal.user_id, principal.session_id, principal.epoch), (person.id, session, 4));
        assert_eq!(principal.expires_at.unix_seconds(), now.unix_seconds() + 900);

        let later = Verifier::new("issuer", "audience", published(), FixedClock(now.plus(tokens.lifetime())));
        assert!(later.verify(token.expose()).await.is_err());
    }
}
