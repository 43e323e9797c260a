//! The start-up that all endpoints for authenticated users share.

use std::future::Future;
use std::process::ExitCode;

use auth::table_keys::TableKeys;
use auth::{Principal, Verifier};
use config::{ConfigError, Env};
use http_api::{Problem, QueryParameters, Request, Response, authenticate};
use kernel::{SystemClock, SystemRandom};

use crate::app::config::RequireVerified;
use crate::store::Store;

/// Runs an endpoint for authenticated users. `init` builds the state; `handle` receives the authenticated principal, so no
/// endpoint can omit authentication. Users who have not verified the required identifier can only read.
pub fn serve<S, H, HF>(init: impl FnOnce(&Env, Store) -> Result<S, ConfigError>, handle: H) -> ExitCode
where
    S: Send + Sync + 'static,
    H: Fn(&'static S, Principal, Request) -> HF + Sync + Copy + Send + 'static,
    HF: Future<Output = Result<Response, Problem>> + Send,
{
    serve_with_query(&[], init, handle)
}

/// As [`serve`], for an endpoint with these query parameters.
pub fn serve_with_query<S, H, HF>(
    query: &'static [&'static str],
    init: impl FnOnce(&Env, Store) -> Result<S, ConfigError>,
    handle: H,
) -> ExitCode
where
    S: Send + Sync + 'static,
    H: Fn(&'static S, Principal, Request) -> HF + Sync + Copy + Send + 'static,
    HF: Future<Output = Result<Response, Problem>> + Send,
{
    http_api::serve_with_query(
        QueryParameters::Only(query),
        async |env: Env| {
            let client = aws::dynamodb_client(&env)?;
            let table = env.required("PAYMENT_TABLE")?;
            let keys = TableKeys::new(client.clone(), table);
            let verifier =
                Verifier::new(env.required("TOKEN_ISSUER")?, env.required("TOKEN_AUDIENCE")?, keys, SystemClock);
            let required: RequireVerified = env.parsed("REQUIRE_VERIFIED")?;
            let state = init(&env, Store::new(client, table, SystemClock, SystemRandom))?;
            verifier.warm_up().await;
            Ok((verifier, required, state))
        },
        move |(verifier, required, state), request| async move {
            let principal = authenticate_user(verifier, *required, &request).await?;
            handle(state, principal, request).await
        },
    )
}

/// Authenticates a request, and checks that its user may send it.
///
/// # Errors
///
/// A 401 if the token is missing or invalid, a 400 if it is ambiguous, a 403 if the user has not verified the required
/// identifier, a 503 if the token cannot be verified at the moment.
pub async fn authenticate_user(
    verifier: &Verifier<TableKeys>,
    required: RequireVerified,
    request: &Request,
) -> Result<Principal, Problem> {
    let principal = authenticate(verifier, request).await?;
    required.check(&principal, request.method())?;
    Ok(principal)
}
