//! What every refusal looks like on the wire.

use utoipa::ToSchema;

/// What went wrong (RFC 9457).
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct Problem {
    /// Names the kind of problem, as `code` does.
    #[schema(rename = "type", format = "uri", example = "urn:problem:invalid_request")]
    pub kind: String,
    /// What a person reads first: the same for every problem of this kind.
    pub title: String,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// What is so in this case.
    pub detail: String,
    /// The path that was asked for.
    pub instance: String,
    /// What a program decides by. It is stable.
    pub code: String,
    /// Whether the same request may succeed later, unchanged.
    pub retryable: bool,
    /// The request's id: quote it when you report a problem.
    pub request_id: String,
    /// The fields that are to blame, where some are.
    #[schema(required = false, nullable = false, min_items = 1)]
    pub errors: Option<Vec<FieldError>>,
}

/// What is wrong with one field.
#[derive(Debug, ToSchema)]
pub struct FieldError {
    /// A JSON Pointer into the body, or a slash and the name of a query parameter.
    #[schema(example = "/amount")]
    pub pointer: String,
    /// What is wrong with it, and what to send instead.
    pub detail: String,
}
