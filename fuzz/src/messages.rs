//! The queue of the account context's events: a batch as Lambda delivers it, or else the body of one message.

use aws_lambda_events::sqs::{SqsEvent, SqsMessage};

use crate::platform::Harness;

pub fn run(data: &[u8]) {
    let event = serde_json::from_slice(data).unwrap_or_else(|_| {
        let mut message = SqsMessage::default();
        message.message_id = Some("1".to_owned());
        message.body = Some(String::from_utf8_lossy(data).into_owned());
        let mut event = SqsEvent::default();
        event.records = vec![message];
        event
    });
    let ids: Vec<_> = event.records.iter().map(|message| message.message_id.clone().unwrap_or_default()).collect();
    Harness::with(|harness| {
        for failed in harness.apply(event) {
            assert!(ids.contains(&failed), "{failed}");
        }
    });
}
