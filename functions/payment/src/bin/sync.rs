//! Consumes the queue of the account context's events.

use std::convert::Infallible;
use std::process::ExitCode;

use aws_lambda_events::sqs::SqsEvent;
use config::Env;
use kernel::{SystemClock, SystemRandom};
use payment::events::inbound::apply;
use payment::store::Store;

fn main() -> ExitCode {
    lambda::serve_events(
        async |env: Env| {
            let client = aws::dynamodb_client(&env)?;
            Ok(Store::new(client, env.required("PAYMENT_TABLE")?, SystemClock, SystemRandom))
        },
        |store, event: SqsEvent| async move {
            Ok::<_, Infallible>(
                lambda::batch::process_batch(event, |body| async move { apply(store, &body).await }).await,
            )
        },
    )
}
