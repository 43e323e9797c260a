//! Password hashes.

mod memory;

use argon2::password_hash::phc::{self, Output, Salt};
use argon2::{ARGON2ID_IDENT, Params, Version, password_hash};
use kernel::{Random, Secret};

use super::Password;
use super::password::normalized;

/// A hash with random salt and output, so that no known password matches. It takes as long to check as any other hash.
const DUMMY: &str = "$argon2id$v=19$m=19456,t=2,p=1$3U6vAROv4HxeJzNcQP3uMQ$SNfeJLVDbJQj/6iTFCpGjfzu5ibTB6iRPbSjLRTy5KE";

/// An Argon2id hash with 19 MiB of memory, two iterations and one lane (OWASP Password Storage Cheat Sheet), in the PHC
/// string format. `Debug` output is redacted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordHash(Secret<String>);

/// A password could not be hashed.
#[derive(Debug, thiserror::Error)]
#[error("password could not be hashed: {0}")]
pub struct HashingError(password_hash::Error);

/// The text is not an Argon2id hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an Argon2 hash in the PHC string format")]
pub struct InvalidPasswordHash;

impl PasswordHash {
    /// Hashes a password with a random salt.
    ///
    /// # Errors
    ///
    /// [`HashingError`] if memory is insufficient.
    pub fn new(password: &Password, random: &(impl Random + ?Sized)) -> Result<Self, HashingError> {
        #[cfg(test)]
        COMPUTED.set(computed() + 1);
        let mut salt = [0; 16];
        random.fill(&mut salt);
        let hash = hash(password.secret(), &salt).map_err(HashingError)?;
        Ok(Self(Secret::new(hash.to_string())))
    }

    /// Parses the stored representation.
    ///
    /// # Errors
    ///
    /// [`InvalidPasswordHash`] if the text is not an Argon2id hash in the PHC string format.
    pub fn from_stored(text: impl Into<String>) -> Result<Self, InvalidPasswordHash> {
        let text = text.into();
        let hash = phc::PasswordHash::new(&text).map_err(|_| InvalidPasswordHash)?;
        if hash.algorithm != ARGON2ID_IDENT || hash.salt.is_none() || hash.hash.is_none() {
            return Err(InvalidPasswordHash);
        }
        Ok(Self(Secret::new(text)))
    }

    /// Returns a hash that no password matches, for constant work when there is no user to check against.
    pub fn dummy() -> Self {
        Self(Secret::new(DUMMY.to_owned()))
    }

    /// Returns the stored representation.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// Whether the hash was made with other parameters than new hashes are.
    pub fn is_outdated(&self) -> bool {
        let params = phc::PasswordHash::new(self.expose()).ok().and_then(|hash| Params::try_from(&hash).ok());
        // The costs only: parameters read from a hash also contain its output length.
        let costs = |params: &Params| (params.m_cost(), params.t_cost(), params.p_cost());
        params.is_none_or(|params| costs(&params) != costs(&Params::default()))
    }

    /// Whether the hash is of this password, in any Unicode normalization form. It is checked with the parameters in the
    /// hash. The time taken does not depend on the password. No password matches if memory is insufficient.
    pub fn matches(&self, password: &Secret<String>) -> bool {
        #[cfg(test)]
        COMPUTED.set(computed() + 1);
        verify(&normalized(password.clone()), self.expose()).unwrap_or(false)
    }
}

fn hash(password: &Secret<String>, salt: &[u8]) -> Result<phc::PasswordHash, password_hash::Error> {
    let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
    let (params, version) = (Params::default(), Version::default());
    memory::argon2id(params.clone(), version, password.expose().as_bytes(), salt, &mut output)?;
    Ok(phc::PasswordHash {
        algorithm: ARGON2ID_IDENT,
        version: Some(version.into()),
        params: params.try_into()?,
        salt: Some(Salt::new(salt)?),
        hash: Some(Output::new(&output)?),
    })
}

/// Compares in constant time.
fn verify(password: &Secret<String>, stored: &str) -> Result<bool, password_hash::Error> {
    let stored = phc::PasswordHash::new(stored)?;
    let (Some(salt), Some(expected)) = (&stored.salt, &stored.hash) else { return Ok(false) };
    let version = stored.version.map(Version::try_from).transpose()?.unwrap_or_default();
    let mut output = [0; Output::MAX_LENGTH];
    let output = output.get_mut(..expected.len()).ok_or(password_hash::Error::OutputSize)?;
    memory::argon2id(Params::try_from(&stored)?, version, password.expose().as_bytes(), salt, output)?;
    Ok(Output::new(output)? == *expected)
}

/// The number of hashes that this thread has computed, as a measure of work that does not depend on timing.
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
    use argon2::{Argon2, PasswordHasher};
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
    fn password_hash_matches_exact_password_only() {
        let long = "correct horse battery staple".repeat(4);
        let stored = PasswordHash::from_stored(hash(&long, 1).expose()).unwrap();
        assert!(stored.matches(&secret(&long)));
        for attempt in ["", &long.to_uppercase(), &format!("{long} "), &long[..72]] {
            assert!(!stored.matches(&secret(attempt)), "{attempt:?}");
        }
    }

    #[test]
    fn same_password_with_different_salts_gives_different_hashes() {
        assert_ne!(hash("correct horse", 1), hash("correct horse", 2));
    }

    #[test]
    fn password_hash_and_dummy_hash_use_owasp_parameters() {
        for hash in [hash("correct horse", 1), PasswordHash::dummy()] {
            assert!(hash.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hash.expose());
            assert_eq!(PasswordHash::from_stored(hash.expose()).unwrap().expose().len(), hash.expose().len());
        }
        assert_eq!(hash("correct horse", 1).expose().len(), PasswordHash::dummy().expose().len());
    }

    #[test]
    fn password_hash_matches_any_unicode_normalization() {
        let (composed, decomposed) = ("cr\u{e8}me br\u{fb}l\u{e9}e", "cre\u{300}me bru\u{302}le\u{301}e");
        for one in [composed, decomposed] {
            assert!(hash(one, 1).matches(&secret(composed)) && hash(one, 1).matches(&secret(decomposed)));
        }
    }

    #[test]
    fn hash_with_other_parameters_matches_and_is_outdated() {
        let password = Password::existing(&secret("correct horse"));
        for (memory_kib, passes, lanes, outdated) in
            [(19_456, 2, 1, false), (12_288, 2, 1, true), (19_456, 3, 1, true), (19_456, 2, 2, true)]
        {
            let params = Params::new(memory_kib, passes, lanes, None).unwrap();
            let argon2 = Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
            let hash: phc::PasswordHash =
                argon2.hash_password_with_salt(password.secret().expose().as_bytes(), &[7; 16]).unwrap();
            let stored = PasswordHash::from_stored(hash.to_string()).unwrap();
            assert!(stored.matches(password.secret()) && !stored.matches(&secret("incorrect horse")));
            assert_eq!(stored.is_outdated(), outdated, "{}", stored.expose());
        }
        assert!(!PasswordHash::new(&password, &SeededRandom::new(1)).unwrap().is_outdated());
        assert!(!PasswordHash::dummy().is_outdated());
    }

    #[test]
    fn hash_computations_are_counted() {
        let before = computed();
        let hash = hash("correct horse", 1);
        assert!(hash.matches(&secret("correct horse")) && !PasswordHash::dummy().matches(&secret("")));
        assert_eq!(computed() - before, 3);
    }

    #[test]
    fn invalid_password_hash_is_rejected() {
        for text in ["", "hunter2", "$argon2id$v=19$m=19456,t=2,p=1", "$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q"] {
            assert_eq!(PasswordHash::from_stored(text), Err(InvalidPasswordHash), "{text}");
        }
    }

    #[test]
    fn password_hash_debug_output_is_redacted() {
        assert!(!format!("{:?}", PasswordHash::dummy()).contains("argon2id"));
    }
}
