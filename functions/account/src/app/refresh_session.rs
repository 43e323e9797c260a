//! Refreshing a session: `POST /auth/refresh`.

use aws_sdk_dynamodb::Client;
use config::{ConfigError, Env};
use futures_util::future::join;
use kernel::SystemRandom;
use kernel::{Clock, Random, Secret, SystemClock, Timestamp};

use crate::app::error::AccountError;
use crate::app::settings;
use crate::app::token_issuer::{TokenIssuer, TokenPair};
use crate::domain::{
    AuditEventKind, AuditLog, AuditSubject, ClientInfo, Lifetimes, Refresh, RefreshToken, Revoked, UserSession,
};
use crate::store::{AccountTable, EndSession, FindSession, LoadSigningKey, RotateRefreshToken, SigningKeyTable};

/// The maximum number of attempts while the session changes concurrently.
const MAX_ATTEMPTS: usize = 3;

#[derive(Debug)]
pub struct RefreshSession<S, L, R, C> {
    pub sessions: S,
    pub issuer: TokenIssuer<L>,
    pub lifetimes: Lifetimes,
    pub audit_log: AuditLog,
    pub random: R,
    pub clock: C,
}

/// Why a refresh token was rejected. For the log: the client is not told the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RefusedRefreshToken {
    #[error("missing")]
    Missing,
    /// Not in the format of our tokens.
    #[error("malformed")]
    Unreadable,
    /// The session has ended or never existed.
    #[error(transparent)]
    Revoked(#[from] Revoked),
    /// Used before or forged; its session was ended.
    #[error("reused; its session was ended")]
    Reused,
}

impl<S, L, R, C> RefreshSession<S, L, R, C>
where
    S: FindSession + RotateRefreshToken + EndSession,
    L: LoadSigningKey,
    R: Random,
    C: Clock,
{
    /// Rotates the refresh token, in two round trips.
    /// If a token is presented concurrently, one request uses it; the others find that it was used within the grace period and
    /// return the same successor. A token that is reused later has been copied, so its session is ended.
    /// # Errors
    /// [`AccountError::InvalidRefreshToken`] for every reason to reject the token.
    pub async fn refresh(
        &self,
        token: Option<&Secret<String>>,
        caller: &ClientInfo,
    ) -> Result<TokenPair, AccountError> {
        let token = token.ok_or(RefusedRefreshToken::Missing)?;
        let token = RefreshToken::parse(token.expose()).map_err(|_| RefusedRefreshToken::Unreadable)?;
        let now = self.clock.now();
        for _ in 0..MAX_ATTEMPTS {
            // Loads the key first: a token must not be used up in vain.
            let found = self.sessions.find_session(token.user, token.session);
            let (key, found) = join(self.issuer.signing_key.get(), found).await;
            let found = found?.ok_or(Revoked::SessionNotFound).map_err(RefusedRefreshToken::from)?;
            found.ensure_active(now).map_err(RefusedRefreshToken::from)?;
            key?;
            match found.session.refresh(&token, self.lifetimes, now, &self.random) {
                Refresh::Rotated(session, successor) => {
                    if self.sessions.rotate_refresh_token(token.user, &token.hash(), &session).await? {
                        let signed_in = UserSession { session: *session, ..found };
                        return self.grant(&signed_in, &successor, now, now).await;
                    }
                }
                Refresh::Replayed(successor, rotated_at) => {
                    return self.grant(&found, &successor, rotated_at, now).await;
                }
                Refresh::Reused => {
                    let subject = AuditSubject::User(token.user);
                    let record =
                        self.audit_log.event(AuditEventKind::RefreshTokenReused, subject, caller, now, &self.random);
                    let record = record.in_session(token.session);
                    self.sessions.end_session(token.user, token.session, now, &record).await?;
                    return Err(RefusedRefreshToken::Reused.into());
                }
            }
        }
        Err(AccountError::UserKeptChanging)
    }

    /// The successor tokens, issued as of the time of the rotation.
    async fn grant(
        &self,
        UserSession { user, session }: &UserSession,
        token: &RefreshToken,
        issued_at: Timestamp,
        now: Timestamp,
    ) -> Result<TokenPair, AccountError> {
        let mut grant = self.issuer.grant(user, session, token, issued_at).await?;
        grant.access.expires_in = now.until(session.token_expires_at);
        grant.refresh_expires_in = now.until(session.expires_at);
        Ok(grant)
    }
}

/// # Errors
/// [`ConfigError`] if a setting is missing.
pub async fn from_env(
    env: &Env,
    client: Client,
) -> Result<RefreshSession<AccountTable, SigningKeyTable, SystemRandom, SystemClock>, ConfigError> {
    Ok(RefreshSession {
        sessions: AccountTable::from_env(env, client.clone())?,
        issuer: TokenIssuer::from_env(env, client).await?,
        lifetimes: settings::lifetimes(env)?,
        audit_log: settings::audit_log(env)?,
        random: SystemRandom,
        clock: SystemClock,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kernel::SessionId;
    use kernel::testing::FixedClock;
    use kernel::testing::SeededRandom;

    use super::*;
    use crate::app::cached_signing_key::CachedSigningKey;
    use crate::domain::{Session, UserStatus};
    use crate::store::StoreError;
    use crate::testing::sessions::{Sessions, session_and_token};
    use crate::testing::{Key, LIFETIMES, audit_log, issuer, now, verifier};

    type Refreshing = RefreshSession<Sessions, Key, SeededRandom, FixedClock>;

    fn refreshing(sessions: Sessions) -> Refreshing {
        RefreshSession {
            sessions,
            issuer: issuer(),
            lifetimes: LIFETIMES,
            audit_log: audit_log(),
            random: SeededRandom::new(1),
            clock: FixedClock(now()),
        }
    }

    /// With a session that began now, and its token.
    fn signed_in() -> (Refreshing, SessionId, Secret<String>) {
        let (session, token) = session_and_token(2);
        let id = session.id;
        (refreshing(Sessions::of_ada([session])), id, token.to_text())
    }

    fn after(seconds: u64) -> Timestamp {
        now().plus(Duration::from_secs(seconds))
    }

    async fn refresh(refreshing: &Refreshing, token: &Secret<String>) -> Result<TokenPair, AccountError> {
        refreshing.refresh(Some(token), &ClientInfo::default()).await
    }

    async fn refused(refreshing: &Refreshing, token: &Secret<String>) -> RefusedRefreshToken {
        match refresh(refreshing, token).await {
            Err(AccountError::InvalidRefreshToken(reason)) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn the_successor_and_an_access_token_of_the_same_session_are_given_for_a_token() {
        let (mut refreshing, id, first) = signed_in();
        refreshing.clock.0 = after(60);
        let grant = refresh(&refreshing, &first).await.unwrap();
        assert_eq!(grant.access.expires_in, LIFETIMES.access_token);
        assert_eq!(grant.refresh_expires_in, LIFETIMES.idle);
        assert_eq!(verifier().verify(grant.access.token.expose()).await.unwrap().session_id, id);
        let session = refreshing.sessions.state().session(id).clone();
        assert_eq!((session.last_used_at, session.token_expires_at), (after(60), after(960)));
        assert_eq!(session.refresh_hash, RefreshToken::parse(grant.refresh_token.expose()).unwrap().hash());
        assert!(refresh(&refreshing, &grant.refresh_token).await.is_ok());
        assert!(refreshing.sessions.recorded().is_empty());
    }

    #[tokio::test]
    async fn a_token_that_was_spent_a_moment_ago_gets_the_very_same_answer_and_no_time_is_added_to_it() {
        let (mut refreshing, id, first) = signed_in();
        let one = refresh(&refreshing, &first).await.unwrap();
        refreshing.clock.0 = after(9);
        let again = refresh(&refreshing, &first).await.unwrap();
        assert_eq!((&again.refresh_token, &again.access.token), (&one.refresh_token, &one.access.token));
        assert_eq!(again.access.expires_in, after(9).until(after(900)));
        assert_eq!(again.refresh_expires_in, after(9).until(after(3600)));
        assert_eq!(refreshing.sessions.state().session(id).last_used_at, now());
    }

    #[tokio::test]
    async fn a_token_that_was_spent_earlier_ends_the_session_and_that_is_written_down_once() {
        let (mut refreshing, id, first) = signed_in();
        let second = refresh(&refreshing, &first).await.unwrap().refresh_token;
        refreshing.clock.0 = after(10);
        assert_eq!(refused(&refreshing, &first).await, RefusedRefreshToken::Reused);
        assert_eq!(refreshing.sessions.state().session(id).ended_at, Some(after(10)));
        let ended = RefusedRefreshToken::Revoked(Revoked::SessionEnded);
        for token in [&first, &second] {
            assert_eq!(refused(&refreshing, token).await, ended);
        }
        assert_eq!(refreshing.sessions.recorded(), ["REFRESH_TOKEN_REUSED"]);
        assert_eq!(refreshing.sessions.state().recorded[0].session, Some(id));
    }

    #[tokio::test]
    async fn whoever_spends_a_token_at_the_same_moment_as_another_gets_what_the_other_gets() {
        let (refreshing, id, text) = signed_in();
        let token = RefreshToken::parse(text.expose()).unwrap();
        let (session, _) = session_and_token(2);
        let Refresh::Rotated(others, successor) = session.refresh(&token, LIFETIMES, now(), &SeededRandom::new(99))
        else {
            panic!()
        };
        refreshing.sessions.meanwhile(move |state| *state.session(id) = *others);
        let grant = refresh(&refreshing, &text).await.unwrap();
        assert_eq!(grant.refresh_token, successor.to_text());
    }

    #[tokio::test]
    async fn a_session_that_ends_at_the_same_moment_gives_no_tokens() {
        let (refreshing, id, token) = signed_in();
        refreshing.sessions.meanwhile(move |state| state.session(id).ended_at = Some(now()));
        assert_eq!(refused(&refreshing, &token).await, RefusedRefreshToken::Revoked(Revoked::SessionEnded));
    }

    #[tokio::test]
    async fn a_session_that_is_carried_to_another_epoch_at_the_same_moment_goes_on_in_that_one() {
        let (refreshing, id, token) = signed_in();
        refreshing.sessions.meanwhile(move |state| {
            state.user.as_mut().unwrap().epoch = 7;
            state.session(id).epoch = 7;
        });
        let grant = refresh(&refreshing, &token).await.unwrap();
        assert_eq!(verifier().verify(grant.access.token.expose()).await.unwrap().epoch, 7);
        assert_eq!(refreshing.sessions.state().session(id).epoch, 7);
    }

    #[tokio::test]
    async fn what_is_not_the_good_token_of_a_session_that_goes_on_is_refused_and_changes_nothing() {
        type Change = fn(&mut crate::testing::sessions::State, SessionId);
        let (_, id, _) = signed_in();
        let changes: [(Change, Revoked); 6] = [
            (|state, _| state.sessions.clear(), Revoked::SessionNotFound),
            (|state, _| state.user = None, Revoked::SessionNotFound),
            (|state, id| state.session(id).ended_at = Some(now()), Revoked::SessionEnded),
            (|state, id| state.session(id).expires_at = now(), Revoked::SessionEnded),
            (|state, _| state.user.as_mut().unwrap().epoch = 1, Revoked::StaleEpoch),
            (|state, _| state.user.as_mut().unwrap().status = UserStatus::Suspended, Revoked::UserSuspended),
        ];
        for (change, reason) in changes {
            let (refreshing, _, token) = signed_in();
            change(&mut refreshing.sessions.state(), id);
            let before = refreshing.sessions.state().sessions.clone();
            assert_eq!(refused(&refreshing, &token).await, RefusedRefreshToken::Revoked(reason));
            assert_eq!(refreshing.sessions.state().sessions, before);
            assert!(refreshing.sessions.recorded().is_empty());
        }
        let (refreshing, _, _) = signed_in();
        let other = Secret::new("a.b.c".to_owned());
        assert_eq!(refused(&refreshing, &other).await, RefusedRefreshToken::Unreadable);
        let missing = refreshing.refresh(None, &ClientInfo::default()).await.unwrap_err();
        assert!(matches!(missing, AccountError::InvalidRefreshToken(RefusedRefreshToken::Missing)));
    }

    #[tokio::test]
    async fn without_a_key_the_token_is_not_spent() {
        let (refreshing, id, token) = signed_in();
        let keyless = TokenIssuer { signing_key: CachedSigningKey::new(Key(None)), ..issuer() };
        let refreshing = RefreshSession { issuer: keyless, ..refreshing };
        assert!(matches!(refresh(&refreshing, &token).await, Err(AccountError::NoSigningKey)));
        assert_eq!(refreshing.sessions.state().session(id).rotation, None);
    }

    #[tokio::test]
    async fn a_table_that_does_not_answer_is_no_fault_of_the_token_and_a_session_that_keeps_changing_neither() {
        let (_, _, token) = signed_in();
        let outcome = refresh(&refreshing(Sessions::busy()), &token).await;
        assert!(matches!(outcome, Err(AccountError::Store(StoreError::Unavailable(_)))));
        let (refreshing, id, token) = signed_in();
        for epoch in 1..=3 {
            refreshing.sessions.meanwhile(move |state| {
                let session: &mut Session = state.session(id);
                session.epoch = epoch;
            });
        }
        assert!(matches!(refresh(&refreshing, &token).await, Err(AccountError::UserKeptChanging)));
    }
}
