//! Verifying an address, on an engine: what a person does, and how many round trips and hashes it costs.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use auth::{PublicKey, Verifier};
use http_api::{Problem, Request, Response, problem_types as shared};
use kernel::SessionId;
use kernel::testing::ManualClock;
use kernel::testing::SeededRandom;
use lambda_http::http::StatusCode;
use serde_json::{Value, json};
use testkit::Engine;

use crate::app::verify_identifier::{ConfirmVerification, SendVerification};
use crate::domain::verification_code::Code;
use crate::domain::{AuditEventKind, AuditSubject, ClientInfo, Identifier, Session, hash_computations};
use crate::http::{ConfirmCode, SendCodes, confirm_code, problem_types, send_code};
use crate::notify::{DeliveryError, SendCode};
use crate::store::{AccountTable, AuditTable, CreateUserOutcome, NewSession, StartSessionOutcome};
use crate::testing::sessions::session;
use crate::testing::{PASSWORD, PublicKeys, ada, audit_log, body_of, hash, now, post, signed_in_as_ada, signing_key};

/// The codes that were sent, to whom, and whether the next one can be.
#[derive(Clone, Default)]
struct Post {
    sent: Arc<Mutex<Vec<(Identifier, Code)>>>,
    is_closed: Arc<Mutex<bool>>,
}

impl SendCode for Post {
    async fn send_code(&self, to: &Identifier, code: &Code) -> Result<(), DeliveryError> {
        if *self.is_closed.lock().unwrap() {
            return Err(DeliveryError::because("closed"));
        }
        self.sent.lock().unwrap().push((to.clone(), code.clone()));
        Ok(())
    }
}

struct Functions {
    engine: Engine,
    clock: ManualClock,
    post: Post,
    table: AccountTable,
    send: SendCodes<AccountTable, Post, PublicKeys, SeededRandom, ManualClock>,
    confirm: ConfirmCode<AccountTable, PublicKeys, SeededRandom, ManualClock>,
}

/// The token was issued at the start, and the walks take less than it lasts.
fn turned_verifier(clock: &ManualClock) -> Verifier<PublicKeys, ManualClock> {
    let key = signing_key();
    let keys = PublicKeys(Ok(vec![PublicKey { kid: key.kid().clone(), x: key.public_key().to_owned() }]));
    Verifier::new("issuer", "audience", keys, clock.clone())
}

fn own() -> Session {
    session(2)
}

/// A deployment where Ada is signed in.
async fn deployed() -> Arc<Functions> {
    let engine = Engine::start().await;
    let name = engine.create_table("account", "AccountTable");
    let audit = AuditTable::new(engine.client.clone(), engine.create_table("account", "AuditTable"));
    let table = |seed| AccountTable::audited(engine.client.clone(), &name, SeededRandom::new(seed), audit.clone());
    let (clock, post) = (ManualClock::at(now()), Post::default());

    let record = |kind, seed| {
        let subject = AuditSubject::User(ada().id);
        audit_log().event(kind, subject, &ClientInfo::invocation("r-1"), now(), &SeededRandom::new(seed))
    };
    let signed_up = record(AuditEventKind::SignedUp, 1);
    assert_eq!(table(1).create_user(&ada(), &hash(PASSWORD), &signed_up).await, Ok(CreateUserOutcome::Created));
    let new = NewSession {
        user: &ada(),
        identifier: &Identifier::Email(ada().email),
        new_hash: None,
        session: &own(),
        event: &record(AuditEventKind::SignedIn, 2),
    };
    assert_eq!(table(2).start_session(new).await, Ok(StartSessionOutcome::Started));
    engine.round_trips();

    let functions = Functions {
        table: table(3),
        send: SendCodes {
            verifier: turned_verifier(&clock),
            send: SendVerification {
                codes: table(4),
                delivery: post.clone(),
                audit_log: audit_log(),
                random: SeededRandom::new(5),
                clock: clock.clone(),
            },
        },
        confirm: ConfirmCode {
            verifier: turned_verifier(&clock),
            confirm: ConfirmVerification {
                users: table(6),
                audit_log: audit_log(),
                random: SeededRandom::new(7),
                clock: clock.clone(),
            },
        },
        engine,
        clock,
        post,
    };
    Arc::new(functions)
}

impl Functions {
    async fn send(&self, identifier: &str) -> Result<Response, Problem> {
        send_code(&self.send, by_ada(own().id, &json!({"identifier": identifier}))).await
    }

    async fn confirm(&self, identifier: &str, code: &str) -> Result<Response, Problem> {
        let body = json!({"identifier": identifier, "code": code});
        confirm_code(&self.confirm, by_ada(own().id, &body)).await
    }

    /// The digits that were sent last.
    fn code(&self) -> String {
        self.post.sent.lock().unwrap().last().unwrap().1.expose().to_owned()
    }

    fn codes_sent(&self) -> usize {
        self.post.sent.lock().unwrap().len()
    }
}

/// Six digits that are not these.
fn another(code: &str) -> String {
    let number: u32 = code.parse().unwrap();
    format!("{:06}", (number + 1) % 1_000_000)
}

fn by_ada(session: SessionId, body: &Value) -> Request {
    let mut request = post(body);
    request.headers_mut().extend(signed_in_as_ada(session, now()).headers().clone());
    request
}

fn retry_after(problem: &Problem) -> &str {
    let (_, value) = problem.headers.iter().find(|(name, _)| *name == "retry-after").unwrap();
    value
}

#[tokio::test]
async fn a_person_is_sent_a_code_and_returns_it_and_is_shown_as_verified() {
    let functions = deployed().await;
    for (sent, kind) in ["email", "phone"].into_iter().enumerate() {
        let answer = functions.send(kind).await.unwrap();
        assert_eq!(functions.engine.round_trips(), ["BatchGetItem", "GetItem", "TransactWriteItems"]);
        let expected = json!({
            "identifier": kind,
            "expiresAt": now().plus(Duration::from_mins(10)),
            "resendAfter": now().plus(Duration::from_mins(1)),
        });
        assert_eq!((answer.status, body_of(&answer)), (StatusCode::ACCEPTED, expected));
        assert_eq!(functions.codes_sent(), sent + 1);
        assert_eq!(functions.post.sent.lock().unwrap()[sent].0, ada().identifiers()[sent]);
        assert!(!answer.body.contains(&functions.code()));

        let shown = body_of(&functions.confirm(kind, &functions.code()).await.unwrap());
        assert_eq!(functions.engine.round_trips(), ["BatchGetItem", "UpdateItem", "TransactWriteItems"]);
        assert_eq!((&shown["id"], &shown["emailVerified"]), (&json!(ada().id), &json!(true)));
        assert_eq!(shown["phoneVerified"], json!(kind == "phone"));

        let again = functions.confirm(kind, &functions.code()).await.unwrap_err();
        assert_eq!(again.problem_type, &problem_types::ALREADY_VERIFIED);
        assert_eq!(functions.send(kind).await.unwrap_err().problem_type, &problem_types::ALREADY_VERIFIED);
        functions.engine.round_trips();
    }
    let user = functions.table.find_user(ada().id).await.unwrap().unwrap();
    assert!(user.version == 3 && user.email_verified && user.phone_verified);
}

#[tokio::test]
async fn whatever_is_wrong_with_a_code_the_answer_is_the_same() {
    let functions = deployed().await;
    let mut problems = vec![functions.confirm("email", "000000").await.unwrap_err()];
    functions.send("email").await.unwrap();
    let right = functions.code();
    for _ in 0..5 {
        problems.push(functions.confirm("email", &another(&right)).await.unwrap_err());
    }
    problems.push(functions.confirm("email", &right).await.unwrap_err());

    functions.clock.advance(Duration::from_mins(1));
    functions.send("email").await.unwrap();
    let late = functions.code();
    problems.push(functions.confirm("phone", &late).await.unwrap_err());
    functions.clock.advance(Duration::from_mins(10));
    problems.push(functions.confirm("email", &late).await.unwrap_err());

    assert_eq!(problems[0].problem_type, &problem_types::INVALID_CODE);
    let told: Vec<_> = problems.iter().map(|problem| format!("{problem:?}")).collect();
    assert!(told.iter().all(|problem| *problem == told[0]), "{told:#?}");
    assert!(!functions.table.find_user(ada().id).await.unwrap().unwrap().email_verified);
}

#[tokio::test]
async fn fifty_wrong_codes_at_once_compute_five_hashes_and_leave_the_right_one_no_try() {
    let functions = deployed().await;
    functions.send("email").await.unwrap();
    let (right, before) = (functions.code(), hash_computations());
    let attempts: Vec<_> = (0..50)
        .map(|_| {
            let (functions, wrong) = (Arc::clone(&functions), another(&right));
            tokio::spawn(async move { functions.confirm("email", &wrong).await.unwrap_err() })
        })
        .collect();
    for attempt in attempts {
        assert_eq!(attempt.await.unwrap().problem_type, &problem_types::INVALID_CODE);
    }
    assert_eq!(hash_computations() - before, 5);
    assert_eq!(functions.confirm("email", &right).await.unwrap_err().problem_type, &problem_types::INVALID_CODE);
    assert_eq!(hash_computations() - before, 5);
}

#[tokio::test]
async fn one_code_that_is_returned_twice_at_once_verifies_once() {
    let functions = deployed().await;
    functions.send("email").await.unwrap();
    let right = functions.code();
    let (one, other) = tokio::join!(functions.confirm("email", &right), functions.confirm("email", &right));
    let (Ok(_), Err(problem)) = (if one.is_ok() { (one, other) } else { (other, one) }) else { panic!() };
    assert_eq!(problem.problem_type, &problem_types::ALREADY_VERIFIED);
    assert_eq!(functions.table.find_user(ada().id).await.unwrap().unwrap().version, 2);
}

#[tokio::test]
async fn of_sixteen_who_ask_at_once_one_is_sent_a_code() {
    let functions = deployed().await;
    // No more: each computes a hash, on the one thread that the engine answers on too.
    let requests: Vec<_> = (0..16)
        .map(|_| {
            let functions = Arc::clone(&functions);
            tokio::spawn(async move { functions.send("email").await })
        })
        .collect();
    let mut sent = 0;
    for request in requests {
        match request.await.unwrap() {
            Ok(_) => sent += 1,
            Err(problem) => {
                assert_eq!((problem.problem_type, retry_after(&problem)), (&problem_types::CODE_SENT_RECENTLY, "60"));
            }
        }
    }
    assert_eq!((sent, functions.codes_sent()), (1, 1));
}

#[tokio::test]
async fn the_next_code_is_sent_when_retry_after_says_and_takes_the_place_of_the_last() {
    let functions = deployed().await;
    functions.send("email").await.unwrap();
    let first = functions.code();
    functions.clock.advance(Duration::from_secs(13));
    let problem = functions.send("email").await.unwrap_err();
    assert_eq!((problem.problem_type, retry_after(&problem)), (&problem_types::CODE_SENT_RECENTLY, "47"));
    functions.send("phone").await.unwrap();
    functions.clock.advance(Duration::from_secs(47));
    functions.send("email").await.unwrap();
    assert_ne!(functions.code(), first);
    assert_eq!(functions.confirm("email", &first).await.unwrap_err().problem_type, &problem_types::INVALID_CODE);
    assert!(functions.confirm("email", &functions.code()).await.is_ok());
}

#[tokio::test]
async fn a_code_that_could_not_be_sent_is_a_503_until_another_may_be() {
    let functions = deployed().await;
    *functions.post.is_closed.lock().unwrap() = true;
    let problem = functions.send("email").await.unwrap_err();
    assert_eq!((problem.problem_type, retry_after(&problem)), (&shared::UNAVAILABLE, "60"));
    *functions.post.is_closed.lock().unwrap() = false;
    assert_eq!(functions.send("email").await.unwrap_err().problem_type, &problem_types::CODE_SENT_RECENTLY);
    functions.clock.advance(Duration::from_mins(1));
    assert!(functions.send("email").await.is_ok());
}

#[tokio::test]
async fn what_is_no_request_is_pointed_at_and_counts_no_attempt() {
    let functions = deployed().await;
    functions.send("email").await.unwrap();
    for (body, pointer) in [
        (json!({"identifier": "post"}), "/identifier"),
        (json!({}), "/identifier"),
        (json!({"identifier": "email", "to": "bob@example.com"}), "/to"),
    ] {
        let problem = send_code(&functions.send, by_ada(own().id, &body)).await.unwrap_err();
        assert_eq!(
            (problem.problem_type, problem.errors[0].pointer.as_str()),
            (&shared::INVALID_REQUEST, pointer),
            "{body}"
        );
    }
    functions.engine.round_trips();
    for code in ["", "12345", "12 345", "1234567", "abcdef"] {
        let problem = functions.confirm("email", code).await.unwrap_err();
        assert_eq!(
            (problem.problem_type, problem.errors[0].pointer.as_str()),
            (&shared::INVALID_REQUEST, "/code"),
            "{code}"
        );
        assert!(!problem.detail.contains("abcdef"));
        assert_eq!(functions.engine.round_trips(), ["BatchGetItem"]);
    }
}

#[tokio::test]
async fn without_a_session_that_goes_on_nothing_is_sent_or_confirmed() {
    let functions = deployed().await;
    let body = json!({"identifier": "email"});
    for request in [post(&body), by_ada(session(3).id, &body)] {
        let problem = send_code(&functions.send, request).await.unwrap_err();
        assert_eq!(problem.problem_type, &shared::UNAUTHENTICATED);
    }
    let body = json!({"identifier": "email", "code": "012345"});
    for request in [post(&body), by_ada(session(3).id, &body)] {
        let problem = confirm_code(&functions.confirm, request).await.unwrap_err();
        assert_eq!(problem.problem_type, &shared::UNAUTHENTICATED);
    }
    assert_eq!(functions.codes_sent(), 0);
}
