//! Refreshing a session.

use aws_sdk_dynamodb::Client;
use config::{ConfigError, Env};
use futures_util::future::join;
use kernel::{Secret, Timestamp};

use super::error::AccountError;
use super::settings;
use super::token_issuer::{TokenIssuer, TokenPair};
use crate::domain::{
    AuditEvent, AuditEventKind, AuditLog, AuditSubject, ClientInfo, Lifetimes, Refresh, RefreshToken,
    RefreshTokenRejection, Revoked, UserSession,
};
use crate::store::AccountTable;

/// The maximum number of attempts while the session changes concurrently.
const MAX_ATTEMPTS: usize = 3;

pub struct RefreshSession {
    pub accounts: AccountTable,
    pub issuer: TokenIssuer,
    pub lifetimes: Lifetimes,
    pub audit_log: AuditLog,
}

impl RefreshSession {
    /// # Errors
    ///
    /// [`ConfigError`] if a setting is missing.
    pub async fn from_env(env: &Env, client: Client) -> Result<Self, ConfigError> {
        Ok(Self {
            accounts: AccountTable::from_env(env, client.clone())?,
            issuer: TokenIssuer::from_env(env, client).await?,
            lifetimes: settings::lifetimes(env)?,
            audit_log: settings::audit_log(env)?,
        })
    }

    /// Rotates the refresh token, in two round trips.
    /// If a token is presented concurrently, one request uses it; the others find that it was used within the grace period and
    /// return the same successor. A token that is reused later has been copied, so its session is ended. A token that is
    /// not known to have been issued ends nothing, nor does one that was replaced when the session was bound to a new
    /// epoch: another tab may have sent it meanwhile.
    ///
    /// # Errors
    ///
    /// [`AccountError::InvalidRefreshToken`] for every reason to reject the token.
    pub async fn refresh(
        &self,
        token: Option<&Secret<String>>,
        client: &ClientInfo,
    ) -> Result<TokenPair, AccountError> {
        let token = token.ok_or(RefreshTokenRejection::Missing)?;
        let token = RefreshToken::parse(token.expose()).map_err(|_| RefreshTokenRejection::Malformed)?;
        let now = self.accounts.now();
        for _ in 0..MAX_ATTEMPTS {
            // Loads the key first: a token must not be used up in vain.
            let found = self.accounts.find_session(token.user, token.session);
            let (key, found) = join(self.issuer.signing_key.get(), found).await;
            let found = found?.ok_or(Revoked::SessionNotFound).map_err(RefreshTokenRejection::from)?;
            found.ensure_active(now).map_err(RefreshTokenRejection::from)?;
            key?;
            match found.session.refresh(&token, self.lifetimes, now, self.accounts.random()) {
                Refresh::Rotated(session, successor) => {
                    if self.accounts.rotate_refresh_token(token.user, &token.hash(), &session).await? {
                        let refreshed = UserSession { session: *session, ..found };
                        return self.tokens(&refreshed, &successor, now, now).await;
                    }
                }
                Refresh::Replayed(successor, rotated_at) => {
                    return self.tokens(&found, &successor, rotated_at, now).await;
                }
                Refresh::Reused => {
                    let event = self.event(AuditEventKind::RefreshTokenReused, &token, client, now);
                    self.accounts.end_session(token.user, token.session, now, &event).await?;
                    return Err(RefreshTokenRejection::Reused.into());
                }
                Refresh::Superseded => {
                    return self.reject(&token, RefreshTokenRejection::Superseded, client, now).await;
                }
                Refresh::NotRecognized => {
                    return self.reject(&token, RefreshTokenRejection::NotRecognized, client, now).await;
                }
            }
        }
        Err(AccountError::UserKeptChanging)
    }

    /// Rejects a token of a session that stays active.
    async fn reject(
        &self,
        token: &RefreshToken,
        reason: RefreshTokenRejection,
        client: &ClientInfo,
        now: Timestamp,
    ) -> Result<TokenPair, AccountError> {
        let event = self.event(AuditEventKind::RefreshTokenRefused, token, client, now);
        self.accounts.append_audit_event(&event.with_detail(reason.to_string())).await?;
        Err(reason.into())
    }

    fn event(&self, kind: AuditEventKind, token: &RefreshToken, client: &ClientInfo, now: Timestamp) -> AuditEvent {
        let subject = AuditSubject::User(token.user);
        self.audit_log.event(kind, subject, client, now, self.accounts.random()).in_session(token.session)
    }

    /// Returns the successor tokens, issued as of the time of the rotation.
    async fn tokens(
        &self,
        UserSession { user, session }: &UserSession,
        token: &RefreshToken,
        issued_at: Timestamp,
        now: Timestamp,
    ) -> Result<TokenPair, AccountError> {
        let mut tokens = self.issuer.issue(user, session, token, issued_at).await?;
        tokens.access.expires_in = now.until(session.token_expires_at);
        tokens.refresh_expires_in = now.until(session.expires_at);
        Ok(tokens)
    }
}

#[cfg(test)]
mod model;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kernel::testing::SeededRandom;

    use super::*;
    use crate::domain::{Session, User, UserStatus, without_family};
    use crate::store::StoreError;
    use crate::testing::{LIFETIMES, TestApp, now, session_and_token};

    /// Ada's session, which started now, and its token.
    async fn signed_in() -> (TestApp, RefreshSession, Session, Secret<String>) {
        let app = TestApp::with_ada().await;
        let (session, token) = session_and_token(2);
        app.start(session.clone()).await;
        let refreshing = app.refresh_session().await;
        (app, refreshing, session, token.to_text())
    }

    fn after(seconds: u64) -> Timestamp {
        now().plus(Duration::from_secs(seconds))
    }

    async fn refresh(refreshing: &RefreshSession, token: &Secret<String>) -> Result<TokenPair, AccountError> {
        refreshing.refresh(Some(token), &ClientInfo::default()).await
    }

    async fn rejected(refreshing: &RefreshSession, token: &Secret<String>) -> RefreshTokenRejection {
        match refresh(refreshing, token).await {
            Err(AccountError::InvalidRefreshToken(reason)) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn refresh_rotates_the_token_and_extends_the_session() {
        let (app, refreshing, session, first) = signed_in().await;
        app.clock.advance(Duration::from_mins(1));
        let tokens = refresh(&refreshing, &first).await.unwrap();
        assert_eq!(tokens.access.expires_in, LIFETIMES.access_token);
        assert_eq!(tokens.refresh_expires_in, LIFETIMES.idle);
        assert_eq!(app.verifier.verify(tokens.access.token.expose()).await.unwrap().session_id, session.id);
        let stored = app.session(&session).await.session;
        assert_eq!((stored.last_used_at, stored.token_expires_at), (after(60), after(960)));
        assert_eq!(stored.refresh_hash, RefreshToken::parse(tokens.refresh_token.expose()).unwrap().hash());
        assert!(refresh(&refreshing, &tokens.refresh_token).await.is_ok());
        assert!(app.audited().await.is_empty());
    }

    #[tokio::test]
    async fn reuse_within_the_grace_period_returns_the_same_tokens() {
        let (app, refreshing, session, first) = signed_in().await;
        let once = refresh(&refreshing, &first).await.unwrap();
        app.clock.advance(Duration::from_secs(9));
        let again = refresh(&refreshing, &first).await.unwrap();
        assert_eq!((&again.refresh_token, &again.access.token), (&once.refresh_token, &once.access.token));
        assert_eq!(again.access.expires_in, after(9).until(after(900)));
        assert_eq!(again.refresh_expires_in, after(9).until(after(3600)));
        assert_eq!(app.session(&session).await.session.last_used_at, now());
    }

    #[tokio::test]
    async fn later_reuse_ends_the_session_and_is_audited_once() {
        let (app, refreshing, session, first) = signed_in().await;
        let second = refresh(&refreshing, &first).await.unwrap().refresh_token;
        app.clock.advance(Duration::from_secs(10));
        assert_eq!(rejected(&refreshing, &first).await, RefreshTokenRejection::Reused);
        assert_eq!(app.session(&session).await.session.ended_at, Some(after(10)));
        for token in [&first, &second] {
            let ended = RefreshTokenRejection::Revoked(Revoked::SessionEnded);
            assert_eq!(rejected(&refreshing, token).await, ended);
        }
        let [event] = &app.audited().await[..] else { panic!() };
        assert_eq!((event.kind.as_str(), &event.session), ("REFRESH_TOKEN_REUSED", &Some(session.id.to_string())));
    }

    #[tokio::test]
    async fn forged_refresh_token_is_audited_and_ends_nothing() {
        let (app, refreshing, session, first) = signed_in().await;
        let issued = RefreshToken::parse(first.expose()).unwrap();
        let forged = RefreshToken::new(issued.user, issued.session, &SeededRandom::new(99));
        let without_family = without_family(forged.clone()).to_text();
        let forged = forged.to_text();
        let altered = Secret::new(format!("{}AAAA", &first.expose()[..first.expose().len() - 4]));
        for token in [&forged, &altered, &without_family] {
            assert_eq!(rejected(&refreshing, token).await, RefreshTokenRejection::NotRecognized);
        }
        assert_eq!(app.session(&session).await.session, session);
        let events = app.audited().await;
        assert_eq!(events.len(), 3);
        for event in events {
            let expected = ("REFRESH_TOKEN_REFUSED", Some("not recognized"), Some(session.id.to_string()));
            assert_eq!((event.kind.as_str(), event.detail.as_deref(), event.session), expected);
        }
        assert!(refresh(&refreshing, &first).await.is_ok());
    }

    #[tokio::test]
    async fn reuse_of_any_issued_token_ends_the_session() {
        let (app, refreshing, session, first) = signed_in().await;
        let mut token = first.clone();
        for _ in 0..4 {
            token = refresh(&refreshing, &token).await.unwrap().refresh_token;
        }
        assert_eq!(rejected(&refreshing, &first).await, RefreshTokenRejection::Reused);
        assert!(app.session(&session).await.session.ended_at.is_some());
    }

    #[tokio::test]
    async fn concurrent_refreshes_return_the_same_successor() {
        let (app, refreshing, session, text) = signed_in().await;
        let token = RefreshToken::parse(text.expose()).unwrap();
        let Refresh::Rotated(rotated, successor) = session.refresh(&token, LIFETIMES, now(), &SeededRandom::new(99))
        else {
            panic!()
        };
        let accounts = app.accounts.clone();
        app.engine.before_next("PutItem", async move {
            assert_eq!(accounts.rotate_refresh_token(token.user, &token.hash(), &rotated).await, Ok(true));
        });
        assert_eq!(refresh(&refreshing, &text).await.unwrap().refresh_token, successor.to_text());
    }

    #[tokio::test]
    async fn session_ended_during_refresh_gets_no_tokens() {
        let (app, refreshing, session, token) = signed_in().await;
        app.engine.before_next("PutItem", app.ending_session(&session));
        let ended = RefreshTokenRejection::Revoked(Revoked::SessionEnded);
        assert_eq!(rejected(&refreshing, &token).await, ended);
    }

    #[tokio::test]
    async fn session_rebound_during_refresh_gets_tokens_of_its_epoch() {
        let (app, refreshing, session, token) = signed_in().await;
        app.engine.before_next("PutItem", rebinding(&app, &session));
        let tokens = refresh(&refreshing, &token).await.unwrap();
        assert_eq!(app.verifier.verify(tokens.access.token.expose()).await.unwrap().epoch, 1);
        assert_eq!(app.session(&session).await.session.epoch, 1);
    }

    /// Raises Ada's epoch and binds the session to it, with the refresh token it has.
    fn rebinding(app: &TestApp, session: &Session) -> impl Future<Output = ()> + Send + 'static {
        let (client, id) = (app.engine.client.clone(), session.id);
        let update = app.updating_ada(User::revoked, None);
        let accounts = app.accounts.clone();
        async move {
            update.await;
            let user = accounts.find_user(crate::testing::ada().id).await.unwrap().unwrap();
            let key = dynamo::key(format!("USER#{}", user.id), format!("SESSION#{id}"));
            let rebind = client.update_item().table_name("AccountTable").set_key(Some(key));
            let rebind = rebind.update_expression("SET epoch = :epoch");
            rebind.expression_attribute_values(":epoch", dynamo::number(user.epoch)).send().await.unwrap();
        }
    }

    #[tokio::test]
    async fn token_of_an_inactive_session_is_rejected_unchanged() {
        let (app, refreshing, session, token) = signed_in().await;
        let unknown = session_and_token(9).1.to_text();
        let not_found = RefreshTokenRejection::Revoked(Revoked::SessionNotFound);
        assert_eq!(rejected(&refreshing, &unknown).await, not_found);
        let malformed = rejected(&refreshing, &Secret::new("a.b.c".to_owned())).await;
        assert_eq!(malformed, RefreshTokenRejection::Malformed);
        let missing = refreshing.refresh(None, &ClientInfo::default()).await.unwrap_err();
        assert!(matches!(missing, AccountError::InvalidRefreshToken(RefreshTokenRejection::Missing)));
        app.clock.advance(now().until(session.expires_at));
        let expired = RefreshTokenRejection::Revoked(Revoked::SessionEnded);
        assert_eq!(rejected(&refreshing, &token).await, expired);

        let suspend: fn(User) -> User = |user| User { status: UserStatus::Suspended, ..user };
        for (change, reason) in [(suspend, Revoked::UserSuspended), (User::revoked, Revoked::StaleEpoch)] {
            let (app, refreshing, session, token) = signed_in().await;
            app.update_ada(change).await;
            let before = app.session(&session).await;
            assert_eq!(rejected(&refreshing, &token).await, RefreshTokenRejection::Revoked(reason));
            assert_eq!(app.session(&session).await, before);
            assert!(app.audited().await.is_empty());
        }

        let (app, refreshing, session, token) = signed_in().await;
        app.end_session(&session).await;
        assert_eq!(rejected(&refreshing, &token).await, RefreshTokenRejection::Revoked(Revoked::SessionEnded));
        app.deleting_ada().await;
        assert_eq!(rejected(&refreshing, &token).await, not_found);
    }

    #[tokio::test]
    async fn refresh_without_a_signing_key_keeps_the_token() {
        let (app, refreshing, session, token) = signed_in().await;
        let refreshing = RefreshSession { issuer: app.issuer_without_key(), ..refreshing };
        assert!(matches!(refresh(&refreshing, &token).await, Err(AccountError::NoSigningKey)));
        assert_eq!(app.session(&session).await.session, session);
    }

    #[tokio::test]
    async fn refresh_with_an_unavailable_store_is_retryable() {
        let (app, refreshing, _, token) = signed_in().await;
        app.engine.reject("BatchGetItem", 3, "ThrottlingException");
        let outcome = refresh(&refreshing, &token).await;
        assert!(matches!(outcome, Err(AccountError::Store(StoreError::Unavailable(_)))));
        assert!(refresh(&refreshing, &token).await.is_ok());
    }

    #[tokio::test]
    async fn refresh_fails_after_repeated_conflicts() {
        let (app, refreshing, session, token) = signed_in().await;
        for _ in 0..MAX_ATTEMPTS {
            app.engine.before_next("PutItem", rebinding(&app, &session));
        }
        assert!(matches!(refresh(&refreshing, &token).await, Err(AccountError::UserKeptChanging)));
    }
}
