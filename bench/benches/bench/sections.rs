//! The sections of the report.

use std::time::Duration;

use bench::budgets::{Budgets, Started};
use bench::functions::front::{Front, Mode};
use bench::functions::instructions;
use bench::functions::lambda::Function;
use bench::functions::package;
use bench::functions::programs::{self, Program};
use bench::functions::world::{World, event};
use bench::prices;
use bench::scenarios;
use serde_json::{Value, json};

use crate::cold;
use crate::contention::{self, Level, Payees};
use crate::hashing;
use crate::plot::Line;
use crate::report::{Report, mb, mib, millions, ms, progress, ratio};
use crate::tls;
use crate::warm;

/// How often a start is measured.
const STARTS: usize = 101;
/// How many functions work at once.
const AT_ONCE: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];
/// How long a transaction takes and holds its items.
const HELD: [Duration; 2] = [Duration::from_millis(5), Duration::from_millis(20)];
/// What is invoked again and again, with the same event and the same outcome.
const WARM: [&str; 12] = [
    "hello",
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

/// Round trips, capacity and cost of every request. Tells what exceeds its budget.
pub(crate) async fn requests(report: &mut Report) -> Vec<String> {
    progress("playing every endpoint's ways to end");
    let budgets = Budgets::read();
    let played = scenarios::play().await;
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
        "Sequential round trips to DynamoDB, write and read units, each beside its budget. The units are calculated from \
         the items' sizes, and are what `ReturnConsumedCapacity` says wherever it says anything; of a transaction that is \
         refused it says nothing, and what stands here is the most it may cost: as if it had been written.",
    );
    report.text(prices::NOTE);
    let heads = ["endpoint", "outcome", "round trips", "write units", "read units", "USD per million"];
    report.table(&heads, &rows.collect::<Vec<_>>());
    budgets.complaints(&played)
}

/// What the other sections share.
pub(crate) struct Bench {
    programs: Vec<Program>,
    world: World,
}

impl Bench {
    pub(crate) async fn new(programs: Vec<Program>) -> Self {
        let world = World::new(&programs).await;
        Self { programs, world }
    }

    fn program(&self, name: &str) -> &Program {
        let program = self.programs.iter().find(|program| program.name == name);
        program.unwrap_or_else(|| panic!("{name} is no function of template.yaml"))
    }

    /// What of a sign-in is the hash.
    pub(crate) async fn hashing(&self, report: &mut Report) {
        progress("signing in");
        let member = self.world.member(&self.programs).await;
        let program = self.program("signin");
        let event = event("signin", &member, &member);
        let (hash, whole) = hashing::times(program, &self.world.engine.url, &event).await;
        report.text("## Sign-in");
        report.text(&format!(
            "Argon2id with 19 MiB and two passes takes {}, a whole sign-in {} of a processor: {:.0} % of it is the hash. \
             At 1769 MB, which is one whole processor of Lambda, that is {:.2} USD per million.",
            ms(hash),
            ms(whole),
            ratio(hash, whole) * 100.0,
            prices::processor_per_million(whole),
        ));
    }

    /// Starts and packages. Tells what exceeds its budget.
    pub(crate) async fn cold(&self, report: &mut Report) -> Vec<String> {
        let budgets = Budgets::read();
        let front = Front::start(&self.world.engine.url, Mode::Remember, None).await;
        let starts: Vec<_> =
            self.programs.iter().map(|program| (program.path.clone(), program.environment(&front.url))).collect();
        progress(&format!("starting {} functions {STARTS} times", starts.len()));
        let starts = cold::starts(&starts, STARTS).await;
        let mut exceeded = Vec::new();
        let mut rows = Vec::new();
        for (program, start) in self.programs.iter().zip(&starts) {
            let budget = budgets.functions;
            let zip = package::zip_bytes(&program.path);
            let hellos = ratio(start.first_poll, starts[0].first_poll);
            progress(&format!("counting the instructions of {}", program.name));
            let counted = instructions::count(&program.path, &program.environment(&front.url), &Value::Null, 0).await;
            let started = Started {
                zip_bytes: zip,
                init_instructions: counted,
                memory_kib: start.memory_kib,
                first_poll_hellos: Some(hellos),
            };
            exceeded.extend(budgets.complaints_of(&program.name, &started));
            rows.push(vec![
                program.name.clone(),
                ms(start.first_poll),
                format!("{hellos:.2} of {}", budget.first_poll_hellos),
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
            "From exec to the first poll of the Runtime API: medians of {STARTS} starts, all functions in turn. \
             Instructions are those of the program itself, counted by valgrind; memory is the most until the poll; the \
             package is deflated as cargo-lambda does. DynamoDB answers init's questions at once, without TLS. What a function \
             needs seldom, a first request makes: change-password and signout load the key that signs, while they ask what \
             they ask anyway, and send-code makes the client that delivers.",
        ));
        report.table(&["function", "first poll", "hellos", "instructions", "memory", "package"], &rows);
        self.first_answers(report).await;
        exceeded
    }

    /// From exec to the first answer, where DynamoDB is met by TLS.
    async fn first_answers(&self, report: &mut Report) {
        let (acceptor, trusted) = tls::acceptor();
        let front = Front::start(&self.world.engine.url, Mode::Hold(Duration::ZERO), Some(acceptor)).await;
        let (ada, ben) = (self.world.user(1_000_000).await, self.world.user(0).await);
        let mut rows = Vec::new();
        for name in ["hello", "send", "list-accounts"] {
            let program = self.program(name);
            progress(&format!("starting {name} with TLS"));
            let mut variables = program.environment(&front.url);
            variables.insert("AWS_CA_BUNDLE".to_owned(), trusted.display().to_string());
            let event = if name == "hello" { json!({}) } else { event(name, &ada, &ben) };
            let taken = cold::first_answer(&program.path, &variables, &event, STARTS).await;
            rows.push((name, taken));
        }
        std::fs::remove_file(&trusted).expect("the file of authorities");
        let hello = rows[0].1;
        let rows = rows
            .iter()
            .map(|(name, taken)| vec![(*name).to_owned(), ms(*taken), format!("{:.2}", ratio(*taken, hello))]);
        report.text(
            "From exec to the answer to a first request, with a full TLS handshake, for which one certificate is verified (the \
             hello has nobody to greet):",
        );
        report.table(&["function", "first answer", "hellos"], &rows.collect::<Vec<_>>());
    }

    /// Beside the same read as it is usually written.
    pub(crate) async fn usual(&self, report: &mut Report) {
        progress("building bench/usual");
        let usual = programs::build_usual();
        let (acceptor, trusted) = tls::acceptor();
        let front = Front::start(&self.world.engine.url, Mode::Hold(Duration::ZERO), Some(acceptor)).await;
        let ours = self.program("get-transfer");
        let event = self.a_transfer_to_read().await;
        let mut rows = Vec::new();
        for (name, path) in [("get-transfer", &ours.path), ("usual", &usual)] {
            let mut variables = ours.environment(&front.url);
            // Who trusts the system's store finds this one in its place.
            for name in ["AWS_CA_BUNDLE", "SSL_CERT_FILE"] {
                variables.insert(name.to_owned(), trusted.display().to_string());
            }
            progress(&format!("starting {name}"));
            let start = cold::starts(&[(path.clone(), variables.clone())], STARTS).await.remove(0);
            let first_answer = cold::first_answer(path, &variables, &event, STARTS).await;
            let counted = instructions::count(path, &variables, &event, 1).await;
            rows.push(vec![
                name.to_owned(),
                ms(start.first_poll),
                ms(first_answer),
                counted.map_or_else(|| "-".to_owned(), millions),
                mib(start.memory_kib),
                mb(package::zip_bytes(path)),
            ]);
        }
        std::fs::remove_file(&trusted).expect("the file of authorities");
        report.text("## Beside the usual way");
        report.text(
            "A read of one item by key, here and as the guides of AWS and cargo-lambda write it (bench/usual: the defaults of \
             aws-config, of the SDK and of tokio, LTO as they advise). Both meet DynamoDB by TLS, with one authority to trust \
             instead of the system's store. Ours loads the keys for tokens in init, and with them opens the connection; and \
             verifies a token before it reads. Instructions are those until the first answer.",
        );
        let heads = ["function", "first poll", "first answer", "instructions", "memory at first poll", "package"];
        report.table(&heads, &rows);
    }

    /// The request of somebody who has sent money and asks for that transfer.
    async fn a_transfer_to_read(&self) -> Value {
        let (ada, ben) = (self.world.user(1_000).await, self.world.user(0).await);
        let program = self.program("send");
        let function = Function::start(&program.path, &program.environment(&self.world.engine.url), &[]).await;
        let sent = function.invoke(&event("send", &ada, &ben)).await.expect("an answer");
        let transfer: Value = serde_json::from_str(sent["body"].as_str().expect("a body")).expect("a transfer");
        let mut event = event("get-transfer", &ada, &ben);
        event["pathParameters"]["id"] = transfer["id"].clone();
        event
    }

    /// One invocation more.
    pub(crate) async fn warm(&self, report: &mut Report) {
        let (ada, ben) = (self.world.user(1_000_000_000).await, self.world.user(0).await);
        let member = self.world.member(&self.programs).await;
        let url = &self.world.engine.url;
        let programs: Vec<_> = WARM
            .iter()
            .map(|name| {
                let event = match *name {
                    "hello" => json!({}),
                    "validate" | "me" | "list-sessions" => event(name, &member, &member),
                    _ => event(name, &ada, &ben),
                };
                let program = self.program(name);
                (program, program.environment(url), event)
            })
            .collect();
        progress("invoking functions in turn");
        let times = warm::times(&programs).await;
        let mut rows = Vec::new();
        for ((program, variables, event), invocation) in programs.iter().zip(&times) {
            progress(&format!("counting the instructions of {}", program.name));
            let counted = warm::instructions(program, variables, event).await.map_or_else(|| "-".to_owned(), millions);
            rows.push(vec![
                program.name.clone(),
                counted,
                ms(invocation.processor),
                format!("{:.2}", ratio(invocation.processor, times[0].processor)),
                ms(invocation.taken),
            ]);
        }
        report.text("## Warm");
        report.text("One invocation more, by the slope between N and 10 N: instructions of the program itself, its time on a processor, and the time until its answer with DynamoDB (dynoxide) on the same machine.");
        report.table(&["function", "instructions", "processor", "hellos", "answer"], &rows);
    }

    /// Many at once. Gives the lines of its picture.
    pub(crate) async fn contention(&self, report: &mut Report) -> Vec<Line> {
        let program = self.program("send");
        let mut lines = Vec::new();
        let mut rows = Vec::new();
        for held in HELD {
            for payees in [Payees::Apart, Payees::One, Payees::Sharded] {
                let mut levels = Vec::new();
                for at_once in AT_ONCE {
                    progress(&format!("sending {at_once} at once, {}, {} ms", payees.name(), held.as_millis()));
                    let level = contention::level(&self.world, program, payees, held, at_once).await;
                    rows.push(row(held, payees, &level));
                    levels.push(level);
                }
                let limit = (payees == Payees::One).then(|| 1.0 / held.as_secs_f64());
                lines.push(Line { name: format!("{}, {} ms", payees.name(), held.as_millis()), levels, limit });
            }
        }
        report.text("## Throughput and contention");
        report.text(
            "`send` from so many functions at once, each one process as in Lambda. A transaction takes the time given, and \
             as AWS does, another one that needs one of its items meanwhile is refused as in conflict. The share is of what \
             the items could take in: one payee takes one transaction after the other, and one with shards as many at once \
             as it has shards. What AWS lets be written to one partition and to one key of an index is another limit, and \
             not in this: see \"Limits, known\" in docs/architecture.md.",
        );
        report.text("![Throughput over concurrency](throughput.svg)");
        let heads =
            ["payees", "transaction", "at once", "per second", "of the limit", "p50", "p99", "retries", "gave up"];
        report.table(&heads, &rows);
        lines
    }
}

fn row(held: Duration, payees: Payees, level: &Level) -> Vec<String> {
    let most = payees.most(level.at_once) / held.as_secs_f64();
    vec![
        payees.name(),
        ms(held),
        level.at_once.to_string(),
        format!("{:.0}", level.goodput),
        format!("{:.0} %", level.goodput / most * 100.0),
        ms(level.p50),
        ms(level.p99),
        format!("{:.2}", level.retries),
        level.gave_up.to_string(),
    ]
}
