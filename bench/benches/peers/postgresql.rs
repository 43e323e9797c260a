//! The ledger of `bench/peers/postgresql` in a cluster of its own, in a temporary folder.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use bench::functions::template;

use crate::report::progress;

/// The duration of each level of concurrency.
const SECONDS: u32 = 5;
/// A unit of `/proc/<pid>/stat`.
const TICK: Duration = Duration::from_millis(10);

/// A running cluster, which ends when it is dropped.
pub(crate) struct Cluster {
    binaries: PathBuf,
    folder: PathBuf,
    postmaster: String,
    pub(crate) version: String,
}

/// A level of concurrency.
pub(crate) struct Level {
    pub(crate) per_second: f64,
    /// Processor time of all of the server's processes per transaction.
    pub(crate) server: Duration,
    /// Processor time of pgbench per transaction.
    pub(crate) driver: Duration,
}

impl Cluster {
    /// Starts a cluster with the settings of `initdb`.
    ///
    /// # Errors
    ///
    /// The reason why it cannot be measured on this machine.
    pub(crate) fn start() -> Result<Self, String> {
        let needed = ["initdb", "pg_ctl", "psql", "pgbench"];
        let binaries = binaries().into_iter().find(|folder| needed.iter().all(|name| folder.join(name).exists()));
        let binaries = binaries
            .ok_or_else(|| format!("no folder of /usr/lib/postgresql/*/bin and the PATH has {}", needed.join(", ")))?;
        let folder = std::env::temp_dir().join(format!("bench-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&folder).expect("a temporary folder");
        let version = read(Command::new(binaries.join("initdb")).arg("--version"));
        let mut cluster = Self { binaries, folder, postmaster: String::new(), version };
        if is_root() {
            run(Command::new("chown").arg("postgres").arg(&cluster.folder));
        }
        progress("starting PostgreSQL");
        let data = cluster.data();
        run(cluster.as_server("initdb").args(["--auth=trust", "--username=postgres", "-D"]).arg(&data));
        let options = format!("-c listen_addresses='' -k {}", cluster.folder.display());
        let log = cluster.folder.join("log");
        run(cluster.as_server("pg_ctl").args(["start", "-w", "-o", &options, "-D"]).arg(&data).arg("-l").arg(log));
        let pid =
            cluster.as_server("cat").arg(data.join("postmaster.pid")).stdout(Stdio::piped()).output().expect("cat");
        let pid = String::from_utf8_lossy(&pid.stdout).into_owned();
        pid.lines().next().expect("the id of a process").clone_into(&mut cluster.postmaster);
        let schema = File::open(sql("schema.sql")).expect("the schema");
        run(cluster.as_client("psql").args(["-q", "-v", "ON_ERROR_STOP=1"]).stdin(schema));
        Ok(cluster)
    }

    /// Repeats a file of `bench/peers/postgresql` from this many clients.
    pub(crate) fn level(&self, file: &str, clients: usize) -> Level {
        progress(&format!("running {file} of PostgreSQL, {clients} at once"));
        let mut pgbench = self.as_client("pgbench");
        pgbench.args(["-n", "-M", "prepared", "-j", "2", "-T", &SECONDS.to_string(), "-c", &clients.to_string(), "-f"]);
        let (server, driver) = (self.processor_ticks(), children_ticks("self"));
        let printed = read(pgbench.arg(sql(file)));
        let (server, driver) = (self.processor_ticks() - server, children_ticks("self") - driver);
        let value = |name: &str| {
            let value = printed.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next());
            value.unwrap_or_else(|| panic!("pgbench printed:\n{printed}"))
        };
        let transactions: u32 = value("number of transactions actually processed: ").parse().expect("a count");
        let failed: u32 = value("number of failed transactions: ").parse().expect("a count");
        assert_eq!(failed, 0, "pgbench printed:\n{printed}");
        Level {
            per_second: value("tps = ").parse().expect("a rate"),
            server: TICK * server / transactions,
            driver: TICK * driver / transactions,
        }
    }

    /// The memory of all processes in KiB. What they share counts once.
    pub(crate) fn memory_kib(&self) -> u64 {
        let of = |pid: &String| -> Option<u64> {
            let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
            text.lines().find_map(|line| line.strip_prefix("Pss:")?.trim().trim_end_matches(" kB").parse().ok())
        };
        self.processes().iter().filter_map(of).sum()
    }

    /// The processor time of all processes, including backends that have ended.
    fn processor_ticks(&self) -> u32 {
        let running: u32 = self.processes().iter().map(|pid| ticks(pid, 11) + ticks(pid, 12)).sum();
        running + children_ticks(&self.postmaster)
    }

    fn processes(&self) -> Vec<String> {
        let all = std::fs::read_dir("/proc").expect("Linux");
        let all = all.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        all.filter(|pid| *pid == self.postmaster || field(pid, 1).as_ref() == Some(&self.postmaster)).collect()
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// A command as the user of the server: it refuses to run as root.
    fn as_server(&self, name: &str) -> Command {
        let named = self.binaries.join(name);
        let program = if named.exists() { named } else { PathBuf::from(name) };
        let mut command = if is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir(&self.folder).stdout(Stdio::null());
        command
    }

    fn as_client(&self, name: &str) -> Command {
        let mut command = Command::new(self.binaries.join(name));
        command.env("PGDATABASE", "postgres").args(["-U", "postgres", "-h"]).arg(&self.folder);
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let stopped = self.as_server("pg_ctl").args(["stop", "-m", "immediate", "-D"]).arg(self.data()).status();
        let removed = std::fs::remove_dir_all(&self.folder);
        assert!(stopped.is_ok() && removed.is_ok() || std::thread::panicking(), "{} remains", self.folder.display());
    }
}

/// Folders that may contain the programs, the latest version first.
fn binaries() -> Vec<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().filter_map(Result::ok);
    let mut versions: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    versions.sort();
    versions.reverse();
    let on_the_path = Command::new("sh").args(["-c", "dirname \"$(command -v pg_ctl)\""]).output().expect("a shell");
    versions.push(PathBuf::from(String::from_utf8_lossy(&on_the_path.stdout).trim()));
    versions
}

fn sql(name: &str) -> PathBuf {
    template::root().join("bench/peers/postgresql").join(name)
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    Path::new("/proc/self").metadata().expect("Linux").uid() == 0
}

/// Processor time of the children of a process that have ended.
fn children_ticks(pid: &str) -> u32 {
    ticks(pid, 13) + ticks(pid, 14)
}

fn ticks(pid: &str, index: usize) -> u32 {
    field(pid, index).and_then(|ticks| ticks.parse().ok()).unwrap_or_default()
}

/// A field of `/proc/<pid>/stat` after the name. None if the process has ended.
fn field(pid: &str, index: usize) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = text.rsplit_once(") ")?;
    fields.split(' ').nth(index).map(str::to_owned)
}

fn run(command: &mut Command) {
    let status = command.status().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(status.success(), "{command:?}: {status}");
}

fn read(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
