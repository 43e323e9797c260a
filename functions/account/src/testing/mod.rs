//! Fixtures: the user Ada, and an app on an in-memory DynamoDB.

mod flows;

use std::time::Duration;

use auth::Verifier;
use auth::table_keys::TableKeys;
use aws_sdk_dynamodb::types::AttributeValue;
use contact::{Email, Phone};
use http_api::{Problem, Request, Response};
use kernel::testing::{ManualClock, SeededRandom};
use kernel::{Secret, Timestamp, UserId};
use lambda_http::Body;
use serde_json::Value;
use testkit::Engine;

use crate::app::active_session::AuthenticatedSession;
use crate::app::cached_signing_key::CachedSigningKey;
use crate::app::reauthenticate::Reauthenticate;
use crate::app::refresh_session::RefreshSession;
use crate::app::sign_in::SignIn;
use crate::app::sign_up::SignUp;
use crate::app::token_issuer::TokenIssuer;
use crate::authenticate_session;
use crate::domain::throttle::RateLimit;
use crate::domain::{
    AccessTokens, AuditEvent, AuditEventKind, AuditLog, AuditSubject, ClientInfo, Identifier, KeySet, Lifetimes,
    PasswordHash, PasswordPolicy, RefreshToken, Session, SigningKey, User, UserSession,
};
use crate::store::{
    AccountTable, AuditTable, CreateUserOutcome, Credential, KeyTables, NewSession, SignInAttempt, SigningKeyTable,
    StartSessionOutcome, UpdateOutcome, UpdatePlan,
};

/// Ada's password.
pub(crate) const PASSWORD: &str = "correct horse battery staple";

pub(crate) const LIFETIMES: Lifetimes = Lifetimes {
    access_token: Duration::from_mins(15),
    idle: Duration::from_hours(1),
    absolute: Duration::from_hours(24),
};

pub(crate) fn now() -> Timestamp {
    Timestamp::parse("2026-01-31T12:00:00Z").unwrap()
}

pub(crate) fn ada() -> User {
    let email = Email::parse("ada@example.com").unwrap();
    User::new(UserId::random(&SeededRandom::new(100)), email, Some(Phone::parse("+33612345678").unwrap()), now())
}

/// A user with the e-mail address bob@example.com and no phone number.
pub(crate) fn bob() -> User {
    let email = Email::parse("bob@example.com").unwrap();
    User::new(UserId::random(&SeededRandom::new(101)), email, None, now())
}

pub(crate) fn hash(password: &str) -> PasswordHash {
    let policy: PasswordPolicy = "8".parse().unwrap();
    let password = policy.accept(Secret::new(password.to_owned()), None, None).unwrap();
    PasswordHash::new(&password, &SeededRandom::new(3)).unwrap()
}

pub(crate) fn audit_log() -> AuditLog {
    AuditLog::new(&Secret::new("pepper".to_owned()), Duration::from_hours(24))
}

pub(crate) fn signing_key() -> SigningKey {
    SigningKey::generate(&SeededRandom::new(200)).unwrap()
}

/// A session that Ada starts at [`now`], and its refresh token.
pub(crate) fn session_and_token(seed: u64) -> (Session, RefreshToken) {
    Session::start(&ada(), Some("a browser".to_owned()), LIFETIMES, now(), &SeededRandom::new(seed))
}

pub(crate) fn post(body: &Value) -> Request {
    with_body(Request::new(Body::Empty), body)
}

pub(crate) fn with_body(mut request: Request, body: &Value) -> Request {
    request.headers_mut().insert("content-type", "application/json".parse().unwrap());
    *request.body_mut() = Body::Text(body.to_string());
    request
}

pub(crate) fn with_header(header: &'static str, value: &str) -> Request {
    let mut request = Request::new(Body::Empty);
    request.headers_mut().insert(header, value.parse().unwrap());
    request
}

/// A request with an access token of Ada's session, issued in her first epoch at [`now`].
pub(crate) fn request_of(session: &Session) -> Request {
    request_issued_at(session, now())
}

/// A request with an access token of Ada's session, issued in her first epoch at this time for 15 minutes.
pub(crate) fn request_issued_at(session: &Session, at: Timestamp) -> Request {
    let tokens = AccessTokens::new("issuer", "audience");
    let session = Session { token_expires_at: at.plus(LIFETIMES.access_token), ..session.clone() };
    let refresh_token = RefreshToken::new(ada().id, session.id, &SeededRandom::new(300));
    let token = tokens.issue(&signing_key(), &ada(), &session, &refresh_token, at).unwrap();
    with_header("authorization", &format!("Bearer {}", token.expose()))
}

/// The same request from a browser, with the token in its cookie.
pub(crate) fn by_cookie(mut request: Request) -> Request {
    let token = request.headers_mut().remove("authorization").unwrap();
    let cookie = format!("access_token={}", token.to_str().unwrap().strip_prefix("Bearer ").unwrap());
    request.headers_mut().insert("cookie", cookie.parse().unwrap());
    request
}

pub(crate) fn body_of(response: &Response) -> Value {
    serde_json::from_str(&response.body).unwrap()
}

/// The value of a cookie that a response sets.
pub(crate) fn cookie_of(response: &Response, name: &str) -> Option<String> {
    let set = response.headers.iter().filter(|(header, _)| *header == "set-cookie");
    let mut values = set.filter_map(|(_, cookie)| cookie.split(';').next()?.strip_prefix(name)?.strip_prefix('='));
    values.next().map(str::to_owned)
}

pub(crate) fn pointers(problem: &Problem) -> Vec<&str> {
    problem.errors.iter().map(|error| error.pointer.as_str()).collect()
}

/// The account context on an in-memory DynamoDB.
pub(crate) struct TestApp {
    pub(crate) engine: Engine,
    pub(crate) accounts: AccountTable,
    pub(crate) clock: ManualClock,
    pub(crate) verifier: Verifier<TableKeys>,
}

impl TestApp {
    pub(crate) async fn without_signing_key() -> Self {
        let engine = Engine::start().await;
        for table in ["AccountTable", "AuditTable", "SigningKeyTable"] {
            engine.create_table("account", table);
        }
        let clock = ManualClock::at(now());
        let audit = AuditTable::new(engine.client.clone(), "AuditTable");
        let (client, random) = (engine.client.clone(), SeededRandom::new(400));
        let accounts = AccountTable::audited(client, "AccountTable", clock.clone(), random, audit);
        let verifier = new_verifier(&engine, &clock);
        Self { engine, accounts, clock, verifier }
    }

    /// An app without users, whose public keys are loaded.
    pub(crate) async fn new() -> Self {
        let app = Self::without_signing_key().await;
        app.create_signing_key(&signing_key()).await;
        app.verifier.warm_up().await;
        app.engine.round_trips();
        app
    }

    /// An app whose user Ada has signed up.
    pub(crate) async fn with_ada() -> Self {
        let app = Self::new().await;
        app.create_user(ada()).await;
        app
    }

    pub(crate) async fn create_signing_key(&self, key: &SigningKey) {
        let audit = AuditTable::new(self.engine.client.clone(), "AuditTable");
        let (client, random) = (self.engine.client.clone(), SeededRandom::new(1));
        let tables = KeyTables::new(client, "AccountTable", "SigningKeyTable", audit, random);
        let key = SigningKey::from_pkcs8(key.pkcs8().clone()).unwrap();
        tables.apply_rotation(&KeySet::initial(key, now()), &[], now()).await.unwrap();
    }

    pub(crate) fn signing_keys(&self) -> SigningKeyTable {
        SigningKeyTable::new(self.engine.client.clone(), "SigningKeyTable")
    }

    /// A verifier that has not loaded the public keys yet.
    pub(crate) fn new_verifier(&self) -> Verifier<TableKeys> {
        new_verifier(&self.engine, &self.clock)
    }

    /// An issuer that has loaded the signing key, if there is one.
    pub(crate) async fn issuer(&self) -> TokenIssuer {
        let signing_key = CachedSigningKey::new(self.signing_keys(), self.clock.clone());
        signing_key.warm_up().await;
        self.engine.round_trips();
        TokenIssuer { signing_key, tokens: AccessTokens::new("issuer", "audience") }
    }

    /// An issuer of a deployment without a signing key.
    pub(crate) fn issuer_without_key(&self) -> TokenIssuer {
        // Any table without keys.
        let table = SigningKeyTable::new(self.engine.client.clone(), "AuditTable");
        let signing_key = CachedSigningKey::new(table, self.clock.clone());
        TokenIssuer { signing_key, tokens: AccessTokens::new("issuer", "audience") }
    }

    pub(crate) fn sign_up(&self) -> SignUp {
        let password_policy = "8".parse().unwrap();
        SignUp { accounts: self.accounts.clone(), password_policy, audit_log: audit_log() }
    }

    pub(crate) async fn sign_in(&self) -> SignIn {
        let issuer = self.issuer().await;
        SignIn {
            accounts: self.accounts.clone(),
            issuer,
            lifetimes: LIFETIMES,
            max_sessions: 20,
            audit_log: audit_log(),
        }
    }

    pub(crate) async fn refresh_session(&self) -> RefreshSession {
        let issuer = self.issuer().await;
        RefreshSession { accounts: self.accounts.clone(), issuer, lifetimes: LIFETIMES, audit_log: audit_log() }
    }

    pub(crate) fn reauthenticate(&self) -> Reauthenticate {
        Reauthenticate { accounts: self.accounts.clone(), audit_log: audit_log() }
    }

    /// Authenticates a request as the endpoints that require a session do.
    pub(crate) async fn authenticate(&self, request: &Request) -> Result<AuthenticatedSession, Problem> {
        authenticate_session(&self.verifier, &self.accounts, request).await
    }

    /// Creates a user with Ada's password.
    pub(crate) async fn create_user(&self, user: User) {
        self.create_user_with(user, hash(PASSWORD)).await;
        self.engine.round_trips();
    }

    /// The same, as a hook between two requests.
    pub(crate) fn create_user_with(&self, user: User, hash: PasswordHash) -> impl Future<Output = ()> + Send + 'static {
        let accounts = self.accounts.clone();
        async move {
            let event = fixture_event(AuditEventKind::SignedUp);
            assert_eq!(accounts.create_user(&user, &hash, &event).await, Ok(CreateUserOutcome::Created));
        }
    }

    /// Starts a session of Ada.
    pub(crate) async fn start_session(&self, seed: u64) -> Session {
        self.start(session_and_token(seed).0).await
    }

    /// Starts this session of Ada.
    pub(crate) async fn start(&self, session: Session) -> Session {
        let new = NewSession {
            user: &self.ada().await,
            identifier: &Identifier::Email(ada().email),
            new_hash: None,
            session: &session,
            event: &fixture_event(AuditEventKind::SignedIn),
        };
        assert_eq!(self.accounts.start_session(new).await, Ok(StartSessionOutcome::Started));
        self.engine.round_trips();
        session
    }

    pub(crate) async fn end_session(&self, session: &Session) {
        self.ending_session(session).await;
        self.engine.round_trips();
    }

    /// The same, as a hook between two requests.
    pub(crate) fn ending_session(&self, session: &Session) -> impl Future<Output = ()> + Send + 'static {
        let (accounts, id) = (self.accounts.clone(), session.id);
        async move {
            let event = fixture_event(AuditEventKind::SessionEnded);
            accounts.end_session(ada().id, id, accounts.now(), &event).await.unwrap();
        }
    }

    pub(crate) async fn update_ada(&self, change: impl FnOnce(User) -> User + Send + 'static) {
        self.updating_ada(change, None).await;
        self.engine.round_trips();
    }

    /// Updates Ada, and her password if there is a hash, as a hook between two requests.
    pub(crate) fn updating_ada(
        &self,
        change: impl FnOnce(User) -> User + Send + 'static,
        new_hash: Option<PasswordHash>,
    ) -> impl Future<Output = ()> + Send + 'static {
        let accounts = self.accounts.clone();
        async move {
            let before = accounts.find_user(ada().id).await.unwrap().unwrap();
            let email = Identifier::Email(before.email.clone());
            let credential = accounts.find_credential(&email).await.unwrap().unwrap();
            let plan = UpdatePlan {
                password_hash: Some(new_hash.unwrap_or(credential.password_hash)),
                ..UpdatePlan::new(change(before.next_version(now())), fixture_event(AuditEventKind::IdentifierChanged))
            };
            assert_eq!(accounts.update_user(&before, &plan).await, Ok(UpdateOutcome::Updated));
        }
    }

    /// Updates Ada to this version, and retains this session.
    pub(crate) async fn retain_session(&self, after: User, session: Session) {
        let before = self.ada().await;
        let event = fixture_event(AuditEventKind::SessionsRevoked);
        let plan = UpdatePlan { retained_session: Some(session), ..UpdatePlan::new(after, event) };
        assert_eq!(self.accounts.update_user(&before, &plan).await, Ok(UpdateOutcome::Updated));
        self.engine.round_trips();
    }

    /// Deletes Ada's profile, as a hook between two requests.
    pub(crate) fn deleting_ada(&self) -> impl Future<Output = ()> + Send + 'static {
        let profile = dynamo::key(format!("USER#{}", ada().id), "PROFILE");
        let identifiers = ada().identifiers().into_iter().map(|identifier| {
            dynamo::key(format!("IDENTIFIER#{}#{}", identifier.kind(), identifier.as_str()), "IDENTIFIER")
        });
        let deletes: Vec<_> = std::iter::once(profile)
            .chain(identifiers)
            .map(|key| self.engine.client.delete_item().table_name("AccountTable").set_key(Some(key)))
            .collect();
        async move {
            for delete in deletes {
                delete.send().await.unwrap();
            }
        }
    }

    /// Ada as stored.
    pub(crate) async fn ada(&self) -> User {
        self.accounts.find_user(ada().id).await.unwrap().unwrap()
    }

    /// A session of Ada as stored.
    pub(crate) async fn session(&self, session: &Session) -> UserSession {
        self.accounts.find_session(ada().id, session.id).await.unwrap().unwrap()
    }

    pub(crate) async fn sessions(&self) -> Vec<Session> {
        self.accounts.list_sessions(ada().id, None, 100).await.unwrap().sessions
    }

    /// Makes failed attempts to sign in.
    pub(crate) async fn fail_attempts(&self, identifier: &Identifier, attempts: u32) {
        for _ in 0..attempts {
            let counted = self.accounts.count_attempt(identifier, self.accounts.now()).await.unwrap();
            let RateLimit::Allowed(SignInAttempt { counted, .. }) = counted else { panic!("{counted:?}") };
            self.accounts.settle_attempt(identifier, &counted).await.unwrap();
        }
        self.engine.round_trips();
    }

    pub(crate) async fn credential(&self, identifier: &Identifier) -> Option<Credential> {
        self.accounts.find_credential(identifier).await.unwrap()
    }

    /// The audit events, without those of fixtures.
    pub(crate) async fn audited(&self) -> Vec<Audited> {
        let scan = self.engine.client.scan().table_name("AuditTable").consistent_read(true);
        let items = scan.send().await.unwrap().items.unwrap_or_default();
        let text = |value: &AttributeValue| value.as_s().unwrap().clone();
        let events = items.into_iter().filter(|item| text(&item["pk"]) != "DEPLOYMENT");
        let mut events: Vec<_> = events
            .map(|item| Audited {
                kind: text(&item["kind"]),
                subject: text(&item["pk"]),
                session: item.get("sessionId").map(text),
                detail: item.get("detail").map(text),
                request_id: text(&item["requestId"]),
            })
            .collect();
        events.sort();
        events
    }

    pub(crate) async fn audited_kinds(&self) -> Vec<String> {
        self.audited().await.into_iter().map(|event| event.kind).collect()
    }
}

/// A stored audit event.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Audited {
    pub(crate) kind: String,
    /// The partition key.
    pub(crate) subject: String,
    pub(crate) session: Option<String>,
    pub(crate) detail: Option<String>,
    pub(crate) request_id: String,
}

fn new_verifier(engine: &Engine, clock: &ManualClock) -> Verifier<TableKeys> {
    Verifier::new("issuer", "audience", TableKeys::new(engine.client.clone(), "AccountTable"), clock.clone())
}

/// An event of the deployment, so that it is not taken for one of the code under test.
fn fixture_event(kind: AuditEventKind) -> AuditEvent {
    let random = kernel::SystemRandom;
    audit_log().event(kind, AuditSubject::Deployment, &ClientInfo::default(), now(), &random)
}
