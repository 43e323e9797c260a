use futures_util::future::join_all;
use kernel::UserId;

use super::*;
use crate::domain::{FailureReason, IdempotentRequest, Party};
use crate::store::StoreError;
use crate::testing::{TestApp, TestUser, account, amount, withdrawal};

#[tokio::test]
async fn account_opens_with_its_deposit_in_one_round_trip() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    app.engine.round_trips();
    let opened =
        app.open(ada, "main", NewAccount::Debit { deposit: Some(amount(70)), write_shards: None }).await.unwrap();
    assert_eq!(app.engine.round_trips(), ["TransactWriteItems"]);
    assert_eq!(app.accounts_of(ada.id).await, [opened.value]);
    app.assert_books_balance().await;
}

#[tokio::test]
async fn own_accounts_are_listed_in_two_round_trips() {
    let app = TestApp::new().await;
    let (ada, bob) = (app.user().await, app.user().await);
    app.open_debit(ada, "z", 1).await;
    app.open_debit(ada, "a", 2).await;
    app.open_debit(bob, "bob", 3).await;
    app.engine.round_trips();
    let own = app.accounts_of(ada.id).await;
    assert_eq!(app.engine.round_trips(), ["GetItem", "BatchGetItem"]);
    assert_eq!(own.iter().map(|account| account.id.as_str()).collect::<Vec<_>>(), ["z", "a"], "oldest first");
    assert_eq!(app.accounts_of(UserId::random(&app.random)).await, []);
}

#[tokio::test]
async fn user_who_is_not_replicated_cannot_open_an_account() {
    let app = TestApp::new().await;
    let unknown = TestUser { id: UserId::random(&app.random), ..app.user().await };
    let outcome = app.open(unknown, "main", NewAccount::Debit { deposit: Some(amount(1)), write_shards: None }).await;
    assert!(matches!(outcome, Err(PaymentError::UserNotSynced)), "{outcome:?}");
    assert_eq!(app.items().await.len(), 1);
}

#[tokio::test]
async fn taken_account_id_is_rejected() {
    let app = TestApp::new().await;
    let (ada, bob) = (app.user().await, app.user().await);
    app.open_debit(ada, "main", 10).await;
    for user in [ada, bob] {
        let outcome = app.open(user, "main", NewAccount::Debit { deposit: None, write_shards: None }).await;
        assert!(matches!(outcome, Err(PaymentError::AccountIdTaken)), "{outcome:?}");
    }
    assert_eq!(app.balance(ada, "main").await, 10);
    assert_eq!(app.accounts_of(bob.id).await, []);
}

#[tokio::test]
async fn concurrent_openings_never_exceed_the_account_limit() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    let ids: Vec<String> = (0..10).map(|number| format!("a{number}")).collect();
    let outcomes =
        join_all(ids.iter().map(|id| app.open(ada, id, NewAccount::Debit { deposit: None, write_shards: None }))).await;
    let rejected = outcomes.iter().filter(|outcome| matches!(outcome, Err(PaymentError::TooManyAccounts))).count();
    assert_eq!(rejected, 7);
    assert_eq!(app.accounts_of(ada.id).await.len(), 3);
}

#[tokio::test]
async fn keyed_opening_is_executed_once_and_replayed() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    let new = NewAccount::Debit { deposit: Some(amount(70)), write_shards: None };
    let open = |id: &str, payload: i64| {
        let request = IdempotentRequest::keyed(ada.id, "open", "k", &payload).unwrap();
        execute(&app.store, app.opening(ada, id, &new, request))
    };
    let first = open("main", 1).await.unwrap();
    app.move_money(ada, withdrawal("main"), 30).await.unwrap();

    let again = open("main", 1).await.unwrap();
    assert_eq!(again, Idempotent { replayed: true, ..first });
    let other = open("other", 2).await;
    assert!(matches!(other, Err(PaymentError::KeyReused(_))), "{other:?}");
    assert_eq!(app.balance(ada, "main").await, 40);
    app.assert_books_balance().await;
}

#[tokio::test]
async fn loan_is_disbursed_only_to_a_suitable_account() {
    let app = TestApp::new().await;
    let (ada, bob) = (app.user().await, app.user().await);
    app.open(ada, "card", NewAccount::Credit { limit: amount(5) }).await.unwrap();
    app.open_debit(ada, "frozen", 0).await;
    app.freeze("frozen").await;
    app.open_debit(bob, "bob", 0).await;
    let open = |to: &str| app.open(ada, "loan", NewAccount::Loan { principal: amount(100), disburse_to: account(to) });
    assert!(matches!(open("card").await, Err(PaymentError::WrongAccountType { .. })));
    for (to, expected) in [
        ("nobody", FailureReason::AccountNotFound(Party::Payee)),
        ("bob", FailureReason::AccountNotFound(Party::Payee)),
        ("frozen", FailureReason::AccountFrozen(Party::Payee)),
    ] {
        let outcome = open(to).await;
        assert!(
            matches!(outcome, Err(PaymentError::Rejected { reason, .. }) if reason == expected),
            "{to}: {outcome:?}"
        );
    }
    assert_eq!(app.accounts_of(ada.id).await.len(), 2);
    app.assert_books_balance().await;
}

#[tokio::test]
async fn new_account_inherits_the_epoch_of_the_token() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    app.replicate(ada.id, 5, 2).await;
    let outcome = app.open(ada, "main", NewAccount::Debit { deposit: None, write_shards: None }).await;
    assert!(matches!(outcome, Err(PaymentError::Revoked(_))), "{outcome:?}");
    app.open_debit(ada.with_epoch(5), "main", 10).await;
    let outcome = app.move_money(ada, withdrawal("main"), 1).await;
    assert!(matches!(outcome, Err(PaymentError::Revoked(_))), "{outcome:?}");
}

#[tokio::test]
async fn opening_after_a_lost_response_has_an_unknown_outcome() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    app.engine.lose_response("TransactWriteItems");
    app.engine.raise_transaction_conflicts(1, 0, 2);
    let outcome = app.open(ada, "ada", NewAccount::Debit { deposit: None, write_shards: None }).await;
    assert!(matches!(outcome, Err(PaymentError::Store(StoreError::Unavailable(_)))), "{outcome:?}");
    assert_eq!(app.balance(ada, "ada").await, 0);
}
