use std::pin::Pin;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use contracts::{AccountEvent, SessionEnd};
use dynamo::{number, text};
use kernel::testing::SeededRandom;
use kernel::{Clock, MAX_AMOUNT_MINOR, SessionId, Timestamp, UserId};
use testkit::Gate;

use crate::app::{PaymentError, create_payment, open_account, post_transfer};
use crate::domain::{
    EndedSession, IdempotentRequest, MAX_ENDED_SESSIONS, NewAccount, TokenClaims, TokenRevoked, WriteShards,
};
use crate::store::payments::CreatePayment;
use crate::testing::{TestApp, TestUser, account_key, amount, send, user, user_key, withdrawal};

/// The time until the tokens of an ended session expire.
const TOKEN_TTL: Duration = Duration::from_mins(15);
/// The time after which all of them have expired, with a margin for clock skew.
const AFTER_EXPIRY: Duration = Duration::from_mins(17);

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

impl TestApp {
    fn end_of(&self, user: TestUser) -> SessionEnd {
        let now = self.clock.now();
        SessionEnd {
            user_id: user.id,
            session_id: user.claims.session,
            ended_at: now,
            tokens_expire_at: now.plus(TOKEN_TTL),
            last_token_issued_at: Timestamp::from_unix_seconds(user.claims.issued_at).ok(),
        }
    }

    pub(crate) async fn end(&self, user: TestUser) {
        self.apply(2, AccountEvent::SessionEnded(self.end_of(user))).await.unwrap();
    }

    async fn assert_revoked(&self, user: TestUser, account: &str) {
        let outcome = self.move_money(user, withdrawal(account), 1).await;
        assert!(matches!(outcome, Err(PaymentError::Revoked(_))), "{account}: {outcome:?}");
    }

    async fn revoked_on(&self, id: &str) -> Vec<String> {
        let item = self.item(account_key(id)).await.unwrap();
        let mut revoked = item.get("revokedSessions").map(|set| set.as_ss().unwrap().clone()).unwrap_or_default();
        revoked.sort();
        revoked
    }

    /// The user with a token that is issued later, when the clocks of functions can't disagree.
    fn new_session_later(&self, user: TestUser) -> TestUser {
        self.clock.advance(Duration::from_secs(3));
        self.in_new_session(user)
    }

    /// Creates a payment that credits no account.
    async fn create_payment_by(&self, user: TestUser) -> Result<(), PaymentError> {
        let request = IdempotentRequest::unkeyed(&self.random);
        let command = CreatePayment { payment: self.payment(user, None), request, claims: user.claims };
        create_payment::execute(&self.store, command).await.map(drop)
    }

    /// The end of a session, each request of which waits for the test.
    fn ending(&self, user: TestUser) -> (Work, Gate) {
        let ((store, gate), end) = (self.gated(), self.end_of(user));
        let ending = async move {
            let session = EndedSession::new(end.tokens_expire_at, end.ended_at, end.last_token_issued_at);
            store.revoke_session(end.user_id, end.session_id, session).await.unwrap();
        };
        (Box::pin(ending), gate)
    }
}

fn contracts_user(id: UserId, epoch: u64) -> contracts::User {
    contracts::User { id, email: "ada@example.com".to_owned(), status: contracts::UserStatus::Active, epoch }
}

fn deposited(minor: i64) -> NewAccount {
    NewAccount::Debit { deposit: Some(amount(minor)), write_shards: None }
}

/// Runs two concurrent tasks in every order of their requests, with at most this many switches between unfinished tasks.
/// Each run starts with a new scene.
async fn in_every_order<S>(
    max_switches: usize,
    begin: impl AsyncFn(usize) -> (S, [(Work, Gate); 2]),
    check: impl AsyncFn(S),
) {
    // For each request, whether the tasks switch before it; for the first one, whether the second task starts.
    let mut plan: Vec<bool> = Vec::new();
    for run in 0.. {
        let (scene, works) = begin(run).await;
        let (tasks, mut gates): (Vec<_>, Vec<_>) =
            works.map(|(work, gate)| (tokio::spawn(work), gate)).into_iter().unzip();
        let (mut switches, mut task) = (Vec::new(), 0);
        loop {
            let switch = plan.get(switches.len()).copied().unwrap_or(false);
            switches.push(switch);
            task = if switch { 1 - task } else { task };
            if !gates[task].let_one_through().await {
                break;
            }
        }
        while gates[1 - task].let_one_through().await {}
        for task in tasks {
            task.await.unwrap();
        }
        check(scene).await;
        // The next order is the same up to the last request before which the tasks can switch, and switches there.
        let can_switch = |at: &usize| {
            !switches[*at] && (*at == 0 || switches[1..*at].iter().filter(|switch| **switch).count() < max_switches)
        };
        let Some(last) = (0..switches.len()).rev().find(can_switch) else {
            assert!(run > 1, "the tasks never interleaved");
            break;
        };
        plan = [&switches[..last], &[true]].concat();
    }
}

#[tokio::test]
async fn tokens_of_an_ended_session_are_revoked_on_every_account() {
    let app = TestApp::new().await;
    let (ada, bob) = (app.user().await, app.user().await);
    app.open_debit(ada, "main", 10).await;
    app.open_debit(ada, "savings", 10).await;
    app.open_debit(bob, "bob", 10).await;
    app.end(ada).await;
    for account in ["main", "savings"] {
        app.assert_revoked(ada, account).await;
    }
    app.move_money(app.in_new_session(ada), send("main", "savings"), 1).await.unwrap();
    app.move_money(bob, send("bob", "main"), 1).await.unwrap();
    assert_eq!(app.balance(ada, "main").await, 10);
    app.assert_books_balance().await;
}

#[tokio::test]
async fn partial_revocation_is_completed_by_the_next_delivery() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    app.open_debit(ada, "main", 10).await;
    // The user was updated, and the function ended before it updated the account.
    let end = app.end_of(ada);
    let (ending, mut gate) = app.ending(ada);
    let interrupted = tokio::spawn(ending);
    for request in ["read", "write"] {
        assert!(gate.let_one_through().await, "{request}");
    }
    interrupted.abort();
    assert_eq!(app.revoked_on("main").await, [""; 0]);
    assert!(app.item(user_key(ada.id)).await.unwrap().contains_key("endedSessions"));

    app.apply(2, AccountEvent::SessionEnded(end)).await.unwrap();
    app.assert_revoked(ada, "main").await;
}

#[tokio::test]
async fn session_end_before_replication_revokes_later_accounts() {
    let app = TestApp::new().await;
    let random = SeededRandom::new(3);
    let claims =
        TokenClaims { epoch: 0, session: SessionId::random(&random), issued_at: app.clock.now().unix_seconds() };
    let ada = TestUser { id: UserId::random(&random), claims };
    app.end(ada).await;
    let outcome = app.open(ada, "main", NewAccount::Debit { deposit: None, write_shards: None }).await;
    assert!(matches!(outcome, Err(PaymentError::Revoked(_))), "{outcome:?}");

    app.apply(1, AccountEvent::UserCreated(contracts_user(ada.id, 0))).await.unwrap();
    let outcome = app.open(ada, "main", NewAccount::Debit { deposit: None, write_shards: None }).await;
    assert!(matches!(outcome, Err(PaymentError::Revoked(_))), "{outcome:?}");
    app.open_debit(app.in_new_session(ada), "main", 10).await;
    app.assert_revoked(ada, "main").await;
}

#[tokio::test]
async fn session_end_with_expired_tokens_changes_nothing() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    app.open_debit(ada, "main", 10).await;
    let end = AccountEvent::SessionEnded(app.end_of(ada));
    let before = (app.item(user_key(ada.id)).await, app.item(account_key("main")).await);
    app.clock.advance(AFTER_EXPIRY);
    app.apply(2, end).await.unwrap();
    assert_eq!((app.item(user_key(ada.id)).await, app.item(account_key("main")).await), before);
}

#[tokio::test]
async fn expired_revocations_are_removed_by_the_next_session_end() {
    let app = TestApp::new().await;
    let (old, new) = {
        let ada = app.user().await;
        (ada, app.in_new_session(ada))
    };
    app.open_debit(old, "main", 10).await;
    app.end(old).await;
    assert_eq!(app.revoked_on("main").await, [old.claims.session.to_string()]);
    app.clock.advance(AFTER_EXPIRY);
    app.end(new).await;
    assert_eq!(app.revoked_on("main").await, [new.claims.session.to_string()]);
    let replica = app.item(user_key(old.id)).await.unwrap();
    assert_eq!(replica["endedSessions"].as_m().unwrap().len(), 1);
}

#[tokio::test]
async fn repeated_session_end_changes_nothing() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    app.open_debit(ada, "main", 10).await;
    let end = app.end_of(ada);
    app.apply(2, AccountEvent::SessionEnded(end.clone())).await.unwrap();
    let before = app.items().await;
    app.apply(2, AccountEvent::SessionEnded(end)).await.unwrap();
    assert_eq!(app.items().await, before);
}

#[tokio::test]
async fn tokens_are_revoked_despite_conflicting_transactions() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    app.open_debit(ada, "main", 10).await;
    app.engine.raise_transaction_conflicts(4, 0, 1);
    app.end(ada).await;
    app.assert_revoked(ada, "main").await;
}

#[tokio::test]
async fn opening_takes_a_second_round_trip_after_a_session_end() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    app.end(app.in_new_session(ada)).await;
    app.engine.round_trips();
    app.open_debit(ada, "main", 10).await;
    assert_eq!(app.engine.round_trips(), ["TransactWriteItems"; 2]);

    app.clock.advance(AFTER_EXPIRY);
    app.open_debit(ada, "savings", 10).await;
    assert_eq!(app.engine.round_trips(), ["TransactWriteItems"]);
    assert_eq!(app.revoked_on("savings").await, [""; 0]);
}

#[tokio::test]
async fn account_opened_during_a_session_end_inherits_it() {
    let app = TestApp::new().await;
    for one_ended_before in [false, true] {
        let begin = async |run: usize| {
            let ada = app.user().await;
            let stolen = app.in_new_session(ada);
            let accounts = [format!("old-{run}-{one_ended_before}"), format!("new-{run}-{one_ended_before}")];
            app.open_debit(ada, &accounts[0], 10).await;
            if one_ended_before {
                app.end(app.in_new_session(ada)).await;
            }
            let (store, gate) = app.gated();
            let request = IdempotentRequest::unkeyed(&app.random);
            let opening = app.opening(ada, &accounts[1], &deposited(10), request);
            let opening: Work = Box::pin(async move {
                open_account::execute(&store, opening).await.unwrap();
            });
            ((ada, stolen, accounts), [(opening, gate), app.ending(stolen)])
        };
        in_every_order(usize::MAX, begin, async |(ada, stolen, accounts)| {
            for account in accounts {
                app.assert_revoked(stolen, &account).await;
                app.move_money(ada, withdrawal(&account), 1).await.unwrap();
            }
        })
        .await;
    }
}

#[tokio::test]
async fn session_ended_during_its_own_opening_is_revoked() {
    let app = TestApp::new().await;
    let begin = async |run: usize| {
        let ada = app.user().await;
        let (store, gate) = app.gated();
        let id = format!("main-{run}");
        let opening = app.opening(ada, &id, &deposited(10), IdempotentRequest::unkeyed(&app.random));
        let opening: Work = Box::pin(async move {
            let outcome = open_account::execute(&store, opening).await;
            assert!(matches!(outcome, Ok(_) | Err(PaymentError::Revoked(_))), "{outcome:?}");
        });
        ((ada, id), [(opening, gate), app.ending(ada)])
    };
    in_every_order(usize::MAX, begin, async |(ada, id)| {
        if !app.accounts_of(ada.id).await.is_empty() {
            app.assert_revoked(ada, &id).await;
        }
    })
    .await;
}

#[tokio::test]
async fn concurrently_ended_sessions_are_both_revoked() {
    let app = TestApp::new().await;
    for one_ended_before in [false, true] {
        let begin = async |run: usize| {
            let ada = app.user().await;
            let others = [app.in_new_session(ada), app.in_new_session(ada)];
            let id = format!("main-{run}-{one_ended_before}");
            app.open_debit(ada, &id, 10).await;
            if one_ended_before {
                app.end(app.in_new_session(ada)).await;
            }
            ((ada, others, id), others.map(|other| app.ending(other)))
        };
        in_every_order(2, begin, async |(ada, others, id)| {
            for other in others {
                app.assert_revoked(other, &id).await;
            }
            app.move_money(ada, withdrawal(&id), 1).await.unwrap();
        })
        .await;
    }
}

#[tokio::test]
async fn epoch_is_raised_on_an_account_opened_concurrently() {
    let app = TestApp::new().await;
    let begin = async |run: usize| {
        let ada = app.user().await;
        let accounts = [format!("old-{run}"), format!("new-{run}")];
        app.open_debit(ada, &accounts[0], 10).await;
        let ((opening_store, opening_gate), (raising_store, raising_gate)) = (app.gated(), app.gated());
        let opening = app.opening(ada, &accounts[1], &deposited(10), IdempotentRequest::unkeyed(&app.random));
        let opening: Work = Box::pin(async move {
            let outcome = open_account::execute(&opening_store, opening).await;
            assert!(matches!(outcome, Ok(_) | Err(PaymentError::Revoked(_))), "{outcome:?}");
        });
        let raised = user(ada.id, 1);
        let raising: Work = Box::pin(async move { raising_store.replicate_user(&raised, 2).await.unwrap() });
        (ada, [(opening, opening_gate), (raising, raising_gate)])
    };
    in_every_order(usize::MAX, begin, async |ada| {
        for account in app.accounts_of(ada.id).await {
            app.assert_revoked(ada, account.id.as_str()).await;
        }
    })
    .await;
}

#[tokio::test]
async fn revocations_do_not_raise_the_capacity_of_a_transfer() {
    let app = TestApp::new().await;
    let (ada, bob) = (app.user().await, app.user().await);
    app.open_debit(ada, "ada", 100).await;
    app.open_debit(bob, "bob", 0).await;
    let (client, capacity) = app.engine.metered();
    let store = app.store_on(client);
    let send_one = async |by| post_transfer::execute(&store, app.unkeyed(by, send("ada", "bob"), 1)).await.unwrap();
    send_one(ada).await;
    let without_revocations = capacity.spent();

    for _ in 0..5 {
        app.end(app.in_new_session(ada)).await;
        app.end(app.in_new_session(bob)).await;
    }
    app.apply(3, AccountEvent::UserUpdated(contracts_user(ada.id, 1))).await.unwrap();
    let ada = ada.with_epoch(1);
    assert_eq!(app.revoked_on("ada").await.len(), 5);
    send_one(ada).await;
    assert_eq!(capacity.spent(), without_revocations);
    // The meter works: an item of more than a kilobyte costs more.
    app.set(account_key("ada"), "padding", text("p".repeat(1024))).await;
    send_one(ada).await;
    assert!(capacity.spent() > without_revocations, "{without_revocations:?}");
}

/// Ends this many sessions of a user, one a second.
async fn end_sessions(app: &TestApp, of: TestUser, count: usize) -> Vec<TestUser> {
    let mut ended = Vec::new();
    for _ in 0..count {
        ended.push(app.in_new_session(of));
        app.clock.advance(Duration::from_millis(900));
        app.end(ended[ended.len() - 1]).await;
    }
    ended
}

#[tokio::test]
async fn any_number_of_ended_sessions_leaves_a_transfer_at_its_price() {
    let app = TestApp::new().await;
    let (ada, bob) = (app.user().await, app.user().await);
    // The longest ids, and every optional attribute.
    let accounts = ["a", "b"].map(|letter| letter.repeat(64));
    for (owner, id) in [ada, bob].into_iter().zip(&accounts) {
        let new = NewAccount::Debit { deposit: Some(amount(1_000_000)), write_shards: WriteShards::new(16).ok() };
        app.open(owner, id, new).await.unwrap();
        let most = (0..16).map(|_| number(MAX_AMOUNT_MINOR)).collect();
        app.set(account_key(id), "drawn", AttributeValue::L(most)).await;
    }
    let (client, capacity) = app.engine.metered();
    let store = app.store_on(client);
    let send_one = async |by: TestUser| {
        let posting = send(&accounts[0], &accounts[1]);
        post_transfer::execute(&store, app.unkeyed(by, posting, 1)).await.unwrap();
        capacity.spent()
    };
    let before = send_one(ada).await;
    for user in [ada, bob] {
        end_sessions(&app, user, 10 * MAX_ENDED_SESSIONS).await;
        assert!(app.revoked_on(&accounts[0]).await.len() <= MAX_ENDED_SESSIONS);
    }
    app.clock.advance(Duration::from_secs(2));
    assert_eq!(send_one(app.in_new_session(ada)).await, before);
    for (owner, id) in [ada, bob].into_iter().zip(&accounts) {
        // Full again.
        end_sessions(&app, owner, MAX_ENDED_SESSIONS - app.revoked_on(id).await.len()).await;
        assert_eq!(app.revoked_on(id).await.len(), MAX_ENDED_SESSIONS);
    }
    app.clock.advance(Duration::from_secs(2));
    assert_eq!(send_one(app.in_new_session(ada)).await, before);
}

#[tokio::test]
async fn sessions_beyond_the_maximum_are_revoked_by_issue_time() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    app.open_debit(ada, "main", 10).await;
    let ended = end_sessions(&app, ada, MAX_ENDED_SESSIONS).await;
    app.move_money(ada, withdrawal("main"), 1).await.unwrap();
    let last = end_sessions(&app, ada, 1).await;
    app.open_debit(app.new_session_later(ada), "later", 10).await;
    for account in ["main", "later"] {
        // The session that has not ended was issued its token before, and gets another one.
        for user in [&ended[..], &last, &[ada]].concat() {
            app.assert_revoked(user, account).await;
        }
        app.move_money(app.new_session_later(ada), withdrawal(account), 1).await.unwrap();
    }
    let without_account = app.create_payment_by(ada).await;
    assert!(matches!(without_account, Err(PaymentError::Revoked(_))), "{without_account:?}");
    app.create_payment_by(app.new_session_later(ada)).await.unwrap();
    assert_eq!(app.store.replica(ada.id).await.unwrap().admit(&ada.claims), Err(TokenRevoked));
}

#[tokio::test]
async fn new_session_is_accepted_however_many_others_end() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    app.open_debit(ada, "main", 1_000).await;
    // A program signs in for each request, and each time the session that is idle for longest ends.
    let mut sessions: Vec<TestUser> = Vec::new();
    for number in 0..5 * MAX_ENDED_SESSIONS {
        app.clock.advance(Duration::from_secs(1));
        let newest = app.in_new_session(ada);
        sessions.push(newest);
        if number >= 2 {
            app.end(sessions[number - 2]).await;
        }
        app.move_money(newest, withdrawal("main"), 1).await.unwrap();
    }
    for ended in &sessions[..sessions.len() - 2] {
        app.assert_revoked(*ended, "main").await;
    }
}

#[tokio::test]
async fn ended_sessions_of_unknown_issue_time_stay_revoked_when_replaced() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    app.open_debit(ada, "main", 10).await;
    let before = end_sessions(&app, ada, MAX_ENDED_SESSIONS).await;
    // As an earlier version stored them, and without a limit.
    let mut stored = app.item(user_key(ada.id)).await.unwrap();
    let AttributeValue::M(mut expiries) = stored.remove("endedSessions").unwrap() else { panic!("a map") };
    for _ in 0..2 * MAX_ENDED_SESSIONS {
        let expiry = number(app.clock.now().plus(TOKEN_TTL).unix_seconds());
        expiries.insert(SessionId::random(&app.random).to_string(), expiry);
    }
    app.set(user_key(ada.id), "endedSessions", AttributeValue::M(expiries)).await;
    app.set(user_key(ada.id), "tokensIssuedBefore", AttributeValue::M(dynamo::Item::new())).await;
    let last = end_sessions(&app, ada, 1).await;
    assert!(app.revoked_on("main").await.len() <= MAX_ENDED_SESSIONS);
    for user in [&before[..], &last].concat() {
        app.assert_revoked(user, "main").await;
    }
    app.move_money(app.new_session_later(ada), withdrawal("main"), 1).await.unwrap();
}

#[tokio::test]
async fn redelivered_end_of_a_replaced_session_keeps_all_revoked() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    app.open_debit(ada, "main", 10).await;
    let first = app.in_new_session(ada);
    let end = AccountEvent::SessionEnded(app.end_of(first));
    app.apply(2, end.clone()).await.unwrap();
    let ended = end_sessions(&app, ada, 2 * MAX_ENDED_SESSIONS).await;
    let before = app.items().await;
    for _ in 0..2 {
        app.apply(2, end.clone()).await.unwrap();
    }
    assert_eq!(app.items().await, before, "its tokens were issued too early already");
    for user in [&ended[..], &[first, ada]].concat() {
        app.assert_revoked(user, "main").await;
    }
}

#[tokio::test]
async fn late_end_with_the_latest_expiry_prolongs_the_revocation() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    let late = app.in_new_session(ada);
    // Its last token expires after those of all other ended sessions.
    let end = SessionEnd { tokens_expire_at: app.clock.now().plus(2 * TOKEN_TTL), ..app.end_of(late) };
    end_sessions(&app, ada, MAX_ENDED_SESSIONS + 1).await;
    app.apply(2, AccountEvent::SessionEnded(end)).await.unwrap();
    app.clock.advance(AFTER_EXPIRY);
    let outcome = app.open(late, "main", NewAccount::Debit { deposit: None, write_shards: None }).await;
    assert!(matches!(outcome, Err(PaymentError::Revoked(_))), "{outcome:?}");
    app.open_debit(app.new_session_later(ada), "main", 10).await;
    app.assert_revoked(late, "main").await;
}

#[tokio::test]
async fn issue_time_is_forgotten_once_all_ended_tokens_have_expired() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    app.open_debit(ada, "main", 10).await;
    end_sessions(&app, ada, MAX_ENDED_SESSIONS + 1).await;
    app.clock.advance(AFTER_EXPIRY);
    let last = app.in_new_session(ada);
    app.end(last).await;
    assert_eq!(app.item(account_key("main")).await.unwrap()["tokensNotBefore"], number(0));
    assert_eq!(app.revoked_on("main").await, [last.claims.session.to_string()]);
}

#[tokio::test]
async fn account_opened_while_the_issue_time_rises_inherits_it() {
    let app = TestApp::new().await;
    let begin = async |run: usize| {
        let ada = app.user().await;
        let ended = end_sessions(&app, ada, MAX_ENDED_SESSIONS).await;
        let id = format!("main-{run}");
        let (store, gate) = app.gated();
        let opening = app.opening(ada, &id, &deposited(10), IdempotentRequest::unkeyed(&app.random));
        let opening: Work = Box::pin(async move {
            let outcome = open_account::execute(&store, opening).await;
            assert!(matches!(outcome, Ok(_) | Err(PaymentError::Revoked(_))), "{outcome:?}");
        });
        ((ada, ended, id), [(opening, gate), app.ending(app.in_new_session(ada))])
    };
    in_every_order(usize::MAX, begin, async |(ada, ended, id)| {
        if app.accounts_of(ada.id).await.is_empty() {
            return;
        }
        for user in [&ended[..], &[ada]].concat() {
            app.assert_revoked(user, &id).await;
        }
        app.move_money(app.new_session_later(ada), withdrawal(&id), 1).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn session_end_takes_one_read_and_one_write_per_item() {
    for accounts in [1, 3] {
        let app = TestApp::new().await;
        let ada = app.user().await;
        for number in 0..accounts {
            app.open_debit(ada, &format!("main-{number}"), 0).await;
        }
        let end = AccountEvent::SessionEnded(app.end_of(ada));
        app.engine.round_trips();
        app.apply(2, end.clone()).await.unwrap();
        let updates = vec!["UpdateItem"; accounts];
        assert_eq!(app.engine.round_trips(), [&["GetItem", "UpdateItem"], &updates[..]].concat());
        app.apply(2, end).await.unwrap();
        assert_eq!(app.engine.round_trips(), [&["GetItem"], &updates[..]].concat());
        app.apply(3, AccountEvent::UserUpdated(contracts_user(ada.id, 1))).await.unwrap();
        assert_eq!(app.engine.round_trips(), [&["UpdateItem"], &updates[..]].concat());
    }
}
