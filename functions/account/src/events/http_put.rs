//! Delivering a response by HTTP, with the client that the AWS SDK brings.

use std::fmt::Display;
use std::time::Duration;

use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorSettings};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;

use super::custom_resource::{DeliverResponse, DeliveryFailed, Response};

/// Puts to an `https` or `http` URL, of S3 as a rule.
#[derive(Debug)]
pub struct HttpPut {
    connector: Connector,
}

impl Default for HttpPut {
    fn default() -> Self {
        let settings = HttpConnectorSettings::builder()
            .connect_timeout(Duration::from_secs(2))
            .read_timeout(Duration::from_secs(3))
            .build();
        let connector = Connector::builder()
            .tls_provider(tls::Provider::Rustls(CryptoMode::Ring))
            .sleep_impl(TokioSleep::new())
            .connector_settings(settings)
            .build();
        Self { connector }
    }
}

impl DeliverResponse for HttpPut {
    async fn deliver_response(&self, url: &str, response: &Response) -> Result<(), DeliveryFailed> {
        let body = serde_json::to_vec(response).map_err(failed)?;
        let mut request = HttpRequest::new(SdkBody::from(body));
        request.set_method("PUT").map_err(failed)?;
        // Not the error itself: it may print the URL, whose signature lets anybody answer.
        request.set_uri(url).map_err(|_| DeliveryFailed("its ResponseURL is no URL".to_owned()))?;
        // The URL is signed for no type of content; S3 refuses any other.
        request.headers_mut().insert("content-type", "");
        let answer = self.connector.call(request).await.map_err(failed)?;
        let status = answer.status();
        if status.is_success() { Ok(()) } else { Err(failed(format!("it answered {}", status.as_u16()))) }
    }
}

fn failed(why: impl Display) -> DeliveryFailed {
    DeliveryFailed(why.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::custom_resource::Request;
    use super::super::testing::serve_once;
    use super::*;

    fn response() -> Response {
        let request = json!({
            "RequestType": "Create", "ResponseURL": "", "StackId": "stack", "RequestId": "request",
            "LogicalResourceId": "FirstSigningKey"
        });
        let request: Request = serde_json::from_value(request).unwrap();
        Response::new::<String>(&request, Ok(()))
    }

    #[tokio::test]
    async fn the_response_is_put_with_an_empty_content_type() {
        let (url, request) = serve_once(200, "").await;
        let url = format!("{url}/bucket/key?X-Amz-Signature=a%2Fb");
        HttpPut::default().deliver_response(&url, &response()).await.unwrap();
        let request = request.await.unwrap();
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        let mut lines = head.lines();
        assert_eq!(lines.next(), Some("PUT /bucket/key?X-Amz-Signature=a%2Fb HTTP/1.1"));
        assert!(lines.any(|line| line.trim_end() == "content-type:"), "{head}");
        assert_eq!(serde_json::from_str::<Value>(body).unwrap()["Status"], "SUCCESS");
    }

    #[tokio::test]
    async fn an_answer_that_is_no_success_and_no_answer_at_all_are_failures_that_do_not_tell_the_url() {
        let (forbidding, _request) = serve_once(403, "SignatureDoesNotMatch").await;
        for url in [format!("{forbidding}/?secret"), "http://127.0.0.1:1/?secret".to_owned(), "secret url".to_owned()] {
            let DeliveryFailed(why) = HttpPut::default().deliver_response(&url, &response()).await.unwrap_err();
            assert!(!why.contains("secret"), "{why}");
        }
    }
}
