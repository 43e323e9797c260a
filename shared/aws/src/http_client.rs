//! HTTP requests to servers other than AWS. They trust Amazon's and the system's roots, whatever `AWS_CA_BUNDLE` is.

use std::sync::LazyLock;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::HttpConnector;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;

use crate::connector::Connector;
use crate::tls::FallbackVerifier;

/// The limit for a response.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A client for `https` and `http` URLs.
#[derive(Debug)]
pub struct HttpClient {
    connector: LazyLock<Connector>,
}

/// The request failed. The message omits the URL, which may contain a signature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// The method, the URL or a header is invalid.
    #[error("invalid request: {0}")]
    InvalidRequest(&'static str),
    #[error("no response: {0}")]
    NoResponse(String),
    /// The status is not 2xx.
    #[error("status {0}")]
    Status(u16),
}

impl Default for HttpClient {
    fn default() -> Self {
        Self { connector: LazyLock::new(|| Connector::new(FallbackVerifier::amazon_roots())) }
    }
}

impl HttpClient {
    /// Sends a request and waits for a 2xx response.
    ///
    /// # Errors
    /// [`HttpError`] if there is none.
    pub async fn send(
        &self,
        method: &str,
        url: &str,
        headers: &[(&'static str, &str)],
        body: Vec<u8>,
    ) -> Result<(), HttpError> {
        let mut request = HttpRequest::new(SdkBody::from(body));
        request.set_method(method).map_err(|_| HttpError::InvalidRequest("method"))?;
        request.set_uri(url).map_err(|_| HttpError::InvalidRequest("URL"))?;
        for (name, value) in headers {
            let value = (*value).to_owned();
            request.headers_mut().try_insert(*name, value).map_err(|_| HttpError::InvalidRequest("header"))?;
        }
        let timeout = deadline::time_left().map_or(TIMEOUT, |time_left| time_left.min(TIMEOUT));
        let response = tokio::time::timeout(timeout, self.connector.call(request)).await;
        let response = response.map_err(|_| HttpError::NoResponse(format!("within {timeout:?}")))?;
        let response = response.map_err(|error| HttpError::NoResponse(error.to_string()))?;
        let status = response.status();
        if status.is_success() { Ok(()) } else { Err(HttpError::Status(status.as_u16())) }
    }
}
