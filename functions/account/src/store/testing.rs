//! Fixtures of store tests.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use contact::{Email, Phone};
use dynamo::Item;
use kernel::testing::{FixedClock, SeededRandom};
use kernel::{Secret, Timestamp, UserId};
use testkit::Engine;

use super::{AccountTable, AuditTable, CreateUserOutcome, NewSession, StartSessionOutcome, StoreError};
use crate::domain::{
    AuditEvent, AuditEventKind, AuditLog, AuditSubject, ClientInfo, Identifier, Lifetimes, PasswordHash,
    PasswordPolicy, RefreshToken, Session, User,
};

/// An account table on an engine.
pub(crate) struct Accounts {
    pub(crate) engine: Engine,
    pub(crate) name: String,
    pub(crate) table: AccountTable,
    audit: String,
}

impl Accounts {
    pub(crate) async fn empty() -> Self {
        let engine = Engine::start().await;
        let name = engine.create_table("account", "AccountTable");
        let audit = engine.create_table("account", "AuditTable");
        let audit_log = AuditTable::new(engine.client.clone(), &audit);
        let table =
            AccountTable::audited(engine.client.clone(), &name, FixedClock(now()), SeededRandom::new(1), audit_log);
        Self { engine, name, table, audit }
    }

    /// Creates a table that contains the user Ada.
    pub(crate) async fn with_ada() -> (Self, User) {
        let accounts = Self::empty().await;
        let ada = user(1, "ada@example.com", Some("+33612345678"));
        assert_eq!(
            accounts.table.create_user(&ada, &hash(), &event(AuditEventKind::SignedUp)).await,
            Ok(CreateUserOutcome::Created)
        );
        accounts.engine.round_trips();
        (accounts, ada)
    }

    pub(crate) async fn records(&self) -> Vec<Item> {
        items_of(&self.engine, &self.name).await
    }

    /// The kinds of the audit events, without sign-ups, in descending order.
    pub(crate) async fn audited(&self) -> Vec<String> {
        let mut items = items_of(&self.engine, &self.audit).await;
        items.sort_by_key(|item| std::cmp::Reverse(item["kind"].as_s().unwrap().clone()));
        let kinds = items.iter().map(|item| item["kind"].as_s().unwrap().clone());
        kinds.filter(|kind| kind != AuditEventKind::SignedUp.name()).collect()
    }

    /// Sets an attribute of an item.
    pub(crate) async fn set(&self, key: impl Into<Item>, attribute: &str, value: AttributeValue) {
        let update = self.engine.client.update_item().table_name(&self.name).set_key(Some(key.into()));
        update
            .update_expression("SET #attribute = :value")
            .expression_attribute_names("#attribute", attribute)
            .expression_attribute_values(":value", value)
            .send()
            .await
            .unwrap();
    }

    pub(crate) async fn delete(&self, key: impl Into<Item>) {
        self.engine.client.delete_item().table_name(&self.name).set_key(Some(key.into())).send().await.unwrap();
    }
}

pub(crate) async fn items_of(engine: &Engine, table: &str) -> Vec<Item> {
    engine.client.scan().table_name(table).consistent_read(true).send().await.unwrap().items.unwrap_or_default()
}

pub(crate) fn now() -> Timestamp {
    Timestamp::parse("2026-01-31T12:00:00Z").unwrap()
}

pub(crate) fn user(seed: u64, email: &str, phone: Option<&str>) -> User {
    let phone = phone.map(|phone| Phone::parse(phone).unwrap());
    User::new(UserId::random(&SeededRandom::new(seed)), Email::parse(email).unwrap(), phone, now())
}

pub(crate) const LIFETIMES: Lifetimes = Lifetimes {
    access_token: Duration::from_mins(15),
    idle: Duration::from_hours(1),
    absolute: Duration::from_hours(24),
};

/// A session of Ada in her first epoch.
pub(crate) fn session(seed: u64) -> Session {
    session_and_token(&user(1, "ada@example.com", None), seed).0
}

pub(crate) fn session_and_token(user: &User, seed: u64) -> (Session, RefreshToken) {
    Session::start(user, Some("a browser".to_owned()), LIFETIMES, now(), &SeededRandom::new(seed))
}

/// Starts a session as a sign-in with the e-mail address does.
pub(crate) async fn start(
    accounts: &Accounts,
    user: &User,
    session: &Session,
) -> Result<StartSessionOutcome, StoreError> {
    let identifier = Identifier::Email(user.email.clone());
    let event = event(AuditEventKind::SignedIn);
    let new = NewSession { user, identifier: &identifier, new_hash: None, session, event: &event };
    accounts.table.start_session(new).await
}

/// An audit event with an id of its own.
pub(crate) fn event(kind: AuditEventKind) -> AuditEvent {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let audit_log = AuditLog::new(&Secret::new("pepper".to_owned()), Duration::from_hours(24));
    let random = SeededRandom::new(NEXT.fetch_add(1, Ordering::Relaxed));
    audit_log.event(kind, AuditSubject::Deployment, &ClientInfo::invocation("r-1"), now(), &random)
}

pub(crate) fn hash() -> PasswordHash {
    let policy: PasswordPolicy = "8".parse().unwrap();
    let password = policy.accept(Secret::new("correct horse".to_owned()), None, None).unwrap();
    PasswordHash::new(&password, &SeededRandom::new(1)).unwrap()
}
