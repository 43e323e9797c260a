//! The parsers of values that occur in bodies, paths and queries. What they accept is bounded, and is accepted again
//! in the form in which it is stored.

use account::domain::verification_code::Code;
use account::domain::{PasswordPolicy, RefreshToken};
use contact::{Email, Phone};
use kernel::ids::parse_uuid;
use kernel::{Amount, Balance, Currency, MAX_AMOUNT_MINOR, Secret, Timestamp};
use payment::domain::{Cursor, Note, PaymentAccountId, PaymentReference, ProviderTransactionId};
use webhook::WebhookSecret;

pub fn run(data: &[u8]) {
    let Some((parser, data)) = data.split_first() else { return };
    let text = String::from_utf8_lossy(data);
    let text = text.as_ref();
    match parser % 12 {
        0 => {
            let Ok(phone) = Phone::parse(text) else { return };
            let digits = phone.as_str().strip_prefix('+').expect("E.164");
            assert!((2..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()), "{phone:?}");
            assert_eq!(Phone::parse(phone.as_str()).as_ref(), Ok(&phone));
        }
        1 => {
            let Ok(email) = Email::parse(text) else { return };
            assert!(email.as_str().len() <= 254, "{email:?}");
            let again = Email::parse(email.as_str()).expect("an address that was accepted");
            assert_eq!(again.as_str(), email.as_str());
        }
        2 => {
            let Ok(currency) = Currency::parse(text) else { return };
            assert_eq!(currency.as_str(), text);
        }
        3 => {
            let Ok(time) = Timestamp::parse(text) else { return };
            assert_eq!(Timestamp::parse(&time.to_string()), Ok(time));
            assert!(time.plus(webhook::TOLERANCE) >= time && time.minus(webhook::TOLERANCE) <= time, "{time}");
        }
        4 => {
            let Ok(minor) = text.parse() else { return };
            let (amount, balance) = (Amount::from_minor(minor), Balance::from_minor(minor));
            assert_eq!(amount.is_ok(), (1..=MAX_AMOUNT_MINOR).contains(&minor), "{minor}");
            assert_eq!(balance.is_ok(), (-MAX_AMOUNT_MINOR..=MAX_AMOUNT_MINOR).contains(&minor), "{minor}");
            for time in [Timestamp::from_unix_seconds(minor), Timestamp::from_unix_millis(minor)].into_iter().flatten()
            {
                assert_eq!(Timestamp::parse(&time.to_string()), Ok(time));
            }
        }
        5 => {
            let Ok(cursor) = text.parse::<Cursor>() else { return };
            assert_eq!(cursor.to_string(), text);
        }
        6 => {
            let Ok(id) = PaymentAccountId::parse(text) else { return };
            assert_eq!(PaymentAccountId::parse(id.as_str()), Ok(id));
        }
        7 => {
            let Ok(reference) = PaymentReference::parse(text) else { return };
            assert_eq!(reference.to_string(), text);
        }
        8 => {
            let (id, note) = (ProviderTransactionId::parse(text), Note::parse(text));
            assert!(
                id.is_ok_and(|id| id.as_str() == text) || text.len() != 1 || !text.as_bytes()[0].is_ascii_graphic()
            );
            assert!(note.is_ok() || text.len() > 1);
        }
        9 => {
            let Ok(token) = RefreshToken::parse(text) else { return };
            assert_eq!(token.to_text().expose(), text);
        }
        10 => {
            let Ok(uuid) = parse_uuid(text) else { return };
            assert_eq!(uuid.to_string(), text);
        }
        _ => {
            // Secrets are not printed, so only that the parsers return is checked.
            let policy: PasswordPolicy = "8".parse().expect("a policy");
            let password = policy.accept(Secret::new(text.to_owned()), None, None);
            drop((Code::parse(text), WebhookSecret::parse(text), password));
        }
    }
}
