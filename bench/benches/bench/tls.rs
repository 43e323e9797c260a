//! TLS with a self-signed certificate.

use std::path::PathBuf;
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// Accepts connections to `localhost` without session resumption. Also returns the file with the certificate to
/// trust.
pub(crate) fn acceptor() -> (TlsAcceptor, PathBuf) {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).expect("a key");
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the versions that ring knows")
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .expect("a certificate and its key");
    config.send_tls13_tickets = 0;
    let trusted = std::env::temp_dir().join(format!("bench-{}.pem", uuid::Uuid::new_v4()));
    std::fs::write(&trusted, certified.cert.pem()).expect("a file of authorities");
    (TlsAcceptor::from(Arc::new(config)), trusted)
}
