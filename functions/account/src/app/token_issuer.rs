//! Issuing what a session is used by: an access token, and the refresh token that goes with it.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use config::{ConfigError, Env};
use kernel::{Secret, Timestamp};

use crate::app::cached_signing_key::CachedSigningKey;
use crate::app::error::AccountError;
use crate::domain::{AccessTokens, RefreshToken, Session, User};
use crate::store::{LoadSigningKey, SigningKeyTable};

/// Issues tokens.
#[derive(Debug)]
pub struct TokenIssuer<L> {
    /// What they are signed with.
    pub signing_key: CachedSigningKey<L>,
    /// What they say.
    pub tokens: AccessTokens,
}

/// An access token and how long it is good for.
#[derive(Debug)]
pub struct IssuedAccessToken {
    /// The token.
    pub token: Secret<String>,
    /// From when it was issued.
    pub expires_in: Duration,
}

/// What a client goes on with: both tokens.
#[derive(Debug)]
pub struct TokenPair {
    /// For requests.
    pub access: IssuedAccessToken,
    /// For the next tokens.
    pub refresh_token: Secret<String>,
    /// How long the session goes on without another refresh.
    pub refresh_expires_in: Duration,
}

impl TokenIssuer<SigningKeyTable> {
    /// Issues tokens as the function's environment says. The key is loaded here, and with it the connection is open before
    /// the first request comes.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if a setting is missing.
    pub async fn from_env(env: &Env, client: Client) -> Result<Self, ConfigError> {
        let issuer = Self::without_key(env, client)?;
        issuer.signing_key.warm_up().await;
        Ok(issuer)
    }

    /// The same where tokens are seldom issued: the key is loaded for the first of them.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if a setting is missing.
    pub fn without_key(env: &Env, client: Client) -> Result<Self, ConfigError> {
        let signing_key = CachedSigningKey::new(SigningKeyTable::new(client, env.required("SIGNING_KEY_TABLE")?));
        let tokens = AccessTokens::new(env.required("TOKEN_ISSUER")?, env.required("TOKEN_AUDIENCE")?);
        Ok(Self { signing_key, tokens })
    }
}

impl<L: LoadSigningKey> TokenIssuer<L> {
    /// An access token for this session of this person.
    ///
    /// # Errors
    ///
    /// [`AccountError`] if there is no key to sign with just now.
    pub async fn access(
        &self,
        user: &User,
        session: &Session,
        now: Timestamp,
    ) -> Result<IssuedAccessToken, AccountError> {
        let key = self.signing_key.get().await?;
        let token = self.tokens.issue(&key, user, session, now)?;
        Ok(IssuedAccessToken { token, expires_in: now.until(session.token_expires_at) })
    }

    /// Both tokens.
    ///
    /// # Errors
    ///
    /// [`AccountError`] if there is no key to sign with just now.
    pub async fn grant(
        &self,
        user: &User,
        session: &Session,
        refresh_token: &RefreshToken,
        now: Timestamp,
    ) -> Result<TokenPair, AccountError> {
        Ok(TokenPair {
            access: self.access(user, session, now).await?,
            refresh_token: refresh_token.to_text(),
            refresh_expires_in: now.until(session.expires_at),
        })
    }
}
