//! Where and when it was measured.

use std::process::Command;

use kernel::{Clock, SystemClock};

/// The report's head.
pub(crate) fn header() -> String {
    let processors = read("/proc/cpuinfo");
    let model = processors.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let count = processors.lines().filter(|line| line.starts_with("processor")).count();
    let memory = read("/proc/meminfo");
    let memory = memory.lines().find_map(|line| line.strip_prefix("MemTotal:")).unwrap_or_default();
    let compiler = Command::new("rustc").arg("--version").output().expect("rustc on the PATH").stdout;
    let commit = Command::new("git").args(["rev-parse", "--short", "HEAD"]).output().map(|told| told.stdout);
    format!(
        "# Results\n\nWritten by `make bench`. Times are of this machine, at its load of that moment, and mean something \
         beside the hello, a function on `lambda_runtime` that does nothing. Round trips and units are the same on any \
         machine; instructions and sizes are on any of this architecture and compiler.\n\n{} on {count} x {} ({}, {}), {}, commit {}.",
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
