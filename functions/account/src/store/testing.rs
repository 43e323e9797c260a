//! What the tests of several commands start from.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use contact::{Email, Phone};
use kernel::testing::SeededRandom;
use kernel::{Secret, Timestamp, UserId};
use testkit::Engine;

use super::records::Item;
use super::{
    AccountTable, AuditTable, CreateUser, CreateUserOutcome, NewSession, StartSession, StartSessionOutcome, StoreError,
};
use crate::domain::{
    AuditEvent, AuditEventKind, AuditLog, AuditSubject, ClientInfo, Identifier, Lifetimes, PasswordHash,
    PasswordPolicy, RefreshToken, Session, User,
};

/// The account table, and the engine it is in.
pub(super) struct Accounts {
    pub(super) engine: Engine,
    pub(super) name: String,
    pub(super) table: AccountTable,
    audit: String,
}

impl Accounts {
    pub(super) async fn empty() -> Self {
        let engine = Engine::start().await;
        let name = engine.create_table("account", "AccountTable");
        let audit = engine.create_table("account", "AuditTable");
        let audit_log = AuditTable::new(engine.client.clone(), &audit);
        let table = AccountTable::audited(engine.client.clone(), &name, SeededRandom::new(1), audit_log);
        Self { engine, name, table, audit }
    }

    /// With Ada in it, as she signed up.
    pub(super) async fn with_ada() -> (Self, User) {
        let accounts = Self::empty().await;
        let ada = user(1, "ada@example.com", Some("+33612345678"));
        assert_eq!(
            accounts.table.create_user(&ada, &hash(), &record(AuditEventKind::SignedUp)).await,
            Ok(CreateUserOutcome::Created)
        );
        accounts.engine.round_trips();
        (accounts, ada)
    }

    pub(super) async fn records(&self) -> Vec<Item> {
        items_of(&self.engine, &self.name).await
    }

    /// The kinds of what was written down beside the sign-ups, in an order of their own for those of one moment.
    pub(super) async fn audited(&self) -> Vec<String> {
        let mut records = items_of(&self.engine, &self.audit).await;
        records.sort_by_key(|item| std::cmp::Reverse(item["kind"].as_s().unwrap().clone()));
        let kinds = records.iter().map(|item| item["kind"].as_s().unwrap().clone());
        kinds.filter(|kind| kind != AuditEventKind::SignedUp.name()).collect()
    }

    /// Sets an attribute, as another command would.
    pub(super) async fn set(&self, key: Item, attribute: &str, value: AttributeValue) {
        let update = self.engine.client.update_item().table_name(&self.name).set_key(Some(key));
        update
            .update_expression("SET #attribute = :value")
            .expression_attribute_names("#attribute", attribute)
            .expression_attribute_values(":value", value)
            .send()
            .await
            .unwrap();
    }

    pub(super) async fn delete(&self, key: Item) {
        self.engine.client.delete_item().table_name(&self.name).set_key(Some(key)).send().await.unwrap();
    }
}

pub(super) async fn items_of(engine: &Engine, table: &str) -> Vec<Item> {
    engine.client.scan().table_name(table).consistent_read(true).send().await.unwrap().items.unwrap_or_default()
}

pub(super) fn now() -> Timestamp {
    Timestamp::parse("2026-01-31T12:00:00Z").unwrap()
}

pub(super) fn user(seed: u64, email: &str, phone: Option<&str>) -> User {
    let phone = phone.map(|phone| Phone::parse(phone).unwrap());
    User::new(UserId::random(&SeededRandom::new(seed)), Email::parse(email).unwrap(), phone, now())
}

pub(super) const LIFETIMES: Lifetimes = Lifetimes {
    access_token: Duration::from_mins(15),
    idle: Duration::from_hours(1),
    absolute: Duration::from_hours(24),
};

/// A session of Ada's, who is in her first epoch.
pub(super) fn session(seed: u64) -> Session {
    session_and_token(&user(1, "ada@example.com", None), seed).0
}

pub(super) fn session_and_token(user: &User, seed: u64) -> (Session, RefreshToken) {
    Session::start(user, Some("a browser".to_owned()), LIFETIMES, now(), &SeededRandom::new(seed))
}

/// Starts a session as a sign-in by e-mail does.
pub(super) async fn start(
    accounts: &Accounts,
    user: &User,
    session: &Session,
) -> Result<StartSessionOutcome, StoreError> {
    let identifier = Identifier::Email(user.email.clone());
    let record = record(AuditEventKind::SignedIn);
    let new = NewSession { user, identifier: &identifier, new_hash: None, session, record: &record };
    accounts.table.start_session(new).await
}

/// A record that is none of those before.
pub(super) fn record(kind: AuditEventKind) -> AuditEvent {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let audit_log = AuditLog::new(&Secret::new("pepper".to_owned()), Duration::from_hours(24));
    let random = SeededRandom::new(NEXT.fetch_add(1, Ordering::Relaxed));
    audit_log.event(kind, AuditSubject::Deployment, &ClientInfo::invocation("r-1"), now(), &random)
}

pub(super) fn hash() -> PasswordHash {
    let policy: PasswordPolicy = "8".parse().unwrap();
    let password = policy.accept(Secret::new("correct horse".to_owned()), None, None).unwrap();
    PasswordHash::new(&password, &SeededRandom::new(1)).unwrap()
}
