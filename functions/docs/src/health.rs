//! The health check.

use http_api::{Problem, Response};
use lambda_http::http::StatusCode;
use serde_json::json;

/// Returns the status and the version.
/// # Errors
/// None; the type is that of every handler.
pub fn answer() -> Result<Response, Problem> {
    Response::json(StatusCode::OK, &json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")}))
}

#[cfg(test)]
mod tests {
    #[test]
    fn health_returns_status_and_version() {
        let answer = super::answer().unwrap();
        assert_eq!(answer.status, 200);
        assert_eq!(answer.body, r#"{"status":"ok","version":"0.1.0"}"#);
    }
}
