//! Sessions from their start to their end, on an engine and by a clock that the test turns: what each step costs in round
//! trips, and who is still signed in after it.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use auth::Verifier;
use auth::table_keys::TableKeys;
use http_api::{Problem, Request, Response, problem_types as shared};
use kernel::SessionId;
use kernel::testing::ManualClock;
use kernel::testing::SeededRandom;
use lambda_http::{Body, RequestExt};
use serde_json::json;
use testkit::Engine;

use crate::app::cached_signing_key::CachedSigningKey;
use crate::app::refresh_session::RefreshSession;
use crate::app::sign_in::SignIn;
use crate::app::sign_up::SignUp;
use crate::app::token_issuer::TokenIssuer;
use crate::domain::{AccessTokens, KeySet, Lifetimes, REUSE_GRACE_PERIOD};
use crate::http::{
    EndSession, ListSessions, Me, Signout, end_session, list_sessions, login, me, problem_types, refresh, signout,
    signup,
};
use crate::store::{AccountTable, AuditTable, KeyTables, SigningKeyTable};
use crate::testing::{PASSWORD, audit_log, body_of, now, post, signing_key};

const LIFETIMES: Lifetimes = Lifetimes {
    access_token: Duration::from_mins(15),
    idle: Duration::from_hours(1),
    absolute: Duration::from_hours(3),
};

const MINUTE: Duration = Duration::from_mins(1);

type Table = AccountTable;

/// A deployment in which Ada has signed up.
struct Deployment {
    engine: Engine,
    clock: ManualClock,
    sign_in: SignIn<Table, SigningKeyTable, SeededRandom, ManualClock>,
    refresh: RefreshSession<Table, SigningKeyTable, SeededRandom, ManualClock>,
    signout: Signout<Table, TableKeys, SigningKeyTable, SeededRandom, ManualClock>,
    list: ListSessions<Table, TableKeys, ManualClock>,
    end: EndSession<Table, TableKeys, SeededRandom, ManualClock>,
    me: Me<Table, TableKeys, ManualClock>,
}

/// The tokens that a client holds.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Client {
    access: String,
    refresh: String,
}

async fn deployed() -> Deployment {
    let engine = Engine::start().await;
    let clock = ManualClock::at(now());
    let accounts = engine.create_table("account", "AccountTable");
    let signing_keys = engine.create_table("account", "SigningKeyTable");
    let audit = AuditTable::new(engine.client.clone(), engine.create_table("account", "AuditTable"));
    let keys = KeyTables::new(engine.client.clone(), &accounts, &signing_keys, audit.clone(), SeededRandom::new(1));
    keys.apply_rotation(&KeySet::initial(signing_key(), now()), &[], now()).await.unwrap();

    let table = |seed| AccountTable::audited(engine.client.clone(), &accounts, SeededRandom::new(seed), audit.clone());
    let issuer = async || {
        let signing_key = CachedSigningKey::new(SigningKeyTable::new(engine.client.clone(), &signing_keys));
        signing_key.warm_up().await;
        TokenIssuer { signing_key, tokens: AccessTokens::new("issuer", "audience") }
    };
    let verifier = async || {
        let keys = TableKeys::new(engine.client.clone(), &accounts);
        let verifier = Verifier::new("issuer", "audience", keys, clock.clone());
        verifier.warm_up().await.unwrap();
        verifier
    };
    let sign_up = SignUp {
        users: table(2),
        password_policy: "8".parse().unwrap(),
        audit_log: audit_log(),
        random: SeededRandom::new(3),
        clock: clock.clone(),
    };
    signup(&sign_up, post(&json!({"email": "ada@example.com", "password": PASSWORD}))).await.unwrap();
    let deployment = Deployment {
        sign_in: SignIn {
            users: table(4),
            issuer: issuer().await,
            lifetimes: LIFETIMES,
            audit_log: audit_log(),
            random: SeededRandom::new(5),
            clock: clock.clone(),
        },
        refresh: RefreshSession {
            sessions: table(6),
            issuer: issuer().await,
            lifetimes: LIFETIMES,
            audit_log: audit_log(),
            random: SeededRandom::new(7),
            clock: clock.clone(),
        },
        signout: Signout {
            sessions: table(8),
            verifier: verifier().await,
            issuer: issuer().await,
            lifetimes: LIFETIMES,
            audit_log: audit_log(),
            random: SeededRandom::new(9),
            clock: clock.clone(),
        },
        list: ListSessions { sessions: table(10), verifier: verifier().await, clock: clock.clone() },
        end: EndSession {
            sessions: table(11),
            verifier: verifier().await,
            audit_log: audit_log(),
            random: SeededRandom::new(12),
            clock: clock.clone(),
        },
        me: Me { sessions: table(13), verifier: verifier().await, clock: clock.clone() },
        clock,
        engine,
    };
    deployment.engine.round_trips();
    deployment
}

impl Deployment {
    async fn sign_in(&self) -> Client {
        let credentials = post(&json!({"email": "ada@example.com", "password": PASSWORD}));
        Client::of(&login(&self.sign_in, credentials).await.unwrap())
    }

    async fn refresh(&self, client: &Client) -> Result<Client, Problem> {
        let answer = refresh(&self.refresh, post(&json!({"refresh_token": client.refresh}))).await?;
        Ok(Client::of(&answer))
    }

    /// Goes on with fresh tokens.
    async fn refreshed(&self, client: &Client) -> Client {
        self.refresh(client).await.unwrap()
    }

    async fn assert_refused(&self, client: &Client) {
        let problem = self.refresh(client).await.unwrap_err();
        assert_eq!(problem.problem_type, &problem_types::INVALID_REFRESH_TOKEN, "{problem:?}");
    }

    async fn is_signed_in(&self, client: &Client) -> bool {
        match me(&self.me, client.request()).await {
            Ok(_) => true,
            Err(problem) => {
                assert_eq!(problem.problem_type, &shared::UNAUTHENTICATED, "{problem:?}");
                false
            }
        }
    }

    async fn sign_out(&self, client: &Client, scope: &str) -> Response {
        let parameters = HashMap::from([("scope".to_owned(), scope.to_owned())]);
        signout(&self.signout, client.request().with_query_string_parameters(parameters)).await.unwrap()
    }

    async fn end(&self, client: &Client, id: SessionId) -> Result<Response, Problem> {
        let parameters = HashMap::from([("id".to_owned(), id.to_string())]);
        end_session(&self.end, client.request().with_path_parameters(parameters)).await
    }

    /// The sessions that a client sees, and its own first.
    async fn sessions(&self, client: &Client) -> Vec<SessionId> {
        let answer = body_of(&list_sessions(&self.list, client.request()).await.unwrap());
        let mut sessions = answer["data"].as_array().unwrap().clone();
        sessions.sort_by_key(|session| session["current"] != true);
        sessions.iter().map(|session| serde_json::from_value(session["id"].clone()).unwrap()).collect()
    }

    fn round_trips(&self) -> Vec<String> {
        self.engine.round_trips()
    }
}

impl Client {
    fn of(answer: &Response) -> Self {
        let tokens = body_of(answer);
        let token = |name: &str| tokens[name].as_str().unwrap().to_owned();
        Self { access: token("access_token"), refresh: token("refresh_token") }
    }

    fn request(&self) -> Request {
        let mut request = Request::new(Body::Empty);
        request.headers_mut().insert("authorization", format!("Bearer {}", self.access).parse().unwrap());
        request
    }
}

#[tokio::test]
async fn a_session_is_refreshed_listed_and_ended_at_two_round_trips_each_or_fewer() {
    let deployment = deployed().await;
    let (first, device) = (deployment.sign_in().await, deployment.sign_in().await);
    deployment.round_trips();

    let phone = deployment.refreshed(&first).await;
    assert_eq!(deployment.round_trips(), ["BatchGetItem", "PutItem"]);
    assert_eq!(deployment.refreshed(&first).await, phone);
    assert_eq!(deployment.round_trips(), ["BatchGetItem"]);

    let sessions = deployment.sessions(&phone).await;
    assert_eq!((sessions.len(), deployment.round_trips()), (2, vec!["Query".to_owned()]));
    for _ in 0..2 {
        assert!(deployment.end(&phone, sessions[1]).await.is_ok());
        assert_eq!(deployment.round_trips(), ["BatchGetItem", "TransactWriteItems"]);
    }
    assert_eq!(deployment.sessions(&phone).await, sessions[..1]);
    assert_eq!((deployment.is_signed_in(&device).await, deployment.is_signed_in(&phone).await), (false, true));
    deployment.assert_refused(&device).await;

    deployment.round_trips();
    deployment.sign_out(&phone, "local").await;
    assert_eq!(deployment.round_trips(), ["TransactWriteItems"]);
    assert!(!deployment.is_signed_in(&phone).await);
    deployment.assert_refused(&phone).await;
}

#[tokio::test]
async fn signing_out_elsewhere_and_everywhere_is_two_round_trips_and_leaves_one_session_and_none() {
    let deployment = deployed().await;
    let (phone, device) = (deployment.sign_in().await, deployment.sign_in().await);
    deployment.round_trips();

    let kept = Client::of(&deployment.sign_out(&phone, "others").await);
    assert_eq!(deployment.round_trips(), ["BatchGetItem", "TransactWriteItems"]);
    assert!(deployment.is_signed_in(&kept).await);
    for gone in [&phone, &device] {
        assert!(!deployment.is_signed_in(gone).await, "a token of the former epoch");
    }
    deployment.assert_refused(&device).await;
    assert_eq!(deployment.sessions(&kept).await.len(), 1);
    let kept = deployment.refreshed(&kept).await;
    assert!(deployment.is_signed_in(&kept).await);

    let later = deployment.sign_in().await;
    deployment.round_trips();
    deployment.sign_out(&kept, "global").await;
    assert_eq!(deployment.round_trips(), ["BatchGetItem", "TransactWriteItems"]);
    for gone in [&kept, &later] {
        assert!(!deployment.is_signed_in(gone).await);
        deployment.assert_refused(gone).await;
    }
    let anew = deployment.sign_in().await;
    assert_eq!((deployment.is_signed_in(&anew).await, deployment.sessions(&anew).await.len()), (true, 1));
}

#[tokio::test]
async fn a_session_goes_on_by_its_refreshes_until_its_absolute_end_and_not_without_them() {
    let deployment = deployed().await;
    let (mut used, unused) = (deployment.sign_in().await, deployment.sign_in().await);
    for minutes in [15, 44] {
        deployment.clock.advance(MINUTE * minutes);
        assert!(!deployment.is_signed_in(&used).await, "the access token has expired");
        used = deployment.refreshed(&used).await;
        assert!(deployment.is_signed_in(&used).await);
    }
    deployment.clock.advance(MINUTE);
    deployment.assert_refused(&unused).await;
    assert_eq!(deployment.sessions(&used).await.len(), 1, "the other one was idle for an hour");

    for minutes in [58, 58] {
        deployment.clock.advance(MINUTE * minutes);
        used = deployment.refreshed(&used).await;
    }
    assert!(deployment.is_signed_in(&used).await);
    deployment.clock.advance(MINUTE * 4);
    deployment.assert_refused(&used).await;
    assert!(!deployment.is_signed_in(&used).await, "its token ended with the session");
}

#[tokio::test]
async fn fifty_who_present_one_token_at_once_get_the_very_same_successor() {
    let deployment = Arc::new(deployed().await);
    let client = deployment.sign_in().await;
    let attempts: Vec<_> = (0..50)
        .map(|_| {
            let (deployment, client) = (Arc::clone(&deployment), client.clone());
            tokio::spawn(async move { deployment.refreshed(&client).await })
        })
        .collect();
    let mut successors = BTreeSet::new();
    for attempt in attempts {
        let Client { access, refresh } = attempt.await.unwrap();
        successors.insert((access, refresh));
    }
    assert_eq!(successors.len(), 1);
    let (access, refresh) = successors.pop_first().unwrap();
    let next = deployment.refreshed(&Client { access, refresh }).await;
    assert!(deployment.is_signed_in(&next).await);
}

#[tokio::test]
async fn a_spent_token_is_forgiven_within_the_grace_and_ends_its_session_after_it() {
    let deployment = deployed().await;
    let (first, device) = (deployment.sign_in().await, deployment.sign_in().await);
    let second = deployment.refreshed(&first).await;
    deployment.clock.advance(REUSE_GRACE_PERIOD.saturating_sub(Duration::from_millis(1)));
    assert_eq!(deployment.refreshed(&first).await, second);

    deployment.clock.advance(Duration::from_millis(1));
    deployment.round_trips();
    deployment.assert_refused(&first).await;
    assert_eq!(deployment.round_trips(), ["BatchGetItem", "TransactWriteItems"]);
    deployment.assert_refused(&second).await;
    assert!(!deployment.is_signed_in(&second).await);
    assert!(deployment.is_signed_in(&device).await, "another session of the same person");
}

#[tokio::test]
async fn fifty_who_present_a_spent_token_at_once_end_the_session_once() {
    let deployment = Arc::new(deployed().await);
    let first = deployment.sign_in().await;
    deployment.refreshed(&first).await;
    deployment.clock.advance(REUSE_GRACE_PERIOD);
    let attempts: Vec<_> = (0..50)
        .map(|_| {
            let (deployment, first) = (Arc::clone(&deployment), first.clone());
            tokio::spawn(async move { deployment.assert_refused(&first).await })
        })
        .collect();
    for attempt in attempts {
        attempt.await.unwrap();
    }
    let records = deployment.engine.client.scan().table_name("AuditTable").send().await.unwrap().items.unwrap();
    let reuses = records.iter().filter(|record| record["kind"].as_s().unwrap() == "REFRESH_TOKEN_REUSED");
    assert_eq!(reuses.count(), 1);
}
