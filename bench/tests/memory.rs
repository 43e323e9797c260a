//! The memory of all functions over a thousand varied invocations.

#![expect(clippy::panic, reason = "a panic fails the test and names the line")]

use bench::budgets::Budgets;
use bench::functions::deployment::{Deployment, event};
use bench::functions::lambda::Function;
use bench::functions::programs::{self, Program};
use bench::functions::variations::Variations;
use futures_util::{StreamExt, stream};
use serde_json::Value;

const INVOCATIONS: usize = 1_000;
/// After these, a function has been invoked in every way.
const FIRST: usize = 10;

/// The functions that hash passwords or verification codes.
const PASSWORD_FUNCTIONS: [&str; 8] =
    ["change-password", "confirm-code", "login", "register", "send-code", "signin", "signup", "update-me"];

/// The number of functions that are measured at the same time.
const CONCURRENCY: usize = 2;

/// The peak memory of a function.
struct Peak {
    name: String,
    after_first_kib: u64,
    after_all_kib: u64,
}

/// An execution environment lives for hours, and is killed if it exceeds the memory of its function.
#[tokio::test]
async fn thousand_varied_invocations_need_no_more_memory_than_ten() {
    let programs = programs::build();
    let budget = Budgets::read().functions;
    let deployment = Deployment::new(&programs).await;
    let payee = deployment.user(0).await;
    let mut peaks = Vec::new();
    // The no-op function comes first.
    for (number, program) in programs.iter().enumerate().skip(1) {
        // A user for each function, because some of them end the user's sessions.
        let (email, phone) = (format!("user-{number}@example.com"), format!("+2507881300{number:02}"));
        let user = if program.environment("").contains_key("PAYMENT_TABLE") {
            deployment.user(1_000_000).await
        } else {
            deployment.member_with(&programs, &email, &phone).await
        };
        let usual = event(&program.name, &user, &payee).to_string().replace("ada@example.com", &email);
        peaks.push(peak(program, &deployment.engine.url, serde_json::from_str(&usual).expect("an event")));
    }
    let peaks: Vec<Peak> = stream::iter(peaks).buffered(CONCURRENCY).collect().await;
    let mut violations = Vec::new();
    for Peak { name, after_first_kib, after_all_kib } in peaks {
        let hashes = PASSWORD_FUNCTIONS.contains(&name.as_str());
        let budget_kib = if hashes { budget.peak_memory_with_hash_kib } else { budget.peak_memory_kib };
        if after_all_kib > budget_kib {
            violations.push(format!("{name}: {after_all_kib} KiB, budget {budget_kib}"));
        }
        if 2 * after_all_kib > 3 * after_first_kib {
            violations.push(format!("{name}: {after_all_kib} KiB, but {after_first_kib} after {FIRST} invocations"));
        }
    }
    assert!(violations.is_empty(), "bench/budgets.toml:\n{}", violations.join("\n"));
}

/// Invokes a function with variations of an event.
async fn peak(program: &Program, url: &str, usual: Value) -> Peak {
    let mut variations = Variations::new(usual, 13);
    let mut function = Function::start(&program.path, &program.environment(url), &[]).await;
    function.first_poll().await;
    let mut after_first_kib = 0;
    for number in 0..INVOCATIONS {
        // The Runtime API may keep a connection or close it. The next one is allocated between what invocations use.
        function.close_connections(number % 2 == 1);
        let event = if program.is_behind_the_api() { variations.next_request() } else { variations.next_event() };
        // A function without a route reports an error for what it can't read.
        let response = function.invoke_or_exit(&event).await;
        assert!(!program.is_behind_the_api() || response.is_ok(), "{}: {response:?}", program.name);
        if number + 1 == FIRST {
            after_first_kib = function.status_kib("VmHWM");
        }
    }
    Peak { name: program.name.clone(), after_first_kib, after_all_kib: function.status_kib("VmHWM") }
}
