//! The memory of all functions over a thousand varied invocations.

#![expect(clippy::panic, reason = "a panic fails the test and names the line")]

use bench::budgets::Budgets;
use bench::functions::deployment::{Deployment, event};
use bench::functions::lambda::Function;
use bench::functions::programs::{self, Program};
use bench::functions::variations::Variations;

const INVOCATIONS: usize = 1_000;
/// After these, a function has been invoked in every way.
const FIRST: usize = 10;

/// An execution environment lives for hours, and is killed if it exceeds the memory of its function.
#[tokio::test]
async fn thousand_varied_invocations_need_no_more_memory_than_ten() {
    let programs = programs::build();
    let budget = Budgets::read().functions;
    let deployment = Deployment::new(&programs).await;
    let member = deployment.member(&programs).await;
    let (payer, payee) = (deployment.user(1_000_000).await, deployment.user(0).await);
    let mut violations = Vec::new();
    // The no-op function comes first.
    for program in programs.iter().skip(1) {
        let is_payment = program.environment("").contains_key("PAYMENT_TABLE");
        let (user, other) = if is_payment { (&payer, &payee) } else { (&member, &member) };
        let mut variations = Variations::new(event(&program.name, user, other), 13);
        let mut function = Function::start(&program.path, &program.environment(&deployment.engine.url), &[]).await;
        function.first_poll().await;
        let mut first_kib = 0;
        for number in 0..INVOCATIONS {
            // Both are allowed; after a closed connection, the next one is allocated between what the invocations use.
            function.close_connections(number % 2 == 1);
            let event = if program.is_behind_the_api() { variations.next_request() } else { variations.next_event() };
            // A function without a route reports an error for what it can't read.
            let response = function.invoke_or_exit(&event).await;
            assert!(!program.is_behind_the_api() || response.is_ok(), "{}: {response:?}", program.name);
            if number + 1 == FIRST {
                first_kib = function.status_kib("VmHWM");
            }
        }
        let name = &program.name;
        let peak_kib = function.status_kib("VmHWM");
        println!("{name}: {first_kib} KiB after {FIRST} invocations, {peak_kib} KiB after {INVOCATIONS}");
        let budget_kib =
            if hashes_passwords(program) { budget.peak_memory_with_hash_kib } else { budget.peak_memory_kib };
        if peak_kib > budget_kib {
            violations.push(format!("{name}: {peak_kib} KiB, budget {budget_kib}"));
        }
        if peak_kib * 2 > first_kib * 3 {
            violations
                .push(format!("{name}: {first_kib} KiB after {FIRST} invocations, {peak_kib} after {INVOCATIONS}"));
        }
    }
    assert!(violations.is_empty(), "bench/budgets.toml:\n{}", violations.join("\n"));
}

fn hashes_passwords(program: &Program) -> bool {
    let hashing =
        ["change-password", "confirm-code", "login", "register", "send-code", "signin", "signup", "update-me"];
    hashing.contains(&program.name.as_str())
}
