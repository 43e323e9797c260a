//! Requests are within their budgets.

use bench::budgets::Budgets;
use bench::scenarios;
use serde_json::Value;

#[tokio::test]
async fn requests_are_within_their_budgets() {
    let rows = scenarios::run().await;
    let violations = Budgets::read().violations(&rows);
    assert!(violations.is_empty(), "bench/budgets.toml:\n{}", violations.join("\n"));
    for row in &rows {
        for call in &row.measured.calls {
            let context = format!("{}, {}: {}", row.endpoint, row.outcome, call.operation);
            assert!(call.reported.is_none_or(|reported| reported == call.calculated), "{context}: {call:?}");
        }
    }
}

#[test]
fn every_endpoint_of_the_api_has_a_budget() {
    let document: Value = serde_json::from_str(include_str!("../../functions/docs/openapi.json")).unwrap();
    let budgets = Budgets::read().endpoints;
    for (path, operations) in document["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            let endpoint = format!("{} {path}", method.to_uppercase());
            assert!(budgets.contains_key(&endpoint), "{endpoint} is in the API and not in bench/budgets.toml");
        }
    }
}
