//! The endpoints together, on an engine: what a person does, and how many round trips it costs.

use auth::Verifier;
use auth::table_keys::TableKeys;
use http_api::{Request, Response};
use kernel::testing::FixedClock;
use kernel::testing::SeededRandom;
use lambda_http::Body;
use serde_json::json;
use testkit::Engine;

use crate::app::cached_signing_key::CachedSigningKey;
use crate::app::sign_in::SignIn;
use crate::app::sign_up::SignUp;
use crate::app::token_issuer::TokenIssuer;
use crate::domain::{AccessTokens, KeySet, hash_computations};
use crate::http::{Me, Validate, login, me, problem_types, register, signin, signup, validate};
use crate::store::{AccountTable, AuditTable, KeyTables, SigningKeyTable};
use crate::testing::{LIFETIMES, audit_log, body_of, now, post, signing_key};

struct Functions {
    engine: Engine,
    sign_up: SignUp<AccountTable, SeededRandom, FixedClock>,
    sign_in: SignIn<AccountTable, SigningKeyTable, SeededRandom, FixedClock>,
    me: Me<AccountTable, TableKeys, FixedClock>,
    validate: Validate<TableKeys, FixedClock>,
}

/// The functions of a fresh deployment, after their init.
async fn deployed() -> Functions {
    let engine = Engine::start().await;
    let accounts = engine.create_table("account", "AccountTable");
    let signing_keys = engine.create_table("account", "SigningKeyTable");
    let audit = AuditTable::new(engine.client.clone(), engine.create_table("account", "AuditTable"));
    let keys = KeyTables::new(engine.client.clone(), &accounts, &signing_keys, audit.clone(), SeededRandom::new(1));
    keys.apply_rotation(&KeySet::initial(signing_key(), now()), &[], now()).await.unwrap();

    let clock = FixedClock(now());
    let table = |seed| AccountTable::audited(engine.client.clone(), &accounts, SeededRandom::new(seed), audit.clone());
    let signing_key = CachedSigningKey::new(SigningKeyTable::new(engine.client.clone(), &signing_keys));
    signing_key.warm_up().await;
    let functions = Functions {
        sign_up: SignUp {
            users: table(2),
            password_policy: "8".parse().unwrap(),
            audit_log: audit_log(),
            random: SeededRandom::new(3),
            clock,
        },
        sign_in: SignIn {
            users: table(4),
            issuer: TokenIssuer { signing_key, tokens: AccessTokens::new("issuer", "audience") },
            lifetimes: LIFETIMES,
            audit_log: audit_log(),
            random: SeededRandom::new(5),
            clock,
        },
        me: Me { sessions: table(7), verifier: verifier(&engine, &accounts).await, clock },
        validate: Validate { verifier: verifier(&engine, &accounts).await },
        engine,
    };
    functions.engine.round_trips();
    functions
}

async fn verifier(engine: &Engine, table: &str) -> Verifier<TableKeys, FixedClock> {
    let keys = TableKeys::new(engine.client.clone(), table);
    let verifier = Verifier::new("issuer", "audience", keys, FixedClock(now()));
    verifier.warm_up().await.unwrap();
    verifier
}

/// A request with the cookie that this answer sets, as a browser would send it.
fn with_cookie_of(answer: &Response) -> Request {
    let (_, cookie) = answer.headers.iter().find(|(name, _)| *name == "set-cookie").unwrap();
    with("cookie", cookie.split(';').next().unwrap())
}

fn with(header: &'static str, value: &str) -> Request {
    let mut request = Request::new(Body::Empty);
    request.headers_mut().insert(header, value.parse().unwrap());
    request
}

#[tokio::test]
async fn a_person_signs_up_signs_in_and_is_shown() {
    let functions = deployed().await;
    let credentials = json!({"email": "ada@example.com", "password": "correct horse"});

    let signed_up = signup(&functions.sign_up, post(&credentials)).await.unwrap();
    assert_eq!(functions.engine.round_trips(), ["TransactWriteItems"]);

    let signed_in = signin(&functions.sign_in, post(&credentials)).await.unwrap();
    assert_eq!(functions.engine.round_trips(), ["UpdateItem", "TransactWriteItems"]);

    let shown = me(&functions.me, with_cookie_of(&signed_in)).await.unwrap();
    assert_eq!(functions.engine.round_trips(), ["BatchGetItem"]);
    let id = |answer: &Response| body_of(answer)["id"].clone();
    assert_eq!((id(&signed_in), id(&shown)), (id(&signed_up), id(&signed_up)));
}

#[tokio::test]
async fn one_who_registers_logs_in_by_any_spelling_of_the_number_and_the_token_is_validated_without_a_round_trip() {
    let functions = deployed().await;
    let newcomer = json!({"phone": "+250 788 123 456", "email": "ada@example.com", "password": "correct horse"});
    let registered = body_of(&register(&functions.sign_up, post(&newcomer)).await.unwrap());
    assert_eq!(registered["phone"], "+250788123456");
    assert_eq!(functions.engine.round_trips(), ["TransactWriteItems"]);

    for spelling in ["+250788123456", "+250 (788) 123-456", "+250 0788 123 456"] {
        let credentials = json!({"phone": spelling, "password": "correct horse"});
        let logged_in = body_of(&login(&functions.sign_in, post(&credentials)).await.unwrap());
        assert_eq!(functions.engine.round_trips(), ["UpdateItem", "TransactWriteItems"]);
        let signed_in = signin(&functions.sign_in, post(&credentials)).await.unwrap();
        assert_eq!(body_of(&signed_in)["id"], registered["id"]);
        functions.engine.round_trips();

        let bearer = with("authorization", &format!("Bearer {}", logged_in["access_token"].as_str().unwrap()));
        for request in [bearer, with_cookie_of(&signed_in)] {
            let verdict = body_of(&validate(&functions.validate, request).await.unwrap());
            let payload = &verdict["payload"];
            assert_eq!((&verdict["valid"], &payload["sub"]), (&json!(true), &registered["id"]));
            assert_eq!((&payload["phone"], &payload["email"]), (&registered["phone"], &registered["email"]));
        }
        assert_eq!(validate(&functions.validate, Request::new(Body::Empty)).await.unwrap().status, 200);
        assert!(validate(&functions.validate, with("authorization", "Bearer a.b.c")).await.is_err());
        assert_eq!(functions.engine.round_trips(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_phone_is_taken_in_any_spelling() {
    let functions = deployed().await;
    let newcomer = |phone, email| json!({"phone": phone, "email": email, "password": "correct horse"});
    signup(&functions.sign_up, post(&newcomer("+250788123456", "ada@example.com"))).await.unwrap();
    let again = post(&newcomer("+250-788-123-456", "bob@example.com"));
    assert_eq!(register(&functions.sign_up, again).await.unwrap_err().problem_type, &problem_types::IDENTIFIER_TAKEN);
}

#[tokio::test]
async fn a_refused_sign_in_is_the_same_work_whether_there_is_such_a_person_or_not() {
    let functions = deployed().await;
    let credentials = json!({"email": "ada@example.com", "password": "correct horse"});
    signup(&functions.sign_up, post(&credentials)).await.unwrap();
    functions.engine.round_trips();
    let mut seen = Vec::new();
    for email in ["ada@example.com", "bob@example.com"] {
        let mut answers = Vec::new();
        for _ in 0..7 {
            let before = hash_computations();
            let attempt = json!({"email": email, "password": "wrong horse"});
            let problem = signin(&functions.sign_in, post(&attempt)).await.unwrap_err();
            let work = (functions.engine.round_trips(), hash_computations() - before);
            answers.push((problem.problem_type.code, problem.detail, problem.headers, work));
        }
        seen.push(answers);
    }
    assert_eq!(seen[0], seen[1]);
    let codes: Vec<_> = seen[0].iter().map(|(code, ..)| *code).collect();
    let (wrong, locked) = (problem_types::INVALID_CREDENTIALS.code, problem_types::TOO_MANY_ATTEMPTS.code);
    assert_eq!(codes, [wrong, wrong, wrong, wrong, wrong, locked, locked]);
    assert_eq!(seen[0][4].3, (vec!["UpdateItem".to_owned(), "PutItem".to_owned()], 1));
    assert_eq!(seen[0][5].3, (vec!["UpdateItem".to_owned()], 0));
}
