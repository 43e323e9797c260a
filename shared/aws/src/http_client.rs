//! HTTP to others than AWS. Amazon's authorities and the system's vouch for them, whatever `AWS_CA_BUNDLE` names.

use std::sync::LazyLock;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::HttpConnector;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;

use crate::connector::Connector;
use crate::tls::FallbackVerifier;

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Sends requests to `https` and `http` URLs.
#[derive(Debug)]
pub struct HttpClient {
    connector: LazyLock<Connector>,
}

/// A request was not answered with success. It does not tell the URL, which may hold a signature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// The method, the URL or a header is none.
    #[error("the request cannot be made: {0}")]
    Impossible(&'static str),
    /// No answer came.
    #[error("no answer: {0}")]
    NoAnswer(String),
    /// The answer is no success.
    #[error("the answer was {0}")]
    Refused(u16),
}

impl Default for HttpClient {
    fn default() -> Self {
        Self { connector: LazyLock::new(|| Connector::new(FallbackVerifier::amazon_roots())) }
    }
}

impl HttpClient {
    /// Sends a request, and waits for an answer of success.
    ///
    /// # Errors
    ///
    /// [`HttpError`] if there is none.
    pub async fn send(
        &self,
        method: &str,
        url: &str,
        headers: &[(&'static str, &str)],
        body: Vec<u8>,
    ) -> Result<(), HttpError> {
        let mut request = HttpRequest::new(SdkBody::from(body));
        request.set_method(method).map_err(|_| HttpError::Impossible("its method is none"))?;
        request.set_uri(url).map_err(|_| HttpError::Impossible("its URL is none"))?;
        for (name, value) in headers {
            let value = (*value).to_owned();
            request
                .headers_mut()
                .try_insert(*name, value)
                .map_err(|_| HttpError::Impossible("one of its headers is none"))?;
        }
        let answer = tokio::time::timeout(TIMEOUT, self.connector.call(request)).await;
        let answer = answer.map_err(|_| HttpError::NoAnswer(format!("within {TIMEOUT:?}")))?;
        let answer = answer.map_err(|error| HttpError::NoAnswer(error.to_string()))?;
        let status = answer.status();
        if status.is_success() { Ok(()) } else { Err(HttpError::Refused(status.as_u16())) }
    }
}
