//! The account context's endpoints. A code's way out, by SNS or SES, is one call more, which DynamoDB does not see.

use std::sync::Mutex;
use std::time::Duration;

use account::Clients;
use account::app::active_session::AuthenticatedSession;
use account::app::settings;
use account::app::verify_identifier::SendVerification;
use account::domain::verification_code::Code;
use account::domain::{Identifier, REUSE_GRACE_PERIOD};
use account::http::{
    change_password, confirm_code, end_session, jwks, list_sessions, login, me, refresh, register, send_code, signin,
    signout, signup, update_me, validate,
};
use account::notify::{DeliveryError, SendCode};
use account::ops::{RotateKeys, rotate_keys};
use account::store::{AccountTable, AuditTable};
use auth::Verifier;
use auth::table_keys::TableKeys;
use aws_sdk_dynamodb::Client;
use config::Env;
use http_api::{Problem, Request, Response, authenticate};
use kernel::SystemRandom;
use kernel::{Clock, SystemClock, Timestamp};
use lambda_http::RequestExt;
use serde_json::{Value, json};
use testkit::Engine;

use super::{Log, Row, answers, at, empty, posting, refuses, request};
use crate::meter::Meter;

const PASSWORD: &str = "correct horse battery staple";
const WRONG: &str = "wrong horse battery staple";

/// How many failures it takes until an identifier has to wait.
const FAILURES: usize = 5;

/// The account side with a key that signs.
struct World {
    env: Env,
    client: Client,
}

impl World {
    async fn new(meter: &Meter, engine: &Engine) -> Self {
        let table = |name| engine.create_table("account", name);
        // As template.yaml has them.
        let env = Env::from_iter([
            ("AWS_REGION", "eu-west-1"),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("ACCOUNT_TABLE", table("AccountTable").as_str()),
            ("SIGNING_KEY_TABLE", &table("SigningKeyTable")),
            ("AUDIT_TABLE", &table("AuditTable")),
            ("AUDIT_RETENTION_DAYS", "400"),
            ("SOURCE_PEPPER", "a pepper of the deployment's own"),
            ("ACCESS_TOKEN_SECONDS", "900"),
            ("SESSION_IDLE_SECONDS", "3600"),
            ("SESSION_ABSOLUTE_SECONDS", "86400"),
            ("PASSWORD_MIN_LENGTH", "8"),
            ("SIGNING_KEY_DAYS", "90"),
            ("TOKEN_ISSUER", "urn:bench:account"),
            ("TOKEN_AUDIENCE", "urn:bench:api"),
        ]);
        let world = Self { env, client: meter.on(&engine.client) };
        let keys = RotateKeys::from_env(&world.env, world.client.clone()).expect("a complete environment");
        rotate_keys(&keys, json!({}), "bench".to_owned()).await.expect("a first key");
        world
    }

    fn table(&self) -> AccountTable {
        AccountTable::from_env(&self.env, self.client.clone()).expect("a complete environment")
    }

    fn clients(&self) -> Clients {
        let config = aws::sdk_config(&self.env).expect("a complete environment");
        Clients { config, dynamodb: self.client.clone() }
    }

    async fn verifier(&self) -> Verifier<TableKeys> {
        let verifier = account::verifier(&self.env, self.client.clone()).expect("a complete environment");
        verifier.warm_up().await;
        verifier
    }

    async fn register(&self, name: &str, phone: &str) {
        let deps = register::State::from_env(&self.env, self.client.clone()).expect("a complete environment");
        let body = json!({"email": format!("{name}@example.com"), "phone": phone, "password": PASSWORD});
        register::handle(&deps, posting(&body)).await.expect("somebody new");
    }

    /// Signs in: an access token, and a refresh token.
    async fn login(&self, name: &str) -> (String, String) {
        let deps = login::State::from_env(&self.env, self.client.clone()).await.expect("a complete environment");
        let answer = login::handle(&deps, posting(&credentials(name, PASSWORD))).await.expect("somebody who signs in");
        let body: Value = serde_json::from_str(&answer.body).expect("tokens");
        let token = |name: &str| body[name].as_str().expect("a token").to_owned();
        (token("access_token"), token("refresh_token"))
    }
}

fn credentials(name: &str, password: &str) -> Value {
    json!({"email": format!("{name}@example.com"), "password": password})
}

/// A request of somebody who is signed in.
fn signed(token: &str, body: Option<&Value>) -> Request {
    request(body, &[("authorization", &format!("Bearer {token}"))])
}

pub(super) async fn play() -> Vec<Row> {
    let engine = Engine::start().await;
    let meter = Meter::default();
    let world = World::new(&meter, &engine).await;
    let mut log = Log::new(meter);
    Box::pin(newcomers(&world, &mut log)).await;
    Box::pin(sign_ins(&world, &mut log)).await;
    Box::pin(tokens(&world, &mut log)).await;
    Box::pin(sessions(&world, &mut log)).await;
    Box::pin(oneself(&world, &mut log)).await;
    Box::pin(verifications(&world, &mut log)).await;
    log.rows
}

async fn newcomers(world: &World, log: &mut Log) {
    const SIGNUP: &str = "POST /auth/signup";
    const REGISTER: &str = "POST /api/auth/register";
    let deps = signup::State::from_env(&world.env, world.client.clone()).expect("a complete environment");
    let taken = || refuses(409, "identifier_taken");
    let ada = posting(&json!({"email": "ada@example.com", "password": PASSWORD}));
    log.add(SIGNUP, "success", answers(201), signup::handle(&deps, ada)).await;
    let ada = posting(&json!({"email": "ada@example.com", "password": PASSWORD}));
    log.add(SIGNUP, "refusal", taken(), signup::handle(&deps, ada)).await;
    let ben = json!({"email": "ben@example.com", "phone": "+250788123456", "password": PASSWORD});
    log.add(REGISTER, "success", answers(201), register::handle(&deps, posting(&ben))).await;
    log.add(REGISTER, "refusal", taken(), register::handle(&deps, posting(&ben))).await;
}

async fn sign_ins(world: &World, log: &mut Log) {
    const SIGNIN: &str = "POST /auth/signin";
    const LOGIN: &str = "POST /api/auth/login";
    let deps = signin::State::from_env(&world.env, world.client.clone()).await.expect("a complete environment");
    let sent = |name, password| posting(&credentials(name, password));
    let invalid = || refuses(401, "invalid_credentials");
    log.add(SIGNIN, "success", answers(200), signin::handle(&deps, sent("ada", PASSWORD))).await;
    log.add(SIGNIN, "refusal", invalid(), signin::handle(&deps, sent("ada", WRONG))).await;
    log.add(SIGNIN, "refusal, unknown", invalid(), signin::handle(&deps, sent("nobody", PASSWORD))).await;
    world.register("mallory", "+250788000001").await;
    for _ in 0..FAILURES {
        signin::handle(&deps, sent("mallory", WRONG)).await.expect_err("a wrong password");
    }
    let waits = refuses(429, "too_many_attempts");
    log.add(SIGNIN, "refusal, too many", waits, signin::handle(&deps, sent("mallory", PASSWORD))).await;
    log.add(LOGIN, "success", answers(200), login::handle(&deps, sent("ben", PASSWORD))).await;
    log.add(LOGIN, "refusal", invalid(), login::handle(&deps, sent("ben", WRONG))).await;
}

async fn tokens(world: &World, log: &mut Log) {
    const VALIDATE: &str = "GET /api/auth/validate";
    const REFRESH: &str = "POST /auth/refresh";
    let (access, token) = world.login("ada").await;
    let deps = validate::State { verifier: world.verifier().await };
    log.add(VALIDATE, "success", answers(200), validate::handle(&deps, signed(&access, None))).await;
    let bad = refuses(401, "unauthenticated");
    log.add(VALIDATE, "refusal", bad, validate::handle(&deps, signed("a.b.c", None))).await;

    let table = TableKeys::new(world.client.clone(), "AccountTable");
    let deps = jwks::State::new(table, SystemClock);
    log.add("GET /.well-known/jwks.json", "success", answers(200), jwks::handle(&deps, empty())).await;

    let deps = refresh::State::from_env(&world.env, world.client.clone()).await.expect("a complete environment");
    let sent = |token: &str| posting(&json!({"refresh_token": token}));
    log.add(REFRESH, "success", answers(200), refresh::handle(&deps, sent(&token))).await;
    log.add(REFRESH, "replay", answers(200), refresh::handle(&deps, sent(&token))).await;
    let invalid = || refuses(401, "invalid_refresh_token");
    log.add(REFRESH, "refusal", invalid(), refresh::handle(&deps, sent("made up"))).await;
    let audit = AuditTable::new(world.client.clone(), "AuditTable");
    let (client, random) = (world.client.clone(), SystemRandom);
    let accounts = AccountTable::audited(client, "AccountTable", AfterTheGrace, random, audit);
    let later = refresh::State { accounts, ..deps };
    log.add(REFRESH, "refusal, reused", invalid(), refresh::handle(&later, sent(&token))).await;
}

/// A clock that is so far ahead that a spent refresh token has no grace left.
struct AfterTheGrace;

impl Clock for AfterTheGrace {
    fn now(&self) -> Timestamp {
        SystemClock.now().plus(REUSE_GRACE_PERIOD + Duration::from_secs(1))
    }
}

/// The endpoints that authenticate a request before they handle it.
struct Authenticated<'a> {
    verifier: &'a Verifier<TableKeys>,
    accounts: &'a AccountTable,
}

impl Authenticated<'_> {
    async fn respond<'r, F>(
        &self,
        request: Request,
        handle: impl FnOnce(AuthenticatedSession, Request) -> F,
    ) -> Result<Response, Problem>
    where
        F: Future<Output = Result<Response, Problem>> + 'r,
    {
        let session = account::authenticate_session(self.verifier, self.accounts, &request).await?;
        handle(session, request).await
    }
}

async fn sessions(world: &World, log: &mut Log) {
    const ME: &str = "GET /auth/me";
    const END: &str = "DELETE /auth/sessions/{id}";
    const SIGNOUT: &str = "POST /auth/signout";
    let unauthenticated = || refuses(401, "unauthenticated");
    let (ada, _) = world.login("ada").await;
    let (verifier, table) = (world.verifier().await, world.table());
    let authenticated = Authenticated { verifier: &verifier, accounts: &table };
    let shown = |request| authenticated.respond(request, |session, request| me::handle(&me::State, session, request));
    log.add(ME, "success", answers(200), shown(signed(&ada, None))).await;
    log.add(ME, "refusal", unauthenticated(), shown(empty())).await;

    let list = async {
        let request = signed(&ada, None);
        list_sessions::handle(&table, authenticate(&verifier, &request).await?, request).await
    };
    let listed = log.add("GET /auth/sessions", "success", answers(200), list).await;
    let listed: Value = serde_json::from_str(&listed.expect("sessions").body).expect("sessions");
    let sessions = listed["data"].as_array().expect("a list");
    let other = sessions.iter().find(|session| session["current"] == false).expect("a session from before");
    let other = other["id"].as_str().expect("an id");

    let state = end_session::State::from_env(&world.env, &world.clients()).expect("a complete environment");
    let end = |id: &str| {
        let request = at(signed(&ada, None), "id", id);
        authenticated.respond(request, |session, request| end_session::handle(&state, session, request))
    };
    log.add(END, "success", answers(204), end(other)).await;
    let unknown = refuses(404, "session_not_found");
    log.add(END, "refusal", unknown, end("0190a1b2-5c3d-4e6f-8a7b-9c0d1e2f3a4b")).await;

    let state = signout::State::from_env(&world.env, &world.clients()).expect("a complete environment");
    let sign_out = async |request: Request| {
        let principal = account::authenticate_optional(&verifier, &request).await?;
        signout::handle(&state, principal, request).await
    };
    for (scope, outcome) in [("others", "success, the others"), ("local", "success"), ("global", "success, all")] {
        let (token, _) = world.login("ada").await;
        let parameters = std::collections::HashMap::from([("scope".to_owned(), scope.to_owned())]);
        let request = signed(&token, None).with_query_string_parameters(parameters);
        log.add(SIGNOUT, outcome, answers(200), sign_out(request)).await;
    }
    let (_, token) = world.login("ada").await;
    let by_refresh_token = request(None, &[("cookie", &format!("refresh_token={token}"))]);
    log.add(SIGNOUT, "success, by the refresh token", answers(200), sign_out(by_refresh_token)).await;
    log.add(SIGNOUT, "success, nobody", answers(200), sign_out(empty())).await;
}

async fn oneself(world: &World, log: &mut Log) {
    const PASSWORDS: &str = "POST /auth/password";
    const UPDATE: &str = "PATCH /auth/me";
    let wrong = || refuses(401, "invalid_credentials");
    world.register("cleo", "+250788000002").await;
    let (cleo, _) = world.login("cleo").await;
    let (verifier, table) = (world.verifier().await, world.table());
    let authenticated = Authenticated { verifier: &verifier, accounts: &table };
    let state = update_me::State::from_env(&world.env, &world.clients()).expect("a complete environment");
    let to = |email: &str, password: &str| {
        let request = signed(&cleo, Some(&json!({"email": email, "currentPassword": password})));
        authenticated.respond(request, |session, request| update_me::handle(&state, session, request))
    };
    log.add(UPDATE, "success", answers(200), to("cleopatra@example.com", PASSWORD)).await;
    log.add(UPDATE, "refusal", wrong(), to("cleopatra@example.org", WRONG)).await;
    let taken = refuses(409, "identifier_taken");
    log.add(UPDATE, "refusal, taken", taken, to("ada@example.com", PASSWORD)).await;

    let state = change_password::State::from_env(&world.env, &world.clients()).expect("a complete environment");
    state.issuer.signing_key.warm_up().await;
    let change = |current: &str| {
        let body = json!({"currentPassword": current, "newPassword": "a better horse battery staple"});
        let request = signed(&cleo, Some(&body));
        authenticated.respond(request, |session, request| change_password::handle(&state, session, request))
    };
    log.add(PASSWORDS, "refusal", wrong(), change(WRONG)).await;
    log.add(PASSWORDS, "success", answers(200), change(PASSWORD)).await;
}

/// Keeps the last code.
#[derive(Default)]
struct Letterbox(Mutex<String>);

impl SendCode for &Letterbox {
    async fn send_code(&self, _to: &Identifier, code: &Code) -> Result<(), DeliveryError> {
        code.expose().clone_into(&mut self.0.lock().expect("a letterbox"));
        Ok(())
    }
}

async fn verifications(world: &World, log: &mut Log) {
    const SEND: &str = "POST /auth/verifications";
    const CONFIRM: &str = "POST /auth/verifications/confirm";
    let letterbox = Letterbox::default();
    let (ada, _) = world.login("ada").await;
    let (verifier, table) = (world.verifier().await, world.table());
    let authenticated = Authenticated { verifier: &verifier, accounts: &table };
    let audit_log = settings::audit_log(&world.env).expect("a complete environment");
    let state = SendVerification { accounts: world.table(), delivery: &letterbox, audit_log };
    let send = || {
        let request = signed(&ada, Some(&json!({"identifier": "email"})));
        authenticated.respond(request, |session, request| send_code::handle(&state, session, request))
    };
    log.add(SEND, "success", answers(202), send()).await;
    log.add(SEND, "refusal", refuses(429, "code_sent_recently"), send()).await;

    let state = confirm_code::State::from_env(&world.env, &world.clients()).expect("a complete environment");
    let confirm = |code: &str| {
        let request = signed(&ada, Some(&json!({"identifier": "email", "code": code})));
        authenticated.respond(request, |session, request| confirm_code::handle(&state, session, request))
    };
    let code = letterbox.0.lock().expect("a letterbox").clone();
    let wrong = if code == "000000" { "000001" } else { "000000" };
    log.add(CONFIRM, "refusal", refuses(400, "invalid_code"), confirm(wrong)).await;
    log.add(CONFIRM, "success", answers(200), confirm(&code)).await;
}
