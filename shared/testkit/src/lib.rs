//! DynamoDB inside a test.
//! [`Engine::start`] runs dynoxide in memory behind a real socket, so that tests cover the SDK's requests on the wire. Tables
//! are created from the templates in `infra/` that are deployed. The client's connection records round trips, stubs responses
//! that no emulator produces, and runs hooks between requests. A [`Gate`] runs every interleaving of two concurrent clients,
//! and [`Capacity`] reports what their transactions consume. A [`Snapshot`] takes the tables back to an earlier state.
//! [`InProcessDynamo`] is the same engine without a socket. [`http`] stubs other HTTP servers.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    reason = "a panic fails the test and names the line"
)]

pub mod http;
pub mod models;

mod capacity;
mod gate;
mod in_process;
mod recorder;
mod snapshot;
mod tables;

use aws_sdk_dynamodb::Client;
use config::Env;
use dynoxide::Database;
use recorder::RequestRecorder;

pub use capacity::Capacity;
pub use gate::Gate;
pub use in_process::{InProcessDynamo, Reply};
pub use snapshot::Snapshot;

/// An in-memory DynamoDB.
pub struct Engine {
    pub client: Client,
    pub url: String,
    database: Database,
    recorder: RequestRecorder,
}

impl Engine {
    /// Starts an empty engine. It lives as long as the test's async runtime.
    pub async fn start() -> Self {
        let database = Database::memory().expect("an in-memory database");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("the port"));
        tokio::spawn(dynoxide::server::serve_on(listener, database.clone()));
        let env = Env::from_iter([
            ("AWS_REGION", "eu-west-1"),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_ENDPOINT_URL", &url),
        ]);
        let config = aws::sdk_config(&env).expect("a complete environment");
        let recorder = RequestRecorder::default();
        let http_client = recorder.clone().wrap(config.http_client().expect("a client").clone());
        let client = aws::dynamodb_client_from(&config.to_builder().http_client(http_client).build(), &env);
        Self { client, url, database, recorder }
    }

    /// Creates a table as defined in `infra/<stack>.yaml`. Returns its name.
    pub fn create_table(&self, stack: &str, logical_id: &str) -> String {
        let request = tables::create_table_request(stack, logical_id);
        self.database.create_table(request).expect("a table that DynamoDB accepts");
        logical_id.to_owned()
    }

    /// Returns the items of these tables, at most one page of each.
    pub fn snapshot(&self, tables: &[&str]) -> Snapshot {
        Snapshot::of(&self.database, tables)
    }

    /// Restores the items of a snapshot's tables.
    pub fn restore(&self, snapshot: &Snapshot) {
        snapshot.restore(&self.database);
    }

    /// Returns another client, whose requests each wait until the test steps the gate.
    pub fn gated(&self) -> (Client, Gate) {
        Gate::before(&self.client)
    }

    /// Returns another client, which records the units that its transactions consume.
    pub fn metered(&self) -> (Client, Capacity) {
        Capacity::of(&self.client)
    }

    /// Returns the operations since the last call, in order: one entry per round trip.
    pub fn round_trips(&self) -> Vec<String> {
        self.recorder.take_log()
    }

    /// Cancels the next `times` transactions because of a conflict on the item at `index`.
    pub fn raise_transaction_conflicts(&self, times: usize, index: usize, of: usize) {
        let reasons: Vec<_> = (0..of).map(|item| if item == index { "TransactionConflict" } else { "None" }).collect();
        self.cancel_transactions(times, &reasons);
    }

    /// Cancels the next `times` transactions for these reasons, one per item.
    pub fn cancel_transactions(&self, times: usize, reasons: &[&str]) {
        let body = serde_json::json!({
            "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
            "Message": format!(
                "Transaction cancelled, please refer cancellation reasons for specific reasons [{}]",
                reasons.join(", ")
            ),
            "CancellationReasons": reasons.iter().map(|code| serde_json::json!({"Code": code})).collect::<Vec<_>>(),
        });
        self.recorder.stub_response("TransactWriteItems", times, 400, &body.to_string());
    }

    /// Rejects the next `times` requests of this single-item operation because of a conflict with a transaction.
    pub fn raise_conflicts(&self, operation: &'static str, times: usize) {
        let body = serde_json::json!({
            "__type": "com.amazonaws.dynamodb.v20120810#TransactionConflictException",
            "message": "Transaction is ongoing for the item",
        });
        self.recorder.stub_response(operation, times, 400, &body.to_string());
    }

    /// Loses the response to the next request of this operation, which is executed. The SDK repeats it.
    pub fn lose_response(&self, operation: &'static str) {
        self.recorder.lose_response(operation);
    }

    /// Leaves all further requests without a response.
    pub fn suspend(&self) {
        self.recorder.suspend();
    }

    /// Runs `hook` once, immediately before the next request of this operation is sent. The requests of the hook itself
    /// are neither recorded nor stubbed. Several hooks of one operation run before one request each, in order.
    pub fn before_next(&self, operation: &'static str, hook: impl Future<Output = ()> + Send + 'static) {
        self.recorder.before_next(operation, Box::pin(hook));
    }

    /// Makes the engine reject the next `times` requests of this operation with an error code. A code that the SDK
    /// retries, such as `ThrottlingException`, needs `times` of at least 3.
    pub fn reject(&self, operation: &'static str, times: usize, code: &str) {
        let body = serde_json::json!({
            "__type": format!("com.amazonaws.dynamodb.v20120810#{code}"),
            "message": format!("{code}, raised by a test"),
        });
        self.recorder.stub_response(operation, times, 400, &body.to_string());
    }
}
