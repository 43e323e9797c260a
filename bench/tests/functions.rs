//! Release builds of all functions: their budgets, and their responses to requests that cannot be represented.

#![expect(clippy::indexing_slicing, clippy::panic, reason = "a panic fails the test and names the line")]

use bench::budgets::{Budgets, Started};
use bench::functions::deployment::{Deployment, User, event};
use bench::functions::lambda::Function;
use bench::functions::proxy::{DynamoProxy, Mode};
use bench::functions::{instructions, package, programs};
use serde_json::{Value, json};

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
            init_instructions: instructions::count(&program.path, &variables, []).await,
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

/// A panic would end a function, whose release build aborts.
#[tokio::test]
async fn functions_survive_malformed_requests() {
    let programs = programs::build();
    let deployment = Deployment::new(&programs).await;
    let anonymous = User::anonymous();
    let mut tested = 0;
    for program in programs.iter().filter(|program| program.is_behind_the_api()) {
        let name = &program.name;
        let mut function = Function::start(&program.path, &program.environment(&deployment.engine.url), &[]).await;
        function.first_poll().await;
        let usual = event(name, &anonymous, &anonymous);
        let mut status = async |event: &Value| {
            let response =
                function.invoke_or_exit(event).await.unwrap_or_else(|error| panic!("{name}: {error}: {event}"));
            let status = response["statusCode"].as_u64().unwrap_or_else(|| panic!("{name}: {response}"));
            let is_problem = response["headers"]["content-type"] == "application/problem+json";
            // There is no signing key, which some functions report as a 503.
            assert!((status < 500 || status == 503) && is_problem == (status >= 400), "{name}: {response}");
            status
        };
        for (header, value) in [("host", "a b"), ("x-forwarded-proto", "https,http"), ("x-note", "\u{1}")] {
            let mut event = usual.clone();
            event["headers"][header] = json!(value);
            assert!(status(&event).await > 0);
        }
        for query in ["a=<b>", "a b", "\u{e9}"] {
            let mut event = usual.clone();
            event["rawQueryString"] = json!(query);
            assert!(status(&event).await > 0);
        }
        let mut malformed = vec![usual.clone(), usual.clone(), json!({}), json!(null)];
        malformed[0]["requestContext"]["http"]["method"] = json!("G E T");
        malformed[1]["body"] = json!("e30");
        malformed[1]["isBase64Encoded"] = json!(true);
        for event in malformed {
            assert_eq!(status(&event).await, 400, "{name}: {event}");
        }
        tested += 1;
    }
    assert!(tested > 20, "{tested}");
}
