//! Sign-up, sign-in and token validation together, and what they cost.

use std::sync::Arc;

use auth::Verifier;
use auth::table_keys::TableKeys;
use http_api::{Request, Response};
use lambda_http::Body;
use serde_json::{Value, json};

use crate::app::sign_in::SignIn;
use crate::app::sign_up::SignUp;
use crate::domain::hash_computations;
use crate::http::{login, me, problems, register, signin, signup, validate};
use crate::testing::{TestApp, body_of, post, with_header};

struct Scene {
    app: TestApp,
    sign_up: SignUp,
    sign_in: SignIn,
    validate: validate::State,
}

impl Scene {
    async fn new() -> Self {
        let app = TestApp::new().await;
        let verifier: Verifier<TableKeys> = app.new_verifier();
        verifier.warm_up().await;
        let validate = validate::State { verifier, accounts: app.accounts.clone() };
        Self { sign_up: app.sign_up(), sign_in: app.sign_in().await, validate, app }
    }

    fn round_trips(&self) -> Vec<String> {
        self.app.engine.round_trips()
    }
}

/// A request with the first cookie that a response sets.
fn with_cookie_of(response: &Response) -> Request {
    let (_, cookie) = response.headers.iter().find(|(name, _)| *name == "set-cookie").unwrap();
    with_header("cookie", cookie.split(';').next().unwrap())
}

#[tokio::test]
async fn user_signs_up_signs_in_and_is_returned() {
    let scene = Scene::new().await;
    let credentials = json!({"email": "ada@example.com", "password": "correct horse"});

    let signed_up = signup::handle(&scene.sign_up, post(&credentials)).await.unwrap();
    assert_eq!(scene.round_trips(), ["TransactWriteItems"]);

    let signed_in = signin::handle(&scene.sign_in, post(&credentials)).await.unwrap();
    assert_eq!(scene.round_trips(), ["UpdateItem", "TransactWriteItems", "Query"]);

    let request = with_cookie_of(&signed_in);
    let session = scene.app.authenticate(&request).await.unwrap();
    let found = me::handle(&me::State, session, request).await.unwrap();
    assert_eq!(scene.round_trips(), ["BatchGetItem"]);
    let id = |response: &Response| body_of(response)["id"].clone();
    assert_eq!((id(&signed_in), id(&found)), (id(&signed_up), id(&signed_up)));
}

#[tokio::test]
async fn registered_user_logs_in_with_any_phone_format() {
    let scene = Scene::new().await;
    let body = json!({"phone": "+250 788 123 456", "email": "ada@example.com", "password": "correct horse"});
    let registered = body_of(&register::handle(&scene.sign_up, post(&body)).await.unwrap());
    assert_eq!(registered["phone"], "+250788123456");
    assert_eq!(scene.round_trips(), ["TransactWriteItems"]);

    for spelling in ["+250788123456", "+250 (788) 123-456", "+250 0788 123 456"] {
        let credentials = json!({"phone": spelling, "password": "correct horse"});
        let logged_in = body_of(&login::handle(&scene.sign_in, post(&credentials)).await.unwrap());
        assert_eq!(scene.round_trips(), ["UpdateItem", "TransactWriteItems", "Query"]);
        let signed_in = signin::handle(&scene.sign_in, post(&credentials)).await.unwrap();
        assert_eq!(body_of(&signed_in)["id"], registered["id"]);
        scene.round_trips();

        let token = logged_in["access_token"].as_str().unwrap();
        let bearer = with_header("authorization", &format!("Bearer {token}"));
        for request in [bearer, with_cookie_of(&signed_in)] {
            let validation = body_of(&validate::handle(&scene.validate, request).await.unwrap());
            let payload = &validation["payload"];
            assert_eq!((&validation["valid"], &payload["sub"]), (&json!(true), &registered["id"]));
            assert_eq!((&payload["phone"], &payload["email"]), (&registered["phone"], &registered["email"]));
        }
        assert_eq!(validate::handle(&scene.validate, Request::new(Body::Empty)).await.unwrap().status, 200);
        let malformed = with_header("authorization", "Bearer a.b.c");
        assert!(validate::handle(&scene.validate, malformed).await.is_err());
        assert_eq!(scene.round_trips(), Vec::<String>::new(), "validation needs no round trip");
    }
}

#[tokio::test]
async fn phone_is_taken_in_any_format() {
    let scene = Scene::new().await;
    let body = |phone, email| json!({"phone": phone, "email": email, "password": "correct horse"});
    signup::handle(&scene.sign_up, post(&body("+250788123456", "ada@example.com"))).await.unwrap();
    let again = post(&body("+250-788-123-456", "bob@example.com"));
    let problem = register::handle(&scene.sign_up, again).await.unwrap_err();
    assert_eq!(problem.problem_type, &problems::IDENTIFIER_TAKEN);
}

#[tokio::test]
async fn rejected_sign_in_costs_the_same_for_unknown_users() {
    let scene = Scene::new().await;
    let credentials = json!({"email": "ada@example.com", "password": "correct horse"});
    signup::handle(&scene.sign_up, post(&credentials)).await.unwrap();
    scene.round_trips();
    let mut seen = Vec::new();
    for email in ["ada@example.com", "bob@example.com"] {
        let mut responses = Vec::new();
        for _ in 0..7 {
            let before = hash_computations();
            let attempt = json!({"email": email, "password": "wrong horse"});
            let problem = signin::handle(&scene.sign_in, post(&attempt)).await.unwrap_err();
            let cost = (scene.round_trips(), hash_computations() - before);
            responses.push((problem.problem_type.code, problem.detail, problem.headers, cost));
        }
        seen.push(responses);
    }
    assert_eq!(seen[0], seen[1]);
    let codes: Vec<_> = seen[0].iter().map(|(code, ..)| *code).collect();
    let (wrong, locked) = (problems::INVALID_CREDENTIALS.code, problems::TOO_MANY_ATTEMPTS.code);
    assert_eq!(codes, [wrong, wrong, wrong, wrong, wrong, locked, locked]);
    // The audit event and the settlement of the attempt are written concurrently.
    let rejected = ["UpdateItem", "PutItem", "UpdateItem"].map(str::to_owned).to_vec();
    assert_eq!((&seen[0][4].3, &seen[0][5].3), (&(rejected, 1), &(vec!["UpdateItem".to_owned()], 0)));
}

/// Sends twelve sign-ins concurrently. Returns the code of each, or "ok", and how many hashes they took.
async fn twelve_concurrently(scene: &Arc<Scene>, credentials: &Value) -> (Vec<&'static str>, usize) {
    let before = hash_computations();
    let attempts: Vec<_> = (0..12)
        .map(|_| {
            let (scene, request) = (Arc::clone(scene), post(credentials));
            tokio::spawn(async move { login::handle(&scene.sign_in, request).await })
        })
        .collect();
    let mut codes = Vec::new();
    for attempt in attempts {
        codes.push(attempt.await.unwrap().map_or_else(|problem| problem.problem_type.code, |_| "ok"));
    }
    codes.sort_unstable();
    (codes, hash_computations() - before)
}

#[tokio::test]
async fn twelve_concurrent_sign_ins_all_succeed() {
    let scene = Arc::new(Scene::new().await);
    let credentials = json!({"email": "ada@example.com", "password": "correct horse"});
    signup::handle(&scene.sign_up, post(&credentials)).await.unwrap();
    assert_eq!(twelve_concurrently(&scene, &credentials).await, (vec!["ok"; 12], 12));

    // Although all but one attempt have been used up by failures.
    let wrong = json!({"email": "ada@example.com", "password": "wrong horse"});
    for _ in 0..4 {
        signin::handle(&scene.sign_in, post(&wrong)).await.unwrap_err();
    }
    assert_eq!(twelve_concurrently(&scene, &credentials).await, (vec!["ok"; 12], 12));
}

#[tokio::test]
async fn twelve_concurrent_wrong_sign_ins_compute_five_hashes() {
    let scene = Arc::new(Scene::new().await);
    let credentials = json!({"email": "ada@example.com", "password": "correct horse"});
    signup::handle(&scene.sign_up, post(&credentials)).await.unwrap();
    for email in ["ada@example.com", "bob@example.com"] {
        let wrong = json!({"email": email, "password": "wrong horse"});
        let (codes, hashes) = twelve_concurrently(&scene, &wrong).await;
        let expected = [vec![problems::INVALID_CREDENTIALS.code; 5], vec![problems::TOO_MANY_ATTEMPTS.code; 7]];
        assert_eq!((codes, hashes), (expected.concat(), 5));
    }
}
