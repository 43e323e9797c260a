//! `make bench-peers`: a transfer by `send` and by the peers of `bench/peers`, in one run, into `bench/PEERS.md`.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failed measurement panics and names the line"
)]

#[path = "../bench/cold.rs"]
#[expect(dead_code, reason = "this report has its own starts")]
mod cold;
mod functions;
mod measure;
mod metered;
mod postgresql;
#[path = "../bench/report.rs"]
#[expect(dead_code, reason = "this report has fewer units")]
mod report;
mod text;
#[path = "../bench/tls.rs"]
mod tls;

use std::time::Duration;

use bench::functions::deployment::Deployment;
use bench::functions::programs::{self, Program};
use bench::functions::template;
use tokio::runtime::Builder;

use crate::functions::Sender;
use crate::measure::{LONG_WARM_UP, Level, Spent, Taken, WARM_UP, Warm};
use crate::postgresql::Cluster;
use crate::report::{Report, mb, mib, ms, number, progress, ratio};

/// The numbers of concurrent senders.
const CLIENTS: [usize; 3] = [1, 4, 16];

fn main() {
    progress("building the functions with the release profile");
    let programs = programs::build();
    let mut report = Report::default();
    // As in `make bench`.
    let one_thread = Builder::new_current_thread().enable_all().build().expect("a runtime");
    one_thread.block_on(compare_functions(&programs, &mut report));
    let all_threads = Builder::new_multi_thread().enable_all().build().expect("a runtime");
    all_threads.block_on(compare_with_postgresql(&programs, &mut report));
    let path = template::root().join("bench/PEERS.md");
    std::fs::write(&path, format!("{}\n", report.markdown()))
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

/// What is measured of one function.
struct Row {
    cold: Taken,
    same: Warm,
    long: Warm,
    strangers: Warm,
    transfer: Spent,
    replay: Spent,
    package_bytes: u64,
}

async fn compare_functions(programs: &[Program], report: &mut Report) {
    let deployment = Deployment::new(programs).await;
    functions::create_tables(&deployment).await;
    let senders = functions::senders(&deployment, programs);
    report.text(&text::header());
    report.table(
        &["function", "made of"],
        &senders.iter().map(|sender| vec![sender.name.to_owned(), sender.made_of.clone()]).collect::<Vec<_>>(),
    );
    let cold = measure::cold(&deployment, &senders).await;
    let one = [functions::user(&deployment).await];
    let same = measure::warm(&deployment, &senders, &one, WARM_UP).await;
    let long = measure::warm(&deployment, &senders, &one, LONG_WARM_UP).await;
    let users = measure::strangers(&deployment).await;
    let strangers = measure::warm(&deployment, &senders, &users, WARM_UP).await;
    let mut rows = Vec::new();
    let warm = same.into_iter().zip(long).zip(strangers);
    for ((sender, cold), ((same, long), strangers)) in senders.iter().zip(cold).zip(warm) {
        progress(&format!("counting requests of {}", sender.name));
        let (transfer, replay) = measure::spent(&deployment, sender).await;
        rows.push(Row { cold, same, long, strangers, transfer, replay, package_bytes: sender.package_bytes });
    }
    report.text("## Against Powertools for AWS Lambda");
    report.text(text::FUNCTIONS);
    let names: Vec<_> = senders.iter().map(|sender| sender.name).collect();
    report.table(&[&["of a transfer"], &names[..], &["ours : TypeScript", "ours : Python"]].concat(), &lines(&rows));
    report.text(text::TYPESCRIPT);
    report.text(text::PYTHON);
}

/// The rows of the table: a measurement of every function, and ratios.
fn lines(rows: &[Row]) -> Vec<Vec<String>> {
    let line = |name: &str, value: &dyn Fn(&Row) -> f64, shown: &dyn Fn(&Row) -> String| {
        let ratios = rows[1..].iter().map(|peer| times(value(&rows[0]), value(peer)));
        [name.to_owned()].into_iter().chain(rows.iter().map(shown)).chain(ratios).collect::<Vec<_>>()
    };
    let time = |name: &str, of: &dyn Fn(&Row) -> Duration| line(name, &|row| of(row).as_secs_f64(), &|row| ms(of(row)));
    let count = |name: &str, of: &dyn Fn(&Row) -> f64| line(name, of, &|row| of(row).to_string());
    let calls = |spent: &Spent| number(u64::try_from(spent.requests).expect("a count"));
    vec![
        time("cold, processor", &|row| row.cold.processor),
        time("cold, exec to first response", &|row| row.cold.response),
        time("warm, processor, a new token each time", &|row| row.strangers.taken.processor),
        time("warm, processor, the same token", &|row| row.same.taken.processor),
        time("warm, processor, the same token, after 3,000", &|row| row.long.taken.processor),
        time("warm, response, a new token each time", &|row| row.strangers.taken.response),
        count("requests to DynamoDB", &|row| calls(&row.transfer)),
        count("write units", &|row| row.transfer.capacity.write),
        count("requests of a replay", &|row| calls(&row.replay)),
        count("write units of a replay", &|row| row.replay.capacity.write),
        line("peak memory", &|row| number(row.same.memory_kib), &|row| mib(row.same.memory_kib)),
        line("package", &|row| number(row.package_bytes), &|row| mb(row.package_bytes)),
    ]
}

/// A ratio.
fn times(ours: f64, peer: f64) -> String {
    let ratio = ours / peer;
    if ratio < 0.1 { format!("{ratio:.3}") } else { format!("{ratio:.2}") }
}

async fn compare_with_postgresql(programs: &[Program], report: &mut Report) {
    report.text("## Against PostgreSQL");
    let cluster = match Cluster::start() {
        Ok(cluster) => cluster,
        Err(reason) => return report.text(&format!("Not measured: {reason}.")),
    };
    let deployment = Deployment::new(programs).await;
    functions::create_tables(&deployment).await;
    let senders = functions::senders(&deployment, programs);
    let ours = senders.iter().find(|sender| sender.name.contains("ours")).expect("ours");
    let mut rows = Vec::new();
    for clients in CLIENTS {
        rows.push(level(&deployment, ours, &cluster, clients).await);
    }
    report.text(&text::postgresql(&cluster.version));
    report.table(&["clients", "measured", "send (ours)", "PostgreSQL", "ours : PostgreSQL"], &rows.concat());
    let replay = cluster.level("replay.sql", 1);
    report.text(&text::postgresql_limits(&ms(replay.server)));
}

/// The rows of one level of concurrency.
async fn level(deployment: &Deployment, sender: &Sender, cluster: &Cluster, clients: usize) -> Vec<Vec<String>> {
    let Level { per_second, functions, driver, memory_kib } = measure::concurrent(deployment, sender, clients).await;
    let peer = cluster.level("send.sql", clients);
    let peer_memory = cluster.memory_kib();
    let row = |name: &str, ours: String, peer: String, ratio: String| {
        vec![clients.to_string(), name.to_owned(), ours, peer, ratio]
    };
    let time =
        |name: &str, ours: Duration, peer: Duration| row(name, ms(ours), ms(peer), format!("{:.2}", ratio(ours, peer)));
    vec![
        row(
            "transfers per second (more is better)",
            format!("{per_second:.0}"),
            format!("{:.0}", peer.per_second),
            times(per_second, peer.per_second),
        ),
        time("processor: the function, all of PostgreSQL", functions, peer.server),
        time("processor: with emulator and drivers", functions + driver, peer.server + peer.driver),
        row("memory", mib(memory_kib), mib(peer_memory), times(number(memory_kib), number(peer_memory))),
    ]
}
