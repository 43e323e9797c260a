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
            let config = runtime::aws::sdk_config(&env)?;
            let secret = ManagedSecret::from_env(&env, &config)?;
            let secrets = Secrets::new(secret, SystemClock);
            // The table's client is made while the secrets are on their way.
            let (known, client) = tokio::join!(secrets.known(), async { runtime::aws::dynamodb_of(&config, &env) });
            if let Err(error) = known {
                tracing::warn!(%error, "the first request will load them");
            }
            let store = Table::new(client, env.required("PAYMENT_TABLE")?, SystemClock, SystemRandom);
            Ok(WebhookDesk { store, secrets, clock: SystemClock })
        },
        |desk, request| async move { provider_webhook::handle(desk, &request).await },
    )
}
