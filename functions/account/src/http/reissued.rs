//! The answer to whoever ends all sessions but this one: its former tokens are good no more either, so it goes on with a
//! fresh one.

use lambda_http::http::StatusCode;
use runtime::http::{Answer, Problem, Request, uses_cookie};
use serde::Serialize;
use utoipa::ToSchema;

use super::cookie;
use crate::issue::AccessGrant;

/// A word to say that it is done, and the access token to go on with.
#[derive(Serialize, ToSchema)]
pub(super) struct Reissued<'a> {
    message: &'static str,
    /// Only for whoever sent a token in a header. A browser has it in its cookie.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    access_token: Option<&'a str>,
    /// Always Bearer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    token_type: Option<&'static str>,
    /// How long the access token is good for, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    expires_in: Option<u64>,
}

/// The answer, with the access token where the request had its own.
///
/// # Errors
///
/// None that a client could cause.
pub(super) fn reissued(message: &'static str, access: &AccessGrant, request: &Request) -> Result<Answer, Problem> {
    let nothing = Reissued { message, access_token: None, token_type: None, expires_in: None };
    if uses_cookie(request) {
        return Ok(cookie::set_access_token(Answer::json(StatusCode::OK, &nothing)?, access));
    }
    let access_token = Reissued {
        access_token: Some(access.token.expose()),
        token_type: Some("Bearer"),
        expires_in: Some(access.expires_in.as_secs()),
        ..nothing
    };
    Answer::json(StatusCode::OK, &access_token)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kernel::Secret;
    use lambda_http::Body;
    use serde_json::json;

    use super::*;
    use crate::testing::body_of;

    fn answer_to(header: &'static str, value: &str) -> Answer {
        let mut request = Request::new(Body::Empty);
        request.headers_mut().insert(header, value.parse().unwrap());
        let access = AccessGrant { token: Secret::new("d.e.f".to_owned()), expires_in: Duration::from_mins(15) };
        reissued("Done.", &access, &request).unwrap()
    }

    #[test]
    fn the_fresh_token_comes_where_the_former_one_came_from_and_only_there() {
        let by_cookie = answer_to("cookie", "access_token=a.b.c");
        assert_eq!(body_of(&by_cookie), json!({"message": "Done."}));
        let set = "access_token=d.e.f; Max-Age=900; Path=/; HttpOnly; Secure; SameSite=Lax";
        assert_eq!(by_cookie.headers, [("set-cookie", set.to_owned())]);

        let by_header = answer_to("authorization", "Bearer a.b.c");
        let expected = json!({"message": "Done.", "access_token": "d.e.f", "token_type": "Bearer", "expires_in": 900});
        assert_eq!((body_of(&by_header), by_header.headers.as_slice()), (expected, [].as_slice()));
    }
}
