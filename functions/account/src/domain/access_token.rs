//! Issuance of access tokens. Their claims and their verification are in [`auth`].

use auth::{CLIENT_ID, Claims, TOKEN_TYPE};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use kernel::{Secret, Timestamp};

use super::{RefreshToken, Session, SigningKey, User};

/// Issues access tokens of one issuer for one audience.
#[derive(Debug, Clone)]
pub struct AccessTokens {
    issuer: String,
    audience: String,
}

/// An access token could not be signed.
#[derive(Debug, thiserror::Error)]
#[error("access token could not be signed")]
pub struct SigningError(#[from] jsonwebtoken::errors::Error);

impl AccessTokens {
    pub fn new(issuer: impl Into<String>, audience: impl Into<String>) -> Self {
        auth::install_crypto();
        Self { issuer: issuer.into(), audience: audience.into() }
    }

    /// Issues a token for a user's session, together with a refresh token. It expires at the session's
    /// [`token_expires_at`](Session::token_expires_at).
    ///
    /// # Errors
    ///
    /// [`SigningError`] if the key cannot sign.
    pub fn issue(
        &self,
        key: &SigningKey,
        user: &User,
        session: &Session,
        refresh_token: &RefreshToken,
        now: Timestamp,
    ) -> Result<Secret<String>, SigningError> {
        let header = Header {
            typ: Some(TOKEN_TYPE.to_owned()),
            kid: Some(key.kid().to_string()),
            ..Header::new(Algorithm::EdDSA)
        };
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
            sub: user.id,
            sid: session.id,
            jti: Some(refresh_token.access_token_id(user.version)),
            client_id: Some(CLIENT_ID.to_owned()),
            epoch: user.epoch,
            iat: now.unix_seconds(),
            exp: session.token_expires_at.unix_seconds(),
            email: Some(user.email.as_str().to_owned()),
            email_verified: user.email_verified,
            phone_number: user.phone.as_ref().map(|phone| phone.as_str().to_owned()),
            phone_number_verified: user.phone_verified,
        };
        let key = EncodingKey::from_ed_der(key.pkcs8().expose());
        Ok(Secret::new(jsonwebtoken::encode(&header, &claims, &key)?))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use auth::{LoadKeys, LoadKeysError, PublicKey, Verifier};
    use contact::{Email, Phone};
    use kernel::UserId;
    use kernel::testing::FixedClock;
    use kernel::testing::SeededRandom;

    use super::*;
    use crate::domain::Lifetimes;

    struct Published(PublicKey);

    impl LoadKeys for Published {
        async fn load_keys(&self) -> Result<Vec<PublicKey>, LoadKeysError> {
            Ok(vec![self.0.clone()])
        }
    }

    fn now() -> Timestamp {
        Timestamp::parse("2026-01-31T12:00:00.999Z").unwrap()
    }

    fn user(phone: Option<Phone>) -> User {
        let email = Email::parse("ada@example.com").unwrap();
        User { epoch: 4, ..User::new(UserId::random(&SeededRandom::new(2)), email, phone, now()) }
    }

    fn session(user: &User) -> (Session, RefreshToken) {
        let lifetimes = Lifetimes {
            access_token: Duration::from_mins(15),
            idle: Duration::from_hours(1),
            absolute: Duration::from_hours(1),
        };
        Session::start(user, None, lifetimes, now(), &SeededRandom::new(3))
    }

    fn verifier(key: &SigningKey, at: Timestamp) -> Verifier<Published> {
        let published = Published(PublicKey { kid: key.kid().clone(), x: key.public_key().to_owned() });
        Verifier::new("issuer", "audience", published, FixedClock(at))
    }

    #[tokio::test]
    async fn access_token_carries_contact_claims_and_verification() {
        let key = SigningKey::generate(&SeededRandom::new(1)).unwrap();
        let tokens = AccessTokens::new("issuer", "audience");
        for (phone, verified) in [(None, false), (Some(Phone::parse("+33612345678").unwrap()), true)] {
            let user = User { email_verified: verified, phone_verified: verified, ..user(phone) };
            let (session, refresh_token) = session(&user);
            let token = tokens.issue(&key, &user, &session, &refresh_token, now()).unwrap();
            let claims = verifier(&key, now()).claims(token.expose()).await.unwrap();
            assert_eq!(claims.email.as_deref(), Some("ada@example.com"));
            assert_eq!(claims.phone_number.as_deref(), user.phone.as_ref().map(Phone::as_str));
            assert_eq!((claims.email_verified, claims.phone_number_verified), (verified, verified));
        }
    }

    #[tokio::test]
    async fn access_token_carries_its_id_and_the_client() {
        let (key, user) = (SigningKey::generate(&SeededRandom::new(1)).unwrap(), user(None));
        let (session, refresh_token) = session(&user);
        let token =
            AccessTokens::new("issuer", "audience").issue(&key, &user, &session, &refresh_token, now()).unwrap();
        let claims = verifier(&key, now()).claims(token.expose()).await.unwrap();
        assert_eq!(claims.jti, Some(refresh_token.access_token_id(user.version)));
        assert_eq!(claims.client_id.as_deref(), Some("first-party"));
        assert!(token.expose().len() < 700, "{} characters", token.expose().len());
    }

    #[tokio::test]
    async fn access_token_is_valid_until_session_token_expiry() {
        let (now, user) = (now(), user(None));
        let key = SigningKey::generate(&SeededRandom::new(1)).unwrap();
        let (session, refresh_token) = session(&user);
        let token = AccessTokens::new("issuer", "audience").issue(&key, &user, &session, &refresh_token, now).unwrap();

        let principal = verifier(&key, now).verify(token.expose()).await.unwrap();
        assert_eq!((principal.user_id, principal.session_id, principal.epoch), (user.id, session.id, 4));
        assert_eq!(principal.expires_at.unix_seconds(), now.unix_seconds() + 900);
        assert!(verifier(&key, session.token_expires_at).verify(token.expose()).await.is_err());
    }
}
