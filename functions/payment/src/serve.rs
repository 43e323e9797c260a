//! What every endpoint of this context starts with: the table, and the public keys to verify tokens with.

use std::future::Future;
use std::process::ExitCode;

use auth::table_keys::TableKeys;
use auth::{Principal, Verifier};
use config::{ConfigError, Env};
use http_api::{Problem, Request, Response, authenticate};
use kernel::SystemClock;
use kernel::SystemRandom;

use crate::http::verified::RequireVerified;
use crate::store::Table;

/// Runs an endpoint for signed-in people. `init` makes what `handle` depends on; `handle` is given who is asking, so it
/// cannot forget to find out. Who has not verified what the deployment wants verified may only look.
pub fn serve<D, H, HF>(init: impl FnOnce(&Env, Table) -> Result<D, ConfigError>, handle: H) -> ExitCode
where
    D: Send + Sync + 'static,
    H: Fn(&'static D, Principal, Request) -> HF + Sync + Copy + Send + 'static,
    HF: Future<Output = Result<Response, Problem>> + Send,
{
    http_api::serve(
        async |env: Env| {
            let client = aws::dynamodb_client(&env)?;
            let name = env.required("PAYMENT_TABLE")?;
            let keys = TableKeys::new(client.clone(), name);
            let verifier =
                Verifier::new(env.required("TOKEN_ISSUER")?, env.required("TOKEN_AUDIENCE")?, keys, SystemClock);
            let required: RequireVerified = env.parsed("REQUIRE_VERIFIED")?;
            let deps = init(&env, Table::new(client, name, SystemClock, SystemRandom))?;
            if let Err(error) = verifier.warm_up().await {
                tracing::warn!(%error, "the first request will load them");
            }
            Ok((verifier, required, deps))
        },
        move |(verifier, required, deps), request| async move {
            let principal = authenticate(verifier, &request).await?;
            required.check(&principal, request.method())?;
            handle(deps, principal, request).await
        },
    )
}
