//! One-time codes that verify a user's e-mail address or phone number.

use std::time::Duration;

use kernel::{Random, Secret, Timestamp};

use super::{HashingError, Identifier, InvalidPasswordHash, Password, PasswordHash};

pub const CODE_LIFETIME: Duration = Duration::from_mins(10);
/// The number of attempts per code. A guess succeeds with a probability of 1 in 200,000.
pub const MAX_CODE_ATTEMPTS: u32 = 5;
/// The minimum time between two codes.
pub const CODE_INTERVAL: Duration = Duration::from_mins(1);
/// The number of codes sent to a user in [`CODE_PERIOD`], by e-mail and by SMS each, and to an address by whatever users
/// have it.
pub const CODES_PER_PERIOD: usize = 10;
pub const CODE_PERIOD: Duration = Duration::from_hours(24);

/// The number of different codes.
const CODES: u32 = 1_000_000;
const DIGITS: usize = 6;

/// A code of six digits. `Debug` output is redacted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code(Secret<String>);

/// The text is not a valid code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be {DIGITS} digits")]
pub struct InvalidCode;

impl Code {
    /// Generates a uniformly distributed code.
    pub fn random(random: &(impl Random + ?Sized)) -> Self {
        // Larger numbers are rejected: they would make the first codes more likely than the rest.
        const UNBIASED: u32 = u32::MAX - u32::MAX % CODES;
        loop {
            let mut bytes = [0; 4];
            random.fill(&mut bytes);
            let number = u32::from_le_bytes(bytes);
            if number < UNBIASED {
                return Self(Secret::new(format!("{:0DIGITS$}", number % CODES)));
            }
        }
    }

    /// # Errors
    ///
    /// [`InvalidCode`] if the text is not six ASCII digits.
    pub fn parse(text: &str) -> Result<Self, InvalidCode> {
        if text.len() == DIGITS && text.bytes().all(|byte| byte.is_ascii_digit()) {
            Ok(Self(Secret::new(text.to_owned())))
        } else {
            Err(InvalidCode)
        }
    }

    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// The text that is hashed, which binds the code to the address that it is sent to.
    fn bound_to(&self, address: &Identifier) -> Secret<String> {
        Secret::new(format!("{}#{}#{}", self.expose(), address.kind(), address.as_str()))
    }
}

/// The hash of a code and of the address that it was sent to. It is a slow one, since all codes can be tried against a
/// fast one in an instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeHash(PasswordHash);

impl CodeHash {
    /// Hashes a code that is sent to `address`.
    ///
    /// # Errors
    ///
    /// [`HashingError`] if memory is insufficient.
    pub fn new(code: &Code, address: &Identifier, random: &(impl Random + ?Sized)) -> Result<Self, HashingError> {
        PasswordHash::new(&Password::existing(&code.bound_to(address)), random).map(Self)
    }

    /// Parses the stored representation.
    ///
    /// # Errors
    ///
    /// [`InvalidPasswordHash`] if the text is not an Argon2id hash in the PHC string format.
    pub fn from_stored(text: impl Into<String>) -> Result<Self, InvalidPasswordHash> {
        PasswordHash::from_stored(text).map(Self)
    }

    /// Returns the stored representation.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// Whether the hash is of this code, sent to this address.
    pub fn matches(&self, code: &Code, address: &Identifier) -> bool {
        self.0.matches(&code.bound_to(address))
    }
}

/// The times at which codes were sent to a user by e-mail or by SMS, or to an address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CodeHistory {
    /// Increased by every code. 0 if none was sent.
    pub version: u64,
    /// The times of the last [`CODES_PER_PERIOD`] codes, in ascending order.
    pub times: Vec<Timestamp>,
}

impl CodeHistory {
    /// Returns the history after a code that is sent now.
    ///
    /// # Errors
    ///
    /// The time to wait, if no code may be sent now.
    pub fn with_code_sent_at(&self, now: Timestamp) -> Result<Self, Duration> {
        let retry_after = now.until(self.next_at(now));
        if retry_after > Duration::ZERO {
            return Err(retry_after);
        }
        let dropped = (self.times.len() + 1).saturating_sub(CODES_PER_PERIOD);
        let times = self.times.iter().skip(dropped).copied().chain([now]).collect();
        Ok(Self { version: self.version.saturating_add(1), times })
    }

    /// Returns the earliest time at which the next code may be sent, which is not before `now`.
    pub fn next_at(&self, now: Timestamp) -> Timestamp {
        let after_interval = self.times.last().map(|last| last.plus(CODE_INTERVAL));
        let tenth_last = self.times.len().checked_sub(CODES_PER_PERIOD).and_then(|index| self.times.get(index));
        let after_period = tenth_last.map(|time| time.plus(CODE_PERIOD));
        [after_interval, after_period].into_iter().flatten().fold(now, Timestamp::max)
    }
}

/// The histories that limit the next code: a user cannot be sent more by changing addresses, nor an address by changing
/// users.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CodeHistories {
    pub user: CodeHistory,
    pub address: CodeHistory,
}

impl CodeHistories {
    /// Returns the histories after a code that is sent now.
    ///
    /// # Errors
    ///
    /// The time to wait, if no code may be sent now.
    pub fn with_code_sent_at(&self, now: Timestamp) -> Result<Self, Duration> {
        match (self.user.with_code_sent_at(now), self.address.with_code_sent_at(now)) {
            (Ok(user), Ok(address)) => Ok(Self { user, address }),
            (user, address) => Err([user.err(), address.err()].into_iter().flatten().max().unwrap_or_default()),
        }
    }

    /// Returns the earliest time at which the next code may be sent, which is not before `now`.
    pub fn next_at(&self, now: Timestamp) -> Timestamp {
        self.user.next_at(now).max(self.address.next_at(now))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use contact::{Email, Phone};
    use kernel::testing::SeededRandom;

    use super::*;

    /// Returns these numbers, one per call.
    struct FixedNumbers(RefCell<Vec<u32>>);

    impl Random for FixedNumbers {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.copy_from_slice(&self.0.borrow_mut().remove(0).to_le_bytes());
        }
    }

    fn code_of(numbers: &[u32]) -> String {
        let random = FixedNumbers(RefCell::new(numbers.to_vec()));
        let code = Code::random(&random).expose().to_owned();
        assert!(random.0.borrow().is_empty(), "not all numbers were used");
        code
    }

    fn email(text: &str) -> Identifier {
        Identifier::Email(Email::parse(text).unwrap())
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::parse("2026-01-31T12:00:00Z").unwrap().plus(Duration::from_secs(seconds))
    }

    #[test]
    fn code_is_six_unbiased_digits() {
        assert_eq!(code_of(&[0]), "000000");
        assert_eq!(code_of(&[1_000_042]), "000042");
        assert_eq!(code_of(&[4_293_999_999]), "999999");
        // Numbers from 4,294 million on are rejected.
        assert_eq!(code_of(&[4_294_000_000, u32::MAX, 123_456]), "123456");
    }

    #[test]
    fn code_parse_accepts_six_digits_only() {
        assert_eq!(Code::parse("012345").unwrap().expose(), "012345");
        for text in ["", "12345", "1234567", "12 345", "+12345", "12345a", "١٢٣٤٥٦"] {
            assert_eq!(Code::parse(text), Err(InvalidCode), "{text}");
        }
    }

    #[test]
    fn code_hash_matches_code_and_address_only() {
        let code = Code::parse("012345").unwrap();
        let hash = CodeHash::new(&code, &email("ada@example.com"), &SeededRandom::new(1)).unwrap();
        let hash = CodeHash::from_stored(hash.expose()).unwrap();
        assert!(hash.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(hash.matches(&code, &email("ada@example.com")));
        assert!(!hash.matches(&code, &email("bob@example.com")));
        assert!(!hash.matches(&code, &Identifier::Phone(Phone::parse("+33612345678").unwrap())));
        assert!(!hash.matches(&Code::parse("012346").unwrap(), &email("ada@example.com")));
    }

    #[test]
    fn code_debug_output_is_redacted() {
        assert!(!format!("{:?}", Code::parse("012345").unwrap()).contains("012345"));
    }

    #[test]
    fn next_code_is_allowed_after_one_minute() {
        let one = CodeHistory::default().with_code_sent_at(at(0)).unwrap();
        assert_eq!((one.version, one.next_at(at(0))), (1, at(60)));
        assert_eq!(one.with_code_sent_at(at(0)), Err(CODE_INTERVAL));
        assert_eq!(one.with_code_sent_at(at(59)), Err(Duration::from_secs(1)));
        assert_eq!(one.with_code_sent_at(at(60)).unwrap(), CodeHistory { version: 2, times: vec![at(0), at(60)] });
    }

    #[test]
    fn code_waits_for_both_histories() {
        let sent = |seconds| CodeHistory { version: 1, times: vec![at(seconds)] };
        let histories = |user, address| CodeHistories { user: sent(user), address: sent(address) };
        for (both, wait) in [(histories(0, 30), 90 - 50), (histories(30, 0), 90 - 50), (histories(0, 0), 10)] {
            assert_eq!(both.with_code_sent_at(at(50)), Err(Duration::from_secs(wait)));
            assert_eq!(both.next_at(at(50)), at(50 + wait));
            assert!(both.with_code_sent_at(at(50 + wait)).is_ok());
        }
        let after = histories(0, 30).with_code_sent_at(at(90)).unwrap();
        assert_eq!((after.user.times, after.address.times), (vec![at(0), at(90)], vec![at(30), at(90)]));
    }

    #[test]
    fn ten_codes_are_allowed_in_24_hours() {
        const DAY: u64 = 24 * 3600;
        let mut sent = CodeHistory::default();
        for minute in 0..10 {
            sent = sent.with_code_sent_at(at(60 * minute)).unwrap();
        }
        assert_eq!(sent.next_at(at(600)), at(DAY));
        assert_eq!(sent.with_code_sent_at(at(600)), Err(Duration::from_secs(DAY - 600)));
        assert_eq!(sent.with_code_sent_at(at(DAY - 1)), Err(Duration::from_secs(1)));
        // The first one expires then, and the second one a minute later.
        let sent = sent.with_code_sent_at(at(DAY)).unwrap();
        assert_eq!((sent.version, sent.times.len(), sent.times[0]), (11, 10, at(60)));
        assert_eq!(sent.with_code_sent_at(at(DAY + 59)), Err(Duration::from_secs(1)));
        assert!(sent.with_code_sent_at(at(DAY + 60)).is_ok());
    }
}
