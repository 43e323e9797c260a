//! The body of every problem response.

use utoipa::ToSchema;

/// A problem (RFC 9457).
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct Problem {
    /// Identifies the problem type, as `code` does.
    #[schema(rename = "type", format = "uri", example = "urn:problem:invalid_request")]
    pub kind: String,
    /// A short summary of the problem type.
    pub title: String,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// An explanation of this occurrence.
    pub detail: String,
    /// The path of the request.
    pub instance: String,
    /// The stable, machine-readable code.
    pub code: String,
    /// Whether the same request may succeed later, unchanged.
    pub retryable: bool,
    /// The id of the request. Quote it when you report a problem.
    pub request_id: String,
    /// The invalid fields, if any.
    #[schema(required = false, nullable = false, min_items = 1)]
    pub errors: Option<Vec<FieldError>>,
}

/// The error of one field.
#[derive(Debug, ToSchema)]
pub struct FieldError {
    /// A JSON Pointer into the body, or a slash and the name of a query parameter.
    #[schema(example = "/amount")]
    pub pointer: String,
    /// The cause, and what to send instead.
    pub detail: String,
}
