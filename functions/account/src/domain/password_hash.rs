//! What is kept of a password.

use argon2::password_hash::phc;
use argon2::{Argon2, Params, PasswordHasher, PasswordVerifier};
use kernel::{Random, Secret};

use super::Password;
use super::password::normalized;

/// What nobody's password hashes to: its salt and its output are random, so no password is known that matches. Checking
/// an attempt against it takes as long as against a person's.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$3U6vAROv4HxeJzNcQP3uMQ$SNfeJLVDbJQj/6iTFCpGjfzu5ibTB6iRPbSjLRTy5KE";

/// A password, hashed by Argon2id with 19 MiB, two passes and one lane (OWASP's Password Storage Cheat Sheet), in the
/// PHC string format. It does not print itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordHash(Secret<String>);

/// The password could not be hashed.
#[derive(Debug, thiserror::Error)]
#[error("a password could not be hashed: {0}")]
pub struct HashingError(argon2::password_hash::Error);

/// The text is not a hash of this kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an Argon2 hash in the PHC string format")]
pub struct InvalidPasswordHash;

impl PasswordHash {
    /// Hashes a password with a salt of its own.
    ///
    /// # Errors
    ///
    /// [`HashingError`] if there is not the memory for it.
    pub fn new(password: &Password, random: &impl Random) -> Result<Self, HashingError> {
        #[cfg(test)]
        COMPUTED.set(computed() + 1);
        let mut salt = [0; 16];
        random.fill(&mut salt);
        let hash: phc::PasswordHash = Argon2::default()
            .hash_password_with_salt(password.secret().expose().as_bytes(), &salt)
            .map_err(HashingError)?;
        Ok(Self(Secret::new(hash.to_string())))
    }

    /// As it was stored.
    ///
    /// # Errors
    ///
    /// [`InvalidPasswordHash`] if no password could be checked against it.
    pub fn from_stored(text: impl Into<String>) -> Result<Self, InvalidPasswordHash> {
        let text = text.into();
        let hash = phc::PasswordHash::new(&text).map_err(|_| InvalidPasswordHash)?;
        if hash.algorithm != argon2::ARGON2ID_IDENT || hash.salt.is_none() || hash.hash.is_none() {
            return Err(InvalidPasswordHash);
        }
        Ok(Self(Secret::new(text)))
    }

    /// A hash that no attempt matches, but that takes the same work to check.
    pub fn dummy() -> Self {
        Self(Secret::new(NOBODY.to_owned()))
    }

    /// As it is stored.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// Whether it was made by other parameters than a hash is made by today.
    pub fn is_outdated(&self) -> bool {
        let made_by = phc::PasswordHash::new(self.expose()).ok().and_then(|hash| Params::try_from(&hash).ok());
        // Not the parameters as a whole: those that are read from a hash name the length of its output too.
        let costs = |params: &Params| (params.m_cost(), params.t_cost(), params.p_cost());
        made_by.is_none_or(|made_by| costs(&made_by) != costs(Argon2::default().params()))
    }

    /// Whether the attempt is the password, in whatever spelling, by the parameters in the hash. The work does not depend
    /// on what the password is.
    pub fn matches(&self, attempt: &Secret<String>) -> bool {
        #[cfg(test)]
        COMPUTED.set(computed() + 1);
        let attempt = normalized(attempt.clone());
        Argon2::default().verify_password(attempt.expose().as_bytes(), self.expose()).is_ok()
    }
}

/// How often this thread has computed a hash: the work of a sign-in is counted by it, not by the clock.
#[cfg(test)]
pub(crate) fn computed() -> usize {
    COMPUTED.get()
}

#[cfg(test)]
thread_local! {
    static COMPUTED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

#[cfg(test)]
mod tests {
    use kernel::testing::SeededRandom;

    use super::super::PasswordPolicy;
    use super::*;

    fn secret(text: &str) -> Secret<String> {
        Secret::new(text.to_owned())
    }

    fn hash(password: &str, seed: u64) -> PasswordHash {
        let policy: PasswordPolicy = "8".parse().unwrap();
        PasswordHash::new(&policy.accept(secret(password), None, None).unwrap(), &SeededRandom::new(seed)).unwrap()
    }

    #[test]
    fn only_the_password_matches_and_all_of_it_counts() {
        let long = "correct horse battery staple".repeat(4);
        let stored = PasswordHash::from_stored(hash(&long, 1).expose()).unwrap();
        assert!(stored.matches(&secret(&long)));
        for attempt in ["", &long.to_uppercase(), &format!("{long} "), &long[..72]] {
            assert!(!stored.matches(&secret(attempt)), "{attempt:?}");
        }
    }

    #[test]
    fn the_same_password_of_two_people_gives_two_hashes() {
        assert_ne!(hash("correct horse", 1), hash("correct horse", 2));
    }

    #[test]
    fn a_hash_and_nobodys_hash_cost_what_owasp_asks() {
        for hash in [hash("correct horse", 1), PasswordHash::dummy()] {
            assert!(hash.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hash.expose());
            assert_eq!(PasswordHash::from_stored(hash.expose()).unwrap().expose().len(), hash.expose().len());
        }
        assert_eq!(hash("correct horse", 1).expose().len(), PasswordHash::dummy().expose().len());
    }

    #[test]
    fn a_password_matches_in_every_spelling() {
        let (composed, decomposed) = ("cr\u{e8}me br\u{fb}l\u{e9}e", "cre\u{300}me bru\u{302}le\u{301}e");
        for one in [composed, decomposed] {
            assert!(hash(one, 1).matches(&secret(composed)) && hash(one, 1).matches(&secret(decomposed)));
        }
    }

    #[test]
    fn a_hash_of_other_parameters_is_checked_by_them_and_is_outdated() {
        let password = Password::existing(&secret("correct horse"));
        for (memory_kib, passes, lanes, outdated) in
            [(19_456, 2, 1, false), (12_288, 2, 1, true), (19_456, 3, 1, true), (19_456, 2, 2, true)]
        {
            let params = Params::new(memory_kib, passes, lanes, None).unwrap();
            let by_others = Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
            let hash: phc::PasswordHash =
                by_others.hash_password_with_salt(password.secret().expose().as_bytes(), &[7; 16]).unwrap();
            let stored = PasswordHash::from_stored(hash.to_string()).unwrap();
            assert!(stored.matches(password.secret()) && !stored.matches(&secret("incorrect horse")));
            assert_eq!(stored.is_outdated(), outdated, "{}", stored.expose());
        }
        assert!(!PasswordHash::new(&password, &SeededRandom::new(1)).unwrap().is_outdated());
        assert!(!PasswordHash::dummy().is_outdated());
    }

    #[test]
    fn hashing_and_checking_are_counted_as_the_work_they_are() {
        let before = computed();
        let hash = hash("correct horse", 1);
        assert!(hash.matches(&secret("correct horse")) && !PasswordHash::dummy().matches(&secret("")));
        assert_eq!(computed() - before, 3);
    }

    #[test]
    fn what_is_no_hash_is_not_read() {
        for text in ["", "hunter2", "$argon2id$v=19$m=19456,t=2,p=1", "$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q"] {
            assert_eq!(PasswordHash::from_stored(text), Err(InvalidPasswordHash), "{text}");
        }
    }

    #[test]
    fn a_hash_does_not_print_itself() {
        assert!(!format!("{:?}", PasswordHash::dummy()).contains("argon2id"));
    }
}
