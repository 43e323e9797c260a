//! Verifying identifiers by a code that is sent to them.

use std::future::ready;

use config::{ConfigError, Env};
use kernel::Timestamp;

use super::active_session::AuthenticatedSession;
use super::error::AccountError;
use super::settings;
use crate::Clients;
use crate::domain::verification_code::{CODE_LIFETIME, Code, CodeHash};
use crate::domain::{
    AuditEvent, AuditEventKind, AuditLog, AuditSubject, ClientInfo, Identifier, IdentifierKind, Revoked, User,
    UserSession,
};
use crate::notify::SendCode;
use crate::store::{AccountTable, NewCode, StoreCodeOutcome, StoreError, UpdateConflict, UpdatePlan};

/// The maximum number of attempts in case of concurrent writes.
const MAX_ATTEMPTS: usize = 3;

#[derive(Debug)]
pub struct SendVerification<D> {
    pub accounts: AccountTable,
    pub delivery: D,
    pub audit_log: AuditLog,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    pub expires_at: Timestamp,
    /// The earliest time for another code.
    pub resend_after: Timestamp,
}

#[derive(Debug)]
pub struct ConfirmVerification {
    pub accounts: AccountTable,
    pub audit_log: AuditLog,
}

impl<D: SendCode> SendVerification<D> {
    /// Sends a verification code, which replaces the previous one.
    /// The code is stored before it is sent: a sent code can always be confirmed, and a failed delivery counts, so that a failing
    /// service is not called repeatedly.
    ///
    /// # Errors
    ///
    /// [`AccountError::NoSuchIdentifier`] if the user has no such identifier, [`AccountError::AlreadyVerified`],
    /// [`AccountError::CodeSentRecently`], or [`AccountError::CodeNotSent`].
    pub async fn send(&self, user: &User, kind: IdentifierKind, client: &ClientInfo) -> Result<Sent, AccountError> {
        let now = self.accounts.now();
        let address = unverified(user, kind)?.ok_or(AccountError::NoSuchIdentifier(kind))?;
        let mut sent_before = self.accounts.find_code_histories(user.id, &address).await?;
        let mut sent = sent_before.with_code_sent_at(now).map_err(AccountError::CodeSentRecently)?;
        let code = Code::random(self.accounts.random());
        let hash = CodeHash::new(&code, &address, self.accounts.random())?;
        let expires_at = now.plus(CODE_LIFETIME);
        let event = self.audit_log.event(
            AuditEventKind::CodeSent,
            AuditSubject::User(user.id),
            client,
            now,
            self.accounts.random(),
        );
        let event = event.with_detail(format!("by {}", kind.name()));
        for _ in 0..MAX_ATTEMPTS {
            let new =
                NewCode { user: user.id, address: &address, histories: &sent, hash: &hash, expires_at, event: &event };
            match self.accounts.store_code(new).await? {
                StoreCodeOutcome::Stored => {
                    let resend_after = sent.next_at(now);
                    if let Err(reason) = self.delivery.send_code(&address, &code).await {
                        return Err(AccountError::CodeNotSent { reason, resend_after: now.until(resend_after) });
                    }
                    return Ok(Sent { expires_at, resend_after });
                }
                StoreCodeOutcome::VersionConflict { user, address } => {
                    sent_before.user = user.unwrap_or(sent_before.user);
                    sent_before.address = address.unwrap_or(sent_before.address);
                }
            }
            sent = sent_before.with_code_sent_at(now).map_err(AccountError::CodeSentRecently)?;
        }
        Err(StoreError::Unavailable("concurrent requests kept storing codes".to_owned()).into())
    }
}

impl ConfirmVerification {
    /// # Errors
    ///
    /// [`ConfigError`] if a setting is missing.
    pub fn from_env(env: &Env, clients: &Clients) -> Result<Self, ConfigError> {
        let accounts = AccountTable::from_env(env, clients.dynamodb.clone())?;
        Ok(Self { accounts, audit_log: settings::audit_log(env)? })
    }

    /// Verifies the identifier if the code is the one that was sent to it. Returns the updated user. The attempt is counted
    /// before the code is checked.
    ///
    /// # Errors
    ///
    /// [`AccountError::InvalidCode`] for every reason to reject the code; [`AccountError::AlreadyVerified`];
    /// [`AccountError::Revoked`] if the token has been revoked.
    pub async fn confirm(
        &self,
        AuthenticatedSession { principal, user_session }: AuthenticatedSession,
        kind: IdentifierKind,
        code: &Code,
        client: &ClientInfo,
    ) -> Result<User, AccountError> {
        let now = self.accounts.now();
        let UserSession { user, session } = &user_session;
        let address = unverified(user, kind)?.ok_or(AccountError::InvalidCode)?;
        let attempt = self.accounts.count_code_attempt(user.id, kind, now).await?;
        let attempt = attempt.ok_or(AccountError::InvalidCode)?;
        let event = |event_kind, detail: String| -> AuditEvent {
            let subject = AuditSubject::User(user.id);
            let event = self.audit_log.event(event_kind, subject, client, now, self.accounts.random());
            event.in_session(session.id).with_detail(detail)
        };
        if !attempt.hash.matches(code, &address) {
            let detail = format!("attempt {} by {}", attempt.number, kind.name());
            self.accounts.append_audit_event(&event(AuditEventKind::CodeRefused, detail)).await?;
            return Err(AccountError::InvalidCode);
        }
        let verified = event(AuditEventKind::IdentifierVerified, kind.name().to_owned());
        let load = |conflict: Option<UpdateConflict>| {
            let found = match conflict {
                None => Ok(user_session.clone()),
                Some(UpdateConflict::Version(Some(user))) => Ok(UserSession { user: *user, session: session.clone() }),
                Some(UpdateConflict::Version(None) | UpdateConflict::Session) => Err(Revoked::SessionNotFound.into()),
            };
            ready(found.and_then(|found| {
                found.authorize(principal.epoch, now)?;
                // A code is valid only for the address it was sent to.
                if unverified(&found.user, kind)?.as_ref() == Some(&address) {
                    Ok(found)
                } else {
                    Err(AccountError::InvalidCode)
                }
            }))
        };
        let plan = |found: &UserSession| {
            let after = found.user.next_version(now).with_verified(kind);
            let used_code = Some((kind, attempt.hash.clone()));
            Some(UpdatePlan { used_code, ..UpdatePlan::new(after, verified.clone()) })
        };
        let (found, update) = self.accounts.update_user_with_retry::<_, AccountError, _>(load, plan).await?;
        Ok(update.map_or(found.user, |update| update.user))
    }
}

/// Returns the identifier, unless it is verified already.
fn unverified(user: &User, kind: IdentifierKind) -> Result<Option<Identifier>, AccountError> {
    let identifier = user.identifier(kind);
    if identifier.is_some() && user.has_verified(kind) {
        return Err(AccountError::AlreadyVerified(kind));
    }
    Ok(identifier)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use contact::Email;

    use super::*;
    use crate::domain::verification_code::{CODE_INTERVAL, CODES_PER_PERIOD, CodeHistories, MAX_CODE_ATTEMPTS};
    use crate::domain::{Session, UserStatus, hash_computations};
    use crate::notify::DeliveryError;
    use crate::testing::{TestApp, ada, audit_log, now, request_of};

    const EMAIL: IdentifierKind = IdentifierKind::Email;

    /// Keeps the codes that it is given to send, or fails.
    #[derive(Default)]
    struct FakeSender {
        sent: Mutex<Vec<(Identifier, Code)>>,
        failure: Option<DeliveryError>,
    }

    impl SendCode for FakeSender {
        async fn send_code(&self, to: &Identifier, code: &Code) -> Result<(), DeliveryError> {
            self.sent.lock().unwrap().push((to.clone(), code.clone()));
            self.failure.clone().map_or(Ok(()), Err)
        }
    }

    fn sender(app: &TestApp) -> SendVerification<FakeSender> {
        SendVerification { accounts: app.accounts.clone(), delivery: FakeSender::default(), audit_log: audit_log() }
    }

    async fn send(
        sender: &SendVerification<FakeSender>,
        user: &User,
        kind: IdentifierKind,
    ) -> Result<Sent, AccountError> {
        sender.send(user, kind, &ClientInfo::invocation("r-1")).await
    }

    /// The last code that was sent.
    fn sent_code(sender: &SendVerification<FakeSender>) -> Code {
        sender.delivery.sent.lock().unwrap().last().unwrap().1.clone()
    }

    #[tokio::test]
    async fn sent_code_is_stored_as_a_hash() {
        for address in ada().identifiers() {
            let app = TestApp::with_ada().await;
            let sender = sender(&app);
            let sent = send(&sender, &ada(), address.kind()).await.unwrap();
            let expected = Sent { expires_at: now().plus(CODE_LIFETIME), resend_after: now().plus(CODE_INTERVAL) };
            assert_eq!(sent, expected);
            assert_eq!(sender.delivery.sent.lock().unwrap()[0].0, address);
            let code = sent_code(&sender);
            let attempt = app.accounts.count_code_attempt(ada().id, address.kind(), now()).await.unwrap().unwrap();
            assert!(attempt.hash.matches(&code, &address));
            let audited = app.audited().await;
            assert_eq!(audited[0].kind, "CODE_SENT");
            assert!(!format!("{audited:?}").contains(code.expose()));
        }
    }

    #[tokio::test]
    async fn missing_or_verified_identifier_gets_no_code() {
        let app = TestApp::with_ada().await;
        let sender = sender(&app);
        let phoneless = User { phone: None, ..ada() };
        let outcome = send(&sender, &phoneless, IdentifierKind::Phone).await;
        assert!(matches!(outcome, Err(AccountError::NoSuchIdentifier(IdentifierKind::Phone))));
        let verified = ada().with_verified(EMAIL);
        assert!(matches!(send(&sender, &verified, EMAIL).await, Err(AccountError::AlreadyVerified(EMAIL))));
        let email = Identifier::Email(ada().email);
        assert_eq!(app.accounts.find_code_histories(ada().id, &email).await, Ok(CodeHistories::default()));
        assert!(sender.delivery.sent.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn code_requested_too_soon_is_neither_hashed_nor_sent() {
        let app = TestApp::with_ada().await;
        let sender = sender(&app);
        send(&sender, &ada(), EMAIL).await.unwrap();
        let before = hash_computations();
        let outcome = send(&sender, &ada(), EMAIL).await;
        assert!(matches!(outcome, Err(AccountError::CodeSentRecently(CODE_INTERVAL))));
        assert_eq!(hash_computations(), before);
        assert_eq!(sender.delivery.sent.lock().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn concurrent_code_requests_send_one_code() {
        let app = TestApp::with_ada().await;
        let (sender, other) = (sender(&app), sender(&app));
        app.engine.before_next("TransactWriteItems", async move {
            send(&other, &ada(), EMAIL).await.unwrap();
        });
        let outcome = send(&sender, &ada(), EMAIL).await;
        assert!(matches!(outcome, Err(AccountError::CodeSentRecently(CODE_INTERVAL))));
        assert!(sender.delivery.sent.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn failed_delivery_keeps_the_code_and_the_interval() {
        let app = TestApp::with_ada().await;
        let failure = Some(DeliveryError::because("Throttled"));
        let sender = SendVerification { delivery: FakeSender { failure, ..FakeSender::default() }, ..sender(&app) };
        let outcome = send(&sender, &ada(), EMAIL).await;
        assert!(matches!(&outcome, Err(AccountError::CodeNotSent { resend_after: CODE_INTERVAL, .. })), "{outcome:?}");
        let email = Identifier::Email(ada().email);
        let histories = app.accounts.find_code_histories(ada().id, &email).await.unwrap();
        assert_eq!((histories.user.times, histories.address.times), (vec![now()], vec![now()]));
    }

    /// A user who has Ada's identifiers by now.
    fn successor(seed: u64) -> User {
        User { id: kernel::UserId::random(&kernel::testing::SeededRandom::new(seed)), ..ada() }
    }

    #[tokio::test]
    async fn address_gets_one_code_per_minute_across_users() {
        for kind in [EMAIL, IdentifierKind::Phone] {
            let app = TestApp::with_ada().await;
            let sender = sender(&app);
            send(&sender, &ada(), kind).await.unwrap();
            let outcome = send(&sender, &successor(1), kind).await;
            assert!(matches!(outcome, Err(AccountError::CodeSentRecently(CODE_INTERVAL))), "{outcome:?}");
            assert_eq!(sender.delivery.sent.lock().unwrap().len(), 1);
            app.clock.advance(CODE_INTERVAL);
            assert!(send(&sender, &successor(1), kind).await.is_ok());
        }
    }

    #[tokio::test]
    async fn address_gets_ten_codes_per_day_across_users() {
        let app = TestApp::with_ada().await;
        let sender = sender(&app);
        for seed in 0..CODES_PER_PERIOD {
            send(&sender, &successor(u64::try_from(seed).unwrap()), EMAIL).await.unwrap();
            app.clock.advance(CODE_INTERVAL);
        }
        let outcome = send(&sender, &ada(), EMAIL).await;
        assert!(matches!(outcome, Err(AccountError::CodeSentRecently(wait)) if wait > CODE_INTERVAL), "{outcome:?}");
        assert_eq!(sender.delivery.sent.lock().unwrap().len(), CODES_PER_PERIOD);
    }

    #[tokio::test]
    async fn changed_address_does_not_bypass_the_code_interval() {
        let app = TestApp::with_ada().await;
        let sender = sender(&app);
        send(&sender, &ada(), EMAIL).await.unwrap();
        let moved = User { email: Email::parse("ada@example.org").unwrap(), ..ada() };
        let outcome = send(&sender, &moved, EMAIL).await;
        assert!(matches!(outcome, Err(AccountError::CodeSentRecently(CODE_INTERVAL))), "{outcome:?}");
    }

    #[tokio::test]
    async fn concurrent_codes_to_one_address_send_one() {
        let app = TestApp::with_ada().await;
        let (sender, other) = (sender(&app), self::sender(&app));
        app.engine.before_next("TransactWriteItems", async move {
            send(&other, &successor(1), EMAIL).await.unwrap();
        });
        let outcome = send(&sender, &ada(), EMAIL).await;
        assert!(matches!(outcome, Err(AccountError::CodeSentRecently(CODE_INTERVAL))), "{outcome:?}");
        assert!(sender.delivery.sent.lock().unwrap().is_empty());
    }

    /// Ada with a session, who was sent a code to her e-mail address.
    struct Scene {
        app: TestApp,
        session: Session,
        code: Code,
    }

    impl Scene {
        async fn new() -> Self {
            let app = TestApp::with_ada().await;
            let session = app.start_session(2).await;
            let sender = sender(&app);
            send(&sender, &ada(), EMAIL).await.unwrap();
            let code = sent_code(&sender);
            app.engine.round_trips();
            Self { app, session, code }
        }

        fn wrong_code(&self) -> Code {
            let number: u32 = self.code.expose().parse().unwrap();
            Code::parse(&format!("{:06}", (number + 1) % 1_000_000)).unwrap()
        }

        async fn confirm(&self, kind: IdentifierKind, code: &Code) -> Result<User, AccountError> {
            let session = self.app.authenticate(&request_of(&self.session)).await.unwrap();
            self.confirm_in(session, kind, code).await
        }

        async fn confirm_in(
            &self,
            session: AuthenticatedSession,
            kind: IdentifierKind,
            code: &Code,
        ) -> Result<User, AccountError> {
            let confirm = ConfirmVerification { accounts: self.app.accounts.clone(), audit_log: audit_log() };
            confirm.confirm(session, kind, code, &ClientInfo::invocation("r-1")).await
        }

        /// The audit events since the code was sent.
        async fn audited(&self) -> Vec<String> {
            let mut kinds = self.app.audited_kinds().await;
            kinds.retain(|kind| kind != "CODE_SENT");
            kinds
        }

        /// Confirms the code while Ada is updated concurrently.
        async fn confirm_during(
            &self,
            change: impl FnOnce(User) -> User + Send + 'static,
        ) -> Result<User, AccountError> {
            self.app.engine.before_next("TransactWriteItems", self.app.updating_ada(change, None));
            self.confirm(EMAIL, &self.code).await
        }
    }

    #[tokio::test]
    async fn sent_code_verifies_the_address_in_the_next_version() {
        let scene = Scene::new().await;
        let after = User { version: 2, email_verified: true, ..ada() };
        assert_eq!(scene.confirm(EMAIL, &scene.code).await.unwrap(), after);
        assert_eq!((scene.app.ada().await, scene.audited().await), (after, vec!["IDENTIFIER_VERIFIED".to_owned()]));
    }

    #[tokio::test]
    async fn wrong_code_costs_one_hash_and_changes_nothing() {
        let scene = Scene::new().await;
        let before = hash_computations();
        let outcome = scene.confirm(EMAIL, &scene.wrong_code()).await;
        assert!(matches!(outcome, Err(AccountError::InvalidCode)));
        assert_eq!((scene.app.ada().await, scene.audited().await), (ada(), vec!["CODE_REFUSED".to_owned()]));
        assert_eq!(hash_computations(), before + 1);
    }

    #[tokio::test]
    async fn exhausted_code_is_not_hashed() {
        let scene = Scene::new().await;
        for _ in 0..MAX_CODE_ATTEMPTS {
            scene.app.accounts.count_code_attempt(ada().id, EMAIL, now()).await.unwrap();
        }
        let before = hash_computations();
        assert!(matches!(scene.confirm(EMAIL, &scene.code).await, Err(AccountError::InvalidCode)));
        assert_eq!((scene.app.ada().await, hash_computations()), (ada(), before));
        assert!(scene.audited().await.is_empty());
    }

    #[tokio::test]
    async fn code_does_not_verify_another_address() {
        let moved = |user| User { email: Email::parse("ada@example.org").unwrap(), ..user };
        let scene = Scene::new().await;
        scene.app.update_ada(moved).await;
        assert!(matches!(scene.confirm(EMAIL, &scene.code).await, Err(AccountError::InvalidCode)));
        let by_phone = scene.confirm(IdentifierKind::Phone, &scene.code).await;
        assert!(matches!(by_phone, Err(AccountError::InvalidCode)));
        assert_eq!(scene.app.ada().await.version, 2);

        let scene = Scene::new().await;
        assert!(matches!(scene.confirm_during(moved).await, Err(AccountError::InvalidCode)));
        assert_eq!(scene.app.ada().await.version, 2);
        assert!(scene.audited().await.is_empty());
    }

    #[tokio::test]
    async fn user_updated_during_confirmation_is_verified_as_updated() {
        let scene = Scene::new().await;
        let user = scene.confirm_during(|user| User { phone: None, ..user }).await.unwrap();
        assert_eq!((user.version, user.email_verified, &user.phone), (3, true, &None));
        assert_eq!(scene.app.ada().await, user);
    }

    #[tokio::test]
    async fn identifier_verified_earlier_or_concurrently_is_reported() {
        let verify = |user: User| user.with_verified(EMAIL);
        let scene = Scene::new().await;
        assert!(matches!(scene.confirm_during(verify).await, Err(AccountError::AlreadyVerified(EMAIL))));
        assert!(matches!(scene.confirm(EMAIL, &scene.code).await, Err(AccountError::AlreadyVerified(EMAIL))));
        assert_eq!(scene.app.ada().await.version, 2);
    }

    #[tokio::test]
    async fn user_revoked_or_deleted_during_confirmation_is_rejected() {
        let suspend: fn(User) -> User = |user| User { status: UserStatus::Suspended, ..user };
        for change in [suspend, User::revoked] {
            let scene = Scene::new().await;
            assert!(matches!(scene.confirm_during(change).await, Err(AccountError::Revoked(_))));
            assert!(!scene.app.ada().await.email_verified);
        }
        let scene = Scene::new().await;
        scene.app.engine.before_next("TransactWriteItems", scene.app.deleting_ada());
        assert!(matches!(scene.confirm(EMAIL, &scene.code).await, Err(AccountError::Revoked(_))));
    }

    #[tokio::test]
    async fn code_replaced_during_confirmation_is_rejected() {
        let scene = Scene::new().await;
        let sender = sender(&scene.app);
        let clock = scene.app.clock.clone();
        scene.app.engine.before_next("TransactWriteItems", async move {
            clock.advance(CODE_INTERVAL);
            send(&sender, &ada(), EMAIL).await.unwrap();
        });
        assert!(matches!(scene.confirm(EMAIL, &scene.code).await, Err(AccountError::InvalidCode)));
        assert!(!scene.app.ada().await.email_verified);
    }

    #[tokio::test]
    async fn confirmation_fails_after_repeated_conflicts() {
        let scene = Scene::new().await;
        for _ in 0..crate::store::UPDATE_ATTEMPTS - 1 {
            scene.app.engine.before_next("TransactWriteItems", scene.app.updating_ada(|user| user, None));
        }
        assert!(matches!(scene.confirm_during(|user| user).await, Err(AccountError::UserKeptChanging)));
    }
}
