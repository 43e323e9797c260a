//! The machine and the time of the measurement.

use std::process::Command;

use kernel::{Clock, SystemClock};

/// The header of the report.
pub(crate) fn header() -> String {
    let processors = read("/proc/cpuinfo");
    let model = processors.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let count = processors.lines().filter(|line| line.starts_with("processor")).count();
    let memory = read("/proc/meminfo");
    let memory = memory.lines().find_map(|line| line.strip_prefix("MemTotal:")).unwrap_or_default();
    let compiler = Command::new("rustc").arg("--version").output().expect("rustc on the PATH").stdout;
    let commit = Command::new("git").args(["rev-parse", "--short", "HEAD"]).output().map(|output| output.stdout);
    format!(
        "# Results\n\nWritten by `make bench`. Times are of this machine at its load at that time; compare them with the no-op function, which \
         returns its event. Round trips and units are the same on any machine; instructions and sizes on any machine of this \
         architecture with this compiler.\n\n{} on {count} x {} ({}, {}), {}, commit {}.",
        SystemClock.now(),
        model.trim_matches([' ', '\t', ':']),
        memory.trim(),
        std::env::consts::ARCH,
        String::from_utf8_lossy(&compiler).trim(),
        String::from_utf8_lossy(&commit.unwrap_or_default()).trim(),
    )
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}
