//! What the tests of several commands start from.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use contact::{Email, Phone};
use kernel::random::Seeded;
use kernel::{Secret, Timestamp, UserId};
use testkit::Engine;

use super::items::Item;
use super::{AccountTable, CreatePerson, Created};
use crate::domain::{PasswordHash, PasswordPolicy, Person, Session};

/// The account table, and the engine it is in.
pub(super) struct Accounts {
    pub(super) engine: Engine,
    pub(super) name: String,
    pub(super) table: AccountTable<Seeded>,
}

impl Accounts {
    pub(super) async fn empty() -> Self {
        let engine = Engine::start().await;
        let name = engine.create_table("account", "AccountTable");
        let table = AccountTable::new(engine.client.clone(), &name, Seeded::new(1));
        Self { engine, name, table }
    }

    /// With Ada in it, as she signed up.
    pub(super) async fn with_ada() -> (Self, Person) {
        let accounts = Self::empty().await;
        let ada = person(1, "ada@example.com", Some("+33612345678"));
        assert_eq!(accounts.table.create_person(&ada, &hash()).await, Ok(Created::Yes));
        accounts.engine.round_trips();
        (accounts, ada)
    }

    pub(super) async fn items(&self) -> Vec<Item> {
        items_of(&self.engine, &self.name).await
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

pub(super) fn person(seed: u64, email: &str, phone: Option<&str>) -> Person {
    let phone = phone.map(|phone| Phone::parse(phone).unwrap());
    Person::new(UserId::random(&Seeded::new(seed)), Email::parse(email).unwrap(), phone, now())
}

pub(super) fn session(seed: u64) -> Session {
    Session::start(&Seeded::new(seed), now(), Duration::from_mins(15))
}

pub(super) fn hash() -> PasswordHash {
    let policy: PasswordPolicy = "8".parse().unwrap();
    let password = policy.accept(Secret::new("correct horse".to_owned()), None, None).unwrap();
    PasswordHash::of(&password, &Seeded::new(1)).unwrap()
}
