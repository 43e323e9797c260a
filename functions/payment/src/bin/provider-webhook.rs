//! `POST /api/payments/webhook/provider`.

use std::process::ExitCode;

use kernel::SystemClock;
use payment::http::provider_webhook::{self, WebhookDesk};
use payment::secrets::{ManagedSecret, Secrets};
use payment::store::Table;
use runtime::{Env, SystemRandom};

fn main() -> ExitCode {
    runtime::serve_http(
        async |env: Env| {
            let secret = ManagedSecret::from_env(&env)?;
            let secrets = Secrets::new(secret, SystemClock);
            if let Err(error) = secrets.known().await {
                tracing::warn!(%error, "the first request will load them");
            }
            let client = runtime::aws::dynamodb(&env)?;
            let store = Table::new(client, env.required("PAYMENT_TABLE")?, SystemClock, SystemRandom);
            Ok(WebhookDesk { store, secrets, clock: SystemClock })
        },
        |desk, request| async move { provider_webhook::handle(desk, &request).await },
    )
}
