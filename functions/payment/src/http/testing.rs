//! What the endpoints' tests share: requests as API Gateway sends them, and ports that answer as they are told.

use std::sync::Mutex;

use auth::Principal;
use http_api::{Problem, Request, Response};
use kernel::testing::FixedClock;
use kernel::testing::SeededRandom;
use kernel::{Currency, SessionId, Timestamp, UserId};
use lambda_http::Body;
use serde_json::Value;

use super::Poster;
use crate::store::ledger::{PostError, PostTransfer, Posted, TransferOrder};

pub(super) fn now() -> Timestamp {
    Timestamp::parse("2026-01-31T12:00:00Z").unwrap()
}

pub(super) fn ada() -> Principal {
    let random = SeededRandom::new(1);
    Principal {
        user_id: UserId::random(&random),
        session_id: SessionId::random(&random),
        epoch: 3,
        expires_at: now(),
        email_verified: false,
        phone_verified: false,
    }
}

pub(super) fn request(body: &Value) -> Request {
    let mut request = Request::new(Body::Text(body.to_string()));
    request.headers_mut().insert("content-type", "application/json".parse().unwrap());
    request
}

pub(super) fn named(body: &Value, key: &str) -> Request {
    let mut request = request(body);
    request.headers_mut().insert("idempotency-key", key.parse().unwrap());
    request
}

pub(super) fn body_of(answer: &Response) -> Value {
    serde_json::from_str(&answer.body).unwrap()
}

/// The fields a problem points at.
pub(super) fn pointers(problem: &Problem) -> Vec<&str> {
    problem.errors.iter().map(|error| error.pointer.as_str()).collect()
}

/// A ledger that writes down what it is asked to post, and answers as it is told.
#[derive(Default)]
pub(super) struct FakeLedger {
    pub(super) orders: Mutex<Vec<TransferOrder>>,
    pub(super) replayed: bool,
    pub(super) error: Mutex<Option<PostError>>,
}

impl PostTransfer for FakeLedger {
    async fn post(&self, order: TransferOrder) -> Result<Posted, PostError> {
        let transfer = order.transfer.clone();
        self.orders.lock().unwrap().push(order);
        match self.error.lock().unwrap().take() {
            Some(error) => Err(error),
            None => Ok(Posted { transfer, replayed: self.replayed }),
        }
    }
}

pub(super) fn poster(ledger: FakeLedger) -> Poster<FakeLedger, FixedClock, SeededRandom> {
    let default_currency = Currency::parse("USD").unwrap();
    Poster { ledger, clock: FixedClock(now()), random: SeededRandom::new(2), default_currency }
}
