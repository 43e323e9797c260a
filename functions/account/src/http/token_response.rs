//! The response of endpoints that revoke all tokens of the user, with new tokens for the session of the request.

use http_api::{Problem, Request, Response, uses_cookie};
use lambda_http::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::cookies;
use crate::app::token_issuer::TokenPair;

/// The outcome, with the new tokens unless they are in cookies.
#[derive(Default, Serialize, ToSchema)]
pub(super) struct Reissued<'a> {
    message: &'static str,
    /// Present, as are all fields below, only if the request had a bearer token.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    access_token: Option<&'a str>,
    /// Always Bearer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    token_type: Option<&'static str>,
    /// Seconds until the access token expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    expires_in: Option<u64>,
    /// Valid once. The previous refresh token is revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    refresh_token: Option<&'a str>,
    /// Seconds until the session expires unless it is refreshed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    refresh_expires_in: Option<u64>,
}

/// Returns the tokens in the same way as the request sent its own.
///
/// # Errors
///
/// A 500 if the response cannot be built.
pub(super) fn reissued(message: &'static str, tokens: &TokenPair, request: &Request) -> Result<Response, Problem> {
    if uses_cookie(request) {
        let response = Response::json(StatusCode::OK, &Reissued { message, ..Reissued::default() })?;
        return Ok(cookies::set_both(response, tokens, request));
    }
    let reissued = Reissued {
        message,
        access_token: Some(tokens.access.token.expose()),
        token_type: Some("Bearer"),
        expires_in: Some(tokens.access.expires_in.as_secs()),
        refresh_token: Some(tokens.refresh_token.expose()),
        refresh_expires_in: Some(tokens.refresh_expires_in.as_secs()),
    };
    Response::json(StatusCode::OK, &reissued)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kernel::Secret;
    use lambda_http::Body;
    use serde_json::json;

    use super::*;
    use crate::app::token_issuer::IssuedAccessToken;
    use crate::testing::{body_of, cookie_of};

    fn response_to(header: &'static str, value: &str) -> Response {
        let mut request = Request::new(Body::Empty);
        request.headers_mut().insert(header, value.parse().unwrap());
        let tokens = TokenPair {
            access: IssuedAccessToken { token: Secret::new("d.e.f".to_owned()), expires_in: Duration::from_mins(15) },
            refresh_token: Secret::new("r".to_owned()),
            refresh_expires_in: Duration::from_hours(1),
        };
        reissued("Done.", &tokens, &request).unwrap()
    }

    #[test]
    fn new_tokens_are_returned_the_way_the_old_token_was_sent() {
        let by_cookie = response_to("cookie", "access_token=a.b.c");
        assert_eq!(body_of(&by_cookie), json!({"message": "Done."}));
        assert_eq!(cookie_of(&by_cookie, "access_token").as_deref(), Some("d.e.f"));
        assert_eq!(cookie_of(&by_cookie, "refresh_token").as_deref(), Some("r"));

        let by_header = response_to("authorization", "Bearer a.b.c");
        let expected = json!({
            "message": "Done.", "access_token": "d.e.f", "token_type": "Bearer", "expires_in": 900,
            "refresh_token": "r", "refresh_expires_in": 3600
        });
        assert_eq!((body_of(&by_header), by_header.headers.as_slice()), (expected, [].as_slice()));
    }
}
