//! Issuing access tokens and refresh tokens.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use config::{ConfigError, Env};
use kernel::{Secret, SystemClock, Timestamp};

use super::cached_signing_key::CachedSigningKey;
use super::error::AccountError;
use crate::domain::{AccessTokens, RefreshToken, Session, User};
use crate::store::SigningKeyTable;

pub struct TokenIssuer {
    pub signing_key: CachedSigningKey,
    pub tokens: AccessTokens,
}

#[derive(Debug)]
pub struct IssuedAccessToken {
    pub token: Secret<String>,
    /// The time until the token expires.
    pub expires_in: Duration,
}

#[derive(Debug)]
pub struct TokenPair {
    pub access: IssuedAccessToken,
    pub refresh_token: Secret<String>,
    /// The time until the session expires unless it is refreshed.
    pub refresh_expires_in: Duration,
}

impl TokenIssuer {
    /// Loads the signing key, which also opens the connection.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if a setting is missing.
    pub async fn from_env(env: &Env, client: Client) -> Result<Self, ConfigError> {
        let issuer = Self::without_key(env, client)?;
        issuer.signing_key.warm_up().await;
        Ok(issuer)
    }

    /// Creates an issuer that loads the signing key on first use, for functions that seldom issue tokens.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if a setting is missing.
    pub fn without_key(env: &Env, client: Client) -> Result<Self, ConfigError> {
        let signing_key =
            CachedSigningKey::new(SigningKeyTable::new(client, env.required("SIGNING_KEY_TABLE")?), SystemClock);
        let tokens = AccessTokens::new(env.required("TOKEN_ISSUER")?, env.required("TOKEN_AUDIENCE")?);
        Ok(Self { signing_key, tokens })
    }

    async fn issue_access_token(
        &self,
        user: &User,
        session: &Session,
        refresh_token: &RefreshToken,
        now: Timestamp,
    ) -> Result<IssuedAccessToken, AccountError> {
        let key = self.signing_key.get().await?;
        let token = self.tokens.issue(&key, user, session, refresh_token, now)?;
        Ok(IssuedAccessToken { token, expires_in: now.until(session.token_expires_at) })
    }

    /// Issues an access token and returns it with the refresh token.
    ///
    /// # Errors
    ///
    /// [`AccountError`] if no signing key is available.
    pub async fn issue(
        &self,
        user: &User,
        session: &Session,
        refresh_token: &RefreshToken,
        now: Timestamp,
    ) -> Result<TokenPair, AccountError> {
        Ok(TokenPair {
            access: self.issue_access_token(user, session, refresh_token, now).await?,
            refresh_token: refresh_token.to_text(),
            refresh_expires_in: now.until(session.expires_at),
        })
    }
}
