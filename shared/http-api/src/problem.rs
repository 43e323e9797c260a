//! Problem responses: `application/problem+json` (RFC 9457).

use std::error::Error;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

/// A type of problem. Its code is stable and unique: clients branch on it.
#[derive(Debug, PartialEq, Eq)]
pub struct ProblemType {
    /// The machine-readable code, such as `insufficient_funds`.
    pub code: &'static str,
    pub status: u16,
    pub title: &'static str,
    /// Whether the same request may succeed later, unchanged.
    pub retryable: bool,
}

/// The problem types that any endpoint may return. Each context lists its own beside its errors.
pub mod problem_types {
    use super::ProblemType;

    /// The request is malformed, or a field is invalid.
    pub const INVALID_REQUEST: ProblemType =
        ProblemType { code: "invalid_request", status: 400, title: "The request is invalid", retryable: false };
    /// The access token is missing or invalid.
    pub const UNAUTHENTICATED: ProblemType =
        ProblemType { code: "unauthenticated", status: 401, title: "Authentication is required", retryable: false };
    /// A browser sent the request on behalf of another site.
    pub const CROSS_SITE_REQUEST: ProblemType =
        ProblemType { code: "cross_site_request", status: 403, title: "Cross-site request rejected", retryable: false };
    /// The body exceeds [`MAX_BODY_BYTES`](crate::MAX_BODY_BYTES).
    pub const PAYLOAD_TOO_LARGE: ProblemType =
        ProblemType { code: "payload_too_large", status: 413, title: "The body is too large", retryable: false };
    /// The `Content-Type` is not JSON.
    pub const UNSUPPORTED_MEDIA_TYPE: ProblemType =
        ProblemType { code: "unsupported_media_type", status: 415, title: "The body must be JSON", retryable: false };
    /// An internal error. Details are in the log under the same request id.
    pub const INTERNAL: ProblemType =
        ProblemType { code: "internal", status: 500, title: "Internal error", retryable: true };
    /// A dependency of the endpoint is unavailable.
    pub const UNAVAILABLE: ProblemType =
        ProblemType { code: "unavailable", status: 503, title: "Temporarily unavailable", retryable: true };

    pub const ALL: &[ProblemType] = &[
        INVALID_REQUEST,
        UNAUTHENTICATED,
        CROSS_SITE_REQUEST,
        PAYLOAD_TOO_LARGE,
        UNSUPPORTED_MEDIA_TYPE,
        INTERNAL,
        UNAVAILABLE,
    ];
}

/// The error of one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// A JSON Pointer into the body (RFC 6901), or a slash and the name of a query parameter.
    pub pointer: String,
    /// The cause, and what to send instead.
    pub detail: String,
}

impl FieldError {
    pub fn new(field: &str, detail: impl fmt::Display) -> Self {
        Self { pointer: format!("/{field}"), detail: detail.to_string() }
    }
}

/// Collects the errors of a body's fields while they are parsed.
#[derive(Debug, Default)]
pub struct FieldErrors(Vec<FieldError>);

impl FieldErrors {
    /// Returns the value, or records its error.
    pub fn read<T, E: fmt::Display>(&mut self, field: &str, value: Result<T, E>) -> Option<T> {
        value.map_err(|error| self.0.push(FieldError::new(field, error))).ok()
    }

    /// Returns the value of an optional field: `Some(None)` if it is absent, `None` after recording its error.
    pub fn read_optional<T, E: fmt::Display>(&mut self, field: &str, value: Option<Result<T, E>>) -> Option<Option<T>> {
        match value {
            None => Some(None),
            Some(value) => self.read(field, value).map(Some),
        }
    }

    /// Records an error that concerns more than one value.
    pub fn push(&mut self, field: &str, detail: impl fmt::Display) {
        self.0.push(FieldError::new(field, detail));
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn problem(self) -> Problem {
        Problem::fields(self.0)
    }

    /// A problem of another type with these errors.
    pub fn problem_of(self, problem_type: &'static ProblemType, detail: impl Into<String>) -> Problem {
        Problem { errors: self.0, ..Problem::new(problem_type, detail) }
    }
}

/// A problem: what the client receives and, kept apart from it, the cause for the log.
#[derive(Debug)]
pub struct Problem {
    pub problem_type: &'static ProblemType,
    /// The explanation of this occurrence, for the client.
    pub detail: String,
    pub errors: Vec<FieldError>,
    pub headers: Vec<(&'static str, String)>,
    /// The cause, for the log only.
    internal: Option<String>,
}

impl Problem {
    pub fn new(problem_type: &'static ProblemType, detail: impl Into<String>) -> Self {
        Self { problem_type, detail: detail.into(), errors: Vec::new(), headers: Vec::new(), internal: None }
    }

    pub fn fields(errors: Vec<FieldError>) -> Self {
        let detail = errors.iter().map(|error| format!("{}: {}", error.pointer, error.detail)).collect::<Vec<_>>();
        Self { errors, ..Self::new(&problem_types::INVALID_REQUEST, detail.join("; ")) }
    }

    pub fn field(field: &str, detail: impl fmt::Display) -> Self {
        Self::fields(vec![FieldError::new(field, detail)])
    }

    /// A 401 with a Bearer challenge (RFC 6750, section 3). `reason` goes to the log: the client learns only whether a token was
    /// sent.
    pub fn unauthenticated(token_was_sent: bool, reason: impl fmt::Display) -> Self {
        let (detail, challenge) = if token_was_sent {
            ("The access token is invalid or has expired.", "Bearer realm=\"payments\", error=\"invalid_token\"")
        } else {
            (
                "Send an access token as `Authorization: Bearer` or in the cookie of a sign-in.",
                "Bearer realm=\"payments\"",
            )
        };
        Self::new(&problem_types::UNAUTHENTICATED, detail).header("www-authenticate", challenge).with_cause(reason)
    }

    /// A 401 for an `Authorization` header that is not one bearer token.
    pub(crate) fn invalid_authorization() -> Self {
        let detail = "The header Authorization must be sent once and hold `Bearer` and an access token.";
        Self { detail: detail.to_owned(), ..Self::unauthenticated(false, "not a bearer token") }
    }

    /// An internal error.
    pub fn internal(error: &dyn Error) -> Self {
        Self::new(&problem_types::INTERNAL, "The request could not be completed. Quote the requestId if you report it.")
            .with_cause(Chain(error))
    }

    /// A dependency is unavailable. The client should retry after `wait`.
    pub fn unavailable(wait: Duration, error: &dyn Error) -> Self {
        Self::new(&problem_types::UNAVAILABLE, "The request could not be completed. Retry it.")
            .retry_after(wait)
            .with_cause(Chain(error))
    }

    /// Adds the error of the field that caused the problem.
    #[must_use]
    pub fn with_field_error(mut self, field: &str, detail: impl fmt::Display) -> Self {
        self.errors.push(FieldError::new(field, detail));
        self
    }

    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Adds `Retry-After` (RFC 9110, section 10.2.3) in whole seconds, rounded up.
    #[must_use]
    pub fn retry_after(self, wait: Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        self.header("retry-after", seconds.to_string())
    }

    /// Adds the cause, which is logged and not returned to the client.
    #[must_use]
    pub fn with_cause(mut self, cause: impl fmt::Display) -> Self {
        self.internal = Some(cause.to_string());
        self
    }

    /// Returns the cause for the log.
    pub fn cause(&self) -> Option<&str> {
        self.internal.as_deref()
    }

    /// Returns the response body.
    pub(crate) fn body(&self, instance: &str, request_id: &str) -> serde_json::Value {
        let mut body = serde_json::json!({
            "type": format!("urn:problem:{}", self.problem_type.code),
            "title": self.problem_type.title,
            "status": self.problem_type.status,
            "detail": self.detail,
            "instance": instance,
            "code": self.problem_type.code,
            "retryable": self.problem_type.retryable,
            "requestId": request_id,
        });
        if let (false, Some(members)) = (self.errors.is_empty(), body.as_object_mut()) {
            members.insert("errors".to_owned(), serde_json::json!(self.errors));
        }
        body
    }
}

struct Chain<'a>(&'a dyn Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problem_body_omits_the_internal_cause() {
        let error = std::io::Error::other("table acct-7 is gone");
        let problem = Problem::internal(&error);
        assert_eq!(problem.cause(), Some("table acct-7 is gone"));
        assert!(!problem.body("/auth/me", "r-1").to_string().contains("acct-7"));
    }

    #[test]
    fn problem_body_has_the_documented_members() {
        let body = Problem::field("amount", "must be positive").body("/payments/send", "r-1");
        assert_eq!(
            body,
            serde_json::json!({
                "type": "urn:problem:invalid_request",
                "title": "The request is invalid",
                "status": 400,
                "detail": "/amount: must be positive",
                "instance": "/payments/send",
                "code": "invalid_request",
                "retryable": false,
                "requestId": "r-1",
                "errors": [{"pointer": "/amount", "detail": "must be positive"}],
            })
        );
    }

    #[test]
    fn retry_after_is_rounded_up_to_seconds() {
        let problem = Problem::new(&problem_types::UNAVAILABLE, "").retry_after(Duration::from_millis(1001));
        assert_eq!(problem.headers, [("retry-after", "2".to_owned())]);
    }
}
