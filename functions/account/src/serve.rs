//! The start-up that endpoints share. Authentication happens here, so that no endpoint can omit it.

use std::future::Future;
use std::process::ExitCode;

use auth::table_keys::TableKeys;
use auth::{Principal, Verifier};
use aws_sdk_dynamodb::Client;
use aws_types::SdkConfig;
use config::{ConfigError, Env};
use http_api::{Problem, QueryParameters, Request, Response, access_token, authenticate, problem_types};
use kernel::{SystemClock, SystemRandom};

use crate::app::active_session::{AuthenticatedSession, find_active_session};
use crate::store::AccountTable;

/// The clients that an endpoint's state is built with.
pub struct Clients {
    pub config: SdkConfig,
    pub dynamodb: Client,
}

/// Runs an endpoint for users with a valid access token, with these query parameters. The handler checks the session itself.
pub fn serve_with_token<S, H, HF>(
    query: &'static [&'static str],
    init: impl FnOnce(&Env, &Clients) -> Result<S, ConfigError>,
    handle: H,
) -> ExitCode
where
    S: Send + Sync + 'static,
    H: Fn(&'static S, Principal, Request) -> HF + Sync + Copy + Send + 'static,
    HF: Future<Output = Result<Response, Problem>> + Send,
{
    http_api::serve_with_query(
        QueryParameters::Only(query),
        async |env: Env| start(&env, init).await,
        move |(verifier, _, state), request| async move {
            let principal = authenticate(verifier, &request).await?;
            handle(state, principal, request).await
        },
    )
}

/// Runs an endpoint that also admits requests without a valid access token, with these query parameters. The handler
/// receives the principal, or the 401 to return if it needs one. A malformed `Authorization` header, and a token that cannot be verified at the moment, fail
/// the request.
pub fn serve_with_optional_token<S, H, HF>(
    query: &'static [&'static str],
    init: impl FnOnce(&Env, &Clients) -> Result<S, ConfigError>,
    handle: H,
) -> ExitCode
where
    S: Send + Sync + 'static,
    H: Fn(&'static S, Result<Principal, Problem>, Request) -> HF + Sync + Copy + Send + 'static,
    HF: Future<Output = Result<Response, Problem>> + Send,
{
    http_api::serve_with_query(
        QueryParameters::Only(query),
        async |env: Env| start(&env, init).await,
        move |(verifier, _, state), request| async move {
            let principal = authenticate_optional(verifier, &request).await?;
            handle(state, principal, request).await
        },
    )
}

/// Runs an endpoint for users with a valid access token and an active session, which is loaded in one round trip.
pub fn serve_with_session<S, H, HF>(init: impl FnOnce(&Env, &Clients) -> Result<S, ConfigError>, handle: H) -> ExitCode
where
    S: Send + Sync + 'static,
    H: Fn(&'static S, AuthenticatedSession, Request) -> HF + Sync + Copy + Send + 'static,
    HF: Future<Output = Result<Response, Problem>> + Send,
{
    http_api::serve(
        async |env: Env| start(&env, init).await,
        move |(verifier, accounts, state), request| async move {
            let session = authenticate_session(verifier, accounts, &request).await?;
            handle(state, session, request).await
        },
    )
}

/// Builds the state, and loads the public keys, which also opens the connection.
async fn start<S>(
    env: &Env,
    init: impl FnOnce(&Env, &Clients) -> Result<S, ConfigError>,
) -> Result<(Verifier<TableKeys>, AccountTable, S), ConfigError> {
    let config = aws::sdk_config(env)?;
    let dynamodb = aws::dynamodb_client_from(&config, env);
    let clients = Clients { config, dynamodb };
    let verifier = verifier(env, clients.dynamodb.clone())?;
    let table = env.required("ACCOUNT_TABLE")?;
    let accounts = AccountTable::new(clients.dynamodb.clone(), table, SystemClock, SystemRandom);
    let state = init(env, &clients)?;
    verifier.warm_up().await;
    Ok((verifier, accounts, state))
}

/// Creates a verifier with the public keys of the account table. Call [`Verifier::warm_up`] during init.
///
/// # Errors
///
/// [`ConfigError`] if a setting is missing.
pub fn verifier(env: &Env, client: Client) -> Result<Verifier<TableKeys>, ConfigError> {
    let keys = TableKeys::new(client, env.required("ACCOUNT_TABLE")?);
    Ok(Verifier::new(env.required("TOKEN_ISSUER")?, env.required("TOKEN_AUDIENCE")?, keys, SystemClock))
}

/// Authenticates a request that may lack a valid access token.
///
/// # Errors
///
/// A 401 if the `Authorization` header is not a bearer token, a 400 if the token is ambiguous, a 503 if it cannot be verified
/// at the moment.
pub async fn authenticate_optional(
    verifier: &Verifier<TableKeys>,
    request: &Request,
) -> Result<Result<Principal, Problem>, Problem> {
    access_token(request)?;
    match authenticate(verifier, request).await {
        Err(problem) if *problem.problem_type != problem_types::UNAUTHENTICATED => Err(problem),
        outcome => Ok(outcome),
    }
}

/// Authenticates a request and loads its session.
///
/// # Errors
///
/// A 401 if the token is invalid or its session has ended; a 503 if either cannot be checked at the moment.
pub async fn authenticate_session(
    verifier: &Verifier<TableKeys>,
    accounts: &AccountTable,
    request: &Request,
) -> Result<AuthenticatedSession, Problem> {
    let principal = authenticate(verifier, request).await?;
    let user_session = find_active_session(accounts, &principal).await?;
    Ok(AuthenticatedSession { principal, user_session })
}

#[cfg(test)]
mod tests {
    use http_api::problem_types::{UNAUTHENTICATED, UNAVAILABLE};
    use lambda_http::Body;

    use super::*;
    use crate::domain::{User, UserStatus};
    use crate::testing::{TestApp, now, request_of, session_and_token};

    #[tokio::test]
    async fn active_session_is_loaded_in_one_round_trip() {
        let app = TestApp::with_ada().await;
        let session = app.start_session(1).await;
        let authenticated = app.authenticate(&request_of(&session)).await.unwrap();
        assert_eq!(app.engine.round_trips(), ["BatchGetItem"]);
        assert_eq!(authenticated.principal.session_id, session.id);
        assert_eq!(authenticated.user_session.session, session);
    }

    #[tokio::test]
    async fn request_without_a_token_is_a_401_without_a_round_trip() {
        let app = TestApp::with_ada().await;
        let request = Request::new(Body::Empty);
        assert_eq!(app.authenticate(&request).await.unwrap_err().problem_type, &UNAUTHENTICATED);
        assert!(authenticate_optional(&app.verifier, &request).await.unwrap().is_err());
        assert!(app.engine.round_trips().is_empty());
    }

    #[tokio::test]
    async fn token_of_an_ended_session_is_a_401() {
        let unknown = session_and_token(9).0;
        let app = TestApp::with_ada().await;
        assert_eq!(app.authenticate(&request_of(&unknown)).await.unwrap_err().problem_type, &UNAUTHENTICATED);

        let session = app.start_session(1).await;
        app.end_session(&session).await;
        assert_eq!(app.authenticate(&request_of(&session)).await.unwrap_err().problem_type, &UNAUTHENTICATED);

        for change in [User::revoked, |user| User { status: UserStatus::Suspended, ..user }] {
            let app = TestApp::with_ada().await;
            let session = app.start_session(1).await;
            app.update_ada(change).await;
            assert_eq!(app.authenticate(&request_of(&session)).await.unwrap_err().problem_type, &UNAUTHENTICATED);
        }
    }

    #[tokio::test]
    async fn expired_session_is_a_401() {
        let app = TestApp::with_ada().await;
        let session = app.start_session(1).await;
        app.clock.advance(now().until(session.expires_at));
        assert_eq!(app.authenticate(&request_of(&session)).await.unwrap_err().problem_type, &UNAUTHENTICATED);
    }

    #[tokio::test]
    async fn unavailable_store_is_a_503() {
        let app = TestApp::with_ada().await;
        let session = app.start_session(1).await;
        app.engine.reject("BatchGetItem", 3, "ThrottlingException");
        assert_eq!(app.authenticate(&request_of(&session)).await.unwrap_err().problem_type, &UNAVAILABLE);
    }

    #[tokio::test]
    async fn token_that_cannot_be_verified_now_is_a_503() {
        let app = TestApp::with_ada().await;
        let session = app.start_session(1).await;
        let verifier = app.new_verifier();
        app.engine.reject("Query", 3, "ThrottlingException");
        let problem = authenticate_optional(&verifier, &request_of(&session)).await.unwrap_err();
        assert_eq!(problem.problem_type, &UNAVAILABLE);
    }
}
