//! Keys that sign access tokens.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kernel::{KeyId, Random, Secret};
use ring::digest::{SHA256, digest};
use ring::signature::{Ed25519KeyPair, KeyPair};

/// The bytes before the 32-byte private key in a PKCS#8 document of version 2 (RFC 8410, section 7).
const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x51, 0x02, 0x01, 0x01, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
/// The bytes between the private key and the 32-byte public key.
const PKCS8_INFIX: [u8; 3] = [0x81, 0x21, 0x00];

/// An Ed25519 key pair that signs access tokens. `Debug` output does not contain the private key.
#[derive(Debug)]
pub struct SigningKey {
    kid: KeyId,
    public_key: String,
    pkcs8: Secret<Vec<u8>>,
}

/// The document is not a valid Ed25519 key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an Ed25519 key as a PKCS#8 document of version 2")]
pub struct InvalidSigningKey;

impl SigningKey {
    /// # Errors
    ///
    /// [`InvalidSigningKey`] if ring rejects the generated key, which is not expected.
    pub fn generate(random: &(impl Random + ?Sized)) -> Result<Self, InvalidSigningKey> {
        let mut seed = [0; 32];
        random.fill(&mut seed);
        let seed = Secret::new(seed);
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.expose()).map_err(|_| InvalidSigningKey)?;
        let parts: [&[u8]; 4] = [&PKCS8_PREFIX, seed.expose(), &PKCS8_INFIX, pair.public_key().as_ref()];
        Self::from_pkcs8(Secret::new(parts.concat()))
    }

    /// Parses a PKCS#8 document of version 2.
    ///
    /// # Errors
    ///
    /// [`InvalidSigningKey`] if the document is not an Ed25519 key, or its public key does not match the private key.
    pub fn from_pkcs8(pkcs8: Secret<Vec<u8>>) -> Result<Self, InvalidSigningKey> {
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8.expose()).map_err(|_| InvalidSigningKey)?;
        let public_key = URL_SAFE_NO_PAD.encode(pair.public_key());
        Ok(Self { kid: thumbprint(&public_key), public_key, pkcs8 })
    }

    /// Returns the key id: the RFC 7638 thumbprint, which binds it to the key.
    pub const fn kid(&self) -> &KeyId {
        &self.kid
    }

    /// Returns the 32-byte public key in base64url without padding: the `x` of an RFC 8037 JWK.
    pub fn public_key(&self) -> &str {
        &self.public_key
    }

    /// Returns the key pair as a PKCS#8 document of version 2.
    pub const fn pkcs8(&self) -> &Secret<Vec<u8>> {
        &self.pkcs8
    }
}

/// Computes the thumbprint of an Ed25519 key (RFC 7638, with the members and order of RFC 8037, section 2).
fn thumbprint(public_key: &str) -> KeyId {
    let jwk = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{public_key}"}}"#);
    KeyId::new(URL_SAFE_NO_PAD.encode(digest(&SHA256, jwk.as_bytes())))
}

#[cfg(test)]
mod tests {
    use kernel::testing::SeededRandom;

    use super::*;

    #[test]
    fn key_id_is_rfc_8037_thumbprint() {
        // RFC 8037, appendices A.2 and A.3.
        let kid = thumbprint("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        assert_eq!(kid.as_str(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn generated_signing_key_round_trips_and_is_unique() {
        let random = SeededRandom::new(7);
        let key = SigningKey::generate(&random).unwrap();
        let read = SigningKey::from_pkcs8(key.pkcs8().clone()).unwrap();
        assert_eq!((read.kid(), read.public_key()), (key.kid(), key.public_key()));
        assert_ne!(SigningKey::generate(&random).unwrap().kid(), key.kid());
    }

    #[test]
    fn pkcs8_with_mismatched_key_halves_is_rejected() {
        let mut document = SigningKey::generate(&SeededRandom::new(7)).unwrap().pkcs8().expose().clone();
        if let Some(last) = document.last_mut() {
            *last ^= 1;
        }
        assert_eq!(SigningKey::from_pkcs8(Secret::new(document)).unwrap_err(), InvalidSigningKey);
        assert_eq!(SigningKey::from_pkcs8(Secret::new(Vec::new())).unwrap_err(), InvalidSigningKey);
    }

    #[test]
    fn signing_key_debug_output_is_redacted() {
        let key = SigningKey::generate(&SeededRandom::new(7)).unwrap();
        assert!(format!("{key:?}").contains("pkcs8: [secret]"));
    }
}
