//! Chooses what happens next.

use std::collections::VecDeque;

use crate::action::Action;
use crate::command::{Caller, Command, Opening};
use crate::executor::TaskId;
use crate::faults::Verdict;
use crate::random::Dice;
use crate::tables::{ACCOUNT_TABLE, text};
use crate::world::{USERS, World};

/// The maximum number of commands in progress.
const MAX_COMMANDS: usize = 8;

/// The accounts of each user.
const ACCOUNTS_PER_USER: usize = 3;

/// An outage begins once in this many requests.
const OUTAGE_ONCE_IN: usize = 120;

/// How often a request fails in an outage.
const OUTAGE_PERCENT: u64 = 85;

/// The number of commands that may be sent again.
const MAX_REPEATABLE: usize = 25;

/// Chooses the actions of a run.
pub(crate) struct Choice {
    /// How often a request fails, in percent.
    fault_percent: u64,
    /// The end of a time in which almost every request fails.
    /// How often a transaction is cancelled because others use its items.
    conflict_percent: u64,
    outage_until_ms: u64,
    /// The last commands with a key, and webhooks, which may be sent again.
    repeatable: VecDeque<Command>,
    /// A command that competes with the previous one.
    competitor: Option<Command>,
}

/// A kind of action.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Decide,
    Start,
    Advance,
    Publish,
    Consume,
    Kill,
    Redrive,
}

impl Choice {
    pub(crate) fn new(world: &World) -> Self {
        // Some runs have no faults: they show what concurrency alone does.
        let fault_percent = world.dice.weighted(&[(1, 0), (3, 3), (3, 10), (2, 25)]);
        // Payments to a busy account conflict, also without other faults.
        let conflict_percent = world.dice.weighted(&[(1, 0), (1, 20), (2, 50)]);
        Self { fault_percent, conflict_percent, outage_until_ms: 0, repeatable: VecDeque::new(), competitor: None }
    }

    pub(crate) fn next(&mut self, world: &mut World) -> Action {
        let waiting = world.network.waiting();
        let streams = world.bus.unread_streams();
        let received = world.dice.chance(self.fault_percent);
        let messages = world.bus.receivable(world.time.millis(), received);
        let starts = world.running_commands() < MAX_COMMANDS;
        let kills = u64::from(self.fault_percent > 0 && !world.running_tasks().is_empty());
        let weight = |weight: u64, possible: bool| if possible { weight } else { 0 };
        let kind = world.dice.weighted(&[
            (weight(600, !waiting.is_empty()), Kind::Decide),
            (weight(160, starts), Kind::Start),
            (60, Kind::Advance),
            (weight(60, !streams.is_empty()), Kind::Publish),
            (weight(60, !messages.is_empty()), Kind::Consume),
            (kills * self.fault_percent / 2, Kind::Kill),
            (weight(5, world.bus.has_dead_messages()), Kind::Redrive),
        ]);
        let dice = &world.dice;
        match kind {
            Kind::Decide => {
                let (call, operation) = dice.pick(&waiting).expect("a request that waits").clone();
                if self.fault_percent > 0 && dice.below(OUTAGE_ONCE_IN) == 0 {
                    self.outage_until_ms = world.time.millis() + dice.between(100, 4_000);
                }
                let is_out = world.time.millis() < self.outage_until_ms;
                let percent = if is_out { OUTAGE_PERCENT } else { self.fault_percent };
                let is_contended = operation == "TransactWriteItems" && dice.chance(self.conflict_percent);
                let verdict = if is_contended {
                    Verdict::Cancel { seed: dice.seed() }
                } else {
                    Verdict::draw(dice, &operation, percent)
                };
                Action::Decide { call, verdict }
            }
            Kind::Start => {
                let command = self.command(world);
                let instance = world.idle_instance();
                let task = world.next_task();
                Action::Start { task, command, instance }
            }
            Kind::Advance => Action::Advance { ms: self.time_step(world) },
            Kind::Publish => {
                let stream = *dice.pick(&streams).expect("a stream");
                let count = 1 + dice.below(10);
                Action::Publish { task: world.next_task(), stream, count }
            }
            Kind::Consume => {
                let count = 1 + dice.below(messages.len().min(10));
                let mut left = messages;
                let picked = (0..count).map(|_| left.swap_remove(dice.below(left.len()))).collect();
                let instance = world.idle_instance();
                Action::Consume { task: world.next_task(), messages: picked, instance }
            }
            Kind::Kill => Action::Kill { task: *dice.pick(&world.running_tasks()).expect("a task") },
            Kind::Redrive => Action::Redrive,
        }
    }

    fn time_step(&self, world: &World) -> u64 {
        let dice = &world.dice;
        let long = u64::from(self.fault_percent > 0);
        match dice.weighted(&[(600, 0), (250, 1), (100 * long, 2), (8, 3), (2, 4), (1, 5)]) {
            0 => dice.between(1, 20),
            1 => dice.between(20, 500),
            2 => dice.between(500, 4_000),
            3 => dice.between(10_001, 60_000),
            4 => dice.between(60_000, 20 * 60_000),
            _ => dice.between(3_600_000, 25 * 3_600_000),
        }
    }

    fn command(&mut self, world: &World) -> Command {
        let dice = &world.dice;
        if let Some(command) = self.competitor.take() {
            return command;
        }
        if dice.chance(20)
            && let Some(command) = self.repeatable.get(dice.below(self.repeatable.len().max(1)))
        {
            return repetition(world, command.clone());
        }
        let callers = world.people.callers();
        if let Some(user) = suspended(world)
            && dice.chance(5)
        {
            return Command::SetStatus { user, status: "ACTIVE" };
        }
        let signed_out = (0..USERS).find(|user| callers.iter().all(|by| by.user != *user));
        let command = match (signed_out, dice.pick(&callers)) {
            (Some(user), _) if dice.chance(30) => sign_in_or_up(world, user),
            (_, Some(by)) if is_expired(world, *by) && dice.chance(80) => Command::Refresh { by: *by, used: false },
            (_, Some(by)) => draw(world, *by),
            (user, None) => sign_in_or_up(world, user.unwrap_or_default()),
        };
        if dice.chance(60) {
            self.competitor = competitor(dice, &command);
        }
        if command.key().is_some() || matches!(command, Command::Webhook { .. }) {
            self.repeatable.push_back(command.clone());
            if self.repeatable.len() > MAX_REPEATABLE {
                self.repeatable.pop_front();
            }
        }
        command
    }
}

/// A command that competes with another one: the same again, as another tab or a repeated delivery sends it; a debit of the
/// same money or a part of it; the reversal of a suspension.
fn competitor(dice: &Dice, command: &Command) -> Option<Command> {
    let part =
        |amount: i64| if dice.chance(50) { amount } else { dice.between(1, amount.cast_unsigned()).cast_signed() };
    match command {
        Command::SignUp { .. } | Command::Refresh { used: false, .. } | Command::Webhook { .. } => {
            Some(command.clone())
        }
        Command::Withdraw { by, account, amount, .. } => {
            Some(Command::Withdraw { by: *by, account: account.clone(), amount: part(*amount), key: None })
        }
        Command::Send { by, from, to, amount, .. } => {
            Some(Command::Send { by: *by, from: from.clone(), to: to.clone(), amount: part(*amount), key: None })
        }
        Command::SetStatus { user, status: "SUSPENDED" } => Some(Command::SetStatus { user: *user, status: "ACTIVE" }),
        _ => None,
    }
}

fn sign_in_or_up(world: &World, user: usize) -> Command {
    let is_signed_up = world.people.users.get(user).is_some_and(|user| world.checks.is_signed_up(&user.email));
    if is_signed_up { Command::SignIn { user, wrong_password: false } } else { Command::SignUp { user } }
}

fn suspended(world: &World) -> Option<usize> {
    let mut profiles = world.tables.with_sort_key(ACCOUNT_TABLE, "PROFILE");
    let suspended = profiles.find(|user| text(user, "status") == "SUSPENDED")?;
    world.people.users.iter().position(|user| user.email == text(suspended, "email"))
}

fn is_expired(world: &World, by: Caller) -> bool {
    let now_s = kernel::Clock::now(&world.time.clock(0)).unix_seconds();
    world.people.session(by).is_some_and(|session| session.content.exp <= now_s)
}

/// The same command again, perhaps in another session, and perhaps with another amount or about another payment.
fn repetition(world: &World, mut command: Command) -> Command {
    let dice = &world.dice;
    if let Some(by) = command.caller_mut() {
        let own: Vec<Caller> = world.people.callers().into_iter().filter(|other| other.user == by.user).collect();
        if let Some(other) = dice.pick(&own) {
            *by = *other;
        }
    }
    if dice.chance(25) {
        let payments: Vec<_> = world.people.payments.keys().copied().collect();
        if let Some(amount) = command.amount_mut() {
            *amount += 1;
        } else if let (Command::Webhook { payment, .. }, Some(other)) = (&mut command, dice.pick(&payments)) {
            *payment = *other;
        }
    }
    command
}

/// One of the last payments, which may not have ended.
fn latest(dice: &Dice, payments: &[TaskId]) -> TaskId {
    let last = payments.len().saturating_sub(5);
    *payments.get(last..).and_then(|last| dice.pick(last)).expect("a payment")
}

#[expect(clippy::too_many_lines, reason = "one arm for each command")]
fn draw(world: &World, by: Caller) -> Command {
    let dice = &world.dice;
    let key = || dice.chance(60).then(|| format!("k{}", dice.below(1_000_000)));
    let owner = world.people.session(by).map(|session| session.content.sub.clone()).unwrap_or_default();
    let opened = world.checks.ledger.accounts_of(&owner, u64::MAX);
    let new = || format!("u{}-{}", by.user, dice.below(ACCOUNTS_PER_USER));
    let own = || match dice.pick(&opened) {
        Some(account) if dice.chance(95) => (*account).to_owned(),
        _ => new(),
    };
    // Most payments go to one account.
    let any = || {
        let user = if dice.chance(70) { 0 } else { dice.below(USERS) };
        let account = if dice.chance(80) { 0 } else { dice.below(ACCOUNTS_PER_USER) };
        format!("u{user}-{account}")
    };
    if opened.is_empty() && dice.chance(50) {
        // The account that most payments go to.
        let (deposit, shards) = if by.user == 0 { (0, 3) } else { (500, dice.weighted(&[(2, 0), (1, 3)])) };
        let opening = Opening::Debit { deposit, shards };
        let account = format!("u{}-0", by.user);
        return Command::Open { by, account, opening, currency: "USD", key: key() };
    }
    let amount = || {
        let amounts = [(60, 0), (38, 1), (1, 2), (1, 3)];
        match dice.weighted(&amounts) {
            0 => dice.between(1, 300).cast_signed(),
            1 => dice.between(1, 10).cast_signed(),
            2 => kernel::MAX_AMOUNT_MINOR,
            _ => kernel::MAX_AMOUNT_MINOR / 2,
        }
    };
    // Users often take out all that they have.
    let debit = |account: &str| {
        let positions = world.checks.ledger.positions_since(account, u64::MAX);
        let available = positions.last().map_or(0, |position| position.available);
        let percent = if by.user == 0 { 60 } else { 25 };
        if available > 0 && dice.chance(percent) { available } else { amount() }
    };
    let payments: Vec<_> = world.people.payments.keys().copied().collect();
    let own_payments: Vec<_> =
        world.people.payments.iter().filter(|(_, payment)| payment.user == by.user).map(|(id, _)| *id).collect();
    let kinds: &[(u64, &str)] = &[
        (20, "sign in"),
        (5, "guess"),
        (30, "refresh"),
        (15, "sign out"),
        (15, "end session"),
        (6, "change password"),
        (30, "open"),
        (100, "deposit"),
        (80, "withdraw"),
        (300, "send"),
        (15, "set shards"),
        (50, "create payment"),
        (90, "change payment"),
        (120, "webhook"),
        (50, "list accounts"),
        (20, "get payment"),
        (60, "follow"),
        (10, "set status"),
        (10, "freeze"),
        (5, "rotate keys"),
        (8, "audit"),
    ];
    match dice.weighted(kinds) {
        "sign in" => Command::SignIn { user: by.user, wrong_password: false },
        "guess" => Command::SignIn { user: by.user, wrong_password: true },
        "refresh" => Command::Refresh { by, used: dice.chance(10) },
        "sign out" => Command::SignOut { by, scope: dice.weighted(&[(2, "local"), (1, "others"), (1, "global")]) },
        "end session" => {
            let sessions: Vec<_> = world.people.callers().into_iter().filter(|other| other.user == by.user).collect();
            Command::EndSession { by, other: dice.pick(&sessions).map_or(by.session, |other| other.session) }
        }
        "change password" => Command::ChangePassword { by },
        "open" => {
            let opening = match dice.below(10) {
                0 => Opening::Credit { limit: dice.between(1, 500).cast_signed() },
                1 => Opening::Loan { principal: dice.between(1, 500).cast_signed(), disburse_to: own() },
                _ => Opening::Debit {
                    deposit: dice.weighted(&[(1, 0), (2, 500)]),
                    shards: dice.weighted(&[(2, 0), (1, 1), (1, 3)]),
                },
            };
            let currency = dice.weighted(&[(9, "USD"), (1, "EUR")]);
            Command::Open { by, account: new(), opening, currency, key: key() }
        }
        "deposit" => Command::Deposit { by, account: own(), amount: amount(), key: key() },
        "withdraw" => {
            let account = own();
            Command::Withdraw { by, amount: debit(&account), account, key: key() }
        }
        "set shards" => Command::SetShards { by, account: own(), count: dice.between(0, 4).cast_signed() },
        "create payment" => {
            let account = dice.chance(80).then(&own);
            Command::CreatePayment { by, account, amount: dice.between(1, 300).cast_signed(), key: key() }
        }
        "change payment" if !own_payments.is_empty() => Command::ChangePayment {
            by,
            payment: latest(dice, &own_payments),
            to: dice.weighted(&[(18, "PENDING"), (1, "SUCCESS"), (1, "FAILED")]),
            key: key(),
        },
        "webhook" if !payments.is_empty() => {
            let payment = latest(dice, &payments);
            let other = *dice.pick(&payments).expect("a payment");
            let transaction = if dice.chance(80) { payment } else { other };
            Command::Webhook {
                id: format!("wh-{}", dice.below(1_000_000)),
                payment,
                status: dice.weighted(&[(2, "PENDING"), (5, "SUCCESS"), (2, "FAILED")]),
                transaction: format!("momo-{transaction}"),
            }
        }
        "list accounts" => Command::ListAccounts { by },
        "get payment" if !own_payments.is_empty() => {
            Command::GetPayment { by, payment: *dice.pick(&own_payments).expect("a payment") }
        }
        "follow" => Command::Follow { by },
        "set status" => Command::SetStatus { user: by.user, status: "SUSPENDED" },
        "freeze" => Command::Freeze { account: any(), frozen: dice.chance(25) },
        "audit" => Command::Audit { restart: dice.weighted(&[(2, None), (1, Some("INCREMENTAL")), (1, Some("FULL"))]) },
        "rotate keys" => Command::RotateKeys { now: dice.chance(50) },
        _ => {
            let from = own();
            Command::Send { by, amount: debit(&from), from, to: any(), key: key() }
        }
    }
}
