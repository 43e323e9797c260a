//! The store's contract, on DynamoDB's engine in this process. One file per port.

mod accounts;
mod fence;
mod histories;
mod intake;
mod keys;
mod ledger;
mod payments;
mod users;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use contracts::{User, UserStatus};
use kernel::testing::SeededRandom;
use kernel::{Amount, Clock, Currency, SessionId, Timestamp, UserId};
use testkit::Engine;

use super::accounts::{ListAccounts, OpenAccount, OpenError, Opened, Opening};
use super::fence::SyncSessionEnd;
use super::item::{Item, account_key, text};
use super::ledger::{PostError, PostTransfer, Posted, TransferOrder};
use super::users::SyncUser;
use super::{Fence, Table};
use crate::domain::{
    Account, IntakeShards, NewAccount, PaymentAccountId, Posting, Request, Transfer, TransferStatus, TransferType,
};

/// A clock that moves on at each look: by a millisecond, or as far as a test sets.
struct TestClock {
    now: Mutex<Timestamp>,
    step: Mutex<Duration>,
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        let mut now = self.now.lock().unwrap();
        *now = now.plus(*self.step.lock().unwrap());
        *now
    }
}

/// A payment table with nobody in it.
struct World {
    engine: Engine,
    table: Table,
    clock: Arc<TestClock>,
    random: SeededRandom,
}

/// A person, known on the payment side, with a token.
#[derive(Debug, Clone, Copy)]
struct Person {
    id: UserId,
    fence: Fence,
}

impl World {
    async fn new() -> Self {
        let engine = Engine::start().await;
        let name = engine.create_table("payment", "PaymentTable");
        let now = Mutex::new(Timestamp::parse("2026-01-31T12:00:00Z").unwrap());
        let clock = Arc::new(TestClock { now, step: Mutex::new(Duration::from_millis(1)) });
        let table = Table::new(engine.client.clone(), name, clock.clone(), SeededRandom::new(1));
        Self { engine, table, clock, random: SeededRandom::new(2) }
    }

    async fn person(&self) -> Person {
        let id = UserId::random(&self.random);
        let person = Person { id, fence: Fence { epoch: 0, session: SessionId::random(&self.random) } };
        self.table.sync_user(&user(id, 0), 1).await.unwrap();
        person
    }

    async fn debit(&self, owner: Person, id: &str, deposit: i64) {
        let deposit = (deposit > 0).then(|| amount(deposit));
        self.open(owner, id, NewAccount::Debit { deposit, intake_shards: None }).await.unwrap();
    }

    /// A DEBIT account that takes in money in eight shards, too.
    async fn merchant(&self, owner: Person, id: &str) {
        let new = NewAccount::Debit { deposit: None, intake_shards: IntakeShards::new(8).ok() };
        self.open(owner, id, new).await.unwrap();
    }

    async fn open(&self, owner: Person, id: &str, new: NewAccount) -> Result<Opened, OpenError> {
        self.table.open(self.opening(owner, id, &new, Request::unnamed(&self.random))).await
    }

    fn opening(&self, owner: Person, id: &str, new: &NewAccount, request: Request) -> Opening {
        let now = self.clock.now();
        let transfer = new.opening_transfer(&account(id)).map(|(posting, amount)| Transfer {
            id: request.id.derive("opening").into(),
            ..self.transfer(owner, posting, amount.minor())
        });
        let account = new.open(account(id), owner.id, usd(), now);
        Opening { request, account, transfer, fence: owner.fence, max_accounts: 3, deadline: None }
    }

    fn transfer(&self, by: Person, posting: Posting, minor: i64) -> Transfer {
        Transfer {
            id: Request::unnamed(&self.random).id.into(),
            posting,
            status: TransferStatus::Completed,
            amount: amount(minor),
            currency: usd(),
            note: None,
            initiated_by: by.id,
            created_at: self.clock.now(),
        }
    }

    fn order(&self, by: Person, posting: Posting, minor: i64) -> TransferOrder {
        let transfer = self.transfer(by, posting, minor);
        TransferOrder { transfer, fingerprint: None, fence: by.fence, deadline: None }
    }

    /// The same order under a name that the client gave it.
    fn named(&self, by: Person, key: &str, posting: Posting, minor: i64) -> TransferOrder {
        let asked = serde_json::json!({"amount": minor, "from": posting.from(), "to": posting.to()});
        let request = Request::named(by.id, "test", key, &asked).unwrap();
        let order = self.order(by, posting, minor);
        let transfer = Transfer { id: request.id.into(), ..order.transfer };
        TransferOrder { transfer, fingerprint: request.fingerprint, ..order }
    }

    async fn post(&self, by: Person, posting: Posting, minor: i64) -> Result<Posted, PostError> {
        self.table.post(self.order(by, posting, minor)).await
    }

    async fn item(&self, key: Item) -> Option<Item> {
        let answer = self.engine.client.get_item().table_name("PaymentTable").set_key(Some(key)).send().await;
        answer.unwrap().item
    }

    /// Balance, available and headroom of an account.
    async fn position(&self, owner: Person, id: &str) -> (i64, i64, i64) {
        let accounts = self.table.accounts_of(owner.id).await.unwrap();
        let Account { balance, available, headroom, .. } =
            accounts.into_iter().find(|own| own.id.as_str() == id).expect("an account of this person");
        (balance.minor(), available, headroom)
    }

    async fn balance(&self, owner: Person, id: &str) -> i64 {
        self.position(owner, id).await.0
    }

    /// What an operator does to an account.
    async fn freeze(&self, id: &str) {
        let update =
            self.engine.client.update_item().table_name("PaymentTable").set_key(Some(account_key(&account(id))));
        let update = update.update_expression("SET #status = :frozen").expression_attribute_names("#status", "status");
        update.expression_attribute_values(":frozen", text("FROZEN")).send().await.unwrap();
    }

    async fn items(&self) -> Vec<Item> {
        self.engine.client.scan().table_name("PaymentTable").send().await.unwrap().items.unwrap()
    }

    /// Every account's balance, with what its shards hold, is the sum of its transfers; with the outside's side, all sums to
    /// zero.
    async fn assert_books_balance(&self) {
        use super::item::{Reader, read_account, read_transfer};
        let items = self.items().await;
        let of_kind = |kind: &'static str| items.iter().filter(move |item| Reader(item).text("sk").unwrap() == kind);
        let transfers: Vec<Transfer> = of_kind("TRANSFER").map(|item| read_transfer(item).unwrap()).collect();
        let moved = |account: &PaymentAccountId| -> i64 {
            transfers
                .iter()
                .filter(|transfer| transfer.status == TransferStatus::Completed)
                .map(|transfer| {
                    let enters = i64::from(transfer.posting.to() == Some(account));
                    let leaves = i64::from(transfer.posting.from() == Some(account));
                    (enters - leaves) * transfer.amount.minor()
                })
                .sum()
        };
        for item in of_kind("ACCOUNT") {
            let account = read_account(item).unwrap();
            let in_shards = self.table.with_shards(item).await.unwrap().map_or(0, |sharded| sharded.undrawn.amount);
            assert_eq!(account.balance.minor() + in_shards, moved(&account.id), "{}", account.id);
        }
    }
}

fn user(id: UserId, epoch: u64) -> User {
    User { id, email: "ada@example.com".to_owned(), status: UserStatus::Active, epoch }
}

fn account(id: &str) -> PaymentAccountId {
    PaymentAccountId::parse(id).unwrap()
}

fn amount(minor: i64) -> Amount {
    Amount::from_minor(minor).unwrap()
}

fn usd() -> Currency {
    Currency::parse("USD").unwrap()
}

fn deposit(to: &str) -> Posting {
    Posting::Deposit { to: account(to) }
}

fn withdrawal(from: &str) -> Posting {
    Posting::Withdrawal { from: account(from) }
}

fn send(from: &str, to: &str) -> Posting {
    Posting::Between { from: account(from), to: account(to), kind: TransferType::Send }
}
