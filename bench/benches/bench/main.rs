//! `make bench`: measurements of release builds on a quiet machine, and the report.
//!
//! Without arguments it measures everything and writes `bench/RESULTS.md`. With the names of sections it measures these
//! and writes nothing.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failed measurement panics and names the line"
)]

mod cold;
mod contention;
mod hashing;
mod machine;
mod open_loop;
mod plot;
mod report;
mod sections;
mod sign_ins;
mod tls;
mod warm;

use bench::functions::{programs, template};
use tokio::runtime::Builder;

use crate::report::{Report, progress};
use crate::sections::Bench;

/// The sections that can be measured separately.
const SECTIONS: [&str; 7] = ["requests", "cold", "baseline", "warm", "hashing", "contention", "arrivals"];

fn main() {
    // Arguments that cargo adds begin with dashes.
    let chosen: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    for name in &chosen {
        assert!(SECTIONS.contains(&name.as_str()), "{name} is not a section; the sections are {}", SECTIONS.join(", "));
    }
    let is_chosen = |name: &str| chosen.is_empty() || chosen.iter().any(|one| one == name);
    let mut report = Report::default();
    report.text(&machine::header());
    let mut exceeded = Vec::new();
    // One function at a time is served by one thread, without wake-ups across threads; concurrent ones by all threads.
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
        if is_chosen("baseline") {
            bench.baseline(&mut report).await;
        }
        if is_chosen("warm") {
            bench.warm(&mut report).await;
        }
        if is_chosen("hashing") {
            bench.hashing(&mut report).await;
        }
    });
    let lines = if is_chosen("contention") {
        all_threads.block_on(async { Bench::new(programs.clone()).await.contention(&mut report).await })
    } else {
        Vec::new()
    };
    if is_chosen("arrivals") {
        all_threads.block_on(async { Bench::new(programs).await.arrivals(&mut report).await });
    }
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
