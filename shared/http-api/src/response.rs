//! Successful responses.

use lambda_http::http::StatusCode;
use serde::Serialize;

use crate::Problem;

/// A response. Its body is JSON text unless the function serves something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response<B = String> {
    pub status: StatusCode,
    pub media_type: &'static str,
    /// Additional headers; a name may be repeated. Without `cache-control` the response is sent with `no-store`.
    pub headers: Vec<(&'static str, String)>,
    pub body: B,
}

impl Response {
    /// Builds a JSON response.
    ///
    /// # Errors
    /// [`Problem`] if the body cannot be serialized.
    pub fn json(status: StatusCode, body: &impl Serialize) -> Result<Self, Problem> {
        let body = serde_json::to_string(body).map_err(|error| Problem::internal(&error))?;
        Ok(Self { status, media_type: "application/json", headers: Vec::new(), body })
    }

    /// A 204.
    pub fn no_content() -> Self {
        Self { status: StatusCode::NO_CONTENT, ..Self::new("application/json", String::new()) }
    }
}

impl<B> Response<B> {
    pub const fn new(media_type: &'static str, body: B) -> Self {
        Self { status: StatusCode::OK, media_type, headers: Vec::new(), body }
    }

    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}
