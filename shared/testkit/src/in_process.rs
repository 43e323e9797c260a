//! DynamoDB's API without a socket: a request is executed when it is called, in the same thread.

use dynoxide::{Database, DynoxideError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::tables;

/// An in-memory DynamoDB that takes requests as JSON.
pub struct InProcessDynamo(Database);

/// The response to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    /// JSON.
    pub body: String,
}

impl Default for InProcessDynamo {
    fn default() -> Self {
        Self(Database::memory().expect("an in-memory database"))
    }
}

impl InProcessDynamo {
    /// Creates a table as defined in `infra/<stack>.yaml`.
    pub fn create_table(&self, stack: &str, logical_id: &str) {
        self.0.create_table(tables::create_table_request(stack, logical_id)).expect("a table that DynamoDB accepts");
    }

    /// Executes an operation of the data plane, such as `PutItem`.
    pub fn execute(&self, operation: &str, body: &str) -> Reply {
        let database = &self.0;
        let outcome = match operation {
            "BatchGetItem" => run(body, |request| database.batch_get_item(request)),
            "BatchWriteItem" => run(body, |request| database.batch_write_item(request)),
            "DeleteItem" => run(body, |request| database.delete_item(request)),
            "GetItem" => run(body, |request| database.get_item(request)),
            "PutItem" => run(body, |request| database.put_item(request)),
            "Query" => run(body, |request| database.query(request)),
            "Scan" => run(body, |request| database.scan(request)),
            "TransactGetItems" => run(body, |request| database.transact_get_items(request)),
            "TransactWriteItems" => run(body, |request| database.transact_write_items(request)),
            "UpdateItem" => run(body, |request| database.update_item(request)),
            other => panic!("{other} is not supported"),
        };
        match outcome {
            Ok(body) => Reply { status: 200, body },
            Err(error) => Reply { status: error.status_code(), body: error.to_json() },
        }
    }
}

fn run<Q: DeserializeOwned, R: Serialize>(
    body: &str,
    execute: impl FnOnce(Q) -> Result<R, DynoxideError>,
) -> Result<String, DynoxideError> {
    let request = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"));
    Ok(serde_json::to_string(&execute(request)?).expect("a response in JSON"))
}
