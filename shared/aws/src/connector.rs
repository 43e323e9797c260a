//! The HTTP/1.1 connector of all outbound requests.
//! No service that a function calls needs HTTP/2, and the SDK's client (`aws-smithy-http-client`) cannot be built without it,
//! which is a large part of a package. This connector uses the same hyper and rustls, and classifies errors for retries as
//! the SDK's does.

use std::error::Error;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use aws_smithy_runtime_api::client::connection::{CaptureSmithyConnection, ConnectionMetadata};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::retry::ErrorKind;
use hyper::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::{self, CaptureConnection, capture_connection};
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tower_service::Service;

use crate::tls::FallbackVerifier;

/// The limit for DNS, TCP connect and TLS handshake together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// An HTTP client with a connection pool. Clones share the pool.
#[derive(Debug, Clone)]
pub(crate) struct Connector {
    client: Client<ConnectWithTimeout, SdkBody>,
}

impl Connector {
    pub(crate) fn new(verifier: FallbackVerifier) -> Self {
        // With the only cryptography provider that is linked: see deny.toml.
        let tls = ClientConfig::builder().dangerous().with_custom_certificate_verifier(Arc::new(verifier));
        let mut tcp = connect::HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls.with_no_client_auth());
        let connector = connector.https_or_http().enable_http1().wrap_connector(tcp);
        Self {
            client: Client::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .build(ConnectWithTimeout(connector)),
        }
    }
}

/// Connects within [`CONNECT_TIMEOUT`].
#[derive(Debug, Clone)]
struct ConnectWithTimeout(HttpsConnector<connect::HttpConnector>);

type BoxError = Box<dyn Error + Send + Sync>;

impl Service<Uri> for ConnectWithTimeout {
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.0.call(uri);
        Box::pin(async { tokio::time::timeout(CONNECT_TIMEOUT, connecting).await? })
    }
}

impl HttpClient for Connector {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let mut request = match request.try_into_http1x() {
            Ok(request) => request,
            Err(error) => return HttpConnectorFuture::ready(Err(ConnectorError::user(error.into()))),
        };
        let connection = capture_connection(&mut request);
        if let Some(capture) = request.extensions().get::<CaptureSmithyConnection>() {
            capture.set_connection_retriever(move || Some(connection_metadata(&connection)));
        }
        let response = self.client.request(request);
        HttpConnectorFuture::new(async move {
            let response = response.await.map_err(classify_error)?;
            HttpResponse::try_from(response.map(SdkBody::from_body_1_x))
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

/// Lets the SDK close a connection on which a server fails.
fn connection_metadata(connection: &CaptureConnection) -> ConnectionMetadata {
    let connection = connection.clone();
    let condemn = move || {
        if let Some(connected) = &*connection.connection_metadata() {
            connected.poison();
        }
    };
    ConnectionMetadata::builder().proxied(false).poison_fn(condemn).build()
}

/// Classifies a failure, by which the SDK decides whether to retry.
fn classify_error(error: legacy::Error) -> ConnectorError {
    if error.is_connect() {
        return ConnectorError::io(error.into());
    }
    let Some(cause) = error.source().and_then(|cause| cause.downcast_ref::<hyper::Error>()) else {
        return ConnectorError::other(error.into(), None);
    };
    if cause.is_timeout() {
        ConnectorError::timeout(error.into())
    } else if cause.is_user() {
        ConnectorError::user(error.into())
    } else if cause.is_closed() || cause.is_canceled() || cause.source().is_some_and(<dyn Error>::is::<io::Error>) {
        ConnectorError::io(error.into())
    } else if cause.is_incomplete_message() {
        ConnectorError::other(error.into(), Some(ErrorKind::TransientError))
    } else {
        ConnectorError::other(error.into(), None)
    }
}

#[cfg(test)]
mod tests {
    use aws_smithy_runtime_api::client::http::HttpConnector;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";

    /// Serves these responses on each connection, then closes it.
    async fn server(connections: Vec<Vec<&'static str>>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            for responses in connections {
                let (mut stream, _) = listener.accept().await.unwrap();
                for response in responses {
                    assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
                    stream.write_all(response.as_bytes()).await.unwrap();
                }
            }
        });
        url
    }

    async fn get(connector: &Connector, url: &str) -> Result<u16, ConnectorError> {
        let mut request = HttpRequest::new(SdkBody::from("{}"));
        request.set_method("POST").unwrap();
        request.set_uri(url).unwrap();
        let mut response = connector.call(request).await?;
        // A connection is reused only after its response has been read.
        let body = std::mem::replace(response.body_mut(), SdkBody::taken());
        http_body_util::BodyExt::collect(body).await.unwrap();
        Ok(response.status().as_u16())
    }

    fn connector() -> Connector {
        Connector::new(FallbackVerifier::amazon_roots())
    }

    #[tokio::test]
    async fn connection_is_reused_until_it_is_closed() {
        let url = server(vec![vec![OK, OK], vec![OK]]).await;
        let connector = connector();
        for _ in 0..3 {
            assert_eq!(get(&connector, &url).await.unwrap(), 200);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn unanswered_handshake_times_out() {
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}", silent.local_addr().unwrap().port());
        assert!(get(&connector(), &url).await.unwrap_err().is_io());
    }

    #[tokio::test]
    async fn network_errors_are_retryable_and_nonsense_is_not() {
        let connector = connector();
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        assert!(get(&connector, &format!("http://{closed}")).await.unwrap_err().is_io());
        let cut = server(vec![vec!["HTTP/1.1 200 OK\r\ncontent-"]]).await;
        assert_eq!(get(&connector, &cut).await.unwrap_err().as_other(), Some(ErrorKind::TransientError));
        let nonsense = server(vec![vec!["nonsense\r\n\r\n"]]).await;
        let error = get(&connector, &nonsense).await.unwrap_err();
        assert!(error.is_other() && error.as_other().is_none(), "{error:?}");
    }
}
