//! Whether the platform runs.

use http_api::{Problem, Response};
use lambda_http::http::StatusCode;
use serde_json::json;

/// The answer of a platform that runs: that it does, and which version.
///
/// # Errors
///
/// None that could happen; the type is every endpoint's.
pub fn answer() -> Result<Response, Problem> {
    Response::json(StatusCode::OK, &json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")}))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_platform_that_runs_says_so() {
        let answer = super::answer().unwrap();
        assert_eq!(answer.status, 200);
        assert_eq!(answer.body, r#"{"status":"ok","version":"0.1.0"}"#);
    }
}
