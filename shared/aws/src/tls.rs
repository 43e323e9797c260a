//! Server certificates: which authorities are trusted.
//! AWS endpoints present certificates of Amazon Trust Services (<https://www.amazontrust.com/repository/>), whose five roots
//! are embedded: loading the system's store of some 140 certificates would dominate start-up. That store is loaded the first
//! time a server presents a certificate that the five do not verify, such as a proxy's.

use std::error::Error;
use std::sync::{Arc, LazyLock};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, RootCertStore, SignatureScheme};

use config::{ConfigError, Env};

/// Amazon Root CA 1 to 4, and the Starfield root that cross-signs them.
pub(crate) const AMAZON_ROOTS: [&[u8]; 5] = [
    include_bytes!("amazon-roots/amazon-root-ca-1.der"),
    include_bytes!("amazon-roots/amazon-root-ca-2.der"),
    include_bytes!("amazon-roots/amazon-root-ca-3.der"),
    include_bytes!("amazon-roots/amazon-root-ca-4.der"),
    include_bytes!("amazon-roots/starfield-services-root-g2.der"),
];

/// Names a file of authorities to trust instead, as in all AWS SDKs
/// (<https://docs.aws.amazon.com/sdkref/latest/guide/feature-gen-config.html>).
const CA_BUNDLE: &str = "AWS_CA_BUNDLE";

const UNKNOWN_ISSUER: rustls::Error = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);

fn bundle(path: &str) -> Result<RootCertStore, Box<dyn Error>> {
    let pem = std::fs::read(path)?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        roots.add(certificate?)?;
    }
    if roots.is_empty() { Err("the file contains no certificate".into()) } else { Ok(roots) }
}

fn system() -> RootCertStore {
    tracing::warn!("Amazon's roots do not verify a server: loading the system's");
    readable(rustls_native_certs::load_native_certs().certs)
}

/// Builds a store, skipping certificates that do not parse.
pub(crate) fn readable<'a>(certificates: impl IntoIterator<Item = CertificateDer<'a>>) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates);
    roots
}

type Verifier = Option<Arc<WebPkiServerVerifier>>;

/// Verifies with the primary authorities, and with the fallback authorities if those fail.
#[derive(Debug)]
pub(crate) struct FallbackVerifier {
    primary: Verifier,
    fallback: LazyLock<Verifier, Box<dyn FnOnce() -> Verifier + Send>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl FallbackVerifier {
    /// Trusts Amazon's roots and, as a fallback, the system's; or only those of a bundle.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if `AWS_CA_BUNDLE` is not a file of certificates.
    pub(crate) fn from_env(env: &Env) -> Result<Self, ConfigError> {
        Ok(match env.optional(CA_BUNDLE) {
            Some(_) => Self::new(env.read(CA_BUNDLE, bundle)?, RootCertStore::empty),
            None => Self::amazon_roots(),
        })
    }

    /// Amazon's roots, with the system's as the fallback.
    pub(crate) fn amazon_roots() -> Self {
        Self::new(readable(AMAZON_ROOTS.map(CertificateDer::from)), system)
    }

    pub(crate) fn new(primary: RootCertStore, fallback: impl FnOnce() -> RootCertStore + Send + 'static) -> Self {
        Self {
            primary: verifier(primary),
            fallback: LazyLock::new(Box::new(move || verifier(fallback()))),
            algorithms: ring::default_provider().signature_verification_algorithms,
        }
    }
}

/// Returns `None` if there are no roots.
fn verifier(roots: RootCertStore) -> Verifier {
    let provider = Arc::new(ring::default_provider());
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().ok()
}

impl ServerCertVerifier for FallbackVerifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let ask = |verifier: &Verifier| {
            let verifier = verifier.as_ref().ok_or(UNKNOWN_ISSUER)?;
            verifier.verify_server_cert(certificate, intermediates, name, ocsp, now)
        };
        ask(&self.primary).or_else(|error| ask(&self.fallback).map_err(|_| error))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use ::ring::digest;

    use super::*;

    /// The SHA-256 fingerprints published at <https://www.amazontrust.com/repository/>.
    #[test]
    fn embedded_roots_match_the_published_fingerprints() {
        let fingerprints = AMAZON_ROOTS.map(|root| {
            let digest = digest::digest(&digest::SHA256, root);
            let digits = digest.as_ref().iter().flat_map(|byte| [byte >> 4, byte & 15]);
            digits.map(|digit| char::from_digit(digit.into(), 16).unwrap()).collect::<String>()
        });
        assert_eq!(
            fingerprints,
            [
                "8ecde6884f3d87b1125ba31ac3fcb13d7016de7f57cc904fe1cb97c6ae98196e",
                "1ba5b2aa8c65401a82960118f80bec4f62304d83cec4713a19c39c011ea46db4",
                "18ce6cfe7bf14e60b2e347b8dfe868cb31d02ebb3ada271569f50343b46db3a4",
                "e35d28419ed02025cfa69038cd623962458da5c695fbdea3c22b0bfb25897092",
                "568d6905a2c88708a4b3025190edcfedb1974a606a13c6e5290fcb2ae63edab5",
            ]
        );
        assert_eq!(readable(AMAZON_ROOTS.map(CertificateDer::from)).len(), AMAZON_ROOTS.len(), "all can be read");
    }

    #[test]
    fn bundle_without_certificates_is_a_config_error() {
        let file = std::env::temp_dir().join(format!("bundle-{}.pem", std::process::id()));
        let env = Env::from_iter([(CA_BUNDLE, file.display().to_string())]);
        for text in ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            std::fs::write(&file, text).unwrap();
            let ConfigError::Invalid { key, .. } = FallbackVerifier::from_env(&env).unwrap_err() else {
                panic!("{text} was read")
            };
            assert_eq!(key, CA_BUNDLE);
        }
        let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(&file, certified.cert.pem()).unwrap();
        FallbackVerifier::from_env(&env).unwrap();
        std::fs::remove_file(&file).unwrap();
        assert!(FallbackVerifier::from_env(&env).is_err(), "there is no such file");
    }
}
