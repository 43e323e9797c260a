//! How much of a sign-in is the hash.

use std::time::Duration;

use account::domain::PasswordHash;
use bench::functions::lambda::{Function, processor_time_of_this_thread};
use bench::functions::programs::Program;
use kernel::Secret;
use serde_json::Value;

use crate::cold::median;

/// How many sign-ins a function is asked for before the time is taken, and how many then.
const SIGN_INS: [u32; 2] = [5, 45];
/// How often time is taken.
const ROUNDS: usize = 5;

/// How long the hash alone and a whole sign-in have a processor, measured in turn.
pub(crate) async fn times(signin: &Program, url: &str, event: &Value) -> (Duration, Duration) {
    let (mut hashes, mut sign_ins) = (Vec::new(), Vec::new());
    let [before, counted] = SIGN_INS;
    for _ in 0..ROUNDS {
        let (nobody, attempt) = (PasswordHash::dummy(), Secret::new("correct horse battery staple".to_owned()));
        let started = processor_time_of_this_thread();
        for _ in 0..counted {
            assert!(!nobody.matches(&attempt), "nobody has a password");
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
        let answer = function.invoke(event).await.expect("an answer");
        assert_eq!(answer["statusCode"], 200, "answered {answer}");
    }
}
