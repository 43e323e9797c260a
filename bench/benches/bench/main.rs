//! `make bench`: what needs release builds and a quiet machine, and a report of all of it.
//!
//! Without arguments it measures everything and writes `bench/RESULTS.md`. The names of sections as arguments measure
//! those alone, and write nothing.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a measurement that cannot be made fails, and says where"
)]

mod cold;
mod contention;
mod hashing;
mod machine;
mod plot;
mod report;
mod sections;
mod tls;
mod warm;

use bench::functions::{programs, template};
use tokio::runtime::Builder;

use crate::report::{Report, progress};
use crate::sections::Bench;

/// What can be measured by itself.
const SECTIONS: [&str; 6] = ["requests", "cold", "usual", "warm", "hashing", "contention"];

fn main() {
    // What cargo adds begins with dashes.
    let chosen: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    for name in &chosen {
        assert!(SECTIONS.contains(&name.as_str()), "{name} is no section: there are {}", SECTIONS.join(", "));
    }
    let is_chosen = |name: &str| chosen.is_empty() || chosen.iter().any(|one| one == name);
    let mut report = Report::default();
    report.text(&machine::header());
    let mut exceeded = Vec::new();
    // One function at a time is served by one thread, which is nobody's to wake; many at once by all there are.
    let one_thread = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let all_threads = Builder::new_multi_thread().enable_all().build().expect("a runtime");
    if is_chosen("requests") {
        exceeded.extend(one_thread.block_on(sections::requests(&mut report)));
    }
    if chosen == ["requests"] {
        return hold(&exceeded);
    }
    progress("building the functions with the release profile");
    let programs = programs::build();
    one_thread.block_on(async {
        let bench = Bench::new(programs.clone()).await;
        if is_chosen("cold") {
            exceeded.extend(bench.cold(&mut report).await);
        }
        if is_chosen("usual") {
            bench.usual(&mut report).await;
        }
        if is_chosen("warm") {
            bench.warm(&mut report).await;
        }
        if is_chosen("hashing") {
            bench.hashing(&mut report).await;
        }
    });
    let lines = if is_chosen("contention") {
        all_threads.block_on(async { Bench::new(programs).await.contention(&mut report).await })
    } else {
        Vec::new()
    };
    if chosen.is_empty() {
        plot::draw(&template::root().join("bench/throughput.svg"), &lines);
        let path = template::root().join("bench/RESULTS.md");
        std::fs::write(&path, report.markdown()).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
    hold(&exceeded);
}

/// Fails if a budget is exceeded.
fn hold(exceeded: &[String]) {
    assert!(exceeded.is_empty(), "bench/budgets.toml:\n{}", exceeded.join("\n"));
}
