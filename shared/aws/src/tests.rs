//! Requests to a server with TLS.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::connector::Connector;
use crate::tls::{AMAZON_ROOTS, FallbackVerifier, readable};

/// A server with a self-signed certificate.
struct Server {
    url: String,
    certificate: CertificateDer<'static>,
    counts: Arc<(AtomicUsize, AtomicUsize)>,
}

impl Server {
    async fn start() -> Self {
        let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_no_client_auth().with_single_cert(vec![certified.cert.der().clone()], key).unwrap();
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
                    let response = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
                    stream.write_all(response.as_bytes()).await.unwrap();
                    stream.shutdown().await.unwrap();
                }
            }
        });
        Self { url, certificate: certified.cert.der().clone(), counts }
    }

    fn counts(&self) -> (usize, usize) {
        (self.counts.0.load(Ordering::Relaxed), self.counts.1.load(Ordering::Relaxed))
    }
}

fn client_of(server: &Server, fallback: impl FnOnce() -> RootCertStore + Send + 'static) -> Client {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new("eu-west-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .endpoint_url(&server.url)
        .retry_config(aws_smithy_types::retry::RetryConfig::disabled())
        .http_client(Connector::new(FallbackVerifier::new(readable(AMAZON_ROOTS.map(CertificateDer::from)), fallback)));
    Client::from_conf(config.build())
}

#[tokio::test]
async fn system_roots_are_loaded_once_for_a_foreign_server() {
    let server = Server::start().await;
    let (read, certificate) = (Arc::new(AtomicUsize::new(0)), server.certificate.clone());
    let counted = read.clone();
    let client = client_of(&server, move || {
        counted.fetch_add(1, Ordering::Relaxed);
        readable([certificate.clone()])
    });
    assert_eq!(read.load(Ordering::Relaxed), 0);
    for times in 1..=2 {
        client.list_tables().send().await.unwrap();
        assert_eq!(server.counts(), (times, times));
        assert_eq!(read.load(Ordering::Relaxed), 1);
    }
}

#[tokio::test]
async fn untrusted_server_receives_no_request() {
    let server = Server::start().await;
    client_of(&server, RootCertStore::empty).list_tables().send().await.unwrap_err();
    assert_eq!(server.counts(), (1, 0));
}
