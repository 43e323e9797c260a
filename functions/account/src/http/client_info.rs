//! Who sends a request, as far as it tells.

use http_api::Request;
use kernel::Secret;
use lambda_http::RequestExt;
use lambda_http::request::RequestContext;

use crate::domain::ClientInfo;

/// As much of a `User-Agent` as is kept.
const USER_AGENT_CHARACTERS: usize = 200;

/// Who sends this request. The address is the one that API Gateway saw, not one that a header claims.
pub(super) fn caller(request: &Request) -> ClientInfo {
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
