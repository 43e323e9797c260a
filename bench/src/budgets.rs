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
    /// Of functions that need more, by the names of their programs: what is not named is as for every function.
    #[serde(default)]
    pub exceptions: BTreeMap<String, Exception>,
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

/// What a function may take beyond the others.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exception {
    zip_bytes: Option<u64>,
    init_instructions: Option<u64>,
    memory_kib: Option<u64>,
    first_poll_hellos: Option<f64>,
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

    /// The budget of the function with this program.
    pub fn of_function(&self, program: &str) -> FunctionBudget {
        let every = self.functions;
        let Some(exception) = self.exceptions.get(program) else { return every };
        FunctionBudget {
            zip_bytes: exception.zip_bytes.unwrap_or(every.zip_bytes),
            init_instructions: exception.init_instructions.unwrap_or(every.init_instructions),
            memory_kib: exception.memory_kib.unwrap_or(every.memory_kib),
            first_poll_hellos: exception.first_poll_hellos.unwrap_or(every.first_poll_hellos),
        }
    }

    /// What is wrong with how this function started.
    pub fn complaints_of(&self, program: &str, started: &Started) -> Vec<String> {
        let budget = self.of_function(program);
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

    /// Exceptions for none of these programs.
    pub fn stale_exceptions<'a>(&self, programs: impl IntoIterator<Item = &'a str>) -> Vec<String> {
        let programs: Vec<_> = programs.into_iter().collect();
        let stale = self.exceptions.keys().filter(|name| !programs.contains(&name.as_str()));
        stale.map(|name| format!("{name}: an exception for no function")).collect()
    }

    /// The budget of this row.
    pub fn of(&self, row: &Row) -> Option<RequestBudget> {
        self.endpoints.get(row.endpoint)?.get(row.outcome).copied()
    }
}
