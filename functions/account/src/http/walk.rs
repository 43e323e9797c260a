//! The endpoints together, on an engine: what a person does, and how many round trips it costs.

use std::time::Duration;

use auth::Verifier;
use kernel::random::Seeded;
use kernel::time::FixedClock;
use lambda_http::Body;
use runtime::http::{Answer, Request, kinds};
use runtime::keys::TableKeys;
use serde_json::{Value, json};
use testkit::Engine;

use super::testing::{now, post, signing_key};
use super::{Me, Signin, Signout, Signup, me, signin, signout, signup};
use crate::current_key::CurrentKey;
use crate::domain::AccessTokens;
use crate::store::{AccountTable, InstallFirstKey, KeyTables, SigningKeyTable};

struct Functions {
    engine: Engine,
    signup: Signup<AccountTable<Seeded>, Seeded, FixedClock>,
    signin: Signin<AccountTable<Seeded>, SigningKeyTable, Seeded, FixedClock>,
    signout: Signout<AccountTable<Seeded>, TableKeys, FixedClock>,
    me: Me<AccountTable<Seeded>, TableKeys, FixedClock>,
}

/// The functions of a fresh deployment, after their init.
async fn deployed() -> Functions {
    let engine = Engine::start().await;
    let accounts = engine.create_table("account", "AccountTable");
    let signing_keys = engine.create_table("account", "SigningKeyTable");
    let keys = KeyTables::new(engine.client.clone(), &accounts, &signing_keys, Seeded::new(1));
    keys.install_first_key(&signing_key(), now()).await.unwrap();

    let clock = FixedClock(now());
    let table = |seed| AccountTable::new(engine.client.clone(), &accounts, Seeded::new(seed));
    let signing_key = CurrentKey::new(SigningKeyTable::new(engine.client.clone(), &signing_keys));
    signing_key.warm_up().await;
    let tokens = AccessTokens::new("issuer", "audience", Duration::from_mins(15));
    let (signout_verifier, me_verifier) = (verifier(&engine, &accounts).await, verifier(&engine, &accounts).await);
    let functions = Functions {
        signup: Signup { people: table(2), password_policy: "8".parse().unwrap(), random: Seeded::new(3), clock },
        signin: Signin { people: table(4), signing_key, tokens, random: Seeded::new(5), clock },
        signout: Signout { sessions: table(6), verifier: signout_verifier, clock },
        me: Me { sessions: table(7), verifier: me_verifier, clock },
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
fn with_cookie_of(answer: &Answer) -> Request {
    let (_, cookie) = answer.headers.iter().find(|(name, _)| *name == "set-cookie").unwrap();
    let mut request = Request::new(Body::Empty);
    request.headers_mut().insert("cookie", cookie.split(';').next().unwrap().parse().unwrap());
    request
}

#[tokio::test]
async fn a_person_signs_up_signs_in_is_shown_and_signs_out() {
    let functions = deployed().await;
    let credentials = json!({"email": "ada@example.com", "password": "correct horse"});

    let signed_up = signup(&functions.signup, post(&credentials)).await.unwrap();
    assert_eq!(functions.engine.round_trips(), ["TransactWriteItems"]);

    let signed_in = signin(&functions.signin, post(&credentials)).await.unwrap();
    assert_eq!(functions.engine.round_trips(), ["GetItem", "TransactWriteItems"]);

    let shown = me(&functions.me, with_cookie_of(&signed_in)).await.unwrap();
    assert_eq!(functions.engine.round_trips(), ["BatchGetItem"]);
    let id = |answer: &Answer| serde_json::from_str::<Value>(&answer.body).unwrap()["id"].clone();
    assert_eq!((id(&signed_in), id(&shown)), (id(&signed_up), id(&signed_up)));

    for _ in 0..2 {
        signout(&functions.signout, with_cookie_of(&signed_in)).await.unwrap();
        assert_eq!(functions.engine.round_trips(), ["UpdateItem"]);
    }
    let problem = me(&functions.me, with_cookie_of(&signed_in)).await.unwrap_err();
    assert_eq!(problem.kind, &kinds::UNAUTHENTICATED);
}

#[tokio::test]
async fn a_refused_sign_in_costs_one_round_trip_whether_there_is_such_a_person_or_not() {
    let functions = deployed().await;
    let credentials = json!({"email": "ada@example.com", "password": "correct horse"});
    signup(&functions.signup, post(&credentials)).await.unwrap();
    functions.engine.round_trips();
    for email in ["ada@example.com", "bob@example.com"] {
        let attempt = json!({"email": email, "password": "wrong horse"});
        assert!(signin(&functions.signin, post(&attempt)).await.is_err());
        assert_eq!(functions.engine.round_trips(), ["GetItem"]);
    }
}
