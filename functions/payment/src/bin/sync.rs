//! The queue of the account context's events.

use std::convert::Infallible;
use std::process::ExitCode;

use aws_lambda_events::sqs::SqsEvent;
use config::Env;
use kernel::SystemClock;
use kernel::SystemRandom;
use payment::store::Table;
use payment::sync;

fn main() -> ExitCode {
    lambda::serve_events(
        async |env: Env| {
            let client = aws::dynamodb_client(&env)?;
            Ok(Table::new(client, env.required("PAYMENT_TABLE")?, SystemClock, SystemRandom))
        },
        |table, event: SqsEvent| async move {
            Ok::<_, Infallible>(
                lambda::batch::process_batch(event, |body| async move { sync::apply(table, &body).await }).await,
            )
        },
    )
}
