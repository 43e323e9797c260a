use std::pin::Pin;

use contracts::{AccountEvent, SessionEnd};
use testkit::Gate;

use super::*;
use crate::store::item::user_key;

/// How long the tokens of an ended session are alive in these tests.
const TOKENS_LIVE: Duration = Duration::from_mins(15);
/// Long enough for all of them to have expired, whoever's clock tells.
const AFTER_ALL_EXPIRED: Duration = Duration::from_mins(17);

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

impl World {
    /// The same person, signed in once more.
    fn elsewhere(&self, person: Person) -> Person {
        Person { fence: Fence { session: SessionId::random(&self.random), ..person.fence }, ..person }
    }

    fn end_of(&self, person: Person) -> SessionEnd {
        let now = self.clock.now();
        let (user_id, session_id) = (person.id, person.fence.session);
        SessionEnd { user_id, session_id, ended_at: now, tokens_expire_at: now.plus(TOKENS_LIVE) }
    }

    async fn end(&self, person: Person) {
        self.apply(2, AccountEvent::SessionEnded(self.end_of(person))).await.unwrap();
    }

    fn turn_the_clock(&self, by: Duration) {
        let mut now = self.clock.now.lock().unwrap();
        *now = now.plus(by);
    }

    async fn assert_revoked(&self, person: Person, account: &str) {
        let outcome = self.post(person, withdrawal(account), 1).await;
        assert!(matches!(outcome, Err(PostError::Revoked)), "{account}: {outcome:?}");
    }

    async fn revoked_on(&self, id: &str) -> Vec<String> {
        let item = self.item(account_key(&account(id))).await.unwrap();
        let mut revoked = item.get("revokedSessions").map(|set| set.as_ss().unwrap().clone()).unwrap_or_default();
        revoked.sort();
        revoked
    }

    /// The table as one of two who work at once sees it.
    fn gated(&self) -> (Table, Gate) {
        let (client, gate) = self.engine.gated();
        (Table { client, ..self.table.clone() }, gate)
    }

    fn ending(&self, person: Person) -> (Work, Gate) {
        let ((table, gate), end) = (self.gated(), self.end_of(person));
        (Box::pin(async move { table.sync_session_end(&end).await.unwrap() }), gate)
    }
}

/// Runs two in every order that their requests can take with at most so many turns from one who is not done to the other,
/// each time from a beginning of their own.
async fn in_every_order<S>(
    most_turns: usize,
    begin: impl AsyncFn(usize) -> (S, [(Work, Gate); 2]),
    check: impl AsyncFn(S),
) {
    // Whether it is the other's turn, request by request; at the first, whether the second begins.
    let mut plan: Vec<bool> = Vec::new();
    for run in 0.. {
        let (scene, works) = begin(run).await;
        let (tasks, mut gates): (Vec<_>, Vec<_>) =
            works.map(|(work, gate)| (tokio::spawn(work), gate)).into_iter().unzip();
        let (mut turns, mut worker) = (Vec::new(), 0);
        loop {
            let turn = plan.get(turns.len()).copied().unwrap_or(false);
            turns.push(turn);
            worker = if turn { 1 - worker } else { worker };
            if !gates[worker].let_one_through().await {
                break;
            }
        }
        while gates[1 - worker].let_one_through().await {}
        for task in tasks {
            task.await.unwrap();
        }
        check(scene).await;
        // The next order: as this one up to the last place where a turn may be, and there the other goes.
        let may_turn =
            |at: &usize| !turns[*at] && (*at == 0 || turns[1..*at].iter().filter(|turn| **turn).count() < most_turns);
        let Some(last) = (0..turns.len()).rev().find(may_turn) else {
            assert!(run > 10, "the two never met");
            break;
        };
        plan = [&turns[..last], &[true]].concat();
    }
}

#[tokio::test]
async fn the_tokens_of_an_ended_session_move_no_money_and_those_of_another_do() {
    let world = World::new().await;
    let (ada, bob) = (world.person().await, world.person().await);
    world.debit(ada, "main", 10).await;
    world.debit(ada, "savings", 10).await;
    world.debit(bob, "bob", 10).await;
    world.end(ada).await;
    for account in ["main", "savings"] {
        world.assert_revoked(ada, account).await;
    }
    world.post(world.elsewhere(ada), send("main", "savings"), 1).await.unwrap();
    world.post(bob, send("bob", "main"), 1).await.unwrap();
    assert_eq!(world.balance(ada, "main").await, 10);
    world.assert_books_balance().await;
}

#[tokio::test]
async fn an_end_that_came_to_the_replica_alone_is_completed_by_the_next_delivery() {
    let world = World::new().await;
    let ada = world.person().await;
    world.debit(ada, "main", 10).await;
    // The replica was written and the function died before the account was.
    let (table, mut gate) = world.gated();
    let end = world.end_of(ada);
    let dying = {
        let end = end.clone();
        tokio::spawn(async move { table.sync_session_end(&end).await })
    };
    for request in ["look", "write", "look again"] {
        assert!(gate.let_one_through().await, "{request}");
    }
    dying.abort();
    assert_eq!(world.revoked_on("main").await, [""; 0]);
    assert!(world.item(user_key(ada.id)).await.unwrap().contains_key("endedSessions"));

    world.apply(2, AccountEvent::SessionEnded(end)).await.unwrap();
    world.assert_revoked(ada, "main").await;
}

#[tokio::test]
async fn a_session_may_end_before_its_person_is_known_here() {
    let world = World::new().await;
    let random = SeededRandom::new(3);
    let ada = Person { id: UserId::random(&random), fence: Fence { epoch: 0, session: SessionId::random(&random) } };
    world.end(ada).await;
    let outcome = world.open(ada, "main", NewAccount::Debit { deposit: None, intake_shards: None }).await;
    assert!(matches!(outcome, Err(OpenError::UserNotSynced)), "{outcome:?}");

    world.apply(1, AccountEvent::UserCreated(user(ada.id, 0))).await.unwrap();
    let outcome = world.open(ada, "main", NewAccount::Debit { deposit: None, intake_shards: None }).await;
    assert!(matches!(outcome, Err(OpenError::Revoked)), "{outcome:?}");
    world.debit(world.elsewhere(ada), "main", 10).await;
    world.assert_revoked(ada, "main").await;
}

#[tokio::test]
async fn an_end_whose_tokens_have_all_expired_changes_nothing() {
    let world = World::new().await;
    let ada = world.person().await;
    world.debit(ada, "main", 10).await;
    let end = AccountEvent::SessionEnded(world.end_of(ada));
    let before = (world.item(user_key(ada.id)).await, world.item(account_key(&account("main"))).await);
    world.turn_the_clock(AFTER_ALL_EXPIRED);
    world.apply(2, end).await.unwrap();
    assert_eq!((world.item(user_key(ada.id)).await, world.item(account_key(&account("main"))).await), before);
}

#[tokio::test]
async fn what_has_expired_is_forgotten_at_the_next_end() {
    let world = World::new().await;
    let (old, new) = {
        let ada = world.person().await;
        (ada, world.elsewhere(ada))
    };
    world.debit(old, "main", 10).await;
    world.end(old).await;
    assert_eq!(world.revoked_on("main").await, [old.fence.session.to_string()]);
    world.turn_the_clock(AFTER_ALL_EXPIRED);
    world.end(new).await;
    assert_eq!(world.revoked_on("main").await, [new.fence.session.to_string()]);
    let replica = world.item(user_key(old.id)).await.unwrap();
    assert_eq!(replica["endedSessions"].as_m().unwrap().len(), 1);
}

#[tokio::test]
async fn the_same_end_again_changes_nothing() {
    let world = World::new().await;
    let ada = world.person().await;
    world.debit(ada, "main", 10).await;
    let end = world.end_of(ada);
    world.apply(2, AccountEvent::SessionEnded(end.clone())).await.unwrap();
    let before = world.items().await;
    world.apply(2, AccountEvent::SessionEnded(end)).await.unwrap();
    assert_eq!(world.items().await, before);
}

#[tokio::test]
async fn who_is_kept_busy_does_not_keep_the_end_of_a_session_away() {
    let world = World::new().await;
    let ada = world.person().await;
    world.debit(ada, "main", 10).await;
    world.engine.raise_transaction_conflicts(4, 0, 1);
    world.end(ada).await;
    world.assert_revoked(ada, "main").await;
}

#[tokio::test]
async fn an_account_opens_in_one_round_trip_unless_a_session_of_its_owners_ended_just_now() {
    let world = World::new().await;
    let ada = world.person().await;
    world.end(world.elsewhere(ada)).await;
    world.engine.round_trips();
    world.debit(ada, "main", 10).await;
    assert_eq!(world.engine.round_trips(), ["TransactWriteItems"; 2]);

    world.turn_the_clock(AFTER_ALL_EXPIRED);
    world.debit(ada, "savings", 10).await;
    assert_eq!(world.engine.round_trips(), ["TransactWriteItems"]);
    assert_eq!(world.revoked_on("savings").await, [""; 0]);
}

#[tokio::test]
async fn an_account_that_opens_while_a_session_ends_knows_of_the_end_whichever_comes_first() {
    let world = World::new().await;
    for one_ended_before in [false, true] {
        let begin = async |run: usize| {
            let ada = world.person().await;
            let stolen = world.elsewhere(ada);
            let accounts = [format!("old-{run}-{one_ended_before}"), format!("new-{run}-{one_ended_before}")];
            world.debit(ada, &accounts[0], 10).await;
            if one_ended_before {
                world.end(world.elsewhere(ada)).await;
            }
            let (table, gate) = world.gated();
            let new = NewAccount::Debit { deposit: Some(amount(10)), intake_shards: None };
            let opening = world.opening(ada, &accounts[1], &new, Request::unnamed(&world.random));
            let opening: Work = Box::pin(async move {
                table.open(opening).await.unwrap();
            });
            ((ada, stolen, accounts), [(opening, gate), world.ending(stolen)])
        };
        in_every_order(usize::MAX, begin, async |(ada, stolen, accounts)| {
            for account in accounts {
                world.assert_revoked(stolen, &account).await;
                world.post(ada, withdrawal(&account), 1).await.unwrap();
            }
        })
        .await;
    }
}

#[tokio::test]
async fn a_session_that_ends_while_it_opens_an_account_is_fenced_off_it_or_opens_none() {
    let world = World::new().await;
    let begin = async |run: usize| {
        let ada = world.person().await;
        let (table, gate) = world.gated();
        let id = format!("main-{run}");
        let new = NewAccount::Debit { deposit: Some(amount(10)), intake_shards: None };
        let opening = world.opening(ada, &id, &new, Request::unnamed(&world.random));
        let opening: Work = Box::pin(async move {
            let outcome = table.open(opening).await;
            assert!(matches!(outcome, Ok(_) | Err(OpenError::Revoked)), "{outcome:?}");
        });
        ((ada, id), [(opening, gate), world.ending(ada)])
    };
    in_every_order(usize::MAX, begin, async |(ada, id)| {
        if !world.table.accounts_of(ada.id).await.unwrap().is_empty() {
            world.assert_revoked(ada, &id).await;
        }
    })
    .await;
}

#[tokio::test]
async fn two_sessions_that_end_at_once_are_both_fenced_off() {
    let world = World::new().await;
    for one_ended_before in [false, true] {
        let begin = async |run: usize| {
            let ada = world.person().await;
            let others = [world.elsewhere(ada), world.elsewhere(ada)];
            let id = format!("main-{run}-{one_ended_before}");
            world.debit(ada, &id, 10).await;
            if one_ended_before {
                world.end(world.elsewhere(ada)).await;
            }
            ((ada, others, id), others.map(|other| world.ending(other)))
        };
        in_every_order(2, begin, async |(ada, others, id)| {
            for other in others {
                world.assert_revoked(other, &id).await;
            }
            world.post(ada, withdrawal(&id), 1).await.unwrap();
        })
        .await;
    }
}

#[tokio::test]
async fn an_epoch_is_raised_on_an_account_that_opens_meanwhile() {
    let world = World::new().await;
    let begin = async |run: usize| {
        let ada = world.person().await;
        let accounts = [format!("old-{run}"), format!("new-{run}")];
        world.debit(ada, &accounts[0], 10).await;
        let ((openers, opener_gate), (syncers, syncer_gate)) = (world.gated(), world.gated());
        let new = NewAccount::Debit { deposit: Some(amount(10)), intake_shards: None };
        let opening = world.opening(ada, &accounts[1], &new, Request::unnamed(&world.random));
        let opening: Work = Box::pin(async move {
            let outcome = openers.open(opening).await;
            assert!(matches!(outcome, Ok(_) | Err(OpenError::Revoked)), "{outcome:?}");
        });
        let raised = user(ada.id, 1);
        let syncing: Work = Box::pin(async move { syncers.sync_user(&raised, 2).await.unwrap() });
        (ada, [(opening, opener_gate), (syncing, syncer_gate)])
    };
    in_every_order(usize::MAX, begin, async |ada| {
        for account in world.table.accounts_of(ada.id).await.unwrap() {
            world.assert_revoked(ada, account.id.as_str()).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_fence_costs_a_transfer_nothing() {
    let world = World::new().await;
    let (ada, bob) = (world.person().await, world.person().await);
    world.debit(ada, "ada", 100).await;
    world.debit(bob, "bob", 0).await;
    let (client, capacity) = world.engine.metered();
    let table = Table { client, ..world.table.clone() };
    table.post(world.order(ada, send("ada", "bob"), 1)).await.unwrap();
    let unfenced = capacity.spent();

    for _ in 0..5 {
        world.end(world.elsewhere(ada)).await;
        world.end(world.elsewhere(bob)).await;
    }
    world.apply(3, AccountEvent::UserUpdated(user(ada.id, 1))).await.unwrap();
    let ada = Person { fence: Fence { epoch: 1, ..ada.fence }, ..ada };
    assert_eq!(world.revoked_on("ada").await.len(), 5);
    table.post(world.order(ada, send("ada", "bob"), 1)).await.unwrap();
    assert_eq!(capacity.spent(), unfenced);
    // The meter is not dead: an item beyond a kilobyte costs more.
    let update =
        world.engine.client.update_item().table_name("PaymentTable").set_key(Some(account_key(&account("ada"))));
    let update = update.update_expression("SET padding = :padding");
    update.expression_attribute_values(":padding", text("p".repeat(1024))).send().await.unwrap();
    table.post(world.order(ada, send("ada", "bob"), 1)).await.unwrap();
    assert!(capacity.spent() > unfenced, "{unfenced:?}");
}
