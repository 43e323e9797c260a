use crate::domain::Cursor;
use crate::domain::PaymentStatus::Pending;
use crate::domain::{Payment, PaymentStatus};
use crate::store::pagination::{Page, PageRange};
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
