//! The ledger against a model: accounts, tokens and requests as maps.

use std::collections::BTreeMap;
use std::time::Duration;

use kernel::Clock;
use proptest::prelude::{BoxedStrategy, Just, Strategy, any, prop_oneof};
use proptest::{bool, option, sample};
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};
use serde_json::json;
use tokio::runtime::Runtime;

use super::*;
use crate::app::{open_account, set_write_shards};
use crate::domain::{EndedSession, IdempotentRequest, MAX_ENDED_SESSIONS, NewAccount, Party, WriteShards};
use crate::testing::{TestApp, TestUser, account, account_key, amount, deposit, send, withdrawal};

const CASES: u32 = 6;
const USERS: usize = 2;
const NAMES: u8 = 5;
const KEYS: u8 = 3;
const MAX_ACCOUNTS: usize = 3;

prop_state_machine! {
    #![proptest_config(testkit::models::config(CASES))]

    #[test]
    fn ledger_agrees_with_its_model(sequential 1..60 => Ledger);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum New {
    Debit { deposit: i64, shards: u8 },
    Credit { limit: i64 },
    Loan { principal: i64, disburse_to: u8 },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Movement {
    Deposit { to: u8 },
    Withdrawal { from: u8 },
    Send { from: u8, to: u8 },
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Open {
        by: usize,
        id: u8,
        new: New,
        key: Option<u8>,
    },
    /// `contended`: the first attempt conflicts on the payee, so that a sharded one is credited on a shard.
    Post {
        by: usize,
        movement: Movement,
        minor: i64,
        key: Option<u8>,
        contended: bool,
    },
    SetShards {
        by: usize,
        id: u8,
        count: u8,
    },
    SetFrozen {
        id: u8,
        frozen: bool,
    },
    /// Revokes all tokens of the user.
    RaiseEpoch {
        user: usize,
    },
    /// Revokes the token of the user's session.
    EndSession {
        user: usize,
    },
    SignIn {
        user: usize,
    },
}

/// The result of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Done,
    Replayed,
    Failed { reason: FailureReason, replayed: bool },
    KeyReused,
    Revoked,
    WrongType,
    IdTaken,
    TooManyAccounts,
}

#[derive(Debug, Clone)]
struct ModelAccount {
    owner: usize,
    new: New,
    balance: i64,
    is_frozen: bool,
    shards: u8,
}

#[derive(Debug, Clone, Default)]
struct ModelUser {
    token_is_revoked: bool,
    ended_sessions: usize,
}

#[derive(Debug, Clone)]
struct Model {
    accounts: BTreeMap<u8, ModelAccount>,
    users: [ModelUser; USERS],
    openings: BTreeMap<(usize, u8), (u8, New)>,
    transfers: BTreeMap<(usize, u8), (Movement, i64, Outcome)>,
    /// The result of the last step.
    outcome: Outcome,
}

impl Movement {
    const fn payer(self) -> Option<u8> {
        match self {
            Self::Deposit { .. } => None,
            Self::Withdrawal { from } | Self::Send { from, .. } => Some(from),
        }
    }

    const fn payee(self) -> Option<u8> {
        match self {
            Self::Withdrawal { .. } => None,
            Self::Deposit { to } | Self::Send { to, .. } => Some(to),
        }
    }

    fn posting(self) -> Posting {
        match self {
            Self::Deposit { to } => deposit(&name(to)),
            Self::Withdrawal { from } => withdrawal(&name(from)),
            Self::Send { from, to } => send(&name(from), &name(to)),
        }
    }
}

impl Outcome {
    const fn failed(reason: FailureReason) -> Self {
        Self::Failed { reason, replayed: false }
    }

    const fn replayed(self) -> Self {
        match self {
            Self::Failed { reason, .. } => Self::Failed { reason, replayed: true },
            _ => Self::Replayed,
        }
    }
}

impl ModelAccount {
    const fn available(&self) -> i64 {
        match self.new {
            New::Credit { limit } => self.balance + limit,
            New::Debit { .. } | New::Loan { .. } => self.balance,
        }
    }
}

impl Model {
    /// Usually the id of an account that exists.
    fn id(&self) -> BoxedStrategy<u8> {
        let existing: Vec<_> = self.accounts.keys().copied().collect();
        let any = 0..NAMES;
        if existing.is_empty() { any.boxed() } else { prop_oneof![8 => sample::select(existing), 1 => any].boxed() }
    }

    fn own(&self, by: usize, id: u8) -> Option<&ModelAccount> {
        self.accounts.get(&id).filter(|account| account.owner == by)
    }

    fn open(&mut self, by: usize, id: u8, new: New, key: Option<u8>) -> Outcome {
        if self.users[by].token_is_revoked {
            return Outcome::Revoked;
        }
        if let Some(earlier) = key.and_then(|key| self.openings.get(&(by, key))) {
            return if *earlier == (id, new) { Outcome::Replayed } else { Outcome::KeyReused };
        }
        if self.accounts.contains_key(&id) {
            return Outcome::IdTaken;
        }
        if self.accounts.values().filter(|account| account.owner == by).count() >= MAX_ACCOUNTS {
            return Outcome::TooManyAccounts;
        }
        let (balance, shards) = match new {
            New::Debit { deposit, shards } => (deposit, shards),
            New::Credit { .. } => (0, 0),
            New::Loan { principal, disburse_to } => {
                let Some(payee) = self.own(by, disburse_to) else {
                    return Outcome::failed(FailureReason::AccountNotFound(Party::Payee));
                };
                if !matches!(payee.new, New::Debit { .. }) {
                    return Outcome::WrongType;
                }
                if payee.is_frozen {
                    return Outcome::failed(FailureReason::AccountFrozen(Party::Payee));
                }
                self.move_money(disburse_to, principal);
                (-principal, 0)
            }
        };
        self.accounts.insert(id, ModelAccount { owner: by, new, balance, is_frozen: false, shards });
        if let Some(key) = key {
            self.openings.insert((by, key), (id, new));
        }
        Outcome::Done
    }

    fn post(&mut self, by: usize, movement: Movement, minor: i64, key: Option<u8>) -> Outcome {
        // Only the initiator's own account knows of their revoked tokens.
        let own = movement.payer().or(movement.payee()).and_then(|id| self.own(by, id));
        if own.is_some() && self.users[by].token_is_revoked {
            return Outcome::Revoked;
        }
        if let Some((earlier, of, outcome)) = key.and_then(|key| self.transfers.get(&(by, key))) {
            return if (*earlier, *of) == (movement, minor) { outcome.replayed() } else { Outcome::KeyReused };
        }
        let outcome = self.failure(by, movement, minor).map_or(Outcome::Done, Outcome::failed);
        if outcome == Outcome::Done {
            for (id, change) in [(movement.payer(), -minor), (movement.payee(), minor)] {
                if let Some(id) = id {
                    self.move_money(id, change);
                }
            }
        }
        if let Some(key) = key {
            self.transfers.insert((by, key), (movement, minor, outcome));
        }
        outcome
    }

    fn failure(&self, by: usize, movement: Movement, minor: i64) -> Option<FailureReason> {
        if let Some(payer) = movement.payer() {
            let Some(payer) = self.own(by, payer) else { return Some(FailureReason::AccountNotFound(Party::Payer)) };
            if payer.is_frozen {
                return Some(FailureReason::AccountFrozen(Party::Payer));
            }
            if payer.available() < minor {
                return Some(FailureReason::InsufficientFunds);
            }
        }
        let payee = movement.payee()?;
        let found = if movement.payer().is_none() { self.own(by, payee) } else { self.accounts.get(&payee) };
        let Some(payee) = found else { return Some(FailureReason::AccountNotFound(Party::Payee)) };
        if payee.is_frozen {
            return Some(FailureReason::AccountFrozen(Party::Payee));
        }
        let is_repaid = matches!(payee.new, New::Loan { .. }) && payee.balance + minor > 0;
        is_repaid.then_some(FailureReason::HeadroomExceeded)
    }

    fn set_shards(&mut self, by: usize, id: u8, count: u8) -> Outcome {
        let Some(found) = self.own(by, id) else {
            return Outcome::failed(FailureReason::AccountNotFound(Party::Payer));
        };
        if self.users[by].token_is_revoked {
            return Outcome::Revoked;
        }
        if !matches!(found.new, New::Debit { .. }) {
            return Outcome::WrongType;
        }
        if found.is_frozen {
            return Outcome::failed(FailureReason::AccountFrozen(Party::Payer));
        }
        self.accounts.get_mut(&id).unwrap().shards = count;
        Outcome::Done
    }

    fn move_money(&mut self, id: u8, change: i64) {
        self.accounts.get_mut(&id).unwrap().balance += change;
    }
}

impl ReferenceStateMachine for Model {
    type State = Self;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Self> {
        let (accounts, users) = (BTreeMap::new(), Default::default());
        let outcome = Outcome::Done;
        Just(Self { accounts, users, openings: BTreeMap::new(), transfers: BTreeMap::new(), outcome }).boxed()
    }

    fn transitions(state: &Self) -> BoxedStrategy<Step> {
        let (user, minor) = (0..USERS, 1..300_i64);
        let id = || state.id();
        let key = || option::weighted(0.3, 0..KEYS);
        let debit = (0..100_i64, 0..4_u8).prop_map(|(deposit, shards)| New::Debit { deposit, shards });
        let credit = minor.clone().prop_map(|limit| New::Credit { limit });
        let loan = (minor.clone(), id()).prop_map(|(principal, disburse_to)| New::Loan { principal, disburse_to });
        let new = prop_oneof![4 => debit, 1 => credit, 1 => loan];
        let movement = prop_oneof![
            2 => id().prop_map(|to| Movement::Deposit { to }),
            2 => id().prop_map(|from| Movement::Withdrawal { from }),
            6 => (id(), id()).prop_map(|(from, to)| Movement::Send { from, to }),
        ];
        let owners: BTreeMap<_, _> = state.accounts.iter().map(|(id, account)| (*id, account.owner)).collect();
        // Usually by the owner.
        let post = (movement, minor, key(), any::<bool>(), option::weighted(0.15, user.clone())).prop_map(
            move |(movement, minor, key, contended, other)| {
                let owner = movement.payer().or(movement.payee()).and_then(|id| owners.get(&id));
                Step::Post { by: other.or(owner.copied()).unwrap_or_default(), movement, minor, key, contended }
            },
        );
        let open = (user.clone(), 0..NAMES, new, key()).prop_map(|(by, id, new, key)| Step::Open { by, id, new, key });
        let openings = if state.accounts.len() < 3 { 40 } else { 2 };
        prop_oneof![
            openings => open,
            16 => post,
            2 => (user.clone(), id(), 0..4_u8).prop_map(|(by, id, count)| Step::SetShards { by, id, count }),
            1 => (id(), bool::weighted(0.3)).prop_map(|(id, frozen)| Step::SetFrozen { id, frozen }),
            1 => user.clone().prop_map(|user| Step::RaiseEpoch { user }),
            1 => user.clone().prop_map(|user| Step::EndSession { user }),
            3 => user.prop_map(|user| Step::SignIn { user }),
        ]
        .boxed()
    }

    fn preconditions(state: &Self, step: &Step) -> bool {
        match step {
            Step::Open { id, new: New::Loan { disburse_to, .. }, .. } => id != disburse_to,
            Step::Post { movement: Movement::Send { from, to }, .. } => from != to,
            Step::SetFrozen { id, .. } => state.accounts.contains_key(id),
            Step::EndSession { user } => state.users[*user].ended_sessions < MAX_ENDED_SESSIONS,
            _ => true,
        }
    }

    fn apply(mut state: Self, step: &Step) -> Self {
        state.outcome = match *step {
            Step::Open { by, id, new, key } => state.open(by, id, new, key),
            Step::Post { by, movement, minor, key, .. } => state.post(by, movement, minor, key),
            Step::SetShards { by, id, count } => state.set_shards(by, id, count),
            Step::SetFrozen { id, frozen } => {
                state.accounts.get_mut(&id).unwrap().is_frozen = frozen;
                Outcome::Done
            }
            Step::RaiseEpoch { user } => {
                state.users[user].token_is_revoked = true;
                Outcome::Done
            }
            Step::EndSession { user } => {
                state.users[user].token_is_revoked = true;
                state.users[user].ended_sessions += 1;
                Outcome::Done
            }
            Step::SignIn { user } => {
                state.users[user].token_is_revoked = false;
                Outcome::Done
            }
        };
        state
    }
}

struct Ledger {
    runtime: Runtime,
    books: Books,
}

struct Books {
    app: TestApp,
    users: [TestUser; USERS],
    epochs: [u64; USERS],
}

fn name(id: u8) -> String {
    format!("account-{id}")
}

fn outcome<T>(result: Result<Idempotent<T>, PaymentError>) -> Outcome {
    match result {
        Ok(Idempotent { replayed: false, .. }) => Outcome::Done,
        Ok(Idempotent { replayed: true, .. }) => Outcome::Replayed,
        Err(PaymentError::Rejected { reason, replayed }) => Outcome::Failed { reason, replayed },
        Err(PaymentError::KeyReused(_)) => Outcome::KeyReused,
        Err(PaymentError::Revoked(_)) => Outcome::Revoked,
        Err(PaymentError::WrongAccountType { .. }) => Outcome::WrongType,
        Err(PaymentError::AccountIdTaken) => Outcome::IdTaken,
        Err(PaymentError::TooManyAccounts) => Outcome::TooManyAccounts,
        Err(other) => panic!("{other:?}"),
    }
}

impl Books {
    async fn take(&mut self, step: Step) -> Outcome {
        match step {
            Step::Open { by, id, new, key } => outcome(self.open(self.users[by], id, new, key).await),
            Step::Post { by, movement, minor, key, contended } => {
                let (user, posting) = (self.users[by], movement.posting());
                let command = match key {
                    Some(key) => self.app.keyed(user, &key.to_string(), posting, minor),
                    None => self.app.unkeyed(user, posting, minor),
                };
                let is_contended = contended && matches!(movement, Movement::Send { .. });
                self.app.engine.raise_transaction_conflicts(is_contended.into(), 2, 3);
                let posted = self.app.post(command).await;
                self.app.engine.raise_transaction_conflicts(0, 2, 3);
                outcome(posted)
            }
            Step::SetShards { by, id, count } => {
                let TestUser { id: owner, claims } = self.users[by];
                let shards = WriteShards::new(count.into()).ok();
                let id = account(&name(id));
                let set = set_write_shards::set_write_shards(&self.app.store, owner, &claims, &id, shards).await;
                outcome(set.map(Idempotent::executed))
            }
            Step::SetFrozen { id, frozen } => {
                self.set_status(id, if frozen { "FROZEN" } else { "ACTIVE" }).await;
                Outcome::Done
            }
            Step::RaiseEpoch { user } => {
                self.epochs[user] += 1;
                self.app.replicate(self.users[user].id, self.epochs[user], self.epochs[user] + 1).await;
                Outcome::Done
            }
            Step::EndSession { user } => {
                let TestUser { id, claims } = self.users[user];
                let now = self.app.clock.now();
                let ended = EndedSession::new(now.plus(Duration::from_hours(1)), now, Some(now));
                self.app.store.revoke_session(id, claims.session, ended).await.unwrap();
                Outcome::Done
            }
            Step::SignIn { user } => {
                self.users[user].claims = self.app.new_claims(self.epochs[user]);
                Outcome::Done
            }
        }
    }

    /// Sets the status of an account and of its write shards, as an operator does.
    async fn set_status(&self, id: u8, status: &str) {
        let account = account_key(&name(id));
        self.app.set(account.clone(), "status", dynamo::text(status)).await;
        let is_shard = |item: &dynamo::Item| item["pk"] == account["pk"] && item["sk"] != account["sk"];
        for shard in self.app.items().await.into_iter().filter(is_shard) {
            let key = ["pk", "sk"].map(|name| (name.to_owned(), shard[name].clone())).into();
            self.app.set(key, "status", dynamo::text(status)).await;
        }
    }

    async fn open(&self, by: TestUser, id: u8, new: New, key: Option<u8>) -> Result<Idempotent<Account>, PaymentError> {
        let payload = json!({"id": id, "new": format!("{new:?}")});
        let request = match key {
            Some(key) => IdempotentRequest::keyed(by.id, "open", &key.to_string(), &payload).unwrap(),
            None => IdempotentRequest::unkeyed(&self.app.random),
        };
        let new = match new {
            New::Debit { deposit, shards } => NewAccount::Debit {
                deposit: (deposit > 0).then(|| amount(deposit)),
                write_shards: WriteShards::new(shards.into()).ok(),
            },
            New::Credit { limit } => NewAccount::Credit { limit: amount(limit) },
            New::Loan { principal, disburse_to } => {
                NewAccount::Loan { principal: amount(principal), disburse_to: account(&name(disburse_to)) }
            }
        };
        open_account::execute(&self.app.store, self.app.opening(by, &name(id), &new, request)).await
    }
}

impl StateMachineTest for Ledger {
    type SystemUnderTest = Self;
    type Reference = Model;

    fn init_test(_model: &Model) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let app = runtime.block_on(TestApp::new());
        let users = [(); USERS].map(|()| runtime.block_on(app.user()));
        Self { runtime, books: Books { app, users, epochs: [0; USERS] } }
    }

    fn apply(mut ledger: Self, model: &Model, step: Step) -> Self {
        assert_eq!(ledger.runtime.block_on(ledger.books.take(step)), model.outcome, "{step:?}");
        ledger
    }

    fn check_invariants(Self { runtime, books }: &Self, model: &Model) {
        runtime.block_on(async {
            for (number, user) in books.users.iter().enumerate() {
                let stored = books.app.accounts_of(user.id).await;
                let shards = |account: &Account| account.write_shards.map_or(0, WriteShards::count);
                let stored: BTreeMap<_, _> = stored
                    .iter()
                    .map(|account| {
                        (account.id.to_string(), (account.balance.minor(), account.available, shards(account)))
                    })
                    .collect();
                let own = model.accounts.iter().filter(|(_, account)| account.owner == number);
                let expected: BTreeMap<_, _> = own
                    .map(|(id, account)| (name(*id), (account.balance, account.available(), account.shards)))
                    .collect();
                assert_eq!(stored, expected);
            }
        });
    }

    fn teardown(Self { runtime, books }: Self, _model: Model) {
        runtime.block_on(books.app.assert_books_balance());
    }
}
