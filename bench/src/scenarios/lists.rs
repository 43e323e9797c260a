//! Lists of users who have more than a page can hold: the most that a page costs.

use std::collections::HashMap;
use std::time::Duration;

use auth::Principal;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use http_api::Request;
use kernel::{SystemRandom, Timestamp};
use lambda_http::RequestExt;
use payment::domain::{OperationId, PaymentAccountId};
use payment::http::{create_payment, list_accounts, list_history, list_payments, send, update_payment_status};
use serde_json::json;

use super::{Recorder, returns};
use crate::fixtures::PaymentFixtures;
use crate::requests::{empty, keyed, post, with_path_parameter};

const TABLE: &str = "PaymentTable";

/// The number of transfers from, and of those to, a full account: more than the largest page.
const FULL: usize = 102;

/// As many as a hundred accounts have instead: more than are read of each.
const HUNDREDTH: usize = 12;

/// The number of payments that a filtered page reads, and one more.
const PAYMENTS: usize = 1_001;

type Item = HashMap<String, AttributeValue>;

/// Writes items past the meter.
struct Table<'a>(&'a Client);

impl Table<'_> {
    async fn item(&self, pk: String, sk: &str) -> Item {
        let key = Item::from([("pk".to_owned(), AttributeValue::S(pk)), ("sk".to_owned(), text(&sk))]);
        let response = self.0.get_item().table_name(TABLE).set_key(Some(key)).send().await.expect("a response");
        response.item.expect("a stored item")
    }

    async fn put(&self, items: Vec<Item>) {
        for batch in items.chunks(25) {
            let put = |item: &Item| PutRequest::builder().set_item(Some(item.clone())).build().expect("a put");
            let puts = batch.iter().map(|item| WriteRequest::builder().put_request(put(item)).build());
            let request = self.0.batch_write_item().request_items(TABLE, puts.collect());
            let response = request.send().await.expect("written items");
            assert!(response.unprocessed_items.is_none_or(|left| left.is_empty()), "the engine writes all");
        }
    }
}

fn text(value: &impl ToString) -> AttributeValue {
    AttributeValue::S(value.to_string())
}

fn page(limit: usize) -> Request {
    with_parameters(&[("limit", &limit.to_string())])
}

fn with_parameters(parameters: &[(&str, &str)]) -> Request {
    let parameters = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    empty().with_query_string_parameters(parameters.collect::<HashMap<_, _>>())
}

/// A time that is earlier for a later entry.
fn time_of(entry: usize) -> Timestamp {
    let newest = Timestamp::parse("2026-01-31T12:00:00.000Z").expect("a time");
    newest.minus(Duration::from_secs(entry.try_into().expect("a small number")))
}

pub(super) async fn run(fixtures: &PaymentFixtures, client: &Client, recorder: &mut Recorder) {
    let table = Table(client);
    for (accounts, entries, rows) in [
        (1, FULL, ["success, 1 account, limit 20", "success, 1 account, limit 100"]),
        (20, FULL, ["success, 20 accounts, limit 20", "success, 20 accounts, limit 100"]),
        (100, HUNDREDTH, ["success, 100 accounts, limit 20", "success, 100 accounts, limit 100"]),
    ] {
        let user = history(fixtures, &table, accounts, entries, |entry| entry % (2 * accounts)).await;
        for (row, limit) in rows.into_iter().zip([20, 100]) {
            histories(fixtures, recorder, user, row, limit).await;
        }
    }
    for (accounts, outcome) in [(20, "success, 20 accounts"), (100, "success, 100 accounts")] {
        let user = fixtures.user().await;
        for _ in 0..accounts {
            let id = PaymentAccountId::from(OperationId::random(&SystemRandom)).to_string();
            fixtures.open(user, &id, 0).await;
        }
        let handler = list_accounts::handle(&fixtures.store, user, empty());
        recorder.add("GET /payments/accounts", outcome, returns(200), handler).await;
    }
    let user = history(fixtures, &table, 20, FULL, |entry| entry / FULL).await;
    histories(fixtures, recorder, user, "success, 20 accounts, used in turn, limit 100", 100).await;
    payments(fixtures, &table, recorder).await;
}

async fn histories(
    fixtures: &PaymentFixtures,
    recorder: &mut Recorder,
    user: Principal,
    outcome: &'static str,
    limit: usize,
) {
    let handler = list_history::handle(&fixtures.store, user, page(limit));
    let response = recorder.add("GET /payments/histories", outcome, returns(200), handler).await.expect("a page");
    let page: serde_json::Value = serde_json::from_str(&response.body).expect("a page");
    assert_eq!(page["data"].as_array().map(Vec::len), Some(limit), "{outcome}");
}

/// A user with accounts, and `entries` transfers from each of them and as many to each: copies of a stored one, each in the
/// partition of an index that `partition_of` chooses for it, newest first.
async fn history(
    fixtures: &PaymentFixtures,
    table: &Table<'_>,
    accounts: usize,
    entries: usize,
    partition_of: impl Fn(usize) -> usize,
) -> Principal {
    let (user, other) = (fixtures.user().await, fixtures.user().await);
    let generated = || PaymentAccountId::from(OperationId::random(&SystemRandom)).to_string();
    let ids: Vec<String> = (0..accounts).map(|_| generated()).collect();
    for (number, id) in ids.iter().enumerate() {
        fixtures.open(user, id, i64::from(number == 0)).await;
    }
    let others = generated();
    fixtures.open(other, &others, 0).await;
    let body =
        json!({"fromPaymentAccountId": ids[0], "toPaymentAccountId": others, "amount": 1, "note": "Rent and dinner"});
    let state = send::State::from_env(&fixtures.env, fixtures.store.clone()).expect("a complete environment");
    let sent = send::handle(&state, user, keyed(&body, "k")).await.expect("a transfer");
    let sent: serde_json::Value = serde_json::from_str(&sent.body).expect("a transfer");
    let sent = table.item(format!("TRANSFER#{}", sent["id"].as_str().expect("an id")), "TRANSFER").await;

    let copy = |entry: usize| {
        let (id, time) = (OperationId::random(&SystemRandom), time_of(entry));
        let partition = partition_of(entry);
        let own = &ids[partition / 2];
        let (from, to) = if partition.is_multiple_of(2) { (own, &others) } else { (&others, own) };
        let mut item = sent.clone();
        item.extend([
            ("pk".to_owned(), text(&format_args!("TRANSFER#{id}"))),
            ("id".to_owned(), text(&id)),
            ("from".to_owned(), text(from)),
            ("to".to_owned(), text(to)),
            ("createdAt".to_owned(), text(&time)),
            ("order".to_owned(), text(&format_args!("{time}#{id}"))),
        ]);
        item
    };
    table.put((0..2 * accounts * entries).map(copy).collect()).await;
    user
}

async fn payments(fixtures: &PaymentFixtures, table: &Table<'_>, recorder: &mut Recorder) {
    const PAYMENTS_PATH: &str = "GET /api/payments";
    let user = fixtures.user().await;
    fixtures.open(user, "merchant-main", 0).await;
    let body = json!({
        "amount": 5000, "currency": "USD", "paymentMethod": "MOBILE_MONEY", "customerPhone": "+250788123456",
        "customerEmail": "customer@example.com", "paymentAccountId": "merchant-main",
    });
    let state = create_payment::State::from_env(&fixtures.env, fixtures.store.clone()).expect("a complete environment");
    let created = create_payment::handle(&state, user, keyed(&body, "p")).await.expect("a payment");
    let created: serde_json::Value = serde_json::from_str(&created.body).expect("a payment");
    let reference = created["reference"].as_str().expect("a reference");
    let state =
        update_payment_status::State::from_env(&fixtures.env, fixtures.store.clone()).expect("a complete environment");
    for status in ["PENDING", "SUCCESS"] {
        let body = json!({"status": status, "providerTransactionId": "MTN-900001"});
        let change = with_path_parameter(post(&body), "reference", reference);
        update_payment_status::handle(&state, user, change).await.expect("a changed payment");
    }
    let created = table.item(format!("PAYMENT#{reference}"), "PAYMENT").await;
    let copy = |entry: usize| {
        let (reference, time) = (format!("PAY-{entry:026}"), time_of(entry));
        let mut item = created.clone();
        item.extend([
            ("pk".to_owned(), text(&format_args!("PAYMENT#{reference}"))),
            ("reference".to_owned(), text(&reference)),
            ("createdAt".to_owned(), text(&time)),
            ("order".to_owned(), text(&format_args!("{time}#{reference}"))),
        ]);
        item
    };
    table.put((0..PAYMENTS).map(copy).collect()).await;
    for (outcome, limit) in [("success, limit 20", 20), ("success, limit 100", 100)] {
        let handler = list_payments::handle(&fixtures.store, user, page(limit));
        recorder.add(PAYMENTS_PATH, outcome, returns(200), handler).await;
    }
    let failed = with_parameters(&[("status", "FAILED"), ("limit", "100")]);
    let handler = list_payments::handle(&fixtures.store, user, failed);
    recorder.add(PAYMENTS_PATH, "success, no match among 1,000", returns(200), handler).await;
}
