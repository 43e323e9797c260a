//! Varied events, as strangers and clients send them over the life of an execution environment.

use kernel::Random;
use kernel::testing::SeededRandom;
use serde_json::{Value, json};

/// The largest body, in bytes. The HTTP API accepts 10 MB, of which Lambda accepts 6.
const LARGEST_BODY: usize = 1_000_000;

/// A reproducible sequence of variations of an event.
pub struct Variations {
    /// The event of the function, with a valid token.
    usual: Value,
    random: SeededRandom,
    count: usize,
}

impl Variations {
    pub const fn new(usual: Value, seed: u64) -> Self {
        Self { usual, random: SeededRandom::new(seed), count: 0 }
    }

    fn below(&self, limit: usize) -> usize {
        let mut bytes = [0; 4];
        self.random.fill(&mut bytes);
        usize::try_from(u32::from_le_bytes(bytes)).expect("32 bits") % limit
    }

    fn text(&self, length: usize) -> String {
        let mut bytes = vec![0; length];
        self.random.fill(&mut bytes);
        bytes.iter().map(|byte| char::from(b'a' + byte % 26)).collect()
    }

    /// The next event of the HTTP API. The first ten contain each kind at its largest.
    pub fn next_request(&mut self) -> Value {
        let mut event = self.usual.clone();
        let size = |limit: usize| if self.count < KINDS { limit } else { self.below(limit) };
        match self.count % KINDS {
            // Another user each time, so that no counter of attempts makes it wait.
            0..=2 => self.rename_user(&mut event),
            3 => event["headers"]["authorization"] = json!(format!("Bearer {}", self.text(size(4_000)))),
            4 => drop(event["headers"].as_object_mut().map(|headers| headers.remove("authorization"))),
            5 => event["body"] = json!(format!("{{\"email\":\"{}", self.text(size(30_000)))),
            6 => event["body"] = json!(json!({"email": self.below(9), "password": [self.text(size(200))]}).to_string()),
            7 => {
                for number in 0..size(40) {
                    event["headers"][format!("x-{number}")] = json!(self.text(self.below(200)));
                }
                event["cookies"] = json!([format!("session={}", self.text(size(4_000))), self.text(3)]);
            }
            8 => event["rawQueryString"] = json!(format!("cursor={}&a=%41", self.text(size(8_000)))),
            _ => event["body"] = json!(format!("\"{}\"", self.text(size(LARGEST_BODY)))),
        }
        self.count += 1;
        event
    }

    /// The next event of a function without a route: the usual one, with more of what it contains or without it.
    pub fn next_event(&mut self) -> Value {
        let mut event = self.usual.clone();
        if let Some(list) = event.get_mut("Records").and_then(Value::as_array_mut) {
            let one = list.first().cloned().unwrap_or_default();
            let length = if self.count < KINDS { 10 } else { 1 + self.below(10) };
            *list = vec![one; length];
        }
        match self.count % KINDS {
            7 => event = json!({"unknown": self.text(1_000)}),
            8 => event = json!([self.text(self.below(100_000))]),
            9 => event = json!(null),
            _ => {}
        }
        self.count += 1;
        event
    }

    fn rename_user(&self, event: &mut Value) {
        let Some(text) = event["body"].as_str() else { return };
        let Ok(mut body) = serde_json::from_str::<Value>(text) else { return };
        for (field, value) in [
            ("email", format!("{}@example.com", self.text(12))),
            ("phone", format!("+25078{:07}", self.below(10_000_000))),
            ("phone_number", format!("+25078{:07}", self.below(10_000_000))),
        ] {
            if body.get(field).is_some() {
                body[field] = json!(value);
            }
        }
        event["body"] = json!(body.to_string());
    }
}

/// The number of kinds of variations.
const KINDS: usize = 10;
