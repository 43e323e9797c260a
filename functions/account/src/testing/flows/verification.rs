//! Verification of identifiers: what each step costs, and what it rejects.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_api::{Problem, Response, problem_types};
use lambda_http::http::StatusCode;
use serde_json::{Value, json};

use crate::app::verify_identifier::{ConfirmVerification, SendVerification};
use crate::domain::verification_code::Code;
use crate::domain::{Identifier, Session, hash_computations};
use crate::http::{confirm_code, problems, send_code};
use crate::notify::{DeliveryError, SendCode};
use crate::testing::{TestApp, ada, audit_log, body_of, now, request_of, with_body};

/// Keeps the codes that it is given to send, or fails.
#[derive(Clone, Default)]
struct FakeSender {
    sent: Arc<Mutex<Vec<(Identifier, Code)>>>,
    is_failing: Arc<Mutex<bool>>,
}

impl SendCode for FakeSender {
    async fn send_code(&self, to: &Identifier, code: &Code) -> Result<(), DeliveryError> {
        if *self.is_failing.lock().unwrap() {
            return Err(DeliveryError::because("closed"));
        }
        self.sent.lock().unwrap().push((to.clone(), code.clone()));
        Ok(())
    }
}

/// Ada has a session, which sends the requests.
struct Scene {
    app: TestApp,
    own: Session,
    sender: FakeSender,
    send: SendVerification<FakeSender>,
    confirm: ConfirmVerification,
}

impl Scene {
    async fn new() -> Arc<Self> {
        let app = TestApp::with_ada().await;
        let own = app.start_session(2).await;
        let sender = FakeSender::default();
        let send =
            SendVerification { accounts: app.accounts.clone(), delivery: sender.clone(), audit_log: audit_log() };
        let confirm = ConfirmVerification { accounts: app.accounts.clone(), audit_log: audit_log() };
        Arc::new(Self { app, own, sender, send, confirm })
    }

    async fn send(&self, identifier: &str) -> Result<Response, Problem> {
        self.send_body(&json!({"identifier": identifier})).await
    }

    async fn send_body(&self, body: &Value) -> Result<Response, Problem> {
        let request = with_body(request_of(&self.own), body);
        let session = self.app.authenticate(&request).await?;
        send_code::handle(&self.send, session, request).await
    }

    async fn confirm(&self, identifier: &str, code: &str) -> Result<Response, Problem> {
        let request = with_body(request_of(&self.own), &json!({"identifier": identifier, "code": code}));
        let session = self.app.authenticate(&request).await?;
        confirm_code::handle(&self.confirm, session, request).await
    }

    /// The digits that were sent last.
    fn code(&self) -> String {
        self.sender.sent.lock().unwrap().last().unwrap().1.expose().to_owned()
    }

    fn codes_sent(&self) -> usize {
        self.sender.sent.lock().unwrap().len()
    }
}

/// Six other digits.
fn another(code: &str) -> String {
    let number: u32 = code.parse().unwrap();
    format!("{:06}", (number + 1) % 1_000_000)
}

fn retry_after(problem: &Problem) -> &str {
    let (_, value) = problem.headers.iter().find(|(name, _)| *name == "retry-after").unwrap();
    value
}

#[tokio::test]
async fn sent_code_verifies_each_identifier() {
    let scene = Scene::new().await;
    for (sent, kind) in ["email", "phone"].into_iter().enumerate() {
        let response = scene.send(kind).await.unwrap();
        assert_eq!(scene.app.engine.round_trips(), ["BatchGetItem", "BatchGetItem", "TransactWriteItems"]);
        let expected = json!({
            "identifier": kind,
            "expiresAt": now().plus(Duration::from_mins(10)),
            "resendAfter": now().plus(Duration::from_mins(1)),
        });
        assert_eq!((response.status, body_of(&response)), (StatusCode::ACCEPTED, expected));
        assert_eq!(scene.codes_sent(), sent + 1);
        assert_eq!(scene.sender.sent.lock().unwrap()[sent].0, ada().identifiers()[sent]);
        assert!(!response.body.contains(&scene.code()));

        let shown = body_of(&scene.confirm(kind, &scene.code()).await.unwrap());
        assert_eq!(scene.app.engine.round_trips(), ["BatchGetItem", "UpdateItem", "TransactWriteItems"]);
        assert_eq!((&shown["id"], &shown["emailVerified"]), (&json!(ada().id), &json!(true)));
        assert_eq!(shown["phoneVerified"], json!(kind == "phone"));

        let again = scene.confirm(kind, &scene.code()).await.unwrap_err();
        assert_eq!(again.problem_type, &problems::ALREADY_VERIFIED);
        assert_eq!(scene.send(kind).await.unwrap_err().problem_type, &problems::ALREADY_VERIFIED);
        scene.app.engine.round_trips();
    }
    let user = scene.app.accounts.find_user(ada().id).await.unwrap().unwrap();
    assert!(user.version == 3 && user.email_verified && user.phone_verified);
}

#[tokio::test]
async fn every_invalid_code_is_the_same_problem() {
    let scene = Scene::new().await;
    let mut problems = vec![scene.confirm("email", "000000").await.unwrap_err()];
    scene.send("email").await.unwrap();
    let right = scene.code();
    for _ in 0..5 {
        problems.push(scene.confirm("email", &another(&right)).await.unwrap_err());
    }
    problems.push(scene.confirm("email", &right).await.unwrap_err());

    scene.app.clock.advance(Duration::from_mins(1));
    scene.send("email").await.unwrap();
    let late = scene.code();
    problems.push(scene.confirm("phone", &late).await.unwrap_err());
    scene.app.clock.advance(Duration::from_mins(10));
    problems.push(scene.confirm("email", &late).await.unwrap_err());

    assert_eq!(problems[0].problem_type, &problems::INVALID_CODE);
    let returned: Vec<_> = problems.iter().map(|problem| format!("{problem:?}")).collect();
    assert!(returned.iter().all(|problem| *problem == returned[0]), "{returned:#?}");
    assert!(!scene.app.accounts.find_user(ada().id).await.unwrap().unwrap().email_verified);
}

#[tokio::test]
async fn fifty_concurrent_wrong_codes_compute_five_hashes() {
    let scene = Scene::new().await;
    scene.send("email").await.unwrap();
    let (right, before) = (scene.code(), hash_computations());
    let attempts: Vec<_> = (0..50)
        .map(|_| {
            let (scene, wrong) = (Arc::clone(&scene), another(&right));
            tokio::spawn(async move { scene.confirm("email", &wrong).await.unwrap_err() })
        })
        .collect();
    for attempt in attempts {
        assert_eq!(attempt.await.unwrap().problem_type, &problems::INVALID_CODE);
    }
    assert_eq!(hash_computations() - before, 5);
    assert_eq!(scene.confirm("email", &right).await.unwrap_err().problem_type, &problems::INVALID_CODE);
    assert_eq!(hash_computations() - before, 5);
}

#[tokio::test]
async fn concurrent_confirmations_verify_once() {
    let scene = Scene::new().await;
    scene.send("email").await.unwrap();
    let right = scene.code();
    let (one, other) = tokio::join!(scene.confirm("email", &right), scene.confirm("email", &right));
    let (Ok(_), Err(problem)) = (if one.is_ok() { (one, other) } else { (other, one) }) else { panic!() };
    assert_eq!(problem.problem_type, &problems::ALREADY_VERIFIED);
    assert_eq!(scene.app.accounts.find_user(ada().id).await.unwrap().unwrap().version, 2);
}

#[tokio::test]
async fn sixteen_concurrent_requests_send_one_code() {
    let scene = Scene::new().await;
    // Each computes a hash on the single thread that the engine runs on too.
    let requests: Vec<_> = (0..16)
        .map(|_| {
            let scene = Arc::clone(&scene);
            tokio::spawn(async move { scene.send("email").await })
        })
        .collect();
    let mut sent = 0;
    for request in requests {
        match request.await.unwrap() {
            Ok(_) => sent += 1,
            Err(problem) => {
                assert_eq!((problem.problem_type, retry_after(&problem)), (&problems::CODE_SENT_RECENTLY, "60"));
            }
        }
    }
    assert_eq!((sent, scene.codes_sent()), (1, 1));
}

#[tokio::test]
async fn next_code_after_retry_after_replaces_the_last() {
    let scene = Scene::new().await;
    scene.send("email").await.unwrap();
    let first = scene.code();
    scene.app.clock.advance(Duration::from_secs(13));
    let problem = scene.send("email").await.unwrap_err();
    assert_eq!((problem.problem_type, retry_after(&problem)), (&problems::CODE_SENT_RECENTLY, "47"));
    scene.send("phone").await.unwrap();
    scene.app.clock.advance(Duration::from_secs(47));
    scene.send("email").await.unwrap();
    assert_ne!(scene.code(), first);
    assert_eq!(scene.confirm("email", &first).await.unwrap_err().problem_type, &problems::INVALID_CODE);
    assert!(scene.confirm("email", &scene.code()).await.is_ok());
}

#[tokio::test]
async fn failed_delivery_is_a_503_until_the_next_code() {
    let scene = Scene::new().await;
    *scene.sender.is_failing.lock().unwrap() = true;
    let problem = scene.send("email").await.unwrap_err();
    assert_eq!((problem.problem_type, retry_after(&problem)), (&problem_types::UNAVAILABLE, "60"));
    *scene.sender.is_failing.lock().unwrap() = false;
    assert_eq!(scene.send("email").await.unwrap_err().problem_type, &problems::CODE_SENT_RECENTLY);
    scene.app.clock.advance(Duration::from_mins(1));
    assert!(scene.send("email").await.is_ok());
}

#[tokio::test]
async fn invalid_body_is_a_400_and_counts_no_attempt() {
    let scene = Scene::new().await;
    scene.send("email").await.unwrap();
    for (body, pointer) in [
        (json!({"identifier": "post"}), "/identifier"),
        (json!({}), "/identifier"),
        (json!({"identifier": "email", "to": "bob@example.com"}), "/to"),
    ] {
        let problem = scene.send_body(&body).await.unwrap_err();
        assert_eq!(
            (problem.problem_type, problem.errors[0].pointer.as_str()),
            (&problem_types::INVALID_REQUEST, pointer),
            "{body}"
        );
    }
    scene.app.engine.round_trips();
    for code in ["", "12345", "12 345", "1234567", "abcdef"] {
        let problem = scene.confirm("email", code).await.unwrap_err();
        assert_eq!(
            (problem.problem_type, problem.errors[0].pointer.as_str()),
            (&problem_types::INVALID_REQUEST, "/code"),
            "{code}"
        );
        assert!(!problem.detail.contains("abcdef"));
        assert_eq!(scene.app.engine.round_trips(), ["BatchGetItem"]);
    }
}
