//! What went wrong, as a client is told: `application/problem+json` (RFC 9457).

use std::error::Error;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

/// One kind of problem. A kind's code is stable and unique: clients decide by it.
#[derive(Debug, PartialEq, Eq)]
pub struct ProblemType {
    /// What a program decides by, such as `insufficient_funds`.
    pub code: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// What a person reads first.
    pub title: &'static str,
    /// Whether the same request may succeed later, unchanged.
    pub retryable: bool,
}

/// The kinds that every endpoint may answer with. Each context lists its own beside its errors.
pub mod problem_types {
    use super::ProblemType;

    /// The request cannot be read, or a field of it is wrong.
    pub const INVALID_REQUEST: ProblemType =
        ProblemType { code: "invalid_request", status: 400, title: "The request is invalid", retryable: false };
    /// No access token, or one that does not pass.
    pub const UNAUTHENTICATED: ProblemType =
        ProblemType { code: "unauthenticated", status: 401, title: "Authentication is required", retryable: false };
    /// A page of another site had it sent.
    pub const CROSS_SITE_REQUEST: ProblemType =
        ProblemType { code: "cross_site_request", status: 403, title: "Not from another site", retryable: false };
    /// More than [`MAX_BODY_BYTES`](crate::MAX_BODY_BYTES).
    pub const PAYLOAD_TOO_LARGE: ProblemType =
        ProblemType { code: "payload_too_large", status: 413, title: "The body is too large", retryable: false };
    /// A body that does not call itself JSON.
    pub const UNSUPPORTED_MEDIA_TYPE: ProblemType =
        ProblemType { code: "unsupported_media_type", status: 415, title: "The body must be JSON", retryable: false };
    /// Our fault. The log says more, under the same request id.
    pub const INTERNAL: ProblemType =
        ProblemType { code: "internal", status: 500, title: "Something went wrong on our side", retryable: true };
    /// Something the endpoint needs does not answer just now.
    pub const UNAVAILABLE: ProblemType =
        ProblemType { code: "unavailable", status: 503, title: "Temporarily unavailable", retryable: true };

    /// All of the above.
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

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// Where it stands in the body, as a JSON Pointer (RFC 6901); for a parameter of the query, its name after a slash.
    pub pointer: String,
    /// What is wrong with it, and what to send instead.
    pub detail: String,
}

impl FieldError {
    /// What is wrong with the field of this name.
    pub fn new(field: &str, detail: impl fmt::Display) -> Self {
        Self { pointer: format!("/{field}"), detail: detail.to_string() }
    }
}

/// The fields of a body as they are read into the domain, with everything that is wrong with them.
#[derive(Debug, Default)]
pub struct FieldErrors(Vec<FieldError>);

impl FieldErrors {
    /// The field's value, or none after its error is noted.
    pub fn read<T, E: fmt::Display>(&mut self, field: &str, value: Result<T, E>) -> Option<T> {
        value.map_err(|error| self.0.push(FieldError::new(field, error))).ok()
    }

    /// The value of a field that may be absent: `Some(None)` where it is, `None` after its error is noted.
    pub fn read_optional<T, E: fmt::Display>(&mut self, field: &str, value: Option<Result<T, E>>) -> Option<Option<T>> {
        match value {
            None => Some(None),
            Some(value) => self.read(field, value).map(Some),
        }
    }

    /// Notes an error that no single value shows.
    pub fn push(&mut self, field: &str, detail: impl fmt::Display) {
        self.0.push(FieldError::new(field, detail));
    }

    /// Whether nothing was wrong so far.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All that was wrong.
    pub fn problem(self) -> Problem {
        Problem::fields(self.0)
    }
}

/// A problem: what the client is told, and beside it, never mixed with it, what the log is told.
#[derive(Debug)]
pub struct Problem {
    /// Which kind.
    pub problem_type: &'static ProblemType,
    /// What is so in this case, for the client.
    pub detail: String,
    /// The fields that are wrong, for the client.
    pub errors: Vec<FieldError>,
    /// Further headers.
    pub headers: Vec<(&'static str, String)>,
    /// What happened, for the log alone.
    internal: Option<String>,
}

impl Problem {
    /// A problem of this kind.
    pub fn new(problem_type: &'static ProblemType, detail: impl Into<String>) -> Self {
        Self { problem_type, detail: detail.into(), errors: Vec::new(), headers: Vec::new(), internal: None }
    }

    /// One or more fields are invalid.
    pub fn fields(errors: Vec<FieldError>) -> Self {
        let detail = errors.iter().map(|error| format!("{}: {}", error.pointer, error.detail)).collect::<Vec<_>>();
        Self { errors, ..Self::new(&problem_types::INVALID_REQUEST, detail.join("; ")) }
    }

    /// One field is wrong.
    pub fn field(field: &str, detail: impl fmt::Display) -> Self {
        Self::fields(vec![FieldError::new(field, detail)])
    }

    /// Not authenticated (RFC 6750, section 3). `reason` is for the log: the client learns only that a token was there
    /// and did not pass, or that none was.
    pub fn unauthenticated(token_was_sent: bool, reason: impl fmt::Display) -> Self {
        let (detail, challenge) = if token_was_sent {
            ("The access token is invalid or has expired.", "Bearer realm=\"payments\", error=\"invalid_token\"")
        } else {
            (
                "Send an access token as `Authorization: Bearer` or in the access_token cookie.",
                "Bearer realm=\"payments\"",
            )
        };
        Self::new(&problem_types::UNAUTHENTICATED, detail).header("www-authenticate", challenge).with_cause(reason)
    }

    /// Our fault.
    pub fn internal(error: &dyn Error) -> Self {
        Self::new(&problem_types::INTERNAL, "The request could not be completed. Quote the requestId if you report it.")
            .with_cause(Chain(error))
    }

    /// Something that this depends on does not answer; to be tried again after `wait`.
    pub fn unavailable(wait: Duration, error: &dyn Error) -> Self {
        Self::new(&problem_types::UNAVAILABLE, "The endpoint could not finish. Try it again.")
            .retry_after(wait)
            .with_cause(Chain(error))
    }

    /// The same problem, pointing at the field it is about.
    #[must_use]
    pub fn with_field_error(mut self, field: &str, detail: impl fmt::Display) -> Self {
        self.errors.push(FieldError::new(field, detail));
        self
    }

    /// The same problem with one more header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The same problem with a `Retry-After` (RFC 9110, section 10.2.3) in whole seconds, rounded up.
    #[must_use]
    pub fn retry_after(self, wait: Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        self.header("retry-after", seconds.to_string())
    }

    /// The same problem with its cause, which the log is told and the client is not.
    #[must_use]
    pub fn with_cause(mut self, cause: impl fmt::Display) -> Self {
        self.internal = Some(cause.to_string());
        self
    }

    /// What the log is told beyond what the client is.
    pub fn cause(&self) -> Option<&str> {
        self.internal.as_deref()
    }

    /// The body: what the client is told.
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
    fn the_cause_of_a_problem_is_not_told_to_the_client() {
        let error = std::io::Error::other("table acct-7 is gone");
        let problem = Problem::internal(&error);
        assert_eq!(problem.cause(), Some("table acct-7 is gone"));
        assert!(!problem.body("/auth/me", "r-1").to_string().contains("acct-7"));
    }

    #[test]
    fn a_problem_bears_the_members_that_clients_rely_on() {
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
    fn a_wait_is_told_in_whole_seconds_and_never_too_short() {
        let problem = Problem::new(&problem_types::UNAVAILABLE, "").retry_after(Duration::from_millis(1001));
        assert_eq!(problem.headers, [("retry-after", "2".to_owned())]);
    }
}
