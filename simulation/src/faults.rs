//! What becomes of a request.

use std::fmt;

use serde_json::{Value, json};
use testkit::Reply;

use crate::network::PUBLISH;
use crate::random::{Dice, stream};

/// The decision about a request that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is executed and answered. Indexes, or subscribers, follow after the lag.
    Execute { lag_ms: u64 },
    /// It is never executed, and the connection closes.
    LoseRequest,
    /// It is executed, and the connection closes.
    LoseResponse { lag_ms: u64 },
    /// It is rejected because a capacity is exceeded.
    Throttle,
    /// The service fails before it executes the request.
    FailBefore,
    /// The service executes the request, and answers that it failed.
    FailAfter { lag_ms: u64 },
    /// The write is cancelled by conflicts and throttling, on items that follow from the seed; a batch is answered in part.
    Cancel { seed: u64 },
    /// The events of a topic are delivered twice.
    Duplicate,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Execute { lag_ms: 0 } => f.write_str("executed"),
            Self::Execute { lag_ms } => write!(f, "executed; indexes lag {lag_ms} ms"),
            Self::LoseRequest => f.write_str("request lost"),
            Self::LoseResponse { .. } => f.write_str("executed, response lost"),
            Self::Throttle => f.write_str("throttled"),
            Self::FailBefore => f.write_str("failed, not executed"),
            Self::FailAfter { .. } => f.write_str("executed, answered as failed"),
            Self::Cancel { .. } => f.write_str("cancelled in part or whole"),
            Self::Duplicate => f.write_str("delivered twice"),
        }
    }
}

impl Verdict {
    /// The name of the fault, if it is one.
    pub(crate) fn fault(self) -> Option<&'static str> {
        Some(match self {
            Self::Execute { lag_ms: 0 } => return None,
            Self::Execute { .. } => "index lag",
            Self::LoseRequest => "request lost",
            Self::LoseResponse { .. } => "response lost",
            Self::Throttle => "throttled",
            Self::FailBefore => "server error before the commit",
            Self::FailAfter { .. } => "server error after the commit",
            Self::Cancel { .. } => "cancelled",
            Self::Duplicate => "delivered twice",
        })
    }

    /// Whether the client learns nothing, or an error that it must not take for a decision.
    pub(crate) fn is_failure(self) -> bool {
        !matches!(self, Self::Execute { .. } | Self::Duplicate)
    }

    /// The lag with which a request is executed. `None` if it is not.
    pub(crate) fn executes(self) -> Option<u64> {
        match self {
            Self::Execute { lag_ms } | Self::LoseResponse { lag_ms } | Self::FailAfter { lag_ms } => Some(lag_ms),
            Self::Duplicate => Some(0),
            Self::LoseRequest | Self::Throttle | Self::FailBefore | Self::Cancel { .. } => None,
        }
    }

    /// Draws the verdict on a request: a fault in `percent` of all cases.
    pub(crate) fn draw(dice: &Dice, operation: &str, percent: u64) -> Self {
        let lags = is_write(operation) && dice.chance(percent);
        let lag_ms = if lags { dice.between(1, 4_000) } else { 0 };
        if !dice.chance(percent) {
            return Self::Execute { lag_ms };
        }
        let lost = [(3, Self::LoseRequest), (3, Self::LoseResponse { lag_ms })];
        let mut faults = lost.to_vec();
        if operation == PUBLISH {
            faults.extend([(3, Self::Cancel { seed: dice.seed() }), (2, Self::Duplicate)]);
        } else {
            faults.extend([(1, Self::Throttle), (1, Self::FailBefore), (1, Self::FailAfter { lag_ms })]);
            if is_write(operation) {
                faults.push((6, Self::Cancel { seed: dice.seed() }));
            } else if operation == "BatchGetItem" {
                faults.push((1, Self::Cancel { seed: dice.seed() }));
            }
        }
        dice.weighted(&faults)
    }
}

pub(crate) fn is_write(operation: &str) -> bool {
    matches!(operation, "DeleteItem" | "PutItem" | "TransactWriteItems" | "UpdateItem")
}

fn error(status: u16, code: &str) -> Reply {
    let body = json!({"__type": format!("com.amazonaws.dynamodb.v20120810#{code}"), "message": "by the simulation"});
    Reply { status, body: body.to_string() }
}

pub(crate) fn throttled() -> Reply {
    error(400, "ThrottlingException")
}

pub(crate) fn server_error() -> Reply {
    error(500, "InternalServerError")
}

/// The response to a write that is cancelled, or to a batch that is answered in part.
pub(crate) fn cancelled(operation: &str, body: &str, seed: u64) -> Reply {
    let body: Value = serde_json::from_str(body).expect("a request in JSON");
    match operation {
        "TransactWriteItems" => transaction_cancelled(body["TransactItems"].as_array().map_or(0, Vec::len), seed),
        "BatchGetItem" => {
            let body = json!({"Responses": {}, "UnprocessedKeys": body["RequestItems"]});
            Reply { status: 200, body: body.to_string() }
        }
        _ => error(400, "TransactionConflictException"),
    }
}

/// Mixes reasons, at least one of which is transient. A condition may be reported as failed beside it.
fn transaction_cancelled(items: usize, seed: u64) -> Reply {
    let dice = Dice::new(stream(seed, 0));
    let transient = dice.below(items);
    let code = |item: usize| match (item == transient, dice.below(10)) {
        (true, 8) => "ThrottlingError",
        (true, 9) => "ProvisionedThroughputExceeded",
        (true, _) | (false, 1) => "TransactionConflict",
        (false, 0) => "ConditionalCheckFailed",
        (false, _) => "None",
    };
    let codes: Vec<_> = (0..items).map(code).collect();
    let body = json!({
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message": format!(
            "Transaction cancelled, please refer cancellation reasons for specific reasons [{}]",
            codes.join(", ")
        ),
        "CancellationReasons": codes.iter().map(|code| json!({"Code": code})).collect::<Vec<_>>(),
    });
    Reply { status: 400, body: body.to_string() }
}
