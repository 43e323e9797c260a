//! The prose of the report.

use std::process::Command;

use kernel::{Clock, SystemClock};

/// The header of the report.
pub(crate) fn header() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let processors = read("/proc/cpuinfo");
    let model = processors.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let count = processors.lines().filter(|line| line.starts_with("processor")).count();
    let load = read("/proc/loadavg");
    let commit = Command::new("git").args(["rev-parse", "--short", "HEAD"]).output().map(|output| output.stdout);
    format!(
        "# Peers\n\nWritten by `make bench-peers`: a transfer between two accounts by `send` and by what could be used instead \
         (bench/peers), on one machine in one run by one driver. Times are of this machine at its load at that time: \
         compare the ratios. Below 1, ours takes less. Requests, units and sizes are the same on any machine.\n\n{} on {count} \
         x {} ({}), load average {} at the start, commit {}.",
        SystemClock.now(),
        model.trim_matches([' ', '\t', ':']),
        std::env::consts::ARCH,
        load.split(' ').next().unwrap_or_default(),
        String::from_utf8_lossy(&commit.unwrap_or_default()).trim(),
    )
}

pub(crate) const FUNCTIONS: &str = "All three verify an access token (Ed25519), are idempotent by a key, and move the money \
    in one transaction. Cold: from exec to the first response, with TLS to DynamoDB, medians of 21 starts, all in turn. Warm: \
    300 invocations after 300 others, without TLS, medians of 3 rounds, all in turn; for what Node.js compiles by then, also \
    after 3,000 others, which few execution environments see. Ours remembers that it has verified a token; the peers \
    verify it again. Processor time is that of all threads of the function, and memory is its peak. Write units are \
    calculated from the sizes of items, those of a rejected write as if it had been written.";

pub(crate) const TYPESCRIPT: &str = "**TypeScript** is one minified file by esbuild, with its SDK; it is smaller than our program, \
    because Lambda brings Node.js. Powertools keeps a record per key in a table of its own: a conditional put before the \
    transaction and an update after it, two more requests. A replay is a put that fails, which costs one unit; ours is a \
    transaction that fails, and costs what its writes would. If the function ends between the transaction and the update, a \
    retry after the timeout moves the money again; ours writes the key in the transaction. The peer forgets keys after an hour \
    and does not store failures; ours keeps both. It does not check whether a session has been revoked, and \
    writes no history: ours writes a row for each party, in the same units. Its key is a setting; ours reads keys from a table \
    when it starts.";

pub(crate) const PYTHON: &str = "**Python** does and does not do the same, with boto3, which Lambda brings and which is not in its \
    package. Both peers poll the Runtime API by a small loop of their own, and log one line and one of metrics (EMF); ours logs \
    one line with both.";

pub(crate) fn postgresql(version: &str) -> String {
    format!(
        "{}, as initdb configures it (with fsync), in a temporary folder; pgbench calls one SQL function per transfer, prepared, \
         by a Unix socket. Every client has its own payer and payee. Ours is one process per client, as in Lambda, on an \
         emulator of DynamoDB inside the driver's process, which keeps everything in memory and shares the machine's processors \
         with the functions. On AWS, that part is DynamoDB's, and is paid by units. Memory is the sum of the functions' peaks, and \
         what PostgreSQL's processes have (shared pages once) when idle.",
        version.replace("initdb (PostgreSQL)", "PostgreSQL")
    )
}

pub(crate) fn postgresql_limits(replay: &str) -> String {
    format!(
        "**PostgreSQL** is a ledger of double entry with a key per owner (bench/peers/postgresql). It verifies no token, parses no \
         HTTP or JSON, logs nothing, checks no revocation and stores no failures. The database is one server, \
         which is paid for while idle. A replay is a read without a write: {replay} of its processor time."
    )
}
