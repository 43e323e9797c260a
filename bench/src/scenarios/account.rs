//! The account context's endpoints. A code's way out, by SNS or SES, is one call more, which DynamoDB does not see.

use std::sync::Mutex;
use std::time::Duration;

use account::app::refresh_session::RefreshSession;
use account::app::token_issuer::TokenIssuer;
use account::app::verify_identifier::{ConfirmVerification, SendVerification};
use account::app::{reauthenticate, settings, sign_in, sign_up, verifier};
use account::domain::verification_code::Code;
use account::domain::{Identifier, REUSE_GRACE_PERIOD};
use account::http::{
    ChangePassword, ConfirmCode, EndSession, Jwks, ListSessions, Me, SendCodes, Signout, UpdateMe, Validate,
    change_password, confirm_code, end_session, jwks, list_sessions, login, me, refresh, register, send_code, signin,
    signout, signup, update_me, validate,
};
use account::notify::{DeliveryError, SendCode};
use account::ops::{RotateKeys, rotate_keys};
use account::store::{AccountTable, SigningKeyTable};
use auth::Verifier;
use auth::table_keys::TableKeys;
use aws_sdk_dynamodb::Client;
use config::Env;
use http_api::Request;
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

type TokenVerifier = Verifier<TableKeys, SystemClock>;

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

    async fn verifier(&self) -> TokenVerifier {
        verifier::from_env(&self.env, self.client.clone()).await.expect("a complete environment")
    }

    async fn issuer(&self) -> TokenIssuer<SigningKeyTable> {
        TokenIssuer::from_env(&self.env, self.client.clone()).await.expect("a complete environment")
    }

    async fn register(&self, name: &str, phone: &str) {
        let deps = sign_up::from_env(&self.env, self.client.clone()).expect("a complete environment");
        let body = json!({"email": format!("{name}@example.com"), "phone": phone, "password": PASSWORD});
        register(&deps, posting(&body)).await.expect("somebody new");
    }

    /// Signs in: an access token, and a refresh token.
    async fn login(&self, name: &str) -> (String, String) {
        let deps = sign_in::from_env(&self.env, self.client.clone()).await.expect("a complete environment");
        let answer = login(&deps, posting(&credentials(name, PASSWORD))).await.expect("somebody who signs in");
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
    let deps = sign_up::from_env(&world.env, world.client.clone()).expect("a complete environment");
    let taken = || refuses(409, "identifier_taken");
    let ada = posting(&json!({"email": "ada@example.com", "password": PASSWORD}));
    log.add(SIGNUP, "success", answers(201), signup(&deps, ada)).await;
    let ada = posting(&json!({"email": "ada@example.com", "password": PASSWORD}));
    log.add(SIGNUP, "refusal", taken(), signup(&deps, ada)).await;
    let ben = json!({"email": "ben@example.com", "phone": "+250788123456", "password": PASSWORD});
    log.add(REGISTER, "success", answers(201), register(&deps, posting(&ben))).await;
    log.add(REGISTER, "refusal", taken(), register(&deps, posting(&ben))).await;
}

async fn sign_ins(world: &World, log: &mut Log) {
    const SIGNIN: &str = "POST /auth/signin";
    const LOGIN: &str = "POST /api/auth/login";
    let deps = sign_in::from_env(&world.env, world.client.clone()).await.expect("a complete environment");
    let sent = |name, password| posting(&credentials(name, password));
    let invalid = || refuses(401, "invalid_credentials");
    log.add(SIGNIN, "success", answers(200), signin(&deps, sent("ada", PASSWORD))).await;
    log.add(SIGNIN, "refusal", invalid(), signin(&deps, sent("ada", WRONG))).await;
    log.add(SIGNIN, "refusal, unknown", invalid(), signin(&deps, sent("nobody", PASSWORD))).await;
    world.register("mallory", "+250788000001").await;
    for _ in 0..FAILURES {
        signin(&deps, sent("mallory", WRONG)).await.expect_err("a wrong password");
    }
    let waits = refuses(429, "too_many_attempts");
    log.add(SIGNIN, "refusal, too many", waits, signin(&deps, sent("mallory", PASSWORD))).await;
    log.add(LOGIN, "success", answers(200), login(&deps, sent("ben", PASSWORD))).await;
    log.add(LOGIN, "refusal", invalid(), login(&deps, sent("ben", WRONG))).await;
}

async fn tokens(world: &World, log: &mut Log) {
    const VALIDATE: &str = "GET /api/auth/validate";
    const REFRESH: &str = "POST /auth/refresh";
    let (access, token) = world.login("ada").await;
    let deps = Validate { verifier: world.verifier().await };
    log.add(VALIDATE, "success", answers(200), validate(&deps, signed(&access, None))).await;
    let bad = refuses(401, "unauthenticated");
    log.add(VALIDATE, "refusal", bad, validate(&deps, signed("a.b.c", None))).await;

    let table = TableKeys::new(world.client.clone(), "AccountTable");
    let deps = Jwks::new(table, SystemClock);
    log.add("GET /.well-known/jwks.json", "success", answers(200), jwks(&deps, empty())).await;

    let deps = account::app::refresh_session::from_env(&world.env, world.client.clone())
        .await
        .expect("a complete environment");
    let sent = |token: &str| posting(&json!({"refresh_token": token}));
    log.add(REFRESH, "success", answers(200), refresh(&deps, sent(&token))).await;
    log.add(REFRESH, "replay", answers(200), refresh(&deps, sent(&token))).await;
    let invalid = || refuses(401, "invalid_refresh_token");
    log.add(REFRESH, "refusal", invalid(), refresh(&deps, sent("made up"))).await;
    let RefreshSession { sessions, issuer, lifetimes, audit_log, random, .. } = deps;
    let later = RefreshSession { sessions, issuer, lifetimes, audit_log, random, clock: AfterTheGrace };
    log.add(REFRESH, "refusal, reused", invalid(), refresh(&later, sent(&token))).await;
}

/// A clock that is so far ahead that a spent refresh token has no grace left.
struct AfterTheGrace;

impl Clock for AfterTheGrace {
    fn now(&self) -> Timestamp {
        SystemClock.now().plus(REUSE_GRACE_PERIOD + Duration::from_secs(1))
    }
}

async fn sessions(world: &World, log: &mut Log) {
    const ME: &str = "GET /auth/me";
    const END: &str = "DELETE /auth/sessions/{id}";
    const SIGNOUT: &str = "POST /auth/signout";
    let table = || AccountTable::new(world.client.clone(), "AccountTable", SystemRandom);
    let unauthenticated = || refuses(401, "unauthenticated");
    let (ada, _) = world.login("ada").await;
    let deps = Me { verifier: world.verifier().await, sessions: table(), clock: SystemClock };
    log.add(ME, "success", answers(200), me(&deps, signed(&ada, None))).await;
    log.add(ME, "refusal", unauthenticated(), me(&deps, empty())).await;

    let deps = ListSessions { verifier: world.verifier().await, sessions: table(), clock: SystemClock };
    let listed = log.add("GET /auth/sessions", "success", answers(200), list_sessions(&deps, signed(&ada, None))).await;
    let listed: Value = serde_json::from_str(&listed.expect("sessions").body).expect("sessions");
    let sessions = listed["data"].as_array().expect("a list");
    let other = sessions.iter().find(|session| session["current"] == false).expect("a session from before");
    let other = other["id"].as_str().expect("an id");

    let deps = EndSession {
        verifier: world.verifier().await,
        sessions: world.table(),
        audit_log: settings::audit_log(&world.env).expect("a complete environment"),
        random: SystemRandom,
        clock: SystemClock,
    };
    let end = |id: &str| end_session(&deps, at(signed(&ada, None), "id", id));
    log.add(END, "success", answers(204), end(other)).await;
    let unknown = refuses(404, "session_not_found");
    log.add(END, "refusal", unknown, end("0190a1b2-5c3d-4e6f-8a7b-9c0d1e2f3a4b")).await;

    let deps = Signout {
        verifier: world.verifier().await,
        sessions: world.table(),
        issuer: TokenIssuer::without_key(&world.env, world.client.clone()).expect("a complete environment"),
        lifetimes: settings::lifetimes(&world.env).expect("a complete environment"),
        audit_log: settings::audit_log(&world.env).expect("a complete environment"),
        random: SystemRandom,
        clock: SystemClock,
    };
    for (scope, outcome) in [("others", "success, the others"), ("local", "success"), ("global", "success, all")] {
        let (token, _) = world.login("ada").await;
        let parameters = std::collections::HashMap::from([("scope".to_owned(), scope.to_owned())]);
        let request = signed(&token, None).with_query_string_parameters(parameters);
        log.add(SIGNOUT, outcome, answers(200), signout(&deps, request)).await;
    }
    let (_, token) = world.login("ada").await;
    let by_refresh_token = request(None, &[("cookie", &format!("refresh_token={token}"))]);
    log.add(SIGNOUT, "success, by the refresh token", answers(200), signout(&deps, by_refresh_token)).await;
    log.add(SIGNOUT, "success, nobody", answers(200), signout(&deps, empty())).await;
}

async fn oneself(world: &World, log: &mut Log) {
    const PASSWORDS: &str = "POST /auth/password";
    const UPDATE: &str = "PATCH /auth/me";
    let wrong = || refuses(401, "invalid_credentials");
    let users = || reauthenticate::from_env(&world.env, world.client.clone()).expect("a complete environment");
    world.register("cleo", "+250788000002").await;
    let (cleo, _) = world.login("cleo").await;
    let deps = UpdateMe { verifier: world.verifier().await, users: users() };
    let to = |email: &str, password: &str| signed(&cleo, Some(&json!({"email": email, "currentPassword": password})));
    log.add(UPDATE, "success", answers(200), update_me(&deps, to("cleopatra@example.com", PASSWORD))).await;
    log.add(UPDATE, "refusal", wrong(), update_me(&deps, to("cleopatra@example.org", WRONG))).await;
    let taken = refuses(409, "identifier_taken");
    log.add(UPDATE, "refusal, taken", taken, update_me(&deps, to("ada@example.com", PASSWORD))).await;

    let deps = ChangePassword {
        verifier: world.verifier().await,
        users: users(),
        password_policy: world.env.parsed("PASSWORD_MIN_LENGTH").expect("a length"),
        issuer: world.issuer().await,
        lifetimes: settings::lifetimes(&world.env).expect("a complete environment"),
    };
    let change = |current: &str| {
        signed(&cleo, Some(&json!({"currentPassword": current, "newPassword": "a better horse battery staple"})))
    };
    log.add(PASSWORDS, "refusal", wrong(), change_password(&deps, change(WRONG))).await;
    log.add(PASSWORDS, "success", answers(200), change_password(&deps, change(PASSWORD))).await;
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
    let audit_log = || settings::audit_log(&world.env).expect("a complete environment");
    let (ada, _) = world.login("ada").await;
    let send = SendVerification {
        codes: world.table(),
        delivery: &letterbox,
        audit_log: audit_log(),
        random: SystemRandom,
        clock: SystemClock,
    };
    let deps = SendCodes { verifier: world.verifier().await, send };
    let asked = || signed(&ada, Some(&json!({"identifier": "email"})));
    log.add(SEND, "success", answers(202), send_code(&deps, asked())).await;
    log.add(SEND, "refusal", refuses(429, "code_sent_recently"), send_code(&deps, asked())).await;

    let confirm =
        ConfirmVerification { users: world.table(), audit_log: audit_log(), random: SystemRandom, clock: SystemClock };
    let deps = ConfirmCode { verifier: world.verifier().await, confirm };
    let code = letterbox.0.lock().expect("a letterbox").clone();
    let wrong = if code == "000000" { "000001" } else { "000000" };
    let told = |code: &str| signed(&ada, Some(&json!({"identifier": "email", "code": code})));
    log.add(CONFIRM, "refusal", refuses(400, "invalid_code"), confirm_code(&deps, told(wrong))).await;
    log.add(CONFIRM, "success", answers(200), confirm_code(&deps, told(&code))).await;
}
