//! Ada on an engine, signed up as the table has it: what the tests of changes to a person start from.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use http_api::Request;
use kernel::testing::FixedClock;
use kernel::testing::SeededRandom;
use kernel::{SessionId, Timestamp, UserId};
use lambda_http::Body;
use serde_json::Value;
use testkit::Engine;

use crate::app::reauthenticate::Reauthenticate;
use crate::domain::throttle::RateLimit;
use crate::domain::{
    AuditEvent, AuditEventKind, AuditSubject, ClientInfo, Identifier, PasswordHash, Session, User, UserSession,
};
use crate::store::{
    AccountTable, AppendAuditEvent, AuditTable, CountReauthentication, CreateUserOutcome, Credential, FindCredential,
    FindSession, FindUser, NewSession, StartSessionOutcome, StoreError, UpdateOutcome, UpdateUser, UserUpdate,
};
use crate::testing::{PASSWORD, ada, audit_log, hash, now, session_of_ada, signed_in_as_ada};

/// What somebody else does at a moment of their choice.
pub(crate) type Meanwhile = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The account table, to which others come first.
#[derive(Clone)]
pub(crate) struct Table {
    inner: Arc<AccountTable>,
    before_look: Moment,
    before_change: Moment,
}

/// What happens each time before something else does.
#[derive(Clone, Default)]
pub(crate) struct Moment(Arc<Mutex<VecDeque<Meanwhile>>>);

impl Moment {
    pub(crate) fn happens(&self, what: Meanwhile) {
        self.0.lock().unwrap().push_back(what);
    }

    async fn comes(&self) {
        let next = self.0.lock().unwrap().pop_front();
        if let Some(next) = next {
            next.await;
        }
    }
}

impl CountReauthentication for Table {
    async fn count_reauthentication(&self, user: UserId, now: Timestamp) -> Result<RateLimit<u32>, StoreError> {
        self.inner.count_reauthentication(user, now).await
    }
}

impl UpdateUser for Table {
    async fn update_user(&self, change: UserUpdate<'_>) -> Result<UpdateOutcome, StoreError> {
        self.before_change.comes().await;
        self.inner.update_user(change).await
    }
}

impl FindSession for Table {
    async fn find_session(&self, user: UserId, session: SessionId) -> Result<Option<UserSession>, StoreError> {
        self.inner.find_session(user, session).await
    }
}

impl FindCredential for Table {
    async fn find_credential(&self, identifier: &Identifier) -> Result<Option<Credential>, StoreError> {
        self.before_look.comes().await;
        self.inner.find_credential(identifier).await
    }
}

impl FindUser for Table {
    async fn find_user(&self, user: UserId) -> Result<Option<User>, StoreError> {
        self.inner.find_user(user).await
    }
}

impl AppendAuditEvent for Table {
    async fn append_audit_event(&self, record: &AuditEvent) -> Result<(), StoreError> {
        self.inner.append_audit_event(record).await
    }
}

/// Ada, and where she is kept.
pub(crate) struct AdaOnEngine {
    pub(crate) engine: Engine,
    pub(crate) table: Arc<AccountTable>,
    /// Before an attempt is counted.
    pub(crate) before_look: Moment,
    /// Before a person is changed.
    pub(crate) before_change: Moment,
    audit: String,
    random: SeededRandom,
}

impl AdaOnEngine {
    pub(crate) async fn new() -> Self {
        let engine = Engine::start().await;
        let accounts = engine.create_table("account", "AccountTable");
        let audit = engine.create_table("account", "AuditTable");
        let audit_table = AuditTable::new(engine.client.clone(), &audit);
        let table =
            Arc::new(AccountTable::audited(engine.client.clone(), accounts, SeededRandom::new(400), audit_table));
        let (before_look, before_change) = (Moment::default(), Moment::default());
        let this = Self { engine, table, before_look, before_change, audit, random: SeededRandom::new(401) };
        this.signs_up(ada()).await;
        this.engine.round_trips();
        this
    }

    /// The table, to which others come first.
    pub(crate) fn users(&self) -> Table {
        let (before_look, before_change) = (self.before_look.clone(), self.before_change.clone());
        Table { inner: Arc::clone(&self.table), before_look, before_change }
    }

    pub(crate) fn reauthenticate(&self) -> Reauthenticate<Table, SeededRandom, FixedClock> {
        let (random, clock) = (SeededRandom::new(402), FixedClock(now()));
        Reauthenticate { users: self.users(), audit_log: audit_log(), random, clock }
    }

    /// What the table asks to be written down with a change.
    pub(crate) fn record(&self, kind: AuditEventKind) -> AuditEvent {
        let subject = AuditSubject::Deployment;
        audit_log().event(kind, subject, &ClientInfo::default(), now(), &self.random)
    }

    /// Somebody signs up, with Ada's password.
    pub(crate) fn signs_up(&self, user: User) -> Meanwhile {
        let (table, record) = (Arc::clone(&self.table), self.record(AuditEventKind::SignedUp));
        Box::pin(async move {
            assert_eq!(table.create_user(&user, &hash(PASSWORD), &record).await, Ok(CreateUserOutcome::Created));
        })
    }

    /// A session of Ada's, as she is at first.
    pub(crate) async fn session(&self, seed: u64) -> Session {
        self.session_of(&ada(), seed).await
    }

    /// A session of Ada's, as she is now.
    pub(crate) async fn session_of(&self, user: &User, seed: u64) -> Session {
        let session = session_of_ada(SessionId::random(&SeededRandom::new(seed)), now());
        let new = NewSession {
            user,
            identifier: &Identifier::Email(ada().email),
            new_hash: None,
            session: &session,
            event: &self.record(AuditEventKind::SignedIn),
        };
        assert_eq!(self.table.start_session(new).await, Ok(StartSessionOutcome::Started));
        self.engine.round_trips();
        session
    }

    pub(crate) async fn find(&self, session: &Session) -> UserSession {
        self.table.find_session(ada().id, session.id).await.unwrap().unwrap()
    }

    /// Ada, as she is now.
    pub(crate) async fn ada(&self) -> User {
        self.table.find_user(ada().id).await.unwrap().unwrap()
    }

    pub(crate) async fn credential(&self, identifier: &Identifier) -> Option<Credential> {
        self.table.find_credential(identifier).await.unwrap()
    }

    /// What somebody else makes of Ada, out of what she is by then, and of her password.
    pub(crate) fn change(
        &self,
        make: impl FnOnce(User) -> User + Send + 'static,
        new_hash: Option<PasswordHash>,
    ) -> Meanwhile {
        let (table, record) = (Arc::clone(&self.table), self.record(AuditEventKind::IdentifierChanged));
        Box::pin(async move {
            let before = table.find_user(ada().id).await.unwrap().unwrap();
            let email = Identifier::Email(before.email.clone());
            let known = table.find_credential(&email).await.unwrap().unwrap().password_hash;
            let change = UserUpdate {
                before: &before,
                after: &make(before.next_version(now())),
                password_hash: Some(new_hash.as_ref().unwrap_or(&known)),
                reset_failed_attempts: false,
                retained_session: None,
                event: &record,
            };
            assert_eq!(table.update_user(change).await, Ok(UpdateOutcome::Updated));
        })
    }

    /// What the trail tells, of the changes that are under test.
    pub(crate) async fn recorded(&self) -> Vec<(String, Option<String>)> {
        let scan = self.engine.client.scan().table_name(&self.audit).consistent_read(true);
        let records = scan.send().await.unwrap().items.unwrap_or_default();
        let text = |value: &aws_sdk_dynamodb::types::AttributeValue| value.as_s().unwrap().clone();
        let of_a_person = records.into_iter().filter(|item| text(&item["pk"]) == format!("PERSON#{}", ada().id));
        let mut found: Vec<_> = of_a_person.map(|item| (text(&item["kind"]), item.get("detail").map(text))).collect();
        found.sort();
        found
    }
}

/// A request of Ada's with this body, by a token of her first epoch.
pub(crate) fn asks(session: &Session, body: &Value) -> Request {
    let mut request = signed_in_as_ada(session.id, now());
    request.headers_mut().insert("content-type", "application/json".parse().unwrap());
    *request.body_mut() = Body::Text(body.to_string());
    request
}
