use futures_util::future::join_all;

use super::*;
use crate::domain::{Party, Refusal};
use crate::store::transfers::FindTransfer;

#[tokio::test]
async fn an_account_opens_in_one_round_trip_with_its_opening_deposit() {
    let world = World::new().await;
    let ada = world.person().await;
    world.engine.round_trips();
    let opened =
        world.open(ada, "main", NewAccount::Debit { deposit: Some(amount(70)), intake_shards: None }).await.unwrap();
    assert_eq!(world.engine.round_trips(), ["TransactWriteItems"]);
    assert_eq!(world.table.accounts_of(ada.id).await.unwrap(), [opened.account]);
    world.assert_books_balance().await;
}

#[tokio::test]
async fn own_accounts_are_listed_in_two_round_trips_and_nobody_elses() {
    let world = World::new().await;
    let (ada, bob) = (world.person().await, world.person().await);
    world.debit(ada, "z", 1).await;
    world.debit(ada, "a", 2).await;
    world.debit(bob, "bob", 3).await;
    world.engine.round_trips();
    let own = world.table.accounts_of(ada.id).await.unwrap();
    assert_eq!(world.engine.round_trips(), ["GetItem", "BatchGetItem"]);
    assert_eq!(own.iter().map(|account| account.id.as_str()).collect::<Vec<_>>(), ["z", "a"], "oldest first");
    assert_eq!(world.table.accounts_of(UserId::random(&world.random)).await.unwrap(), []);
}

#[tokio::test]
async fn a_person_who_is_not_synced_yet_opens_nothing() {
    let world = World::new().await;
    let stranger = Person { id: UserId::random(&world.random), ..world.person().await };
    let outcome =
        world.open(stranger, "main", NewAccount::Debit { deposit: Some(amount(1)), intake_shards: None }).await;
    assert!(matches!(outcome, Err(OpenError::UserNotSynced)), "{outcome:?}");
    assert_eq!(world.items().await.len(), 1);
}

#[tokio::test]
async fn an_id_that_is_taken_stays_with_its_owner() {
    let world = World::new().await;
    let (ada, bob) = (world.person().await, world.person().await);
    world.debit(ada, "main", 10).await;
    for thief in [ada, bob] {
        let outcome = world.open(thief, "main", NewAccount::Debit { deposit: None, intake_shards: None }).await;
        assert!(matches!(outcome, Err(OpenError::IdTaken)), "{outcome:?}");
    }
    assert_eq!(world.balance(ada, "main").await, 10);
    assert_eq!(world.table.accounts_of(bob.id).await.unwrap(), []);
}

#[tokio::test]
async fn a_person_has_as_many_accounts_as_the_limit_says_even_when_all_open_at_once() {
    let world = World::new().await;
    let ada = world.person().await;
    let ids: Vec<String> = (0..10).map(|number| format!("a{number}")).collect();
    let outcomes =
        join_all(ids.iter().map(|id| world.open(ada, id, NewAccount::Debit { deposit: None, intake_shards: None })))
            .await;
    let refused = outcomes.iter().filter(|outcome| matches!(outcome, Err(OpenError::TooManyAccounts))).count();
    assert_eq!(refused, 7);
    assert_eq!(world.table.accounts_of(ada.id).await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_named_opening_is_carried_out_once_and_answered_as_it_was_then() {
    let world = World::new().await;
    let ada = world.person().await;
    let new = NewAccount::Debit { deposit: Some(amount(70)), intake_shards: None };
    let named = |key: &str, asked: i64| Request::named(ada.id, "open", key, &asked).unwrap();
    let first = world.table.open(world.opening(ada, "main", &new, named("k", 1))).await.unwrap();
    world.post(ada, withdrawal("main"), 30).await.unwrap();

    let again = world.table.open(world.opening(ada, "main", &new, named("k", 1))).await.unwrap();
    assert_eq!(again, Opened { replayed: true, ..first });
    let other = world.table.open(world.opening(ada, "other", &new, named("k", 2))).await;
    assert!(matches!(other, Err(OpenError::KeyReused)), "{other:?}");
    assert_eq!(world.balance(ada, "main").await, 40);
    world.assert_books_balance().await;
}

#[tokio::test]
async fn a_loan_is_disbursed_only_to_an_active_debit_account_of_its_owner_in_its_currency() {
    let world = World::new().await;
    let (ada, bob) = (world.person().await, world.person().await);
    world.open(ada, "card", NewAccount::Credit { limit: amount(5) }).await.unwrap();
    world.debit(ada, "frozen", 0).await;
    world.freeze("frozen").await;
    world.debit(bob, "bob", 0).await;
    let open =
        |to: &str| world.open(ada, "loan", NewAccount::Loan { principal: amount(100), disburse_to: account(to) });
    assert!(matches!(open("card").await, Err(OpenError::DisbursementType)));
    for (to, expected) in [
        ("nobody", Refusal::AccountNotFound(Party::Payee)),
        ("bob", Refusal::AccountNotFound(Party::Payee)),
        ("frozen", Refusal::AccountFrozen(Party::Payee)),
    ] {
        let outcome = open(to).await;
        assert!(matches!(outcome, Err(OpenError::Disbursement(refusal)) if refusal == expected), "{to}: {outcome:?}");
    }
    assert_eq!(world.table.accounts_of(ada.id).await.unwrap().len(), 2);
    world.assert_books_balance().await;
}

#[tokio::test]
async fn a_token_older_than_the_fence_opens_nothing_and_a_newer_one_raises_it_on_what_it_opens() {
    let world = World::new().await;
    let ada = world.person().await;
    world.table.sync_user(&user(ada.id, 5), 2).await.unwrap();
    let outcome = world.open(ada, "main", NewAccount::Debit { deposit: None, intake_shards: None }).await;
    assert!(matches!(outcome, Err(OpenError::Revoked)), "{outcome:?}");
    let renewed = Person { fence: Fence { epoch: 5, ..ada.fence }, ..ada };
    world.debit(renewed, "main", 10).await;
    let outcome = world.post(ada, withdrawal("main"), 1).await;
    assert!(matches!(outcome, Err(PostError::Revoked)), "{outcome:?}");
}

#[tokio::test]
async fn a_transfer_is_seen_by_its_parties_and_by_nobody_else() {
    let world = World::new().await;
    let (ada, bob, eve) = (world.person().await, world.person().await, world.person().await);
    world.debit(ada, "ada", 100).await;
    world.debit(bob, "bob", 0).await;
    world.debit(eve, "eve", 0).await;
    let sent = world.post(ada, send("ada", "bob"), 30).await.unwrap().transfer;
    assert_eq!(world.table.find(sent.id, ada.id).await.unwrap(), Some(sent.clone()));
    assert_eq!(world.table.find(sent.id, bob.id).await.unwrap(), Some(sent.clone()));
    assert_eq!(world.table.find(sent.id, eve.id).await.unwrap(), None);

    let refused = world.named(ada, "k", send("ada", "bob"), 1000);
    let id = refused.transfer.id;
    world.table.post(refused).await.unwrap_err();
    assert!(world.table.find(id, ada.id).await.unwrap().is_some());
    assert_eq!(world.table.find(id, bob.id).await.unwrap(), None, "what failed concerns only who asked for it");
}
