//! Sessions from their start to their end: what each step costs, and who is still signed in after it.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use http_api::{Problem, Request, Response, authenticate, problem_types};
use kernel::SessionId;
use lambda_http::{Body, RequestExt};
use serde_json::json;

use crate::app::change_password::ChangePassword;
use crate::app::end_session::EndSession;
use crate::app::refresh_session::RefreshSession;
use crate::app::sign_in::SignIn;
use crate::app::sign_out::SignOut;
use crate::authenticate_optional;
use crate::domain::{Lifetimes, REUSE_GRACE_PERIOD};
use crate::http::{change_password, end_session, list_sessions, login, me, problems, refresh, signout};
use crate::testing::{PASSWORD, TestApp, audit_log, body_of, post, with_body};

const LIFETIMES: Lifetimes = Lifetimes {
    access_token: Duration::from_mins(15),
    idle: Duration::from_hours(1),
    absolute: Duration::from_hours(3),
};

const MINUTE: Duration = Duration::from_mins(1);

/// Ada has signed up.
struct Scene {
    app: TestApp,
    sign_in: SignIn,
    refresh: RefreshSession,
    sign_out: SignOut,
    end_session: EndSession,
}

/// The tokens that a client holds.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Client {
    access: String,
    refresh: String,
}

impl Scene {
    async fn new() -> Self {
        let app = TestApp::with_ada().await;
        let (accounts, issuer) = (app.accounts.clone(), app.issuer().await);
        Self {
            sign_in: SignIn { lifetimes: LIFETIMES, ..app.sign_in().await },
            refresh: RefreshSession { lifetimes: LIFETIMES, ..app.refresh_session().await },
            sign_out: SignOut { accounts, issuer, lifetimes: LIFETIMES, audit_log: audit_log() },
            end_session: EndSession { accounts: app.accounts.clone(), audit_log: audit_log() },
            app,
        }
    }

    async fn sign_in(&self) -> Client {
        let credentials = post(&json!({"email": "ada@example.com", "password": PASSWORD}));
        Client::new(&login::handle(&self.sign_in, credentials).await.unwrap())
    }

    async fn refresh(&self, client: &Client) -> Result<Client, Problem> {
        let request = post(&json!({"refresh_token": client.refresh}));
        Ok(Client::new(&refresh::handle(&self.refresh, request).await?))
    }

    /// Refreshes the tokens, which succeeds.
    async fn refreshed(&self, client: &Client) -> Client {
        self.refresh(client).await.unwrap()
    }

    async fn assert_rejected(&self, client: &Client) {
        let problem = self.refresh(client).await.unwrap_err();
        assert_eq!(problem.problem_type, &problems::INVALID_REFRESH_TOKEN, "{problem:?}");
    }

    async fn is_signed_in(&self, client: &Client) -> bool {
        match self.app.authenticate(&client.request()).await {
            Ok(session) => me::handle(&me::State, session, client.request()).await.is_ok(),
            Err(problem) => {
                assert_eq!(problem.problem_type, &problem_types::UNAUTHENTICATED, "{problem:?}");
                false
            }
        }
    }

    async fn sign_out(&self, client: &Client, scope: &str) -> Response {
        let parameters = HashMap::from([("scope".to_owned(), scope.to_owned())]);
        let request = client.request().with_query_string_parameters(parameters);
        let principal = authenticate_optional(&self.app.verifier, &request).await.unwrap();
        signout::handle(&self.sign_out, principal, request).await.unwrap()
    }

    async fn change_password(&self, client: &Client) -> Client {
        let body = json!({"currentPassword": PASSWORD, "newPassword": "another correct horse battery"});
        let request = with_body(client.request(), &body);
        let (users, issuer) = (self.app.reauthenticate(), self.app.issuer().await);
        let state = ChangePassword { users, password_policy: "8".parse().unwrap(), issuer, lifetimes: LIFETIMES };
        let session = self.app.authenticate(&request).await.unwrap();
        Client::new(&Box::pin(change_password::handle(&state, session, request)).await.unwrap())
    }

    async fn end(&self, client: &Client, id: SessionId) -> Result<Response, Problem> {
        let parameters = HashMap::from([("id".to_owned(), id.to_string())]);
        let request = client.request().with_path_parameters(parameters);
        let session = self.app.authenticate(&request).await?;
        end_session::handle(&self.end_session, session, request).await
    }

    /// The sessions that a client lists, its own first.
    async fn sessions(&self, client: &Client) -> Vec<SessionId> {
        let principal = authenticate(&self.app.verifier, &client.request()).await.unwrap();
        let listed = list_sessions::handle(&self.app.accounts, principal, client.request()).await.unwrap();
        let mut sessions = body_of(&listed)["data"].as_array().unwrap().clone();
        sessions.sort_by_key(|session| session["current"] != true);
        sessions.iter().map(|session| serde_json::from_value(session["id"].clone()).unwrap()).collect()
    }

    fn round_trips(&self) -> Vec<String> {
        self.app.engine.round_trips()
    }
}

impl Client {
    fn new(response: &Response) -> Self {
        let tokens = body_of(response);
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
async fn session_operations_take_at_most_two_round_trips() {
    let scene = Scene::new().await;
    let (first, device) = (scene.sign_in().await, scene.sign_in().await);
    scene.round_trips();

    let phone = scene.refreshed(&first).await;
    assert_eq!(scene.round_trips(), ["BatchGetItem", "PutItem"]);
    assert_eq!(scene.refreshed(&first).await, phone);
    assert_eq!(scene.round_trips(), ["BatchGetItem"]);
    let mut ids = BTreeSet::new();
    for client in [&first, &device, &phone] {
        ids.insert(scene.app.verifier.claims(&client.access).await.unwrap().jti.unwrap());
    }
    assert_eq!(ids.len(), 3);

    let sessions = scene.sessions(&phone).await;
    assert_eq!(sessions.len(), 2);
    assert_eq!(scene.round_trips(), ["BatchGetItem", "Query"], "concurrently");
    for _ in 0..2 {
        assert!(scene.end(&phone, sessions[1]).await.is_ok());
        assert_eq!(scene.round_trips(), ["BatchGetItem", "TransactWriteItems"]);
    }
    assert_eq!(scene.sessions(&phone).await, sessions[..1]);
    assert_eq!((scene.is_signed_in(&device).await, scene.is_signed_in(&phone).await), (false, true));
    scene.assert_rejected(&device).await;

    scene.round_trips();
    scene.sign_out(&phone, "local").await;
    assert_eq!(scene.round_trips(), ["TransactWriteItems"]);
    assert!(!scene.is_signed_in(&phone).await);
    scene.assert_rejected(&phone).await;
}

#[tokio::test]
async fn signing_out_others_or_all_takes_two_round_trips() {
    let scene = Scene::new().await;
    let (phone, device) = (scene.sign_in().await, scene.sign_in().await);
    scene.round_trips();

    let kept = Client::new(&scene.sign_out(&phone, "others").await);
    assert_eq!(scene.round_trips(), ["BatchGetItem", "TransactWriteItems"]);
    assert!(scene.is_signed_in(&kept).await);
    for gone in [&phone, &device] {
        assert!(!scene.is_signed_in(gone).await, "a token of the previous epoch");
    }
    scene.assert_rejected(&device).await;
    assert_eq!(scene.sessions(&kept).await.len(), 1);
    let kept = scene.refreshed(&kept).await;
    assert!(scene.is_signed_in(&kept).await);

    let later = scene.sign_in().await;
    scene.round_trips();
    scene.sign_out(&kept, "global").await;
    assert_eq!(scene.round_trips(), ["BatchGetItem", "TransactWriteItems"]);
    for gone in [&kept, &later] {
        assert!(!scene.is_signed_in(gone).await);
        scene.assert_rejected(gone).await;
    }
    let again = scene.sign_in().await;
    assert_eq!((scene.is_signed_in(&again).await, scene.sessions(&again).await.len()), (true, 1));
}

#[tokio::test]
async fn superseded_token_of_another_tab_ends_nothing() {
    for changes_password in [false, true] {
        let scene = Scene::new().await;
        let first = scene.sign_in().await;
        let second = scene.refreshed(&first).await;
        let retained = if changes_password {
            scene.change_password(&second).await
        } else {
            Client::new(&scene.sign_out(&second, "others").await)
        };
        let used = scene.refreshed(&retained).await;
        for wait in [Duration::ZERO, REUSE_GRACE_PERIOD] {
            scene.app.clock.advance(wait);
            for tab in [&first, &second] {
                scene.assert_rejected(tab).await;
            }
        }
        assert!(scene.is_signed_in(&used).await);
        let used = scene.refreshed(&used).await;
        scene.assert_rejected(&retained).await;
        assert!(!scene.is_signed_in(&used).await, "the reuse of a token of the new epoch is detected");
    }
}

#[tokio::test]
async fn refreshed_session_lasts_until_its_absolute_end() {
    let scene = Scene::new().await;
    let (mut used, unused) = (scene.sign_in().await, scene.sign_in().await);
    for minutes in [15, 44] {
        scene.app.clock.advance(MINUTE * minutes);
        assert!(!scene.is_signed_in(&used).await, "the access token has expired");
        used = scene.refreshed(&used).await;
        assert!(scene.is_signed_in(&used).await);
    }
    scene.app.clock.advance(MINUTE);
    scene.assert_rejected(&unused).await;
    assert_eq!(scene.sessions(&used).await.len(), 1, "the other one was idle for an hour");

    for minutes in [58, 58] {
        scene.app.clock.advance(MINUTE * minutes);
        used = scene.refreshed(&used).await;
    }
    assert!(scene.is_signed_in(&used).await);
    scene.app.clock.advance(MINUTE * 4);
    scene.assert_rejected(&used).await;
    assert!(!scene.is_signed_in(&used).await, "its token ended with the session");
}

#[tokio::test]
async fn fifty_concurrent_refreshes_return_the_same_successor() {
    let scene = Arc::new(Scene::new().await);
    let client = scene.sign_in().await;
    let attempts: Vec<_> = (0..50)
        .map(|_| {
            let (scene, client) = (Arc::clone(&scene), client.clone());
            tokio::spawn(async move { scene.refreshed(&client).await })
        })
        .collect();
    let mut successors = BTreeSet::new();
    for attempt in attempts {
        let Client { access, refresh } = attempt.await.unwrap();
        successors.insert((access, refresh));
    }
    assert_eq!(successors.len(), 1);
    let (access, refresh) = successors.pop_first().unwrap();
    let next = scene.refreshed(&Client { access, refresh }).await;
    assert!(scene.is_signed_in(&next).await);
}

#[tokio::test]
async fn reused_token_ends_the_session_after_the_grace_period() {
    let scene = Scene::new().await;
    let (first, device) = (scene.sign_in().await, scene.sign_in().await);
    let second = scene.refreshed(&first).await;
    scene.app.clock.advance(REUSE_GRACE_PERIOD.saturating_sub(Duration::from_millis(1)));
    assert_eq!(scene.refreshed(&first).await, second);

    scene.app.clock.advance(Duration::from_millis(1));
    scene.round_trips();
    scene.assert_rejected(&first).await;
    assert_eq!(scene.round_trips(), ["BatchGetItem", "TransactWriteItems"]);
    scene.assert_rejected(&second).await;
    assert!(!scene.is_signed_in(&second).await);
    assert!(scene.is_signed_in(&device).await, "another session of the user");
}

#[tokio::test]
async fn fifty_concurrent_reuses_end_the_session_once() {
    let scene = Arc::new(Scene::new().await);
    let first = scene.sign_in().await;
    scene.refreshed(&first).await;
    scene.app.clock.advance(REUSE_GRACE_PERIOD);
    let attempts: Vec<_> = (0..50)
        .map(|_| {
            let (scene, first) = (Arc::clone(&scene), first.clone());
            tokio::spawn(async move { scene.assert_rejected(&first).await })
        })
        .collect();
    for attempt in attempts {
        attempt.await.unwrap();
    }
    let records = scene.app.engine.client.scan().table_name("AuditTable").send().await.unwrap().items.unwrap();
    let reuses = records.iter().filter(|record| record["kind"].as_s().unwrap() == "REFRESH_TOKEN_REUSED");
    assert_eq!(reuses.count(), 1);
}
