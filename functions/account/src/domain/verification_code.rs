//! Codes by which people show that an address or a number reaches them.

use std::time::Duration;

use kernel::{Random, Secret, Timestamp};

use super::{HashingError, Identifier, IdentifierKind, InvalidPasswordHash, Password, PasswordHash, User};

/// How long a code is good for.
pub const CODE_LIFETIME: Duration = Duration::from_mins(10);
/// How often a code may be tried: one in 200,000 guesses at it then succeeds.
pub const CODE_ATTEMPTS: u32 = 5;
/// How long it is from one code to the next.
pub const CODE_INTERVAL: Duration = Duration::from_mins(1);
/// How many codes are sent to a person in [`CODE_PERIOD`] by e-mail, and how many by SMS.
pub const CODES_PER_PERIOD: usize = 10;
/// See [`CODES_PER_PERIOD`].
pub const CODE_PERIOD: Duration = Duration::from_hours(24);

/// How many codes there are.
const CODES: u32 = 1_000_000;
const DIGITS: usize = 6;

/// Six digits. It does not print itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code(Secret<String>);

/// The text is no code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be {DIGITS} digits")]
pub struct InvalidCode;

impl Code {
    /// A new code, each as likely as any other.
    pub fn random(random: &impl Random) -> Self {
        // Beyond the last whole million the first codes would be a little more likely than the rest.
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

    /// Reads a code.
    ///
    /// # Errors
    ///
    /// [`InvalidCode`] if it is anything but six digits.
    pub fn parse(text: &str) -> Result<Self, InvalidCode> {
        if text.len() == DIGITS && text.bytes().all(|byte| byte.is_ascii_digit()) {
            Ok(Self(Secret::new(text.to_owned())))
        } else {
            Err(InvalidCode)
        }
    }

    /// The digits, to be sent.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// What is hashed: the code is good for this address alone.
    fn sent_to(&self, address: &Identifier) -> Secret<String> {
        Secret::new(format!("{}#{}#{}", self.expose(), address.kind().name(), address.as_str()))
    }
}

/// What is kept of a code and of the address it went to. Under a fast hash all codes could be tried in an instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeHash(PasswordHash);

impl CodeHash {
    /// Hashes a code that is sent to this address.
    ///
    /// # Errors
    ///
    /// [`HashingError`] if there is not the memory for it.
    pub fn new(code: &Code, address: &Identifier, random: &impl Random) -> Result<Self, HashingError> {
        PasswordHash::new(&Password::existing(&code.sent_to(address)), random).map(Self)
    }

    /// As it was stored.
    ///
    /// # Errors
    ///
    /// [`InvalidPasswordHash`] if no code could be checked against it.
    pub fn from_stored(text: impl Into<String>) -> Result<Self, InvalidPasswordHash> {
        PasswordHash::from_stored(text).map(Self)
    }

    /// As it is stored.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// Whether this is the code that was sent, and this the address that it was sent to.
    pub fn matches(&self, code: &Code, address: &Identifier) -> bool {
        self.0.matches(&code.sent_to(address))
    }
}

/// When codes were sent to a person, by e-mail or by SMS.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CodeHistory {
    /// Raised by every code: 0 where none was sent.
    pub version: u64,
    /// The times of the last [`CODES_PER_PERIOD`], in order.
    pub times: Vec<Timestamp>,
}

impl CodeHistory {
    /// With one more that is sent now.
    ///
    /// # Errors
    ///
    /// How long to wait yet, if it may not be sent now.
    pub fn with_code_sent_at(&self, now: Timestamp) -> Result<Self, Duration> {
        let wait = now.until(self.next_at(now));
        if wait > Duration::ZERO {
            return Err(wait);
        }
        let forgotten = (self.times.len() + 1).saturating_sub(CODES_PER_PERIOD);
        let times = self.times.iter().skip(forgotten).copied().chain([now]).collect();
        Ok(Self { version: self.version.saturating_add(1), times })
    }

    /// From when on the next code may be sent.
    pub fn next_at(&self, now: Timestamp) -> Timestamp {
        let after_the_last = self.times.last().map(|last| last.plus(CODE_INTERVAL));
        let tenth_last = self.times.len().checked_sub(CODES_PER_PERIOD).and_then(|index| self.times.get(index));
        let after_the_period = tenth_last.map(|time| time.plus(CODE_PERIOD));
        [after_the_last, after_the_period].into_iter().flatten().fold(now, Timestamp::max)
    }
}

impl User {
    /// Their e-mail address, or their phone number if they gave one.
    pub fn identifier(&self, kind: IdentifierKind) -> Option<Identifier> {
        self.identifiers().into_iter().find(|identifier| identifier.kind() == kind)
    }

    /// Whether they have shown that it reaches them.
    pub const fn has_verified(&self, kind: IdentifierKind) -> bool {
        match kind {
            IdentifierKind::Email => self.email_verified,
            IdentifierKind::Phone => self.phone_verified,
        }
    }

    /// The same person, who has shown that it reaches them.
    #[must_use]
    pub const fn with_verified(mut self, kind: IdentifierKind) -> Self {
        match kind {
            IdentifierKind::Email => self.email_verified = true,
            IdentifierKind::Phone => self.phone_verified = true,
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use contact::{Email, Phone};
    use kernel::testing::SeededRandom;

    use super::*;

    /// Gives these bytes, one after the other.
    struct Given(RefCell<Vec<u32>>);

    impl Random for Given {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.copy_from_slice(&self.0.borrow_mut().remove(0).to_le_bytes());
        }
    }

    fn code_of(numbers: &[u32]) -> String {
        let random = Given(RefCell::new(numbers.to_vec()));
        let code = Code::random(&random).expose().to_owned();
        assert!(random.0.borrow().is_empty(), "not all were asked for");
        code
    }

    fn email(text: &str) -> Identifier {
        Identifier::Email(Email::parse(text).unwrap())
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::parse("2026-01-31T12:00:00Z").unwrap().plus(Duration::from_secs(seconds))
    }

    #[test]
    fn a_code_is_six_digits_of_which_none_is_more_likely() {
        assert_eq!(code_of(&[0]), "000000");
        assert_eq!(code_of(&[1_000_042]), "000042");
        assert_eq!(code_of(&[4_293_999_999]), "999999");
        // 4,294 whole millions fit; what is beyond is thrown away.
        assert_eq!(code_of(&[4_294_000_000, u32::MAX, 123_456]), "123456");
    }

    #[test]
    fn six_digits_are_a_code_and_nothing_else_is() {
        assert_eq!(Code::parse("012345").unwrap().expose(), "012345");
        for text in ["", "12345", "1234567", "12 345", "+12345", "12345a", "١٢٣٤٥٦"] {
            assert_eq!(Code::parse(text), Err(InvalidCode), "{text}");
        }
    }

    #[test]
    fn only_the_code_matches_and_only_for_the_address_it_went_to() {
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
    fn a_code_prints_nothing_of_itself() {
        assert!(!format!("{:?}", Code::parse("012345").unwrap()).contains("012345"));
    }

    #[test]
    fn the_next_code_is_sent_after_a_minute_and_not_before() {
        let one = CodeHistory::default().with_code_sent_at(at(0)).unwrap();
        assert_eq!((one.version, one.next_at(at(0))), (1, at(60)));
        assert_eq!(one.with_code_sent_at(at(0)), Err(CODE_INTERVAL));
        assert_eq!(one.with_code_sent_at(at(59)), Err(Duration::from_secs(1)));
        assert_eq!(one.with_code_sent_at(at(60)).unwrap(), CodeHistory { version: 2, times: vec![at(0), at(60)] });
    }

    #[test]
    fn in_any_twenty_four_hours_ten_codes_are_sent() {
        const DAY: u64 = 24 * 3600;
        let mut sent = CodeHistory::default();
        for minute in 0..10 {
            sent = sent.with_code_sent_at(at(60 * minute)).unwrap();
        }
        assert_eq!(sent.next_at(at(600)), at(DAY));
        assert_eq!(sent.with_code_sent_at(at(600)), Err(Duration::from_secs(DAY - 600)));
        assert_eq!(sent.with_code_sent_at(at(DAY - 1)), Err(Duration::from_secs(1)));
        // The first is forgotten then, and the second a minute later.
        let sent = sent.with_code_sent_at(at(DAY)).unwrap();
        assert_eq!((sent.version, sent.times.len(), sent.times[0]), (11, 10, at(60)));
        assert_eq!(sent.with_code_sent_at(at(DAY + 59)), Err(Duration::from_secs(1)));
        assert!(sent.with_code_sent_at(at(DAY + 60)).is_ok());
    }
}
