//! Consumes the queue of payments that were handed to the provider.

use std::convert::Infallible;
use std::process::ExitCode;
use std::time::Duration;

use aws_lambda_events::sqs::SqsEvent;
use config::Env;
use kernel::SystemClock;
use simulator::provider::{Provider, settle};
use simulator::queue::Queue;
use simulator::secret::ManagedSecret;
use simulator::webhooks::HttpWebhook;

fn main() -> ExitCode {
    lambda::serve_events(
        async |env: Env| {
            Ok(Provider {
                queue: Queue::from_env(&env)?,
                secret: ManagedSecret::from_env(&env)?,
                webhooks: HttpWebhook::from_env(&env)?,
                clock: SystemClock,
                late: Duration::from_secs(env.parsed("LATE_SECONDS")?),
            })
        },
        |provider, event: SqsEvent| async move {
            Ok::<_, Infallible>(
                lambda::batch::process_batch(event, |body| async move { settle(provider, &body).await }).await,
            )
        },
    )
}
