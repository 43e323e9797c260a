//! An event of API Gateway as bytes, through the gate and the authentication into the handler of its route.

use crate::platform::Harness;

/// The texts of the sample events that stand for tokens and ids have valid values, so that an input can pass authentication.
pub fn run(data: &[u8]) {
    // The Lambda runtime passes on JSON only, which is text.
    let Ok(event) = str::from_utf8(data) else { return };
    Harness::with(|harness| harness.answer(event).check(event));
}
