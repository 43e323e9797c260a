//! The budgets: `bench/budgets.toml`.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::scenarios::Row;

/// The budgets.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budgets {
    /// By endpoint and by outcome.
    pub endpoints: BTreeMap<String, BTreeMap<String, RequestBudget>>,
    /// The budget of each function.
    pub functions: FunctionBudget,
}

/// The budget of a function's start.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FunctionBudget {
    /// The size of the package.
    pub zip_bytes: u64,
    /// Instructions until the first poll for an event.
    pub init_instructions: u64,
    /// Peak memory until then.
    pub memory_kib: u64,
    /// Peak memory over a thousand varied invocations.
    pub peak_memory_kib: u64,
    /// As `peak_memory_kib`, of a function that hashes passwords.
    pub peak_memory_with_hash_kib: u64,
    /// Time until then, as a multiple of the no-op function's.
    pub first_poll_ratio: f64,
}

/// The start of a function.
#[derive(Debug, Clone, Copy)]
pub struct Started {
    /// The size of the package.
    pub zip_bytes: u64,
    /// Instructions until the first poll for an event, if they can be counted.
    pub init_instructions: Option<u64>,
    /// Peak memory until then.
    pub memory_kib: u64,
    /// Time until then, as a multiple of the no-op function's, if it was measured.
    pub first_poll_ratio: Option<f64>,
}

/// The budget of one request.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestBudget {
    /// Sequential round trips.
    pub round_trips: usize,
    #[serde(default)]
    pub write: f64,
    #[serde(default)]
    pub read: f64,
}

impl Budgets {
    pub fn read() -> Self {
        toml::from_str(include_str!("../budgets.toml")).expect("a valid bench/budgets.toml")
    }

    /// Returns the budgets that are exceeded, missing or unused.
    pub fn violations(&self, rows: &[Row]) -> Vec<String> {
        let mut violations = Vec::new();
        for row in rows {
            let (endpoint, outcome) = (row.endpoint, row.outcome);
            let Some(budget) = self.of(row) else {
                violations.push(format!("{endpoint}, {outcome}: has no budget"));
                continue;
            };
            let spent = row.measured.capacity();
            let calls: Vec<_> = row.measured.calls.iter().map(|call| call.operation.as_str()).collect();
            let calls = calls.join(", ");
            if row.measured.round_trips > budget.round_trips {
                let (spent, most) = (row.measured.round_trips, budget.round_trips);
                violations.push(format!("{endpoint}, {outcome}: {spent} round trips, budget {most} ({calls})"));
            }
            for (what, spent, most) in [("write", spent.write, budget.write), ("read", spent.read, budget.read)] {
                if spent > most {
                    violations.push(format!("{endpoint}, {outcome}: {spent} {what} units, budget {most} ({calls})"));
                }
            }
        }
        for (endpoint, outcomes) in &self.endpoints {
            for outcome in outcomes.keys() {
                if !rows.iter().any(|row| row.endpoint == endpoint && row.outcome == outcome) {
                    violations.push(format!("{endpoint}, {outcome}: has a budget but no scenario"));
                }
            }
        }
        violations
    }

    /// Returns the budgets that a function's start exceeds.
    pub fn function_violations(&self, program: &str, started: &Started) -> Vec<String> {
        let budget = self.functions;
        let mut violations = Vec::new();
        for (what, spent, most) in [
            ("bytes of its package", Some(started.zip_bytes), budget.zip_bytes),
            ("instructions to start", started.init_instructions, budget.init_instructions),
            ("KiB of memory", Some(started.memory_kib), budget.memory_kib),
        ] {
            if let Some(spent) = spent.filter(|spent| *spent > most) {
                violations.push(format!("{program}: {spent} {what}, budget {most}"));
            }
        }
        let most = budget.first_poll_ratio;
        if let Some(spent) = started.first_poll_ratio.filter(|spent| *spent > most) {
            violations.push(format!("{program}: {spent:.2} times the start of the no-op function, budget {most}"));
        }
        violations
    }

    pub fn of(&self, row: &Row) -> Option<RequestBudget> {
        self.endpoints.get(row.endpoint)?.get(row.outcome).copied()
    }
}
