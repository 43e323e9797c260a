//! The budgets: `bench/budgets.toml`.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::scenarios::Row;

/// What may be spent.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budgets {
    /// By endpoint and by outcome.
    pub endpoints: BTreeMap<String, BTreeMap<String, RequestBudget>>,
    /// Of every function.
    pub functions: FunctionBudget,
}

/// What a function may take to start.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FunctionBudget {
    /// The size of its package.
    pub zip_bytes: u64,
    /// Instructions until it asks for the first event.
    pub init_instructions: u64,
    /// The most memory it may hold until then.
    pub memory_kib: u64,
    /// How long it may take until then, in times of a function that does nothing.
    pub first_poll_hellos: f64,
}

/// What a function took to start.
#[derive(Debug, Clone, Copy)]
pub struct Started {
    /// The size of its package.
    pub zip_bytes: u64,
    /// Instructions until it asked for the first event, where they can be counted.
    pub init_instructions: Option<u64>,
    /// The most memory it held until then.
    pub memory_kib: u64,
    /// How long it took until then, in times of a function that does nothing, where time was taken.
    pub first_poll_hellos: Option<f64>,
}

/// What one request may spend on DynamoDB.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestBudget {
    /// How often it may wait for answers.
    pub round_trips: usize,
    /// Write units.
    #[serde(default)]
    pub write: f64,
    /// Read units.
    #[serde(default)]
    pub read: f64,
}

impl Budgets {
    /// As they stand in the file.
    pub fn read() -> Self {
        toml::from_str(include_str!("../budgets.toml")).expect("bench/budgets.toml, as budgets.rs describes it")
    }

    /// What is wrong with what was measured: a budget exceeded, or none, or one that nothing was measured for.
    pub fn complaints(&self, rows: &[Row]) -> Vec<String> {
        let mut complaints = Vec::new();
        for row in rows {
            let (endpoint, outcome) = (row.endpoint, row.outcome);
            let Some(budget) = self.of(row) else {
                complaints.push(format!("{endpoint}, {outcome}: has no budget"));
                continue;
            };
            let spent = row.measured.capacity();
            let calls: Vec<_> = row.measured.calls.iter().map(|call| call.operation.as_str()).collect();
            let calls = calls.join(", ");
            if row.measured.round_trips > budget.round_trips {
                let (spent, most) = (row.measured.round_trips, budget.round_trips);
                complaints
                    .push(format!("{endpoint}, {outcome}: {spent} round trips, and the budget is {most} ({calls})"));
            }
            for (what, spent, most) in [("write", spent.write, budget.write), ("read", spent.read, budget.read)] {
                if spent > most {
                    complaints.push(format!(
                        "{endpoint}, {outcome}: {spent} {what} units, and the budget is {most} ({calls})"
                    ));
                }
            }
        }
        for (endpoint, outcomes) in &self.endpoints {
            for outcome in outcomes.keys() {
                if !rows.iter().any(|row| row.endpoint == endpoint && row.outcome == outcome) {
                    complaints.push(format!("{endpoint}, {outcome}: has a budget, and is never played"));
                }
            }
        }
        complaints
    }

    /// What is wrong with how this function started.
    pub fn complaints_of(&self, program: &str, started: &Started) -> Vec<String> {
        let budget = self.functions;
        let mut complaints = Vec::new();
        for (what, spent, most) in [
            ("bytes of its package", Some(started.zip_bytes), budget.zip_bytes),
            ("instructions to start", started.init_instructions, budget.init_instructions),
            ("KiB of memory", Some(started.memory_kib), budget.memory_kib),
        ] {
            if let Some(spent) = spent.filter(|spent| *spent > most) {
                complaints.push(format!("{program}: {spent} {what}, and the budget is {most}"));
            }
        }
        let most = budget.first_poll_hellos;
        if let Some(spent) = started.first_poll_hellos.filter(|spent| *spent > most) {
            complaints.push(format!("{program}: {spent:.2} times a hello to start, and the budget is {most}"));
        }
        complaints
    }

    /// The budget of this row.
    pub fn of(&self, row: &Row) -> Option<RequestBudget> {
        self.endpoints.get(row.endpoint)?.get(row.outcome).copied()
    }
}
