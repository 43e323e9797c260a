//! The simulated world: it decides what happens next, lets it happen, and checks what must hold.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::rc::Rc;
use std::time::Duration;

use kernel::Clock;
use serde_json::{Value, json};
use testkit::Reply;

use crate::action::Action;
use crate::bugs::Bug;
use crate::bus::{Bus, StreamId};
use crate::checks::{Checked, Checks, Context, Running, check_settled, ensure, violation};
use crate::clock::{SkewedClock, Time};
use crate::command::Command;
use crate::coverage::Coverage;
use crate::executor::{Executor, TaskId};
use crate::faults::{self, Verdict};
use crate::invocation::{self, Invocation, Outcome, Results, TIMEOUT};
use crate::network::{CallId, Lost, Network, PUBLISH};
use crate::people::People;
use crate::platform::{Answer, Clients, Functions};
use crate::random::{Dice, stream};
use crate::tables::{ACCOUNT_TABLE, Change, Tables, text};

pub(crate) const USERS: usize = 4;

/// The number of users who have signed up when a run begins.
const SIGNED_UP: usize = 2;

/// The time after which a request that waits is executed, however late.
const MAX_DELAY_MS: u64 = 5_000;

/// The time after which an answer counts as late: attempts of the SDK time out.
const LATE_MS: u64 = 2_500;

/// The time for which a function may remember that a request failed.
const MEMORY_MS: u64 = 6_000;

/// The first task of a run. Those before prepare it.
const FIRST_TASK: TaskId = 100;

/// The maximum number of steps until everything has arrived.
const MAX_SETTLING_STEPS: usize = 100_000;

/// The number of the publishers' instances, which have no state.
const PUBLISHER: u32 = u32::MAX;

/// What a task does.
#[derive(Debug)]
enum Job {
    Command(Command),
    Publisher,
    Consumer,
}

impl Job {
    const fn timeout(&self) -> Duration {
        match self {
            Self::Command(command) => command.timeout(),
            Self::Publisher | Self::Consumer => TIMEOUT,
        }
    }
}

/// A process with functions of both contexts, and its clock.
struct Instance {
    functions: Rc<Functions>,
    clock: SkewedClock,
}

pub(crate) struct World {
    seed: u64,
    bug: Option<Bug>,
    pub(crate) dice: Dice,
    executor: Executor,
    pub(crate) network: Network,
    pub(crate) time: Time,
    clients: Clients,
    pub(crate) tables: Tables,
    pub(crate) bus: Bus,
    pub(crate) people: People,
    pub(crate) checks: Checks,
    pub(crate) coverage: Coverage,
    instances: BTreeMap<u32, Instance>,
    /// The instances whose process has ended.
    ended: BTreeSet<u32>,
    /// When a request of an instance failed last. It may remember the failure for a time.
    failed_at_ms: BTreeMap<u32, u64>,
    results: Results,
    jobs: BTreeMap<TaskId, (Job, u64, u32)>,
    pub(crate) next_task: TaskId,
    /// Actions and answers, for a person who reads what happened.
    pub(crate) log: Vec<String>,
    digest: DefaultHasher,
}

impl World {
    /// A world with some users who are signed in. Every run with this seed begins with it.
    pub(crate) async fn new(seed: u64, bug: Option<Bug>) -> Result<Self, crate::Violation> {
        let network = Network::default();
        let mut world = Self {
            seed,
            bug,
            dice: Dice::new(stream(seed, 0)),
            executor: Executor::default(),
            clients: Clients::new(&network),
            network,
            time: Time::default(),
            tables: Tables::new(),
            bus: Bus::default(),
            people: People::new(USERS),
            checks: Checks::default(),
            coverage: Coverage::default(),
            instances: BTreeMap::new(),
            ended: BTreeSet::new(),
            failed_at_ms: BTreeMap::new(),
            results: Results::default(),
            jobs: BTreeMap::new(),
            next_task: 1,
            log: Vec::new(),
            digest: DefaultHasher::new(),
        };
        let users =
            (0..SIGNED_UP).flat_map(|user| [Command::SignUp { user }, Command::SignIn { user, wrong_password: false }]);
        for command in std::iter::once(Command::RotateKeys { now: false }).chain(users) {
            let task = world.next_task();
            world.apply(&Action::Start { task, command, instance: 0 }).await?;
            world.settle().await?;
        }
        world.next_task = FIRST_TASK;
        world.log.clear();
        Ok(world)
    }

    pub(crate) fn next_task(&mut self) -> TaskId {
        let task = self.next_task;
        self.next_task += 1;
        task
    }

    /// A number that two runs have in common if they are the same.
    pub(crate) fn digest(&self) -> u64 {
        self.digest.finish()
    }

    pub(crate) fn running_tasks(&self) -> Vec<TaskId> {
        self.executor.running()
    }

    /// The number of commands in progress.
    pub(crate) fn running_commands(&self) -> usize {
        self.jobs.values().filter(|(job, ..)| matches!(job, Job::Command(_))).count()
    }

    /// An instance that is idle, or a new one.
    pub(crate) fn idle_instance(&self) -> u32 {
        let newest = self.instances.keys().next_back().copied().unwrap_or_default();
        // Processes do not live long: old instances are not used again.
        let idle: Vec<u32> = (newest.saturating_sub(8)..=newest).filter(|id| self.is_idle(*id)).collect();
        match self.dice.pick(&idle) {
            Some(id) if !self.dice.chance(4) => *id,
            _ => newest + 1,
        }
    }

    /// Whether an instance can be invoked: each handles one request at a time.
    fn is_idle(&self, id: u32) -> bool {
        !self.ended.contains(&id) && self.jobs.values().all(|(_, _, instance)| *instance != id)
    }

    fn instance(&mut self, id: u32) -> &Instance {
        let (clients, time, seed) = (&self.clients, &self.time, self.seed);
        self.instances.entry(id).or_insert_with(|| {
            let dice = Dice::new(stream(seed, 1_000_000 + u64::from(id)));
            let skew = i64::try_from(dice.below(801)).expect("a small number") - 400;
            let clock = time.clock(skew);
            Instance { functions: Rc::new(Functions::new(clients, &dice, &clock)), clock }
        })
    }

    /// Performs an action, and checks what follows from it. Returns `false` if there is nothing that it applies to, as
    /// happens when a trace is replayed in part.
    pub(crate) async fn apply(&mut self, action: &Action) -> Result<bool, crate::Violation> {
        self.note(action.to_string());
        let applied = match action {
            Action::Start { task, command, instance } => self.start(*task, command, *instance),
            Action::Publish { task, stream, count } => self.publish(*task, *stream, *count),
            Action::Consume { task, messages, instance } => self.consume(*task, messages, *instance),
            Action::Decide { call, verdict } => self.decide(*call, *verdict)?,
            Action::Advance { ms } => {
                self.advance(*ms).await?;
                true
            }
            Action::Kill { task } => self.kill(*task, "killed"),
            Action::Redrive => {
                let has_messages = self.bus.has_dead_messages();
                self.bus.redrive();
                if has_messages {
                    self.coverage.count("fault: message in the dead-letter queue");
                }
                has_messages
            }
        };
        self.run()?;
        Ok(applied)
    }

    pub(crate) fn note(&mut self, line: String) {
        line.hash(&mut self.digest);
        self.log.push(line);
    }

    fn start(&mut self, task: TaskId, command: &Command, instance: u32) -> bool {
        if !self.is_idle(instance) {
            return false;
        }
        let complete_until = match command {
            Command::Follow { by } => self.checks.complete_until(by.user).map(str::to_owned),
            _ => None,
        };
        let clock = self.instance(instance).clock.clone();
        let Some(ask) = invocation::ask(command, &self.people, &clock, complete_until.as_deref()) else {
            return false;
        };
        let mut running = Running {
            command: command.clone(),
            answers_before: 0,
            commits_before: 0,
            token: command.caller().and_then(|by| self.people.session(by)).map(|session| session.content.clone()),
            principal: None,
            faults: u32::from(self.failed_at_ms.get(&instance).is_some_and(|at| *at + MEMORY_MS >= self.time.millis())),
            refresh_token: None,
            presented_before: false,
        };
        if let Command::Refresh { by, used } = command
            && let Some(session) = self.people.session_mut(*by)
        {
            let token = if *used { session.used_token.clone() } else { Some(session.refresh_token.clone()) };
            running.refresh_token = token;
            running.presented_before = *used || session.presented;
            session.presented |= !*used;
        }
        self.checks.started(task, running);
        let functions = self.instance(instance).functions.clone();
        let invocation: Invocation = if command.is_of_account_context() {
            Box::pin(invocation::invoke_account(functions, ask))
        } else {
            Box::pin(invocation::invoke_payment(functions, ask, task, self.results.clone()))
        };
        self.spawn(task, Job::Command(command.clone()), instance, invocation);
        true
    }

    fn publish(&mut self, task: TaskId, stream: StreamId, count: usize) -> bool {
        let Some(event) = self.bus.read(stream, count, task) else { return false };
        let invocation = Box::pin(invocation::publish(self.network.clone(), stream.table, event));
        self.spawn(task, Job::Publisher, PUBLISHER, invocation);
        true
    }

    fn consume(&mut self, task: TaskId, messages: &[String], instance: u32) -> bool {
        if !self.is_idle(instance) {
            return false;
        }
        let batch = self.bus.receive(messages, task);
        if batch.messages.is_empty() {
            return false;
        }
        let functions = self.instance(instance).functions.clone();
        self.spawn(task, Job::Consumer, instance, Box::pin(invocation::consume(functions, batch)));
        true
    }

    fn spawn(&mut self, task: TaskId, job: Job, instance: u32, invocation: Invocation) {
        let timeout = job.timeout();
        self.jobs.insert(task, (job, self.time.millis(), instance));
        let outcomes = self.results.outcomes.clone();
        let random = stream(self.seed, 1_000 + u64::from(task));
        self.executor.spawn(task, random, async move {
            let outcome = deadline::with_time_left(timeout, invocation).await;
            outcomes.borrow_mut().push((task, outcome));
        });
    }

    fn kill(&mut self, task: TaskId, how: &str) -> bool {
        if !self.executor.kill(task) {
            return false;
        }
        let Some((job, _, instance)) = self.jobs.remove(&task) else { return false };
        if instance != PUBLISHER {
            self.ended.insert(instance);
        }
        match job {
            Job::Command(_) => {
                self.coverage.count(format!("fault: function {how}"));
                self.checks.ended(task);
            }
            Job::Publisher => {
                self.coverage.count(format!("fault: publisher {how}"));
                self.bus.finish_read(task, None);
            }
            Job::Consumer => {
                self.coverage.count(format!("fault: consumer {how}"));
                self.bus.finish_receive(task, None);
            }
        }
        true
    }

    /// Decides a request: executes it, and answers it, or not.
    fn decide(&mut self, id: CallId, verdict: Verdict) -> Result<bool, crate::Violation> {
        let Some(call) = self.network.take(id) else { return Ok(false) };
        let is_late = call.sent_at_ms + LATE_MS <= self.time.millis();
        if verdict.is_failure() || is_late || !call.is_awaited() {
            self.failed_request(id.task);
        }
        if let Some(fault) = verdict.fault() {
            self.coverage.count(format!("fault: {fault}, {}", call.operation));
        }
        if !call.is_awaited() {
            self.coverage.count("fault: executed after the client gave up");
        }
        let reply = match verdict {
            Verdict::Throttle => Ok(faults::throttled()),
            Verdict::FailBefore => Ok(faults::server_error()),
            Verdict::Cancel { seed } if call.operation == PUBLISH => {
                Ok(self.deliver(&call.body, 1, Some(&Dice::new(stream(seed, 0)))))
            }
            Verdict::Cancel { seed } => Ok(faults::cancelled(&call.operation, &call.body, seed)),
            Verdict::LoseRequest => Err(Lost),
            _ => {
                let copies = if verdict == Verdict::Duplicate { 2 } else { 1 };
                let lag_ms = verdict.executes().unwrap_or_default();
                let reply = self.execute(id, &call.operation, &call.body, lag_ms, copies)?;
                match verdict {
                    Verdict::LoseResponse { .. } => Err(Lost),
                    Verdict::FailAfter { .. } => Ok(faults::server_error()),
                    _ => Ok(reply),
                }
            }
        };
        call.respond(reply);
        Ok(true)
    }

    fn failed_request(&mut self, task: TaskId) {
        self.checks.failed_request(task);
        if let Some((_, _, instance)) = self.jobs.get(&task) {
            self.failed_at_ms.insert(*instance, self.time.millis());
        }
    }

    fn execute(
        &mut self,
        id: CallId,
        operation: &str,
        body: &str,
        lag_ms: u64,
        copies: usize,
    ) -> Result<Reply, crate::Violation> {
        if operation == PUBLISH {
            return Ok(self.deliver(body, copies, None));
        }
        let Some(bug) = self.bug else { return self.commit(id, operation, body, lag_ms) };
        let mut request: Value = serde_json::from_str(body).expect("a request in JSON");
        if let Some(reply) = bug.rewrite_request(operation, &mut request) {
            return Ok(reply);
        }
        let credit = bug.take_credit(&mut request);
        let mut reply = self.commit(id, operation, &request.to_string(), lag_ms)?;
        match credit {
            Some((_, credit)) if reply.status == 200 => {
                self.network.send_unawaited(id.task, "UpdateItem", credit.to_string());
            }
            Some((position, _)) => {
                let mut body: Value = serde_json::from_str(&reply.body).expect("a response in JSON");
                if let Some(reasons) = body["CancellationReasons"].as_array_mut() {
                    reasons.insert(position.min(reasons.len()), json!({"Code": "None"}));
                }
                reply.body = body.to_string();
            }
            None => {}
        }
        bug.rewrite_response(operation, &request, &mut reply);
        Ok(reply)
    }

    fn commit(&mut self, id: CallId, operation: &str, body: &str, lag_ms: u64) -> Result<Reply, crate::Violation> {
        let (reply, changes) = self.tables.execute(operation, body, self.time.millis(), lag_ms);
        for write in changes.iter().filter_map(Change::kind) {
            self.coverage.count(format!("write: {write}"));
        }
        if !changes.is_empty() {
            self.bus.record(&changes);
            self.take_admissions();
            self.checks.committed(id.task, &changes)?;
        }
        Ok(reply)
    }

    /// Delivers the events of a publisher, but for those that the dice reject. Returns the list of rejected ones.
    fn deliver(&mut self, request: &str, copies: usize, dice: Option<&Dice>) -> Reply {
        let request: Value = serde_json::from_str(request).expect("a request in JSON");
        let is_account = request["table"] == ACCOUNT_TABLE;
        let mut rejected = Vec::new();
        for (index, event) in request["events"].as_array().into_iter().flatten().enumerate() {
            let (id, body) = (event["id"].as_str().unwrap_or_default(), event["body"].as_str().unwrap_or_default());
            if dice.is_some_and(|dice| dice.chance(50)) {
                rejected.push(index);
                continue;
            }
            for copy in 0..copies {
                if is_account {
                    // A second copy arrives later.
                    let delay = u64::try_from(copy).expect("a small number") * 3_000;
                    self.bus.enqueue(id, body, self.time.millis() + delay);
                } else {
                    self.bus.published.insert(id.to_owned());
                }
            }
        }
        Reply { status: 200, body: json!(rejected).to_string() }
    }

    /// Lets tasks run until all of them wait, and handles those that end.
    fn run(&mut self) -> Checked {
        loop {
            let ended = self.executor.run_until_stalled();
            self.take_admissions();
            for id in self.network.abandoned() {
                self.failed_request(id.task);
            }
            if ended.is_empty() {
                return Ok(());
            }
            let outcomes = std::mem::take(&mut *self.results.outcomes.borrow_mut());
            for (task, outcome) in outcomes {
                self.handle(task, outcome)?;
            }
        }
    }

    fn take_admissions(&mut self) {
        for (task, principal) in self.results.admitted.borrow_mut().drain(..) {
            self.checks.admitted(task, principal);
        }
    }

    fn handle(&mut self, task: TaskId, outcome: Outcome) -> Checked {
        let Some((job, ..)) = self.jobs.remove(&task) else { return Ok(()) };
        match (job, outcome) {
            (Job::Command(command), Outcome::Answered(answer)) => {
                self.note(format!("[{task}] answer: {}", answer.summary()));
                self.coverage.count(format!("answer: {}: {}", command.name(), answer.summary()));
                let sent = self.checks.running.get(&task).and_then(|running| running.refresh_token.clone());
                let context = context(&self.tables, &self.people, &self.time);
                self.checks.answered(task, &answer, &context)?;
                self.learn(task, &command, sent.as_deref(), &answer);
                Ok(())
            }
            (Job::Command(command), Outcome::Followed(pages)) => {
                let last = pages.last().map(Answer::summary).unwrap_or_default();
                self.note(format!("[{task}] answer: {last}, {} pages", pages.len()));
                self.coverage.count(format!("answer: {}: {last}", command.name()));
                let context = context(&self.tables, &self.people, &self.time);
                self.checks.followed(task, &pages, &context)
            }
            (Job::Command(command), Outcome::Operated(outcome)) => {
                let text = outcome.as_ref().err().cloned().unwrap_or_else(|| "done".to_owned());
                self.note(format!("[{task}] {text}"));
                let kind = if outcome.is_ok() { "done" } else { "failed" };
                self.coverage.count(format!("answer: {}: {kind}", command.name()));
                if outcome.is_ok() {
                    let context = context(&self.tables, &self.people, &self.time);
                    self.checks.operator_succeeded(task, &context);
                } else {
                    self.checks.ended(task);
                }
                Ok(())
            }
            (Job::Command(command), Outcome::Audited(outcome)) => {
                let text = match &outcome {
                    Ok((status, _)) => format!("{status:?}"),
                    Err(error) => error.clone(),
                };
                self.note(format!("[{task}] {text}"));
                let kind = if outcome.is_ok() { text.as_str() } else { "failed" };
                self.coverage.count(format!("answer: {}: {kind}", command.name()));
                self.checks.ended(task);
                let findings = outcome.map(|(_, findings)| findings).unwrap_or_default();
                let is_finding = |finding: &&String| !finding.contains("NotAudited");
                let found = findings.iter().find(is_finding);
                ensure(found.is_none(), "the audit finds nothing", || findings.join("; "))
            }
            (Job::Publisher, Outcome::Processed(failures)) => {
                let skips = self.bug == Some(Bug::SkippedStreamRecord);
                self.bus.finish_read(task, Some(if skips { &[] } else { &failures }));
                self.coverage.count(if failures.is_empty() { "published" } else { "published in part" });
                Ok(())
            }
            (Job::Consumer, Outcome::Processed(failures)) => {
                let swallows = self.bug == Some(Bug::SwallowedBatchFailure);
                if !failures.is_empty() {
                    self.coverage.count("fault: batch applied in part");
                    self.note(format!("[{task}] not applied: {}", failures.join(", ")));
                }
                let applied = self.bus.finish_receive(task, Some(if swallows { &[] } else { &failures }));
                if swallows && !failures.is_empty() {
                    return Ok(());
                }
                for body in applied {
                    self.coverage.count(format!("event applied: {}", event_type(&body)));
                    self.checks.applied(&body);
                }
                Ok(())
            }
            (job, outcome) => unreachable!("{job:?} ended with {outcome:?}"),
        }
    }

    /// What the client learns from an answer.
    fn learn(&mut self, task: TaskId, command: &Command, sent: Option<&str>, answer: &Answer) {
        let is_success = answer.status < 300;
        if let (Some(by), "unauthenticated" | "invalid_refresh_token") = (command.caller(), answer.code.unwrap_or("")) {
            self.people.rejected(by);
        }
        match command {
            Command::SignIn { user, wrong_password: false } if is_success => {
                self.people.signed_in(*user, task, &answer.body, self.checks.answers());
            }
            Command::SignIn { user, wrong_password: false } if answer.code == Some("invalid_credentials") => {
                // A change of the password whose answer was lost has succeeded.
                if let Some(user) = self.people.users.get_mut(*user) {
                    user.password = invocation::changed_password(&user.password);
                }
            }
            Command::ChangePassword { by } if is_success => {
                if let Some(user) = self.people.users.get_mut(by.user) {
                    user.password = invocation::changed_password(&user.password);
                }
                self.people.replaced(*by, None, &answer.body);
            }
            Command::Refresh { by, used: false } if is_success => self.people.replaced(*by, sent, &answer.body),
            Command::SignOut { by, scope: "others" } if is_success => self.people.replaced(*by, None, &answer.body),
            Command::CreatePayment { by, amount, .. } if is_success => {
                let reference = answer.body["reference"].as_str().unwrap_or_default().to_owned();
                let payment = crate::people::KnownPayment { user: by.user, reference, amount: *amount };
                self.people.payments.insert(task, payment);
            }
            _ => {}
        }
    }

    /// Lets time pass. A request that waits for too long is executed, and a function that runs for too long is ended.
    async fn advance(&mut self, ms: u64) -> Checked {
        if ms > 2 * MAX_DELAY_MS {
            self.drain().await?;
        }
        let step = if self.executor.running().is_empty() { ms.max(1) } else { 500 };
        let mut left = ms;
        while left > 0 {
            let by = left.min(step);
            left -= by;
            self.time.advance(Duration::from_millis(by)).await;
            let now = self.time.millis();
            self.network.set_time(now);
            self.run()?;
            for id in self.network.waiting_since(now.saturating_sub(MAX_DELAY_MS)) {
                self.decide(id, Verdict::Execute { lag_ms: 0 })?;
            }
            let overdue = self.jobs.iter().filter(|(_, (job, started, _))| {
                started + u64::try_from(job.timeout().as_millis()).expect("a short time") <= now
            });
            for task in overdue.map(|(task, _)| *task).collect::<Vec<_>>() {
                self.note(format!("[{task}] timeout"));
                self.kill(task, "timed out");
            }
            self.run()?;
        }
        Ok(())
    }

    /// Lets everything in progress end without further faults.
    async fn drain(&mut self) -> Checked {
        for _ in 0..MAX_SETTLING_STEPS {
            if let Some((call, _)) = self.network.waiting().first() {
                self.decide(*call, Verdict::Execute { lag_ms: 0 })?;
                self.run()?;
                continue;
            }
            if let Some(stream) = self.bus.unread_streams().first() {
                let task = self.next_task();
                self.publish(task, *stream, 10);
                self.run()?;
                continue;
            }
            let messages: Vec<_> = self.bus.receivable(self.time.millis(), false).into_iter().take(10).collect();
            if !messages.is_empty() {
                let (task, instance) = (self.next_task(), self.idle_instance());
                self.consume(task, &messages, instance);
                self.run()?;
                continue;
            }
            if self.executor.running().is_empty() && self.bus.is_empty() {
                return Ok(());
            }
            self.bus.redrive();
            self.time.advance(Duration::from_millis(100)).await;
            self.network.set_time(self.time.millis());
            self.run()?;
        }
        violation("everything arrives", format!("{:?} still run", self.executor.running()))
    }

    /// Lets everything arrive, and checks what must hold then.
    pub(crate) async fn settle(&mut self) -> Checked {
        self.drain().await?;
        check_settled(&self.tables, &self.bus.published)
    }

    /// After everything has arrived: revoked tokens are rejected, valid ones are accepted, and histories are complete.
    pub(crate) async fn probe(&mut self) -> Checked {
        self.settle().await?;
        self.advance(20_000).await?;
        for by in self.people.callers() {
            let is_revoked = self.is_revoked(by);
            for command in [Command::ListAccounts { by }, Command::Follow { by }] {
                let (task, instance) = (self.next_task(), self.idle_instance());
                self.start(task, &command, instance);
                self.run()?;
                self.drain().await?;
            }
            let rejected = self.log.iter().rev().take(1).any(|line| line.contains("unauthenticated"));
            if is_revoked && !rejected {
                return violation("a revoked token is rejected", format!("{by}: {:?}", self.log.last()));
            }
        }
        let audit = Command::Audit { restart: Some("FULL") };
        let (task, instance) = (self.next_task(), self.idle_instance());
        self.start(task, &audit, instance);
        self.run()?;
        self.drain().await?;
        let is_complete = self.log.iter().rev().any(|line| *line == format!("[{task}] Completed"));
        ensure(is_complete, "an audit without faults is complete", || format!("{:?}", self.log.last()))?;
        check_settled(&self.tables, &self.bus.published)
    }

    /// Whether the account context has revoked the access token of a session.
    fn is_revoked(&self, by: crate::command::Caller) -> bool {
        let Some(session) = self.people.session(by) else { return false };
        let content = &session.content;
        let partition = format!("USER#{}", content.sub);
        let user = self.tables.item(ACCOUNT_TABLE, &partition, "PROFILE");
        let stored = self.tables.item(ACCOUNT_TABLE, &partition, &format!("SESSION#{}", content.sid));
        let (Some(user), Some(stored)) = (user, stored) else { return false };
        stored.get("endedAt").is_some()
            || crate::tables::number(user, "epoch").cast_unsigned() > content.epoch
            || text(user, "status") != "ACTIVE"
    }
}

fn context<'a>(tables: &'a Tables, people: &'a People, time: &Time) -> Context<'a> {
    Context { tables, people, now_s: time.clock(0).now().unix_seconds() }
}

fn event_type(body: &str) -> String {
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    body["type"].as_str().unwrap_or_default().to_owned()
}
