//! The endpoints of the account context. The delivery of a code by SNS or SES is one more call, which is not metered.

use std::sync::Mutex;
use std::time::Duration;

use account::Clients;
use account::app::active_session::AuthenticatedSession;
use account::app::settings;
use account::app::verify_identifier::SendVerification;
use account::domain::verification_code::Code;
use account::domain::{Identifier, REUSE_GRACE_PERIOD, RefreshToken};
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

use super::{Recorder, Row, fails_with, returns};
use crate::meter::Meter;
use crate::requests::{empty, post, request, with_path_parameter};

const PASSWORD: &str = "correct horse battery staple";
const WRONG: &str = "wrong horse battery staple";

/// The number of failed attempts after which an identifier has to wait.
const FAILURES: usize = 5;

/// The account context with a signing key.
struct Scene {
    env: Env,
    client: Client,
}

impl Scene {
    async fn new(meter: &Meter, engine: &Engine) -> Self {
        let table = |name| engine.create_table("account", name);
        // As in template.yaml.
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
            ("MAX_SESSIONS_PER_USER", "20"),
            ("PASSWORD_MIN_LENGTH", "8"),
            ("SIGNING_KEY_DAYS", "90"),
            ("TOKEN_ISSUER", "urn:bench:account"),
            ("TOKEN_AUDIENCE", "urn:bench:api"),
        ]);
        let scene = Self { env, client: meter.on(&engine.client) };
        let keys = RotateKeys::from_env(&scene.env, scene.client.clone()).expect("a complete environment");
        rotate_keys(&keys, json!({}), "bench".to_owned()).await.expect("a first key");
        scene
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
        let state = register::State::from_env(&self.env, self.client.clone()).expect("a complete environment");
        let body = json!({"email": format!("{name}@example.com"), "phone": phone, "password": PASSWORD});
        register::handle(&state, post(&body)).await.expect("a new user");
    }

    /// Signs in. Returns the access token and the refresh token.
    async fn login(&self, name: &str) -> (String, String) {
        let state = login::State::from_env(&self.env, self.client.clone()).await.expect("a complete environment");
        let response = login::handle(&state, post(&credentials(name, PASSWORD))).await.expect("a sign-in");
        let body: Value = serde_json::from_str(&response.body).expect("tokens");
        let token = |name: &str| body[name].as_str().expect("a token").to_owned();
        (token("access_token"), token("refresh_token"))
    }
}

fn credentials(name: &str, password: &str) -> Value {
    json!({"email": format!("{name}@example.com"), "password": password})
}

/// A request with an access token.
fn signed(token: &str, body: Option<&Value>) -> Request {
    request(body, &[("authorization", &format!("Bearer {token}"))])
}

pub(super) async fn run() -> Vec<Row> {
    let engine = Engine::start().await;
    let meter = Meter::default();
    let scene = Scene::new(&meter, &engine).await;
    let mut recorder = Recorder::new(meter);
    Box::pin(sign_ups(&scene, &mut recorder)).await;
    Box::pin(sign_ins(&scene, &mut recorder)).await;
    Box::pin(tokens(&scene, &mut recorder)).await;
    Box::pin(sessions(&scene, &mut recorder)).await;
    Box::pin(many_sessions(&scene, &mut recorder)).await;
    Box::pin(credentials_of_the_user(&scene, &mut recorder)).await;
    Box::pin(verifications(&scene, &mut recorder)).await;
    recorder.rows
}

async fn sign_ups(scene: &Scene, recorder: &mut Recorder) {
    const SIGNUP: &str = "POST /auth/signup";
    const REGISTER: &str = "POST /api/auth/register";
    let state = signup::State::from_env(&scene.env, scene.client.clone()).expect("a complete environment");
    let taken = || fails_with(409, "identifier_taken");
    let ada = post(&json!({"email": "ada@example.com", "password": PASSWORD}));
    recorder.add(SIGNUP, "success", returns(201), signup::handle(&state, ada)).await;
    let ada = post(&json!({"email": "ada@example.com", "password": PASSWORD}));
    recorder.add(SIGNUP, "failure", taken(), signup::handle(&state, ada)).await;
    let ben = json!({"email": "ben@example.com", "phone": "+250788123456", "password": PASSWORD});
    recorder.add(REGISTER, "success", returns(201), register::handle(&state, post(&ben))).await;
    recorder.add(REGISTER, "failure", taken(), register::handle(&state, post(&ben))).await;
}

async fn sign_ins(scene: &Scene, recorder: &mut Recorder) {
    const SIGNIN: &str = "POST /auth/signin";
    const LOGIN: &str = "POST /api/auth/login";
    let state = signin::State::from_env(&scene.env, scene.client.clone()).await.expect("a complete environment");
    let sent = |name, password| post(&credentials(name, password));
    let invalid = || fails_with(401, "invalid_credentials");
    recorder.add(SIGNIN, "success", returns(200), signin::handle(&state, sent("ada", PASSWORD))).await;
    recorder.add(SIGNIN, "failure", invalid(), signin::handle(&state, sent("ada", WRONG))).await;
    recorder.add(SIGNIN, "failure, unknown", invalid(), signin::handle(&state, sent("unknown", PASSWORD))).await;
    scene.register("mallory", "+250788000001").await;
    for _ in 0..FAILURES {
        signin::handle(&state, sent("mallory", WRONG)).await.expect_err("a wrong password");
    }
    let waits = fails_with(429, "too_many_attempts");
    recorder.add(SIGNIN, "failure, too many", waits, signin::handle(&state, sent("mallory", PASSWORD))).await;
    recorder.add(LOGIN, "success", returns(200), login::handle(&state, sent("ben", PASSWORD))).await;
    recorder.add(LOGIN, "failure", invalid(), login::handle(&state, sent("ben", WRONG))).await;
}

async fn tokens(scene: &Scene, recorder: &mut Recorder) {
    const VALIDATE: &str = "GET /api/auth/validate";
    const REFRESH: &str = "POST /auth/refresh";
    let (access, token) = scene.login("ada").await;
    let state = validate::State { verifier: scene.verifier().await, accounts: scene.table() };
    recorder.add(VALIDATE, "success", returns(200), validate::handle(&state, signed(&access, None))).await;
    let parameters = std::collections::HashMap::from([("fresh".to_owned(), "true".to_owned())]);
    let fresh = signed(&access, None).with_query_string_parameters(parameters);
    recorder.add(VALIDATE, "success, fresh", returns(200), validate::handle(&state, fresh)).await;
    let bad = fails_with(401, "unauthenticated");
    recorder.add(VALIDATE, "failure", bad, validate::handle(&state, signed("a.b.c", None))).await;

    let table = TableKeys::new(scene.client.clone(), "AccountTable");
    let state = jwks::State::new(table, SystemClock);
    recorder.add("GET /.well-known/jwks.json", "success", returns(200), jwks::handle(&state, empty())).await;

    let state = refresh::State::from_env(&scene.env, scene.client.clone()).await.expect("a complete environment");
    let sent = |token: &str| post(&json!({"refresh_token": token}));
    recorder.add(REFRESH, "success", returns(200), refresh::handle(&state, sent(&token))).await;
    recorder.add(REFRESH, "replay", returns(200), refresh::handle(&state, sent(&token))).await;
    let invalid = || fails_with(401, "invalid_refresh_token");
    recorder.add(REFRESH, "failure", invalid(), refresh::handle(&state, sent("made up"))).await;
    let issued = RefreshToken::parse(&token).expect("a refresh token");
    let forged = RefreshToken::new(issued.user, issued.session, &SystemRandom).to_text();
    recorder.add(REFRESH, "failure, forged", invalid(), refresh::handle(&state, sent(forged.expose()))).await;
    let audit = AuditTable::new(scene.client.clone(), "AuditTable");
    let (client, random) = (scene.client.clone(), SystemRandom);
    let accounts = AccountTable::audited(client, "AccountTable", AfterTheGrace, random, audit);
    let later = refresh::State { accounts, ..state };
    recorder.add(REFRESH, "failure, reused", invalid(), refresh::handle(&later, sent(&token))).await;
}

/// What grows with the number of a user's sessions, up to the maximum.
async fn many_sessions(scene: &Scene, recorder: &mut Recorder) {
    let state = signin::State::from_env(&scene.env, scene.client.clone()).await.expect("a complete environment");
    scene.register("eve", "+250788000007").await;
    let signed_in = || signin::handle(&state, post(&credentials("eve", PASSWORD)));
    for _ in 0..20 {
        signed_in().await.expect("a session");
    }
    recorder.add("POST /auth/signin", "success, too many sessions", returns(200), signed_in()).await;
    for _ in 21..100 {
        signed_in().await.expect("a session");
    }
    let (eve, _) = scene.login("eve").await;
    let (verifier, table) = (scene.verifier().await, scene.table());
    let list = async {
        let request = signed(&eve, None);
        list_sessions::handle(&table, authenticate(&verifier, &request).await?, request).await
    };
    recorder.add("GET /auth/sessions", "success, hundred sessions", returns(200), list).await;
}

/// A clock after the grace period of a used refresh token.
struct AfterTheGrace;

impl Clock for AfterTheGrace {
    fn now(&self) -> Timestamp {
        SystemClock.now().plus(REUSE_GRACE_PERIOD + Duration::from_secs(1))
    }
}

/// Authenticates requests before they are handled.
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

async fn sessions(scene: &Scene, recorder: &mut Recorder) {
    const ME: &str = "GET /auth/me";
    const END: &str = "DELETE /auth/sessions/{id}";
    const SIGNOUT: &str = "POST /auth/signout";
    let unauthenticated = || fails_with(401, "unauthenticated");
    let (ada, _) = scene.login("ada").await;
    let (verifier, table) = (scene.verifier().await, scene.table());
    let authenticated = Authenticated { verifier: &verifier, accounts: &table };
    let shown = |request| authenticated.respond(request, |session, request| me::handle(&me::State, session, request));
    recorder.add(ME, "success", returns(200), shown(signed(&ada, None))).await;
    recorder.add(ME, "failure", unauthenticated(), shown(empty())).await;

    let list = async {
        let request = signed(&ada, None);
        list_sessions::handle(&table, authenticate(&verifier, &request).await?, request).await
    };
    let listed = recorder.add("GET /auth/sessions", "success", returns(200), list).await;
    let listed: Value = serde_json::from_str(&listed.expect("sessions").body).expect("sessions");
    let sessions = listed["data"].as_array().expect("a list");
    let other = sessions.iter().find(|session| session["current"] == false).expect("a session from before");
    let other = other["id"].as_str().expect("an id");

    let state = end_session::State::from_env(&scene.env, &scene.clients()).expect("a complete environment");
    let end = |id: &str| {
        let request = with_path_parameter(signed(&ada, None), "id", id);
        authenticated.respond(request, |session, request| end_session::handle(&state, session, request))
    };
    recorder.add(END, "success", returns(204), end(other)).await;
    let unknown = fails_with(404, "session_not_found");
    recorder.add(END, "failure", unknown, end("0190a1b2-5c3d-4e6f-8a7b-9c0d1e2f3a4b")).await;

    let state = signout::State::from_env(&scene.env, &scene.clients()).expect("a complete environment");
    let sign_out = async |request: Request| {
        let principal = account::authenticate_optional(&verifier, &request).await?;
        signout::handle(&state, principal, request).await
    };
    for (scope, outcome) in [("others", "success, others"), ("local", "success"), ("global", "success, all")] {
        let (token, _) = scene.login("ada").await;
        let parameters = std::collections::HashMap::from([("scope".to_owned(), scope.to_owned())]);
        let request = signed(&token, None).with_query_string_parameters(parameters);
        recorder.add(SIGNOUT, outcome, returns(200), sign_out(request)).await;
    }
    let (_, token) = scene.login("ada").await;
    let by_refresh_token = request(None, &[("cookie", &format!("refresh_token={token}"))]);
    recorder.add(SIGNOUT, "success, by refresh token", returns(200), sign_out(by_refresh_token)).await;
    recorder.add(SIGNOUT, "success, without a token", returns(200), sign_out(empty())).await;
}

async fn credentials_of_the_user(scene: &Scene, recorder: &mut Recorder) {
    const PASSWORDS: &str = "POST /auth/password";
    const UPDATE: &str = "PATCH /auth/me";
    let wrong = || fails_with(403, "wrong_current_password");
    scene.register("cleo", "+250788000009").await;
    let (cleo, _) = scene.login("cleo").await;
    let (verifier, table) = (scene.verifier().await, scene.table());
    let authenticated = Authenticated { verifier: &verifier, accounts: &table };
    let state = update_me::State::from_env(&scene.env, &scene.clients()).expect("a complete environment");
    let to = |email: &str, password: &str| {
        let request = signed(&cleo, Some(&json!({"email": email, "currentPassword": password})));
        authenticated.respond(request, |session, request| update_me::handle(&state, session, request))
    };
    recorder.add(UPDATE, "success", returns(200), to("cleopatra@example.com", PASSWORD)).await;
    recorder.add(UPDATE, "failure", wrong(), to("cleopatra@example.org", WRONG)).await;
    let taken = fails_with(409, "identifier_taken");
    recorder.add(UPDATE, "failure, taken", taken, to("ada@example.com", PASSWORD)).await;

    let state = change_password::State::from_env(&scene.env, &scene.clients()).expect("a complete environment");
    state.issuer.signing_key.warm_up().await;
    let change = |current: &str| {
        let body = json!({"currentPassword": current, "newPassword": "a better horse battery staple"});
        let request = signed(&cleo, Some(&body));
        authenticated.respond(request, |session, request| change_password::handle(&state, session, request))
    };
    recorder.add(PASSWORDS, "failure", wrong(), change(WRONG)).await;
    recorder.add(PASSWORDS, "success", returns(200), change(PASSWORD)).await;
}

/// Keeps the last code.
#[derive(Default)]
struct FakeSender(Mutex<String>);

impl SendCode for &FakeSender {
    async fn send_code(&self, _to: &Identifier, code: &Code) -> Result<(), DeliveryError> {
        code.expose().clone_into(&mut self.0.lock().expect("a sender"));
        Ok(())
    }
}

async fn verifications(scene: &Scene, recorder: &mut Recorder) {
    const SEND: &str = "POST /auth/verifications";
    const CONFIRM: &str = "POST /auth/verifications/confirm";
    let sender = FakeSender::default();
    let (ada, _) = scene.login("ada").await;
    let (verifier, table) = (scene.verifier().await, scene.table());
    let authenticated = Authenticated { verifier: &verifier, accounts: &table };
    let audit_log = settings::audit_log(&scene.env).expect("a complete environment");
    let state = SendVerification { accounts: scene.table(), delivery: &sender, audit_log };
    let send = || {
        let request = signed(&ada, Some(&json!({"identifier": "email"})));
        authenticated.respond(request, |session, request| send_code::handle(&state, session, request))
    };
    recorder.add(SEND, "success", returns(202), send()).await;
    recorder.add(SEND, "failure", fails_with(429, "code_sent_recently"), send()).await;

    let state = confirm_code::State::from_env(&scene.env, &scene.clients()).expect("a complete environment");
    let confirm = |code: &str| {
        let request = signed(&ada, Some(&json!({"identifier": "email", "code": code})));
        authenticated.respond(request, |session, request| confirm_code::handle(&state, session, request))
    };
    let code = sender.0.lock().expect("a sender").clone();
    let wrong = if code == "000000" { "000001" } else { "000000" };
    recorder.add(CONFIRM, "failure", fails_with(400, "invalid_code"), confirm(wrong)).await;
    recorder.add(CONFIRM, "success", returns(200), confirm(&code)).await;
}
