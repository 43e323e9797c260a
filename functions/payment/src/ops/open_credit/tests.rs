use futures_util::future::join_all;
use serde_json::json;

use super::*;
use crate::domain::{User, UserStatus};
use crate::testing::{TestApp, TestUser, amount};

struct Scene {
    app: TestApp,
    ada: TestUser,
    state: OpenCredit,
}

impl Scene {
    /// Ada has a DEBIT account `main`. At most 1,000 of credit in one currency.
    async fn new() -> Self {
        let app = TestApp::new().await;
        let ada = app.user().await;
        app.open_debit(ada, "main", 0).await;
        let limits = Limits {
            max_credit_limit: amount(900),
            max_loan_principal: amount(900),
            max_credit_per_user: amount(1000),
            max_accounts_per_user: 9,
        };
        let state = OpenCredit { store: app.store.clone(), limits };
        app.engine.round_trips();
        Self { app, ada, state }
    }

    fn card(&self, key: &str, amount: i64) -> Value {
        json!({
            "userId": self.ada.id, "paymentAccountType": "CREDIT", "currency": "USD", "amount": amount, "key": key,
            "reason": "case 4711",
        })
    }

    async fn open(&self, event: Value) -> Result<OpenedAccount, OpenCreditError> {
        open_credit(&self.state, event, "request-1".to_owned()).await
    }

    async fn message(&self, event: Value) -> String {
        self.open(event).await.unwrap_err().to_string()
    }
}

#[tokio::test]
async fn operator_opens_a_credit_account_and_is_recorded() {
    let scene = Scene::new().await;
    let mut event = scene.card("k", 500);
    event["paymentAccountId"] = json!("card");
    let opened = scene.open(event.clone()).await.unwrap();
    assert_eq!((opened.payment_account_id.as_str(), opened.user_id, opened.replayed), ("card", scene.ada.id, false));
    assert_eq!(scene.app.engine.round_trips(), ["GetItem", "TransactWriteItems"]);
    assert_eq!(scene.app.position(scene.ada, "card").await.1, 500);
    // The user's own token can use the account.
    scene.app.move_money(scene.ada, crate::testing::withdrawal("card"), 5).await.unwrap();

    let mut again = event;
    again["reason"] = json!("case 4712");
    assert!(scene.open(again.clone()).await.unwrap().replayed);
    // A replay is returned to an operator even if the user has been suspended since.
    let suspended = User { status: UserStatus::Suspended, ..crate::testing::user(scene.ada.id, 1) };
    scene.app.store.replicate_user(&suspended, 2).await.unwrap();
    assert!(scene.open(again).await.unwrap().replayed);
    let items = scene.app.items().await;
    let commands: Vec<_> =
        items.iter().filter(|item| item.get("kind") == Some(&dynamo::text("CREDIT_OPENED"))).collect();
    let [command] = commands[..] else { panic!("{commands:?}") };
    assert_eq!((&command["reason"], &command["requestId"]), (&dynamo::text("case 4711"), &dynamo::text("request-1")));
    assert_eq!((&command["paymentAccountId"], &command["amount"]), (&dynamo::text("card"), &dynamo::number(500)));
}

#[tokio::test]
async fn operator_opens_a_loan_for_the_users_account() {
    let scene = Scene::new().await;
    let mut event = scene.card("k", 700);
    event["paymentAccountType"] = json!("LOAN");
    event["disburseTo"] = json!("main");
    scene.open(event).await.unwrap();
    assert_eq!(scene.app.balance(scene.ada, "main").await, 700);
    scene.app.assert_books_balance().await;
}

#[tokio::test]
async fn credit_of_a_user_is_limited_per_currency() {
    let scene = Scene::new().await;
    scene.open(scene.card("a", 700)).await.unwrap();
    let over = scene.open(scene.card("b", 301)).await;
    assert!(matches!(over, Err(OpenCreditError::Payment(PaymentError::CreditPerUserExceeded { .. }))), "{over:?}");
    let mut euros = scene.card("c", 900);
    euros["currency"] = json!("EUR");
    scene.open(euros).await.unwrap();
    scene.open(scene.card("d", 300)).await.unwrap();
}

#[tokio::test]
async fn credit_above_the_maximum_of_a_user_is_rejected() {
    let mut scene = Scene::new().await;
    scene.state.limits.max_credit_per_user = amount(400);
    let over = scene.open(scene.card("a", 401)).await;
    assert!(matches!(over, Err(OpenCreditError::Payment(PaymentError::CreditPerUserExceeded { .. }))), "{over:?}");
    scene.open(scene.card("b", 400)).await.unwrap();
}

#[tokio::test]
async fn concurrent_openings_never_exceed_the_credit_of_a_user() {
    let scene = Scene::new().await;
    let outcomes = join_all((0..5).map(|key| scene.open(scene.card(&key.to_string(), 400)))).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 2);
}

#[tokio::test]
async fn account_opened_by_an_operator_inherits_revocations() {
    let scene = Scene::new().await;
    let other = scene.app.in_new_session(scene.ada);
    scene.app.end(scene.ada).await;
    let opened = scene.open(scene.card("k", 500)).await.unwrap();
    let withdrawal = crate::testing::withdrawal(opened.payment_account_id.as_str());
    let revoked = scene.app.move_money(scene.ada, withdrawal.clone(), 5).await;
    assert!(matches!(revoked, Err(PaymentError::Revoked(_))), "{revoked:?}");
    scene.app.move_money(other, withdrawal, 5).await.unwrap();
}

#[tokio::test]
async fn invalid_command_opens_nothing_and_names_the_field() {
    let scene = Scene::new().await;
    let items = scene.app.items().await.len();
    for (field, value, expected) in [
        ("amount", json!(0), "amount: "),
        ("amount", json!(901), "credit limit exceeds the maximum"),
        ("currency", json!("XAU"), "currency: "),
        ("paymentAccountType", json!("DEBIT"), "paymentAccountType: "),
        ("paymentAccountType", json!("LOAN"), "disburseTo: "),
        ("disburseTo", json!("main"), "disburseTo: "),
        ("key", json!(""), "key: "),
        ("reason", json!(" "), "reason: "),
        ("reason", json!("x".repeat(201)), "reason: "),
        ("unknown", json!(1), "the event must be"),
        ("amount", json!("ada@example.com"), "the event must be"),
        ("userId", json!(scene.app.in_new_session(scene.ada).claims.session), "user is not replicated yet"),
    ] {
        let mut event = scene.card("k", 500);
        event[field] = value;
        let message = scene.message(event).await;
        assert!(message.contains(expected), "{field}: {message}");
    }
    assert_eq!(scene.app.items().await.len(), items);
}

#[tokio::test]
async fn unreadable_command_error_does_not_quote_the_event() {
    let scene = Scene::new().await;
    let items = scene.app.items().await.len();
    let with = |field: &str, value: Value| {
        let mut event = scene.card("k", 500);
        event[field] = value;
        event
    };
    for event in [
        json!("ada@example.com"),
        json!(["ada@example.com"]),
        json!(null),
        json!({"ada@example.com": "CREDIT"}),
        with("userId", json!("ada@example.com")),
        with("paymentAccountType", json!("ada@example.com")),
        with("paymentAccountId", json!("ada@example.com")),
        with("amount", json!("+33612345678")),
        with("amount", json!(33_612_345_678.5)),
        with("reason", json!({"ada@example.com": 1})),
        with("ada@example.com", json!(1)),
    ] {
        let error = scene.open(event.clone()).await.unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(text.contains("the event must be an object"), "{event}: {text}");
        assert!(!text.contains("example") && !text.contains("33612345678"), "{event}: {text}");
    }
    assert_eq!(scene.app.items().await.len(), items);
}
