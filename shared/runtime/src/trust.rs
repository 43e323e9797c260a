//! Whom a connection believes to be AWS.
//!
//! What a function calls of AWS shows a certificate of Amazon Trust Services (<https://www.amazontrust.com/repository/>),
//! whose five roots are a part of the program: to read the system's store, of some 140, takes nine times the work of all
//! the rest of a start. That store is read once a server shows a certificate that the five do not vouch for: a proxy's, or
//! AWS's own one day.

use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};

use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::{ConfigError, Env};

/// Amazon Root CA 1 to 4, and the Starfield root that vouches for them where they are not known yet.
const AMAZON_ROOTS: &[u8] = include_bytes!("amazon-roots.pem");

/// Names a file of authorities to trust instead, as all of AWS's own tools take it
/// (<https://docs.aws.amazon.com/sdkref/latest/guide/feature-gen-config.html>).
const CA_BUNDLE: &str = "AWS_CA_BUNDLE";

/// A client that trusts Amazon's roots, and the system's where those are not enough; or a bundle's, and nobody else.
///
/// # Errors
///
/// [`ConfigError`] if `AWS_CA_BUNDLE` names something else than authorities.
pub(crate) fn http_client(env: &Env) -> Result<SharedHttpClient, ConfigError> {
    if env.optional(CA_BUNDLE).is_some() {
        return Ok(client(TrustStore::empty().with_pem_certificate(env.read(CA_BUNDLE, bundle)?)));
    }
    Ok(trusting(TrustStore::empty().with_pem_certificate(AMAZON_ROOTS), TrustStore::default()))
}

/// The file's text, once all in it can be read: the client itself does not ask.
fn bundle(path: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    let pem = std::fs::read(path)?;
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        roots.add(certificate?)?;
    }
    if roots.is_empty() { Err("there is no certificate in it".into()) } else { Ok(pem) }
}

fn trusting(few: TrustStore, many: TrustStore) -> SharedHttpClient {
    SharedHttpClient::new(Trusting(Arc::new(Trust {
        few: client(few),
        many: LazyLock::new(Box::new(move || client(many))),
        few_are_enough: AtomicBool::new(true),
    })))
}

fn client(trust: TrustStore) -> SharedHttpClient {
    let builder = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring));
    match TlsContext::builder().with_trust_store(trust).build() {
        Ok(context) => builder.tls_context(context).build_https(),
        // As the library stands, nothing makes it fail; what is left then is the system's store.
        Err(_) => builder.build_https(),
    }
}

#[derive(Debug)]
struct Trust {
    few: SharedHttpClient,
    many: LazyLock<SharedHttpClient, Box<dyn FnOnce() -> SharedHttpClient + Send>>,
    few_are_enough: AtomicBool,
}

#[derive(Debug, Clone)]
struct Trusting(Arc<Trust>);

impl HttpClient for Trusting {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let Self(trust) = self;
        if !trust.few_are_enough.load(Ordering::Relaxed) {
            return trust.many.http_connector(settings, components);
        }
        SharedHttpConnector::new(Trying {
            trust: trust.clone(),
            few: trust.few.http_connector(settings, components),
            settings: settings.clone(),
            components: components.clone(),
        })
    }
}

/// Tries the few, and then the many.
#[derive(Debug)]
struct Trying {
    trust: Arc<Trust>,
    few: SharedHttpConnector,
    settings: HttpConnectorSettings,
    components: RuntimeComponents,
}

impl HttpConnector for Trying {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let again = request.try_clone();
        let first = self.few.call(request);
        let (trust, settings, components) = (self.trust.clone(), self.settings.clone(), self.components.clone());
        HttpConnectorFuture::new(async move {
            match (first.await, again) {
                // Nothing of the request has left yet.
                (Err(error), Some(request)) if is_distrust(&error) => {
                    tracing::warn!("a server is not vouched for by Amazon's roots: the system's are read");
                    trust.few_are_enough.store(false, Ordering::Relaxed);
                    trust.many.http_connector(&settings, &components).call(request).await
                }
                (outcome, _) => outcome,
            }
        })
    }
}

/// Whether it failed for a certificate that nobody whom we trust vouches for.
fn is_distrust(error: &ConnectorError) -> bool {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer)) = error.downcast_ref() {
            return true;
        }
        // An io::Error does not name what it wraps as its source, but that one's source.
        let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        cause = wrapped.map(|wrapped| -> &(dyn Error + 'static) { wrapped }).or_else(|| error.source());
    }
    false
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use aws_sdk_dynamodb::Client;
    use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;
    use tokio_rustls::rustls::ServerConfig;
    use tokio_rustls::rustls::pki_types::PrivateKeyDer;

    use super::*;

    /// A server with a certificate of its own, which it alone vouches for.
    struct Server {
        url: String,
        certificate: String,
        /// How many have connected, and how many of them gone through with it.
        counts: Arc<(AtomicUsize, AtomicUsize)>,
    }

    impl Server {
        async fn start() -> Self {
            let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
            let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
            let config =
                config.with_no_client_auth().with_single_cert(vec![certified.cert.der().clone()], key).unwrap();
            let acceptor = TlsAcceptor::from(Arc::new(config));
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
            let counts = Arc::new((AtomicUsize::new(0), AtomicUsize::new(0)));
            let counted = counts.clone();
            tokio::spawn(async move {
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    counted.0.fetch_add(1, Ordering::Relaxed);
                    let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                    let mut request = [0; 4096];
                    if stream.read(&mut request).await.is_ok_and(|bytes| bytes > 0) {
                        counted.1.fetch_add(1, Ordering::Relaxed);
                        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
                        stream.write_all(answer.as_bytes()).await.unwrap();
                        stream.shutdown().await.unwrap();
                    }
                }
            });
            Self { url, certificate: certified.cert.pem(), counts }
        }

        fn counts(&self) -> (usize, usize) {
            (self.counts.0.load(Ordering::Relaxed), self.counts.1.load(Ordering::Relaxed))
        }
    }

    fn amazon() -> TrustStore {
        TrustStore::empty().with_pem_certificate(AMAZON_ROOTS)
    }

    fn asking(server: &Server, many: TrustStore) -> Client {
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new("eu-west-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .endpoint_url(&server.url)
            .retry_config(aws_smithy_types::retry::RetryConfig::disabled())
            .http_client(trusting(amazon(), many));
        Client::from_conf(config.build())
    }

    #[tokio::test]
    async fn a_server_that_amazon_does_not_vouch_for_is_asked_again_with_the_systems_authorities_and_from_then_on() {
        let server = Server::start().await;
        let client = asking(&server, TrustStore::empty().with_pem_certificate(server.certificate.clone()));
        client.list_tables().send().await.unwrap();
        assert_eq!(server.counts(), (2, 1));
        client.list_tables().send().await.unwrap();
        assert_eq!(server.counts(), (3, 2));
    }

    #[test]
    fn a_bundle_must_be_of_certificates() {
        let file = std::env::temp_dir().join(format!("bundle-{}.pem", std::process::id()));
        let env = Env::from_iter([(CA_BUNDLE, file.display().to_string())]);
        for text in ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            std::fs::write(&file, text).unwrap();
            let ConfigError::Invalid { key, .. } = http_client(&env).unwrap_err() else { panic!("{text} was read") };
            assert_eq!(key, CA_BUNDLE);
        }
        std::fs::write(&file, AMAZON_ROOTS).unwrap();
        http_client(&env).unwrap();
        std::fs::remove_file(&file).unwrap();
        assert!(http_client(&env).is_err(), "there is no such file");
    }

    #[tokio::test]
    async fn a_server_that_nobody_vouches_for_is_told_nothing() {
        let server = Server::start().await;
        asking(&server, amazon()).list_tables().send().await.unwrap_err();
        assert_eq!(server.counts(), (2, 0));
    }
}
