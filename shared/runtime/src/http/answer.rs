//! What a handler answers when all went well.

use lambda_http::http::StatusCode;
use serde::Serialize;

use super::Problem;

/// An answer: a status, a JSON body, and headers beyond those that every answer bears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// Further headers; a name may stand more than once.
    pub headers: Vec<(&'static str, String)>,
    /// The body, JSON.
    pub body: String,
}

impl Answer {
    /// An answer with a JSON body.
    ///
    /// # Errors
    ///
    /// [`Problem`] if the body cannot be written as JSON, which is a mistake in its type.
    pub fn json(status: StatusCode, body: &impl Serialize) -> Result<Self, Problem> {
        let body = serde_json::to_string(body).map_err(|error| Problem::internal(&error))?;
        Ok(Self { status, headers: Vec::new(), body })
    }

    /// The same answer with one more header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}
