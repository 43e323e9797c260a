//! Delivery of responses to CloudFormation.

use std::fmt::Display;

use aws::HttpClient;

use super::custom_resource::CfnResponse;

/// Sends responses to the URL of a request, which is usually a presigned URL of S3.
#[derive(Debug, Default)]
pub struct CfnResponseSender {
    http_client: HttpClient,
}

/// CloudFormation did not receive a response. The message does not contain the URL, which is a credential.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("response to CloudFormation could not be delivered: {0}")]
pub struct CfnResponseError(String);

impl CfnResponseSender {
    pub(super) async fn send(&self, url: &str, response: &CfnResponse) -> Result<(), CfnResponseError> {
        let body = serde_json::to_vec(response).map_err(error)?;
        // The URL is presigned without a content type, so S3 rejects a request with one.
        self.http_client.send("PUT", url, &[("content-type", "")], body).await.map_err(error)
    }
}

fn error(cause: impl Display) -> CfnResponseError {
    CfnResponseError(cause.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use testkit::http::serve_once;

    use super::super::custom_resource::CfnRequest;
    use super::*;

    fn response() -> CfnResponse {
        let request = json!({
            "RequestType": "Create", "ResponseURL": "", "StackId": "stack", "RequestId": "request",
            "LogicalResourceId": "FirstSigningKey"
        });
        let request: CfnRequest = serde_json::from_value(request).unwrap();
        CfnResponse::new::<String>(&request, Ok(()))
    }

    #[tokio::test]
    async fn cfn_response_is_put_with_empty_content_type() {
        let (url, request) = serve_once(200, "").await;
        let url = format!("{url}/bucket/key?X-Amz-Signature=a%2Fb");
        CfnResponseSender::default().send(&url, &response()).await.unwrap();
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
            let CfnResponseError(cause) = CfnResponseSender::default().send(&url, &response()).await.unwrap_err();
            assert!(!cause.contains("secret"), "{cause}");
        }
    }
}
