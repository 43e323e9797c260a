//! What every response must be.

use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpResponse;
use serde_json::Value;

/// A response, as Lambda returns it to API Gateway.
pub(crate) struct Answer {
    pub(crate) status: i64,
    response: Value,
}

impl Answer {
    pub(crate) fn new(response: ApiGatewayV2httpResponse) -> Self {
        let response = serde_json::to_value(response).expect("a response that can be serialized");
        Self { status: response["statusCode"].as_i64().expect("a status"), response }
    }

    /// The body, if it is JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(self.response["body"].as_str().unwrap_or_default()).unwrap_or_default()
    }

    /// Panics unless the response is well-formed and the request has not failed. No dependency is unavailable here, so a 503
    /// is a failure too.
    pub(crate) fn check(&self, event: &str) {
        assert!((200..500).contains(&self.status), "{} {}: {event}", self.status, self.response);
        let (media_type, body) = (&self.response["headers"]["content-type"], self.json());
        assert_eq!(self.response["headers"]["x-content-type-options"], "nosniff");
        assert_eq!(self.response["isBase64Encoded"], false);
        if self.status >= 400 {
            assert_eq!(media_type, "application/problem+json", "{event}");
            assert_eq!(body["status"], self.status, "{event}");
            for member in ["type", "title", "detail", "code", "instance", "requestId"] {
                assert!(body[member].is_string(), "{member} of {body}: {event}");
            }
        } else if self.status != 204 {
            assert_eq!(media_type, "application/json", "{event}");
            assert!(body.is_object() || body.is_array(), "{}: {event}", self.response);
        }
        for cookie in self.response["cookies"].as_array().into_iter().flatten() {
            let cookie = cookie.as_str().expect("a cookie");
            assert!(cookie.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{cookie}: {event}");
            assert!(cookie.contains("HttpOnly") && cookie.contains("Secure"), "{cookie}: {event}");
        }
    }
}
