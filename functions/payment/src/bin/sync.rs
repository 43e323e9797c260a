//! The queue of the account context's events.

use std::convert::Infallible;
use std::process::ExitCode;

use aws_lambda_events::sqs::SqsEvent;
use kernel::SystemClock;
use payment::store::Table;
use payment::sync;
use runtime::{Env, SystemRandom};

fn main() -> ExitCode {
    runtime::serve_events(
        async |env: Env| {
            let client = runtime::aws::dynamodb(&env)?;
            Ok(Table::new(client, env.required("PAYMENT_TABLE")?, SystemClock, SystemRandom))
        },
        |table, event: SqsEvent| async move {
            Ok::<_, Infallible>(
                runtime::batch::each_message(event, |body| async move { sync::apply(table, &body).await }).await,
            )
        },
    )
}
