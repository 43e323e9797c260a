//! What a handler answers when all went well.

use lambda_http::http::StatusCode;
use serde::Serialize;

use crate::Problem;

/// An answer: a status, a body, and headers beyond those that every answer bears. The body is JSON in its text, unless
/// the function serves something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response<B = String> {
    /// The status.
    pub status: StatusCode,
    /// What the body is.
    pub media_type: &'static str,
    /// Further headers; a name may stand more than once. Without a `cache-control` among them nobody may store the answer.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: B,
}

impl Response {
    /// An answer with a JSON body.
    ///
    /// # Errors
    ///
    /// [`Problem`] if the body cannot be written as JSON, which is a mistake in its type.
    pub fn json(status: StatusCode, body: &impl Serialize) -> Result<Self, Problem> {
        let body = serde_json::to_string(body).map_err(|error| Problem::internal(&error))?;
        Ok(Self { status, media_type: "application/json", headers: Vec::new(), body })
    }

    /// It is done, and there is nothing to say.
    pub fn no_content() -> Self {
        Self { status: StatusCode::NO_CONTENT, ..Self::new("application/json", String::new()) }
    }
}

impl<B> Response<B> {
    /// An answer with a body of any type.
    pub const fn new(media_type: &'static str, body: B) -> Self {
        Self { status: StatusCode::OK, media_type, headers: Vec::new(), body }
    }

    /// The same answer with one more header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}
