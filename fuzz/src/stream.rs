//! The streams of both tables, as their publishers read them.

use aws_lambda_events::dynamodb::Event;

pub fn run(data: &[u8]) {
    let Ok(event) = serde_json::from_slice::<Event>(data) else { return };
    for record in &event.records {
        let account = account::events::event_from_record(record).ok().flatten();
        let payment = payment::events::outbound::event_from_record(record).ok().flatten();
        let messages =
            [account.map(|event| serde_json::to_string(&event)), payment.map(|event| serde_json::to_string(&event))];
        for message in messages.into_iter().flatten() {
            let message = message.expect("an event that can be serialized");
            assert_ne!(record.event_name, "REMOVE", "{message}");
        }
    }
}
