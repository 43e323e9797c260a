//! A payment table on DynamoDB's engine in this process, with users, accounts and requests, for the tests of all layers.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use auth::Principal;
use contact::{Email, Phone};
use contracts::{AccountEvent, Envelope};
use dynamo::Item;
use http_api::{Problem, Request, Response};
use kernel::testing::SeededRandom;
use kernel::{Amount, Clock, Currency, MAX_AMOUNT_MINOR, SessionId, Timestamp, UserId};
use lambda_http::Body;
use serde_json::Value;
use testkit::{Engine, Gate};

use crate::app::OperationContext;
use crate::app::config::SelfDeposit;
use crate::app::transition_payment::TransitionParams;
use crate::app::{PaymentError, apply_webhook, create_payment, open_account, post_transfer, transition_payment};
use crate::domain::{
    Account, Actor, Idempotent, IdempotentRequest, NewAccount, Payment, PaymentAccountId, PaymentMethod,
    PaymentReference, PaymentStatus, Posting, ProviderTransactionId, Report, StatusChange, TokenClaims, Transfer,
    TransferStatus, TransferType, User, UserStatus, Webhook, WebhookOutcome, WriteShards,
};
use crate::events::inbound::{ApplyError, apply};
use crate::store::Store;
use crate::store::accounts::OpenAccount;
use crate::store::payments::CreatePayment;
use crate::store::transfers::PostTransfer;

pub(crate) const TABLE: &str = "PaymentTable";

/// A clock that advances by one millisecond, or another step, at each reading.
pub(crate) struct TestClock {
    now: Mutex<Timestamp>,
    step: Mutex<Duration>,
}

impl TestClock {
    pub(crate) fn advance(&self, by: Duration) {
        let mut now = self.now.lock().unwrap();
        *now = now.plus(by);
    }

    pub(crate) fn set_step(&self, step: Duration) {
        *self.step.lock().unwrap() = step;
    }

    /// Stops the clock at a fixed time.
    pub(crate) fn stop(&self) -> Timestamp {
        self.set_step(Duration::ZERO);
        self.now()
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        let mut now = self.now.lock().unwrap();
        *now = now.plus(*self.step.lock().unwrap());
        *now
    }
}

pub(crate) struct TestApp {
    pub(crate) engine: Engine,
    pub(crate) store: Store,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) random: SeededRandom,
}

/// A replicated user with a token.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TestUser {
    pub(crate) id: UserId,
    pub(crate) claims: TokenClaims,
}

impl TestUser {
    pub(crate) fn principal(self) -> Principal {
        Principal {
            user_id: self.id,
            session_id: self.claims.session,
            epoch: self.claims.epoch,
            issued_at: Timestamp::from_unix_seconds(self.claims.issued_at).unwrap(),
            expires_at: Timestamp::parse("2026-01-31T12:15:00Z").unwrap(),
            email_verified: false,
            phone_verified: false,
        }
    }

    pub(crate) fn context(self, request: IdempotentRequest) -> OperationContext {
        OperationContext { user: self.id, claims: self.claims, request }
    }

    /// The same user with a token of another epoch.
    pub(crate) fn with_epoch(self, epoch: u64) -> Self {
        Self { claims: TokenClaims { epoch, ..self.claims }, ..self }
    }
}

impl TestApp {
    pub(crate) async fn new() -> Self {
        let engine = Engine::start().await;
        let name = engine.create_table("payment", TABLE);
        let now = Mutex::new(Timestamp::parse("2026-01-31T12:00:00Z").unwrap());
        let clock = Arc::new(TestClock { now, step: Mutex::new(Duration::from_millis(1)) });
        let store = Store::new(engine.client.clone(), name, clock.clone(), SeededRandom::new(1));
        Self { engine, store, clock, random: SeededRandom::new(2) }
    }

    /// Another store on the same table, through this client.
    pub(crate) fn store_on(&self, client: aws_sdk_dynamodb::Client) -> Store {
        Store::new(client, TABLE, self.clock.clone(), SeededRandom::new(3))
    }

    /// Another store on the same table, each request of which waits for the test.
    pub(crate) fn gated(&self) -> (Store, Gate) {
        let (client, gate) = self.engine.gated();
        (self.store_on(client), gate)
    }

    pub(crate) async fn user(&self) -> TestUser {
        let id = UserId::random(&self.random);
        let claims = self.new_claims(0);
        self.replicate(id, 0, 1).await;
        TestUser { id, claims }
    }

    /// The same user in another session.
    pub(crate) fn in_new_session(&self, user: TestUser) -> TestUser {
        TestUser { claims: self.new_claims(user.claims.epoch), ..user }
    }

    /// The claims of a token of another session, issued now.
    pub(crate) fn new_claims(&self, epoch: u64) -> TokenClaims {
        let issued_at = self.clock.now().unix_seconds();
        TokenClaims { epoch, session: SessionId::random(&self.random), issued_at }
    }

    pub(crate) async fn replicate(&self, id: UserId, epoch: u64, version: u64) {
        self.store.replicate_user(&user(id, epoch), version).await.unwrap();
    }

    /// Applies an event of the account context.
    pub(crate) async fn apply(&self, version: u64, event: AccountEvent) -> Result<(), ApplyError> {
        let at = self.clock.now();
        let body = serde_json::to_string(&Envelope::new("aggregate", version, at, event)).unwrap();
        apply(&self.store, &body).await
    }

    pub(crate) async fn open_debit(&self, owner: TestUser, id: &str, deposit: i64) {
        let deposit = (deposit > 0).then(|| amount(deposit));
        self.open(owner, id, NewAccount::Debit { deposit, write_shards: None }).await.unwrap();
    }

    /// Opens a DEBIT account with eight write shards.
    pub(crate) async fn open_sharded(&self, owner: TestUser, id: &str) {
        let new = NewAccount::Debit { deposit: None, write_shards: WriteShards::new(8).ok() };
        self.open(owner, id, new).await.unwrap();
    }

    pub(crate) async fn open(
        &self,
        owner: TestUser,
        id: &str,
        new: NewAccount,
    ) -> Result<Idempotent<Account>, PaymentError> {
        let request = IdempotentRequest::unkeyed(&self.random);
        open_account::execute(&self.store, self.opening(owner, id, &new, request)).await
    }

    pub(crate) fn opening(
        &self,
        owner: TestUser,
        id: &str,
        new: &NewAccount,
        request: IdempotentRequest,
    ) -> OpenAccount {
        let transfer = new.opening_transfer(&account(id)).map(|(posting, amount)| Transfer {
            id: request.id.derive("opening").into(),
            ..self.transfer(owner, posting, amount.minor())
        });
        let account = new.open(account(id), owner.id, usd(), self.clock.now());
        let credit = new.credit().map(|credit| (credit, amount(MAX_AMOUNT_MINOR)));
        OpenAccount { request, account, transfer, claims: owner.claims, max_accounts: 3, credit, operator: None }
    }

    fn transfer(&self, by: TestUser, posting: Posting, minor: i64) -> Transfer {
        Transfer {
            id: IdempotentRequest::unkeyed(&self.random).id.into(),
            posting,
            status: TransferStatus::Completed,
            amount: amount(minor),
            currency: usd(),
            note: None,
            initiated_by: by.id,
            created_at: self.clock.now(),
        }
    }

    /// A transfer without an idempotency key.
    pub(crate) fn unkeyed(&self, by: TestUser, posting: Posting, minor: i64) -> PostTransfer {
        let request = IdempotentRequest::unkeyed(&self.random);
        let transfer = Transfer { id: request.id.into(), ..self.transfer(by, posting, minor) };
        PostTransfer { transfer, request, claims: by.claims }
    }

    /// A transfer with an idempotency key.
    pub(crate) fn keyed(&self, by: TestUser, key: &str, posting: Posting, minor: i64) -> PostTransfer {
        let payload = serde_json::json!({"amount": minor, "from": posting.from(), "to": posting.to()});
        let request = IdempotentRequest::keyed(by.id, "test", key, &payload).unwrap();
        let transfer = Transfer { id: request.id.into(), ..self.transfer(by, posting, minor) };
        PostTransfer { transfer, request, claims: by.claims }
    }

    pub(crate) async fn post(&self, command: PostTransfer) -> Result<Idempotent<Transfer>, PaymentError> {
        post_transfer::execute(&self.store, command).await
    }

    /// Posts a transfer without an idempotency key.
    pub(crate) async fn move_money(
        &self,
        by: TestUser,
        posting: Posting,
        minor: i64,
    ) -> Result<Idempotent<Transfer>, PaymentError> {
        self.post(self.unkeyed(by, posting, minor)).await
    }

    /// An INITIATED payment of 25.00 USD.
    pub(crate) fn payment(&self, owner: TestUser, account_id: Option<&str>) -> Payment {
        let now = self.clock.now();
        Payment {
            reference: PaymentReference::new(&IdempotentRequest::unkeyed(&self.random), now, &self.random),
            owner: owner.id,
            amount: amount(2500),
            currency: usd(),
            method: PaymentMethod::MobileMoney,
            customer_phone: Phone::parse("+250788123456").unwrap(),
            customer_email: Email::parse("customer@example.com").unwrap(),
            status: PaymentStatus::Initiated,
            provider_name: "momo".to_owned(),
            provider_transaction_id: None,
            payment_account_id: account_id.map(account),
            created_at: now,
            updated_at: now,
            history: vec![StatusChange { status: PaymentStatus::Initiated, at: now, by: Actor::Owner }],
            version: 1,
        }
    }

    pub(crate) async fn create_payment(&self, owner: TestUser, account_id: Option<&str>) -> Payment {
        let request = IdempotentRequest::unkeyed(&self.random);
        let payment = self.payment(owner, account_id);
        let command = CreatePayment { payment, request, claims: owner.claims };
        create_payment::execute(&self.store, command).await.unwrap().value
    }

    pub(crate) async fn create_pending_payment(&self, owner: TestUser, account_id: Option<&str>) -> Payment {
        let payment = self.create_payment(owner, account_id).await;
        self.transition(owner, payment.reference, PaymentStatus::Pending).await.unwrap()
    }

    /// Changes the status of a payment on its owner's request.
    pub(crate) async fn transition(
        &self,
        by: TestUser,
        reference: PaymentReference,
        to: PaymentStatus,
    ) -> Result<Payment, PaymentError> {
        let context = by.context(IdempotentRequest::unkeyed(&self.random));
        let params = TransitionParams { reference, to, provider_transaction_id: None };
        let changed = transition_payment::transition_payment(&self.store, &context, params, SelfDeposit::Enabled).await;
        changed.map(|changed| changed.value)
    }

    pub(crate) async fn stored_payment(&self, owner: TestUser, reference: PaymentReference) -> Option<Payment> {
        self.store.payment_and_user(reference, owner.id).await.unwrap().0
    }

    pub(crate) async fn accounts_of(&self, owner: UserId) -> Vec<Account> {
        let ids = self.store.replica(owner).await.unwrap().account_ids;
        self.store.accounts(&ids).await.unwrap()
    }

    pub(crate) fn webhook(&self, id: &str, reference: PaymentReference, status: PaymentStatus) -> Webhook {
        Webhook {
            id: id.to_owned(),
            body_hash: format!("{reference} {status}"),
            report: Report {
                reference,
                status,
                provider_transaction_id: Some(provider_transaction(&format!("momo-{reference}"))),
                amount: None,
                currency: None,
            },
            received_at: self.clock.now(),
        }
    }

    /// Applies a webhook, and returns the payment's status after it.
    pub(crate) async fn report(
        &self,
        id: &str,
        reference: PaymentReference,
        status: PaymentStatus,
    ) -> Result<(PaymentStatus, WebhookOutcome), PaymentError> {
        let outcome = apply_webhook::apply_webhook(&self.store, &self.webhook(id, reference, status)).await;
        outcome.map(|(payment, outcome)| (payment.status, outcome))
    }

    pub(crate) async fn item(&self, key: Item) -> Option<Item> {
        let response = self.engine.client.get_item().table_name(TABLE).set_key(Some(key)).send().await;
        response.unwrap().item
    }

    pub(crate) async fn items(&self) -> Vec<Item> {
        self.engine.client.scan().table_name(TABLE).send().await.unwrap().items.unwrap()
    }

    /// Sets an attribute of an item.
    pub(crate) async fn set(&self, key: Item, name: &str, value: aws_sdk_dynamodb::types::AttributeValue) {
        let update = self.engine.client.update_item().table_name(TABLE).set_key(Some(key));
        let update = update.update_expression("SET #name = :value").expression_attribute_names("#name", name);
        update.expression_attribute_values(":value", value).send().await.unwrap();
    }

    /// Freezes an account, as an operator does.
    pub(crate) async fn freeze(&self, id: &str) {
        self.set(account_key(id), "status", dynamo::text("FROZEN")).await;
    }

    /// The balance, the available balance and the headroom of an account.
    pub(crate) async fn position(&self, owner: TestUser, id: &str) -> (i64, i64, i64) {
        let accounts = self.accounts_of(owner.id).await;
        let Account { balance, available, headroom, .. } =
            accounts.into_iter().find(|own| own.id.as_str() == id).expect("an account of the user");
        (balance.minor(), available, headroom)
    }

    pub(crate) async fn balance(&self, owner: TestUser, id: &str) -> i64 {
        self.position(owner, id).await.0
    }

    /// Asserts that the balance of every account, with that of its write shards, is the sum of its completed transfers.
    pub(crate) async fn assert_books_balance(&self) {
        let items = self.items().await;
        let of_kind = |kind: &'static str| items.iter().filter(move |item| item["sk"].as_s().unwrap() == kind);
        let integer = |item: &Item, name: &str| item[name].as_n().unwrap().parse::<i64>().unwrap();
        let moved = |account: &str| -> i64 {
            let is =
                |item: &Item, side: &str| i64::from(item.get(side).is_some_and(|id| id.as_s().unwrap() == account));
            of_kind("TRANSFER")
                .filter(|item| item["status"].as_s().unwrap() == "COMPLETED")
                .map(|item| (is(item, "to") - is(item, "from")) * integer(item, "amount"))
                .sum()
        };
        for item in of_kind("ACCOUNT") {
            let id = item["id"].as_s().unwrap();
            let shards = items
                .iter()
                .filter(|other| other["pk"] == item["pk"] && other["sk"].as_s().unwrap().starts_with("INTAKE#"));
            let received: i64 = shards.map(|shard| integer(shard, "received")).sum();
            let drawn: i64 = item.get("drawn").map_or(0, |drawn| {
                drawn.as_l().unwrap().iter().map(|drawn| drawn.as_n().unwrap().parse::<i64>().unwrap()).sum()
            });
            assert_eq!(integer(item, "balance") + received - drawn, moved(id), "{id}");
        }
    }
}

pub(crate) fn account_key(id: &str) -> Item {
    dynamo::key(format_args!("ACCOUNT#{id}"), "ACCOUNT")
}

pub(crate) fn user_key(id: UserId) -> Item {
    dynamo::key(format_args!("USER#{id}"), "USER")
}

pub(crate) fn user(id: UserId, epoch: u64) -> User {
    User { id, email: "ada@example.com".to_owned(), status: UserStatus::Active, epoch }
}

pub(crate) fn account(id: &str) -> PaymentAccountId {
    PaymentAccountId::parse(id).unwrap()
}

pub(crate) fn provider_transaction(id: &str) -> ProviderTransactionId {
    ProviderTransactionId::parse(id).unwrap()
}

pub(crate) fn amount(minor: i64) -> Amount {
    Amount::from_minor(minor).unwrap()
}

pub(crate) fn usd() -> Currency {
    Currency::parse("USD").unwrap()
}

pub(crate) fn deposit(to: &str) -> Posting {
    Posting::Deposit { to: account(to) }
}

pub(crate) fn withdrawal(from: &str) -> Posting {
    Posting::Withdrawal { from: account(from) }
}

pub(crate) fn send(from: &str, to: &str) -> Posting {
    Posting::Internal { from: account(from), to: account(to), kind: TransferType::Send }
}

/// A request as API Gateway sends it.
pub(crate) fn request(body: &Value) -> Request {
    let mut request = Request::new(Body::Text(body.to_string()));
    request.headers_mut().insert("content-type", "application/json".parse().unwrap());
    request
}

pub(crate) fn keyed_request(body: &Value, key: &str) -> Request {
    let mut request = request(body);
    request.headers_mut().insert("idempotency-key", key.parse().unwrap());
    request
}

pub(crate) fn body_of(response: &Response) -> Value {
    serde_json::from_str(&response.body).unwrap()
}

/// The fields that a problem points at.
pub(crate) fn pointers(problem: &Problem) -> Vec<&str> {
    problem.errors.iter().map(|error| error.pointer.as_str()).collect()
}
