//! Release builds of all functions are within their budgets.

use bench::budgets::{Budgets, Started};
use bench::functions::deployment::Deployment;
use bench::functions::lambda::Function;
use bench::functions::proxy::{DynamoProxy, Mode};
use bench::functions::{instructions, package, programs};
use serde_json::Value;

/// Instructions are counted if valgrind is installed.
#[tokio::test]
async fn functions_are_within_their_budgets() {
    let programs = programs::build();
    let budgets = Budgets::read();
    let deployment = Deployment::new(&programs).await;
    let proxy = DynamoProxy::start(&deployment.engine.url, Mode::Cache, None).await;
    let mut violations = Vec::new();
    for program in &programs {
        let variables = program.environment(&proxy.url);
        let mut function = Function::start(&program.path, &variables, &[]).await;
        function.first_poll().await;
        let started = Started {
            zip_bytes: package::zip_bytes(&program.path),
            init_instructions: instructions::count(&program.path, &variables, &Value::Null, 0).await,
            memory_kib: function.status_kib("VmHWM"),
            first_poll_ratio: None,
        };
        violations.extend(budgets.function_violations(&program.name, &started));
    }
    // In CI they must be counted.
    let is_counted = instructions::can_be_counted().await;
    assert!(is_counted || option_env!("CI").is_none(), "instructions are not counted: valgrind is not installed");
    assert!(violations.is_empty(), "bench/budgets.toml:\n{}", violations.join("\n"));
}
