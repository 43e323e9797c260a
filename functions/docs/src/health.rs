//! The health check.

use http_api::{Problem, Response};
use lambda_http::http::StatusCode;
use serde_json::json;

/// Returns the status and the version.
///
/// # Errors
/// None; the type is that of every handler.
pub fn respond() -> Result<Response, Problem> {
    Response::json(StatusCode::OK, &json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")}))
}

#[cfg(test)]
mod tests {
    #[test]
    fn health_returns_status_and_version() {
        let response = super::respond().unwrap();
        assert_eq!(response.status, 200);
        assert_eq!(response.body, r#"{"status":"ok","version":"0.1.0"}"#);
    }
}
