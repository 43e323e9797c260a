//! `POST /api/payments/webhook/provider`.

use std::process::ExitCode;

use config::Env;
use kernel::SystemClock;
use kernel::SystemRandom;
use payment::http::provider_webhook::{self, WebhookDesk};
use payment::secrets::{ManagedSecret, Secrets};
use payment::store::Table;

fn main() -> ExitCode {
    http_api::serve(
        async |env: Env| {
            let config = aws::sdk_config(&env)?;
            let secret = ManagedSecret::from_env(&env, &config)?;
            let secrets = Secrets::new(secret, SystemClock);
            // The table's client is made while the secrets are on their way.
            let (known, client) = tokio::join!(secrets.known(), async { aws::dynamodb_client_from(&config, &env) });
            if let Err(error) = known {
                tracing::warn!(%error, "the first request will load them");
            }
            let store = Table::new(client, env.required("PAYMENT_TABLE")?, SystemClock, SystemRandom);
            Ok(WebhookDesk { store, secrets, clock: SystemClock })
        },
        |desk, request| async move { provider_webhook::handle(desk, &request).await },
    )
}
