//! The share of the password hash in a sign-in.

use std::time::Duration;

use account::domain::PasswordHash;
use bench::functions::lambda::{Function, processor_time_of_this_thread};
use bench::functions::programs::Program;
use kernel::Secret;
use serde_json::Value;

use crate::cold::median;

/// The number of sign-ins before the measurement, and during it.
const SIGN_INS: [u32; 2] = [5, 45];
/// The number of measurements.
const ROUNDS: usize = 5;

/// The processor time of the hash and of a whole sign-in, measured in turn.
pub(crate) async fn times(signin: &Program, url: &str, event: &Value) -> (Duration, Duration) {
    let (mut hashes, mut sign_ins) = (Vec::new(), Vec::new());
    let [before, counted] = SIGN_INS;
    for _ in 0..ROUNDS {
        let (dummy, attempt) = (PasswordHash::dummy(), Secret::new("correct horse battery staple".to_owned()));
        let started = processor_time_of_this_thread();
        for _ in 0..counted {
            assert!(!dummy.matches(&attempt), "the dummy hash matches nothing");
        }
        hashes.push(processor_time_of_this_thread().saturating_sub(started) / counted);
        let function = Function::start(&signin.path, &signin.environment(url), &[]).await;
        sign_in(&function, event, before).await;
        let started = function.processor_time();
        sign_in(&function, event, counted).await;
        sign_ins.push(function.processor_time().saturating_sub(started) / counted);
    }
    (median(hashes), median(sign_ins))
}

async fn sign_in(function: &Function, event: &Value, times: u32) {
    for _ in 0..times {
        let response = function.invoke(event).await.expect("a response");
        assert_eq!(response["statusCode"], 200, "returned {response}");
    }
}
