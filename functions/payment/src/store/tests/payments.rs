use contact::{Email, Phone};
use futures_util::future::join_all;

use super::*;
use crate::domain::{
    Actor, Advance, Party, Payment, PaymentMethod, PaymentReference, PaymentStatus, Place, ProviderTransactionId,
    Refusal, Step,
};
use crate::store::item::{Reader, key};
use crate::store::payments::{
    AdvanceError, AdvancePayment, CreateError, CreatePayment, Created, FindPayment, ListPayments, OwnerStep,
    PaymentOrder, PaymentPage, PaymentQuery,
};
use crate::store::webhooks::{ApplyWebhook, Webhook, WebhookError, WebhookOutcome};

use PaymentStatus::{Failed, Initiated, Pending, Success};
use WebhookOutcome::{Applied, Contradicted, Duplicate, Repeated, Stale};

impl World {
    fn payment(&self, owner: Person, account_id: Option<&str>) -> Payment {
        let now = self.clock.now();
        Payment {
            reference: PaymentReference::of(&Request::unnamed(&self.random), now, &self.random),
            owner: owner.id,
            amount: amount(2500),
            currency: usd(),
            method: PaymentMethod::MobileMoney,
            customer_phone: Phone::parse("+250788123456").unwrap(),
            customer_email: Email::parse("customer@example.com").unwrap(),
            status: Initiated,
            provider_name: "momo".to_owned(),
            provider_transaction_id: None,
            payment_account_id: account_id.map(account),
            created_at: now,
            updated_at: now,
            history: vec![Step { status: Initiated, at: now, by: Actor::Owner }],
            version: 1,
        }
    }

    async fn asked(&self, owner: Person, account_id: Option<&str>) -> Payment {
        let payment = self.payment(owner, account_id);
        let order = PaymentOrder { payment, fingerprint: None, fence: owner.fence, deadline: None };
        self.table.create(order).await.unwrap().payment
    }

    /// A payment that is with the provider.
    async fn pending(&self, owner: Person, account_id: Option<&str>) -> Payment {
        let payment = self.asked(owner, account_id).await;
        self.step(owner, payment.reference, Pending).await.unwrap()
    }

    async fn step(&self, by: Person, reference: PaymentReference, to: PaymentStatus) -> Result<Payment, AdvanceError> {
        self.table.advance(self.owner_step(by, reference, to)).await
    }

    fn owner_step(&self, by: Person, reference: PaymentReference, to: PaymentStatus) -> OwnerStep {
        let advance = Advance { to, provider_transaction_id: None, at: self.clock.now(), by: Actor::Owner };
        OwnerStep { reference, owner: by.id, advance, fence: by.fence, may_credit: true, deadline: None }
    }

    fn webhook(&self, id: &str, reference: PaymentReference, status: PaymentStatus) -> Webhook {
        Webhook {
            id: id.to_owned(),
            body_hash: format!("{reference} {status}"),
            reference,
            status,
            provider_transaction_id: Some(ProviderTransactionId::parse("momo-1").unwrap()),
            received_at: self.clock.now(),
            deadline: None,
        }
    }

    async fn told(
        &self,
        id: &str,
        reference: PaymentReference,
        status: PaymentStatus,
    ) -> Result<(PaymentStatus, WebhookOutcome), WebhookError> {
        let outcome = self.table.apply(self.webhook(id, reference, status)).await;
        outcome.map(|(payment, outcome)| (payment.status, outcome))
    }

    async fn listed(&self, query: PaymentQuery) -> PaymentPage {
        self.table.payments(query).await.unwrap()
    }
}

fn all_of(owner: Person) -> PaymentQuery {
    PaymentQuery { owner: owner.id, status: None, after: None, limit: 100 }
}

#[tokio::test]
async fn a_payment_is_asked_for_in_one_round_trip_and_read_by_its_owner_alone() {
    let world = World::new().await;
    let (ada, bob) = (world.person().await, world.person().await);
    world.engine.round_trips();
    let payment = world.asked(ada, None).await;
    assert_eq!(world.engine.round_trips(), ["TransactWriteItems"]);
    assert_eq!(world.table.find_payment(payment.reference, ada.id).await.unwrap(), Some(payment.clone()));
    assert_eq!(world.table.find_payment(payment.reference, bob.id).await.unwrap(), None);
    assert!(matches!(world.step(bob, payment.reference, Pending).await, Err(AdvanceError::NotFound)));
}

#[tokio::test]
async fn a_named_request_asks_for_one_payment_and_is_answered_as_then() {
    let world = World::new().await;
    let ada = world.person().await;
    let order = |asked: i64| {
        let request = Request::named(ada.id, "create-payment", "k", &asked).unwrap();
        let payment = world.payment(ada, None);
        let reference = PaymentReference::of(&request, payment.created_at, &world.random);
        let payment = Payment { reference, ..payment };
        PaymentOrder { payment, fingerprint: request.fingerprint, fence: ada.fence, deadline: None }
    };
    let first = world.table.create(order(1)).await.unwrap();
    world.step(ada, first.payment.reference, Pending).await.unwrap();
    let again = world.table.create(order(1)).await.unwrap();
    assert_eq!(again, Created { replayed: true, ..first });
    let other = world.table.create(order(2)).await;
    assert!(matches!(other, Err(CreateError::KeyReused)), "{other:?}");
}

#[tokio::test]
async fn a_revoked_token_asks_for_no_payment_that_credits_an_account() {
    let world = World::new().await;
    let ada = world.person().await;
    world.debit(ada, "ada", 0).await;
    world.table.sync_user(&user(ada.id, 1), 2).await.unwrap();
    let create = |by: Person| {
        let payment = world.payment(by, Some("ada"));
        world.table.create(PaymentOrder { payment, fingerprint: None, fence: by.fence, deadline: None })
    };
    let outcome = create(ada).await;
    assert!(matches!(outcome, Err(CreateError::Revoked)), "{outcome:?}");
    create(Person { fence: Fence { epoch: 1, ..ada.fence }, ..ada }).await.unwrap();
}

#[tokio::test]
async fn only_an_own_account_of_the_same_currency_that_is_no_loan_may_be_credited() {
    let world = World::new().await;
    let (ada, bob) = (world.person().await, world.person().await);
    world.debit(ada, "ada", 0).await;
    world.debit(bob, "bob", 0).await;
    let loan = NewAccount::Loan { principal: amount(10), disburse_to: account("ada") };
    world.open(ada, "loan", loan).await.unwrap();
    let create = |account_id: &str, currency: &str| {
        let currency = Currency::parse(currency).unwrap();
        let payment = Payment { currency, ..world.payment(ada, Some(account_id)) };
        world.table.create(PaymentOrder { payment, fingerprint: None, fence: ada.fence, deadline: None })
    };
    for (account_id, currency, expected) in [
        ("bob", "USD", Refusal::AccountNotFound(Party::Payee)),
        ("nobody", "USD", Refusal::AccountNotFound(Party::Payee)),
        ("ada", "EUR", Refusal::CurrencyMismatch(Party::Payee)),
    ] {
        let outcome = create(account_id, currency).await;
        assert!(matches!(outcome, Err(CreateError::Account(refusal)) if refusal == expected), "{outcome:?}");
    }
    assert!(matches!(create("loan", "USD").await, Err(CreateError::AccountType)));
    assert!(create("ada", "USD").await.is_ok());
}

#[tokio::test]
async fn every_step_that_is_not_legal_is_refused_naming_both_states() {
    let world = World::new().await;
    let ada = world.person().await;
    for (ways, illegal) in [
        (vec![], vec![Initiated, Success, Failed]),
        (vec![Pending], vec![Initiated, Pending]),
        (vec![Pending, Success], vec![Initiated, Pending, Success, Failed]),
        (vec![Pending, Failed], vec![Initiated, Pending, Success, Failed]),
    ] {
        let reference = world.asked(ada, None).await.reference;
        for to in &ways {
            world.step(ada, reference, *to).await.unwrap();
        }
        let stands = ways.last().copied().unwrap_or(Initiated);
        for to in illegal {
            let outcome = world.step(ada, reference, to).await;
            let Err(AdvanceError::InvalidTransition { from, to: told }) = outcome else { panic!("{outcome:?}") };
            assert_eq!((from, told), (stands, to));
        }
        let payment = world.table.find_payment(reference, ada.id).await.unwrap().unwrap();
        let history: Vec<PaymentStatus> = payment.history.iter().map(|step| step.status).collect();
        assert_eq!(history, [vec![Initiated], ways].concat(), "it keeps the history of its states");
    }
}

#[tokio::test]
async fn a_step_that_meets_a_transaction_on_the_payment_waits_its_turn() {
    let world = World::new().await;
    let ada = world.person().await;
    let payment = world.asked(ada, None).await;
    world.engine.round_trips();
    world.engine.raise_conflicts("UpdateItem", 3);
    assert_eq!(world.step(ada, payment.reference, Pending).await.unwrap().status, Pending);
    assert_eq!(world.engine.round_trips(), ["UpdateItem"; 4]);
}

#[tokio::test]
async fn of_two_ends_at_once_one_wins() {
    let world = World::new().await;
    let ada = world.person().await;
    world.debit(ada, "ada", 0).await;
    for _ in 0..10 {
        let payment = world.pending(ada, Some("ada")).await;
        let before = world.balance(ada, "ada").await;
        let ends = [Success, Failed].repeat(5);
        let outcomes = join_all(ends.into_iter().map(|to| world.step(ada, payment.reference, to))).await;
        let won: Vec<Payment> = outcomes.into_iter().filter_map(Result::ok).collect();
        assert_eq!(won.len(), 1);
        let credited = if won[0].status == Success { 2500 } else { 0 };
        assert_eq!(world.balance(ada, "ada").await - before, credited);
    }
    world.assert_books_balance().await;
}

#[tokio::test]
async fn the_owners_word_alone_credits_nothing_where_that_is_closed() {
    let world = World::new().await;
    let ada = world.person().await;
    world.debit(ada, "ada", 0).await;
    let credited = world.pending(ada, Some("ada")).await.reference;
    let uncredited = world.pending(ada, None).await.reference;
    let closed = |reference| OwnerStep { may_credit: false, ..world.owner_step(ada, reference, Success) };
    let outcome = world.table.advance(closed(credited)).await;
    assert!(matches!(outcome, Err(AdvanceError::CreditNotAllowed)), "{outcome:?}");
    assert!(world.table.advance(closed(uncredited)).await.is_ok());
    assert_eq!(world.balance(ada, "ada").await, 0);
}

#[tokio::test]
async fn a_token_older_than_the_fence_credits_nothing_on_its_owners_word_but_the_providers_word_counts() {
    let world = World::new().await;
    let ada = world.person().await;
    world.debit(ada, "ada", 0).await;
    let reference = world.pending(ada, Some("ada")).await.reference;
    world.table.sync_user(&user(ada.id, 1), 2).await.unwrap();
    let outcome = world.step(ada, reference, Success).await;
    assert!(matches!(outcome, Err(AdvanceError::Revoked)), "{outcome:?}");
    assert_eq!(world.balance(ada, "ada").await, 0);
    assert_eq!(world.told("w1", reference, Success).await.unwrap(), (Success, Applied));
    assert_eq!(world.balance(ada, "ada").await, 2500);
}

#[tokio::test]
async fn a_providers_success_credits_the_account_once_and_stands_in_its_history() {
    let world = World::new().await;
    let ada = world.person().await;
    world.debit(ada, "ada", 0).await;
    let reference = world.pending(ada, Some("ada")).await.reference;
    world.engine.round_trips();
    assert_eq!(world.told("w1", reference, Success).await.unwrap(), (Success, Applied));
    assert_eq!(world.engine.round_trips(), ["BatchGetItem", "TransactWriteItems"]);
    assert_eq!(world.told("w1", reference, Success).await.unwrap(), (Success, Duplicate));
    assert_eq!(world.told("w2", reference, Success).await.unwrap(), (Success, Repeated));
    assert_eq!(world.balance(ada, "ada").await, 2500);
    let payment = world.table.find_payment(reference, ada.id).await.unwrap().unwrap();
    assert_eq!(payment.provider_transaction_id.unwrap().as_str(), "momo-1");
    assert_eq!(payment.history.last().map(|step| step.by), Some(Actor::Provider));
    world.assert_books_balance().await;
}

#[tokio::test]
async fn a_collection_that_meets_another_payment_goes_to_a_shard_of_the_account_once() {
    let world = World::new().await;
    let ada = world.person().await;
    world.merchant(ada, "shop").await;
    let payment = world.pending(ada, Some("shop")).await;
    for _ in 0..2 {
        world.engine.raise_transaction_conflicts(1, 2, 4);
        world.told("w-1", payment.reference, PaymentStatus::Success).await.unwrap();
        world.engine.raise_transaction_conflicts(0, 2, 4);
    }
    let own = world.item(account_key(&account("shop"))).await.unwrap();
    assert_eq!(Reader(&own).integer::<i64>("balance").unwrap(), 0, "it went to a shard");
    assert_eq!(world.balance(ada, "shop").await, payment.amount.minor());
    world.assert_books_balance().await;
}

#[tokio::test]
async fn a_frozen_account_takes_what_the_customer_has_paid() {
    let world = World::new().await;
    let ada = world.person().await;
    world.debit(ada, "ada", 0).await;
    let reference = world.pending(ada, Some("ada")).await.reference;
    world.freeze("ada").await;
    assert_eq!(world.told("w1", reference, Success).await.unwrap(), (Success, Applied));
    assert_eq!(world.balance(ada, "ada").await, 2500);
}

#[tokio::test]
async fn a_webhook_comes_to_what_the_payment_allows() {
    let world = World::new().await;
    let ada = world.person().await;
    world.debit(ada, "ada", 0).await;
    let reference = world.asked(ada, Some("ada")).await.reference;
    let early = world.told("w0", reference, Success).await;
    assert!(
        matches!(&early, Err(WebhookError::Advance(AdvanceError::InvalidTransition { from: Initiated, to: Success }))),
        "{early:?}"
    );
    for (id, status, expected) in [
        ("w1", Pending, (Pending, Applied)),
        ("w2", Pending, (Pending, Repeated)),
        ("w3", Failed, (Failed, Applied)),
        ("w4", Failed, (Failed, Repeated)),
        ("w5", Pending, (Failed, Stale)),
        ("w6", Success, (Failed, Contradicted)),
        ("w6", Success, (Failed, Duplicate)),
    ] {
        assert_eq!(world.told(id, reference, status).await.unwrap(), expected, "{id}");
    }
    assert_eq!(world.balance(ada, "ada").await, 0, "what contradicts is never applied");
    let recorded = world.item(key("WEBHOOK#w6", "WEBHOOK")).await.unwrap();
    assert_eq!(recorded["ownerStatus"], text("RECONCILIATION"));
    assert!(!recorded.contains_key("expiresAt"), "it waits for somebody to reconcile it");
    assert!(world.item(key("WEBHOOK#w1", "WEBHOOK")).await.unwrap().contains_key("expiresAt"));
    // What was refused may come again, once the payment is there: it was not written down.
    assert!(world.item(key("WEBHOOK#w0", "WEBHOOK")).await.is_none());
}

#[tokio::test]
async fn the_same_end_by_another_transaction_of_the_providers_is_kept_for_reconciliation() {
    let world = World::new().await;
    let ada = world.person().await;
    world.debit(ada, "ada", 0).await;
    let reference = world.pending(ada, Some("ada")).await.reference;
    world.told("w1", reference, Success).await.unwrap();
    let twice = Webhook {
        provider_transaction_id: Some(ProviderTransactionId::parse("momo-2").unwrap()),
        ..world.webhook("w2", reference, Success)
    };
    let (payment, outcome) = world.table.apply(twice).await.unwrap();
    assert_eq!((payment.status, outcome), (Success, Contradicted));
    assert_eq!(payment.provider_transaction_id.unwrap().as_str(), "momo-1");
    assert_eq!(world.balance(ada, "ada").await, 2500);
}

#[tokio::test]
async fn another_body_under_the_same_id_is_refused_and_an_unknown_payment_is_not_found() {
    let world = World::new().await;
    let ada = world.person().await;
    let reference = world.pending(ada, None).await.reference;
    world.told("w1", reference, Pending).await.unwrap();
    assert!(matches!(world.told("w1", reference, Failed).await, Err(WebhookError::IdReused)));
    let unknown = world.payment(ada, None).reference;
    let outcome = world.told("w2", unknown, Success).await;
    assert!(matches!(outcome, Err(WebhookError::Advance(AdvanceError::NotFound))), "{outcome:?}");
}

#[tokio::test]
async fn the_same_webhook_ten_times_at_once_is_applied_once() {
    let world = World::new().await;
    let ada = world.person().await;
    world.debit(ada, "ada", 0).await;
    let reference = world.pending(ada, Some("ada")).await.reference;
    let outcomes = join_all((0..10).map(|_| world.told("w1", reference, Success))).await;
    let outcomes: Vec<_> = outcomes.into_iter().map(Result::unwrap).collect();
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == (Success, Applied)).count(), 1);
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == (Success, Duplicate)).count(), 9);
    assert_eq!(world.balance(ada, "ada").await, 2500);
    world.assert_books_balance().await;
}

#[tokio::test]
async fn opposite_webhooks_at_once_leave_one_applied_and_one_for_reconciliation() {
    let world = World::new().await;
    let ada = world.person().await;
    world.debit(ada, "ada", 0).await;
    let reference = world.pending(ada, Some("ada")).await.reference;
    let (one, other) =
        futures_util::future::join(world.told("w1", reference, Success), world.told("w2", reference, Failed)).await;
    let mut outcomes = [one.unwrap().1, other.unwrap().1];
    outcomes.sort_by_key(|outcome| *outcome == Contradicted);
    assert_eq!(outcomes, [Applied, Contradicted]);
    world.assert_books_balance().await;
}

#[tokio::test]
async fn payments_are_listed_newest_first_by_page_and_by_status() {
    let world = World::new().await;
    let (ada, bob) = (world.person().await, world.person().await);
    let mut asked = Vec::new();
    for number in 0..7 {
        let reference = world.asked(ada, None).await.reference;
        if number % 2 == 0 {
            world.step(ada, reference, Pending).await.unwrap();
        }
        asked.insert(0, reference);
    }
    world.asked(bob, None).await;
    let references = |page: &PaymentPage| page.payments.iter().map(|payment| payment.reference).collect::<Vec<_>>();
    assert_eq!(references(&world.listed(all_of(ada)).await), asked);
    for limit in 1..=7 {
        let (mut read, mut after): (Vec<_>, Option<Place>) = (Vec::new(), None);
        loop {
            let page = world.listed(PaymentQuery { after, limit, ..all_of(ada) }).await;
            read.extend(references(&page));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(read, asked, "pages of {limit}");
    }
    let pending = world.listed(PaymentQuery { status: Some(Pending), ..all_of(ada) }).await;
    assert_eq!(pending.payments.len(), 4);
    assert!(pending.payments.iter().all(|payment| payment.status == Pending));
}
