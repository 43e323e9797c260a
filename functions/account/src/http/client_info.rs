//! What a request reveals about its client.

use http_api::Request;
use kernel::Secret;
use lambda_http::RequestExt;
use lambda_http::request::RequestContext;

use crate::domain::ClientInfo;

/// The maximum length of the stored `User-Agent`, in characters.
const USER_AGENT_CHARACTERS: usize = 200;

/// Returns the client's address as seen by API Gateway, not as claimed by a header, and its user agent.
pub(super) fn client_info(request: &Request) -> ClientInfo {
    let address = match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => context.http.source_ip.clone(),
        _ => None,
    };
    let user_agent = request.headers().get("user-agent").and_then(|value| value.to_str().ok());
    ClientInfo {
        request_id: request.lambda_context_ref().map(|context| context.request_id.clone()).unwrap_or_default(),
        address: address.map(Secret::new),
        user_agent: user_agent.map(|text| text.chars().take(USER_AGENT_CHARACTERS).collect()),
    }
}
