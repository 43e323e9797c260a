use futures_util::future::join_all;

use crate::domain::Cursor;
use crate::domain::PaymentStatus::Pending;
use crate::domain::{Payment, PaymentStatus};
use crate::store::pagination::{FILTERED_PER_QUERY, MAX_FILTERED, Page, PageRange};
use crate::testing::{TestApp, TestUser};

impl TestApp {
    async fn listed(
        &self,
        owner: TestUser,
        status: Option<PaymentStatus>,
        after: Option<Cursor>,
        limit: usize,
    ) -> Page<Payment> {
        let range = PageRange { after, limit, ..PageRange::default() };
        self.store.list_payments(owner.id, status, &range).await.unwrap()
    }
}

#[tokio::test]
async fn payments_are_listed_newest_first_by_page_and_status() {
    let app = TestApp::new().await;
    let (ada, bob) = (app.user().await, app.user().await);
    let mut created = Vec::new();
    for number in 0..7 {
        let reference = app.create_payment(ada, None).await.reference;
        if number % 2 == 0 {
            app.transition(ada, reference, Pending).await.unwrap();
        }
        created.insert(0, reference);
    }
    app.create_payment(bob, None).await;
    let references = |page: &Page<Payment>| page.entries.iter().map(|payment| payment.reference).collect::<Vec<_>>();
    assert_eq!(references(&app.listed(ada, None, None, 100).await), created);
    for limit in 1..=7 {
        let (mut read, mut after): (Vec<_>, Option<Cursor>) = (Vec::new(), None);
        loop {
            let page = app.listed(ada, None, after, limit).await;
            read.extend(references(&page));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(read, created, "pages of {limit}");
    }
    let pending = app.listed(ada, Some(Pending), None, 100).await;
    assert_eq!(pending.entries.len(), 4);
    assert!(pending.entries.iter().all(|payment| payment.status == Pending));
}

#[tokio::test]
async fn payment_that_changes_between_pages_is_listed_once() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    let mut created = Vec::new();
    for _ in 0..6 {
        created.insert(0, app.create_payment(ada, None).await.reference);
    }
    app.engine.round_trips();
    let first = app.listed(ada, None, None, 3).await;
    assert_eq!(app.engine.round_trips(), ["Query"], "one index, so no payment is between two of them");
    for reference in [created[1], created[4]] {
        app.transition(ada, reference, Pending).await.unwrap();
    }
    let second = app.listed(ada, None, first.next, 3).await;
    let listed = first.entries.iter().chain(&second.entries).map(|payment| payment.reference);
    assert_eq!(listed.collect::<Vec<_>>(), created);
}

#[tokio::test]
async fn filtered_list_reads_beyond_a_query_and_resumes() {
    let app = TestApp::new().await;
    let ada = app.user().await;
    let oldest = app.create_payment(ada, None).await.reference;
    app.transition(ada, oldest, Pending).await.unwrap();
    for _ in 0..MAX_FILTERED / 20 {
        join_all((0..20).map(|_| app.create_payment(ada, None))).await;
    }
    app.engine.round_trips();
    let first = app.listed(ada, Some(Pending), None, 5).await;
    assert!(first.entries.is_empty() && first.next.is_some());
    assert_eq!(app.engine.round_trips().len(), MAX_FILTERED / FILTERED_PER_QUERY);
    let second = app.listed(ada, Some(Pending), first.next, 5).await;
    assert_eq!(second.entries.iter().map(|payment| payment.reference).collect::<Vec<_>>(), [oldest]);
    assert_eq!(second.next, None);
}
