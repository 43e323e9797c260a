//! Delivering a response by HTTP.

use std::fmt::Display;

use aws::HttpClient;

use super::custom_resource::{DeliverResponse, DeliveryFailed, Response};

/// Puts to an `https` or `http` URL, of S3 as a rule.
#[derive(Debug, Default)]
pub struct CfnResponseSender {
    outbound: HttpClient,
}

impl DeliverResponse for CfnResponseSender {
    async fn deliver_response(&self, url: &str, response: &Response) -> Result<(), DeliveryFailed> {
        let body = serde_json::to_vec(response).map_err(failed)?;
        // The URL is signed for no type of content; S3 refuses any other.
        self.outbound.send("PUT", url, &[("content-type", "")], body).await.map_err(failed)
    }
}

fn failed(why: impl Display) -> DeliveryFailed {
    DeliveryFailed(why.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use testkit::http::serve_once;

    use super::super::custom_resource::Request;
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
    async fn cfn_response_is_put_with_empty_content_type() {
        let (url, request) = serve_once(200, "").await;
        let url = format!("{url}/bucket/key?X-Amz-Signature=a%2Fb");
        CfnResponseSender::default().deliver_response(&url, &response()).await.unwrap();
        let request = request.await.unwrap();
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        let mut lines = head.lines();
        assert_eq!(lines.next(), Some("PUT /bucket/key?X-Amz-Signature=a%2Fb HTTP/1.1"));
        assert!(lines.any(|line| line.trim_end() == "content-type:"), "{head}");
        assert_eq!(serde_json::from_str::<Value>(body).unwrap()["Status"], "SUCCESS");
    }

    #[tokio::test]
    async fn cfn_response_error_does_not_contain_url() {
        let (forbidding, _request) = serve_once(403, "SignatureDoesNotMatch").await;
        for url in [format!("{forbidding}/?secret"), "http://127.0.0.1:1/?secret".to_owned(), "secret url".to_owned()] {
            let DeliveryFailed(why) =
                CfnResponseSender::default().deliver_response(&url, &response()).await.unwrap_err();
            assert!(!why.contains("secret"), "{why}");
        }
    }
}
