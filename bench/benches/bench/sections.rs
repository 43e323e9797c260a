//! The sections of the report.

use std::time::Duration;

use bench::budgets::{Budgets, Started};
use bench::functions::deployment::{Deployment, event};
use bench::functions::instructions;
use bench::functions::lambda::Function;
use bench::functions::package;
use bench::functions::programs::{self, JitterEntropy, Program};
use bench::functions::proxy::{DynamoProxy, Mode};
use bench::prices;
use bench::scenarios;
use bench::simulation::{self, Load, Policy};
use dynamo::Backoff;
use kernel::testing::SeededRandom;
use serde_json::{Value, json};

use crate::cold;
use crate::contention::{self, Level, Payees, SHARDS};
use crate::hashing;
use crate::open_loop::Pool;
use crate::plot::Line;
use crate::report::{Report, mb, mib, millions, ms, number, progress, ratio};
use crate::sign_ins;
use crate::tls;
use crate::warm;

/// The number of measured starts.
const STARTS: usize = 101;
/// The numbers of concurrent functions.
const CONCURRENCY: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];
/// The largest number of concurrent functions that do not compete for this machine's processors.
const UNCONTENDED: usize = 2;
/// The durations of a transaction, during which it locks its items.
const HELD: [Duration; 2] = [Duration::from_millis(5), Duration::from_millis(20)];
/// The duration of a transaction to a payee whose payments arrive at random.
const TRANSACTION: Duration = Duration::from_millis(20);
/// Shares of what the payee's items can receive, in percent. More than 60 % of eight shards is more than two processors can
/// send.
const BUSY: [(Payees, u8, &[u32]); 3] = [
    (Payees::One, 0, &[20, 40, 60, 80]),
    (Payees::Sharded, 0, &[20, 40, 60]),
    // More than one account without shards can receive.
    (Payees::One, SHARDS, &[80, 200]),
];
/// The number of simulated payments of each load.
const SIMULATED: usize = 200_000;
/// Write units of a transfer, and of an attempt at one that is cancelled because of a conflict: those of `success` and
/// `replay` in bench/budgets.toml.
const UNITS: (f64, f64) = (8.0, 6.0);
/// Functions that can be invoked repeatedly with the same event and the same outcome.
const WARM: [&str; 12] = [
    "noop",
    "health",
    "validate",
    "me",
    "list-sessions",
    "list-accounts",
    "histories",
    "send",
    "deposit",
    "withdraw",
    "create-payment",
    "list-payments",
];

/// Round trips, capacity and cost of every request. Returns the exceeded budgets.
pub(crate) async fn requests(report: &mut Report) -> Vec<String> {
    progress("running every outcome of every endpoint");
    let budgets = Budgets::read();
    let played = scenarios::run().await;
    let rows = played.iter().map(|row| {
        let (spent, budget) = (row.measured.capacity(), budgets.of(row));
        let beside = |spent: String, budget: Option<String>| format!("{spent} of {}", budget.unwrap_or_default());
        vec![
            row.endpoint.to_owned(),
            row.outcome.to_owned(),
            beside(row.measured.round_trips.to_string(), budget.map(|budget| budget.round_trips.to_string())),
            beside(spent.write.to_string(), budget.map(|budget| budget.write.to_string())),
            beside(spent.read.to_string(), budget.map(|budget| budget.read.to_string())),
            format!("{:.2}", prices::per_million(spent)),
        ]
    });
    report.text("## Requests");
    report.text(
        "Sequential round trips to DynamoDB, write and read units, each with its budget. Units are calculated from the sizes \
         of items and equal those that `ReturnConsumedCapacity` reports. For rejected transactions nothing is reported; \
         the rows show the maximum, as if the items had been written.",
    );
    report.text(prices::NOTE);
    let heads = ["endpoint", "outcome", "round trips", "write units", "read units", "USD per million"];
    report.table(&heads, &rows.collect::<Vec<_>>());
    budgets.violations(&played)
}

/// State that sections share.
pub(crate) struct Bench {
    programs: Vec<Program>,
    deployment: Deployment,
}

impl Bench {
    pub(crate) async fn new(programs: Vec<Program>) -> Self {
        let deployment = Deployment::new(&programs).await;
        Self { programs, deployment }
    }

    fn program(&self, name: &str) -> &Program {
        let program = self.programs.iter().find(|program| program.name == name);
        program.unwrap_or_else(|| panic!("{name} is not a function of template.yaml"))
    }

    /// The share of the hash in a sign-in.
    pub(crate) async fn hashing(&self, report: &mut Report) {
        progress("signing in");
        let member = self.deployment.member(&self.programs).await;
        let program = self.program("signin");
        let event = event("signin", &member, &member);
        let (hash, whole) = hashing::times(program, &self.deployment.engine.url, &event).await;
        report.text("## Sign-in");
        report.text(&format!(
            "Argon2id with 19 MiB and two passes takes {}, a whole sign-in {} of processor time: {:.0} % is the hash. \
             At 1769 MB, one whole processor of Lambda, that is {:.2} USD per million.",
            ms(hash),
            ms(whole),
            ratio(hash, whole) * 100.0,
            prices::processor_per_million(whole),
        ));
        progress("signing in concurrently");
        let concurrent = sign_ins::concurrent(self.program("signup"), program, &self.deployment.engine.url).await;
        report.text(&format!(
            "{} users at once, each by a process of its own: a sign-in takes {}, and no process exceeds {} of memory ({} at \
             rest).",
            concurrent.processes,
            ms(concurrent.taken),
            mib(concurrent.largest_peak_kib),
            mib(concurrent.largest_resident_kib),
        ));
    }

    /// Starts and packages. Returns the exceeded budgets.
    pub(crate) async fn cold(&self, report: &mut Report) -> Vec<String> {
        let budgets = Budgets::read();
        let proxy = DynamoProxy::start(&self.deployment.engine.url, Mode::Cache, None).await;
        let starts: Vec<_> =
            self.programs.iter().map(|program| (program.path.clone(), program.environment(&proxy.url))).collect();
        progress(&format!("starting {} functions {STARTS} times", starts.len()));
        let starts = cold::starts(&starts, STARTS).await;
        let mut exceeded = Vec::new();
        let mut rows = Vec::new();
        for (program, start) in self.programs.iter().zip(&starts) {
            let budget = budgets.functions;
            let zip = package::zip_bytes(&program.path);
            let ratio = ratio(start.first_poll, starts[0].first_poll);
            progress(&format!("counting the instructions of {}", program.name));
            let counted = instructions::count(&program.path, &program.environment(&proxy.url), []).await;
            let started = Started {
                zip_bytes: zip,
                init_instructions: counted,
                memory_kib: start.memory_kib,
                first_poll_ratio: Some(ratio),
            };
            exceeded.extend(budgets.function_violations(&program.name, &started));
            rows.push(vec![
                program.name.clone(),
                ms(start.first_poll),
                format!("{ratio:.2} of {}", budget.first_poll_ratio),
                counted.map_or_else(
                    || "-".to_owned(),
                    |counted| format!("{} of {}", millions(counted), millions(budget.init_instructions)),
                ),
                format!("{} of {}", mib(start.memory_kib), mib(budget.memory_kib)),
                format!("{} of {}", mb(zip), mb(budget.zip_bytes)),
            ]);
        }
        report.text("## Start and package");
        report.text(&format!(
            "From exec to the first poll of the Runtime API: medians of {STARTS} starts, all functions in turn; the ratio is to the \
             no-op function. Instructions are those of the program itself, counted by valgrind; memory is the peak until the \
             poll; the package is deflated as by cargo-lambda. DynamoDB's responses during init are cached, without TLS. \
             What a function rarely needs is created by the first request: change-password and signout load the signing key \
             concurrently with other reads, and send-code creates its delivery client.",
        ));
        report.table(&["function", "first poll", "ratio", "instructions", "memory", "package"], &rows);
        self.first_responses(report).await;
        exceeded
    }

    /// Time from exec to the first response, with TLS to DynamoDB.
    async fn first_responses(&self, report: &mut Report) {
        let (acceptor, trusted) = tls::acceptor();
        let proxy =
            DynamoProxy::start(&self.deployment.engine.url, Mode::SimulateConflicts(Duration::ZERO), Some(acceptor))
                .await;
        let (ada, ben) = (self.deployment.user(1_000_000).await, self.deployment.user(0).await);
        let mut rows = Vec::new();
        for name in ["noop", "send", "list-accounts"] {
            let program = self.program(name);
            progress(&format!("starting {name} with TLS"));
            let mut variables = program.environment(&proxy.url);
            variables.insert("AWS_CA_BUNDLE".to_owned(), trusted.display().to_string());
            let event = if name == "noop" { json!({}) } else { event(name, &ada, &ben) };
            let taken = cold::first_response(&program.path, &variables, &event, STARTS).await;
            rows.push((name, taken));
        }
        std::fs::remove_file(&trusted).expect("the file of authorities");
        let noop = rows[0].1;
        let rows = rows
            .iter()
            .map(|(name, taken)| vec![(*name).to_owned(), ms(*taken), format!("{:.2}", ratio(*taken, noop))]);
        report.text(
            "From exec to the response to the first request, with a full TLS handshake in which one certificate is verified (the \
             no-op function makes no connection):",
        );
        report.table(&["function", "first response", "ratio"], &rows.collect::<Vec<_>>());
    }

    /// Comparison with the same read as the guides write it.
    pub(crate) async fn baseline(&self, report: &mut Report) {
        progress("building bench/baseline twice");
        let [baseline, without_jitter] = [JitterEntropy::Default, JitterEntropy::Off].map(programs::build_baseline);
        let (acceptor, trusted) = tls::acceptor();
        let proxy =
            DynamoProxy::start(&self.deployment.engine.url, Mode::SimulateConflicts(Duration::ZERO), Some(acceptor))
                .await;
        let ours = self.program("get-transfer");
        let event = self.a_transfer_to_read().await;
        let mut variables = ours.environment(&proxy.url);
        // Replaces the system's trust store.
        for name in ["AWS_CA_BUNDLE", "SSL_CERT_FILE"] {
            variables.insert(name.to_owned(), trusted.display().to_string());
        }
        let programs = [
            ("get-transfer", ours.path.as_path()),
            ("baseline", &baseline),
            ("baseline without jitter entropy", &without_jitter),
        ];
        progress("invoking them in turn");
        let invocations = warm::times(&programs.map(|(_, path)| (path, variables.clone(), event.clone()))).await;
        let mut rows = Vec::new();
        for ((name, path), invocation) in programs.into_iter().zip(invocations) {
            progress(&format!("starting {name}"));
            let start = cold::starts(&[(path.to_owned(), variables.clone())], STARTS).await.remove(0);
            let first_response = cold::first_response(path, &variables, &event, STARTS).await;
            let counted = instructions::count(path, &variables, [&event]).await;
            rows.push(vec![
                name.to_owned(),
                ms(start.first_poll),
                ms(first_response),
                counted.map_or_else(|| "-".to_owned(), millions),
                ms(invocation.processor),
                ms(invocation.taken),
                mib(start.memory_kib),
                mb(package::zip_bytes(path)),
            ]);
        }
        std::fs::remove_file(&trusted).expect("the file of authorities");
        report.text("## Comparison with the common way");
        report.text(
            "A read of one item by key, here and as the guides of AWS and cargo-lambda write it (bench/baseline: the defaults of \
             aws-config, of the SDK and of tokio, LTO as recommended). Both use TLS to DynamoDB and trust one certificate \
             instead of the system's store. Ours loads the public keys during init, which opens the connection, verifies a \
             token, and reads the user beside the item. Instructions are those until the first response; the warm columns are \
             the processor time of the function and the time until the response, from the slope between N and 10 N \
             invocations.",
        );
        report.text(
            "Nearly all of the baseline's start is one library: aws-lc collects jitter entropy before its first random number. \
             The last row is the same program built with `AWS_LC_SYS_NO_JITTER_ENTROPY=1`, which is not the default. It is the \
             one to compare with for what the rest of the code costs.",
        );
        let heads = [
            "function",
            "first poll",
            "first response",
            "instructions",
            "warm processor time",
            "warm response",
            "memory at first poll",
            "package",
        ];
        report.table(&heads, &rows);
    }

    /// The request of a user for a transfer of theirs.
    async fn a_transfer_to_read(&self) -> Value {
        let (ada, ben) = (self.deployment.user(1_000_000).await, self.deployment.user(0).await);
        let program = self.program("send");
        let function = Function::start(&program.path, &program.environment(&self.deployment.engine.url), &[]).await;
        let sent = function.invoke(&event("send", &ada, &ben)).await.expect("a response");
        assert_eq!(sent["statusCode"], 201, "send returned {sent}");
        let transfer: Value = serde_json::from_str(sent["body"].as_str().expect("a body")).expect("a transfer");
        let mut event = event("get-transfer", &ada, &ben);
        event["pathParameters"]["id"] = transfer["id"].clone();
        event
    }

    /// One further invocation of a warm function.
    pub(crate) async fn warm(&self, report: &mut Report) {
        let (ada, ben) = (self.deployment.user(1_000_000_000).await, self.deployment.user(0).await);
        let member = self.deployment.member(&self.programs).await;
        let url = &self.deployment.engine.url;
        let programs: Vec<_> = WARM
            .iter()
            .map(|name| {
                let event = match *name {
                    "noop" => json!({}),
                    "validate" | "me" | "list-sessions" => event(name, &member, &member),
                    _ => event(name, &ada, &ben),
                };
                let program = self.program(name);
                (program, program.environment(url), event)
            })
            .collect();
        progress("invoking functions in turn");
        let paths: Vec<_> = programs
            .iter()
            .map(|(program, variables, event)| (program.path.as_path(), variables.clone(), event.clone()))
            .collect();
        let times = warm::times(&paths).await;
        let mut rows = Vec::new();
        for ((program, variables, event), invocation) in programs.iter().zip(&times) {
            progress(&format!("counting the instructions of {}", program.name));
            let counted = warm::instructions(program, variables, &vec![event; warm::INVOCATIONS]).await;
            let counted = counted.map_or_else(|| "-".to_owned(), millions);
            rows.push(vec![
                program.name.clone(),
                counted,
                ms(invocation.processor),
                format!("{:.2}", ratio(invocation.processor, times[0].processor)),
                ms(invocation.taken),
            ]);
        }
        rows.push(self.warm_with_new_tokens("send").await);
        report.text("## Warm");
        report.text("One further invocation with the same access token, from the slope between N and 10 N: instructions of the program itself, its processor time, and the time until its response with DynamoDB (dynoxide) on the same machine. The signature of a token is verified at its first use by an execution environment: the last row has another token each time.");
        report.table(&["function", "instructions", "processor", "ratio", "response"], &rows);
    }

    /// One further invocation, each time by another user, so that each token is verified.
    async fn warm_with_new_tokens(&self, name: &str) -> Vec<String> {
        let ben = self.deployment.user(0).await;
        let mut events = Vec::new();
        for _ in 0..warm::INVOCATIONS {
            events.push(event(name, &self.deployment.user(1_000_000).await, &ben));
        }
        progress(&format!("counting the instructions of {name} with new tokens"));
        let (program, events) = (self.program(name), events.iter().collect::<Vec<_>>());
        let counted = warm::instructions(program, &program.environment(&self.deployment.engine.url), &events).await;
        let counted = counted.map_or_else(|| "-".to_owned(), millions);
        let unmeasured = || "-".to_owned();
        vec![format!("{name}, new token"), counted, unmeasured(), unmeasured(), unmeasured()]
    }

    /// Concurrent senders. Returns the lines of the chart.
    pub(crate) async fn contention(&self, report: &mut Report) -> Vec<Line> {
        let program = self.program("send");
        let mut lines = Vec::new();
        let mut rows = Vec::new();
        let (mut payments, mut functions, mut driver_and_engine) = (0.0, Duration::ZERO, Duration::ZERO);
        for held in HELD {
            for payees in [Payees::Apart, Payees::One, Payees::Sharded] {
                let mut levels = Vec::new();
                for concurrency in CONCURRENCY {
                    progress(&format!("sending {concurrency} at once, {}, {} ms", payees.name(), held.as_millis()));
                    let level = contention::level(&self.deployment, program, payees, held, concurrency).await;
                    rows.push(row(held, payees, &level));
                    if payees == Payees::Apart && concurrency <= UNCONTENDED {
                        payments += level.payments;
                        functions += level.functions;
                        driver_and_engine += level.driver_and_engine;
                    }
                    levels.push(level);
                }
                let limit = (payees == Payees::One).then(|| 1.0 / held.as_secs_f64());
                lines.push(Line { name: format!("{}, {} ms", payees.name(), held.as_millis()), levels, limit });
            }
        }
        report.text("## Throughput and contention");
        report.text(
            "`send` from concurrent functions, each one process as in Lambda. A transaction takes the time given, and as on AWS, \
             another one on one of its items is meanwhile rejected with a conflict. The share is of what the items can \
             receive: one payee receives one transaction after the other, and one with shards as many concurrently as it has \
             shards. The write limits of a partition and of an index key on AWS are further limits that are not included: see \
             docs/adr/0005-write-shards.md.",
        );
        report.text("![Throughput over concurrency](throughput.svg)");
        let heads =
            ["payees", "transaction", "concurrent", "per second", "of the limit", "p50", "p99", "retries", "failed"];
        report.table(&heads, &rows);
        let each = |total: Duration| total.div_f64(payments);
        report.text(&format!(
            "With a payee for each payer and at most {UNCONTENDED} at once, a payment takes {} of processor time in its function, \
             and {} in the process that contains the driver, the proxy and DynamoDB's engine: {:.0} % of the work on this \
             machine is theirs.",
            ms(each(functions)),
            ms(each(driver_and_engine)),
            100.0 * ratio(driver_and_engine, functions + driver_and_engine),
        ));
        lines
    }

    /// Payments to one payee that arrive at random, measured and simulated.
    pub(crate) async fn arrivals(&self, report: &mut Report) {
        progress("starting functions for payments that arrive at random");
        let mut rows = Vec::new();
        for (payees, auto_shards, loads) in BUSY {
            let pool = Pool::start(&self.deployment, self.program("send"), TRANSACTION, auto_shards).await;
            let name = if auto_shards > 0 { format!("one payee, AutoShards {auto_shards}") } else { payees.name() };
            for per_cent in loads {
                progress(&format!("sending at random, {name}, {per_cent} % busy"));
                let level = pool.level(payees, f64::from(*per_cent) / 100.0).await;
                rows.push(vec![
                    name.clone(),
                    format!("{per_cent} %"),
                    format!("{:.0}", level.per_second),
                    ms(level.p50),
                    ms(level.p90),
                    ms(level.p99),
                    format!("{:.2}", level.conflicts),
                    units(level.conflicts),
                    level.gave_up.to_string(),
                    level.without_function.to_string(),
                ]);
            }
        }
        report.text("## Payments that arrive at random");
        report.text(&format!(
            "`send` to one payee at random times (a Poisson process), whether earlier payments have been answered or not. A \
             transaction takes {}. Times count from the arrival. Write units include those of attempts that conflicted. A payment \
             that finds no free function is not sent, but counted: there, the machine was the limit. With AutoShards, the \
             payee has no shards at first, and the load is relative to that.",
            ms(TRANSACTION),
        ));
        let heads = [
            "payee",
            "busy",
            "per second",
            "p50",
            "p90",
            "p99",
            "conflicts per payment",
            "write units per payment",
            "failed",
            "no function free",
        ];
        report.table(&heads, &rows);
        simulate(report);
    }
}

/// Policies of retries in the simulation, of which the last is a bound.
fn simulate(report: &mut Report) {
    progress("simulating policies of retries");
    let policies = [
        ("constant, 20 ms (in use)", Policy::Retry(Backoff::AFTER_CONFLICT)),
        ("constant, 10 ms", Policy::Retry(Backoff::new(10, 10))),
        ("constant, 40 ms", Policy::Retry(Backoff::new(40, 40))),
        ("10 ms doubling to 80 ms", Policy::Retry(Backoff::new(10, 80))),
        ("10 ms doubling to 1 s", Policy::Retry(Backoff::new(10, 1_000))),
        ("a queue", Policy::Queue),
    ];
    let mut rows = Vec::new();
    for per_cent in [20_u32, 40, 60, 80] {
        let load = Load { transaction: TRANSACTION, busy: f64::from(per_cent) / 100.0, payments: SIMULATED };
        for (name, policy) in policies {
            let outcome = simulation::run(policy, load, &SeededRandom::new(1));
            let count = |count: usize| number(u64::try_from(count).expect("a count"));
            let conflicts = count(outcome.conflicts) / count(SIMULATED - outcome.gave_up);
            rows.push(vec![
                name.to_owned(),
                format!("{per_cent} %"),
                ms(outcome.p50),
                ms(outcome.p90),
                ms(outcome.p99),
                format!("{conflicts:.2}"),
                units(conflicts),
                outcome.gave_up.to_string(),
            ]);
        }
    }
    report.text(&format!(
        "The same without shards in a simulation of {SIMULATED} payments, with other pauses between attempts (full jitter, at most \
         the time given): see docs/adr/0027-constant-pauses-after-conflicts.md.",
    ));
    let heads = ["pauses", "busy", "p50", "p90", "p99", "conflicts per payment", "write units per payment", "failed"];
    report.table(&heads, &rows);
}

/// The write units of a payment with this number of conflicts.
fn units(conflicts: f64) -> String {
    let (committed, conflicted) = UNITS;
    format!("{:.1}", conflicted.mul_add(conflicts, committed))
}

fn row(held: Duration, payees: Payees, level: &Level) -> Vec<String> {
    let most = payees.most(level.concurrency) / held.as_secs_f64();
    vec![
        payees.name(),
        ms(held),
        level.concurrency.to_string(),
        format!("{:.0}", level.goodput),
        format!("{:.0} %", level.goodput / most * 100.0),
        ms(level.p50),
        ms(level.p99),
        format!("{:.2}", level.retries),
        level.gave_up.to_string(),
    ]
}
