//! Cookies that hold a browser's tokens (RFC 6265).
//! They are HttpOnly and Secure. The access token is SameSite=Lax, so that following a link from another site finds the user
//! signed in; the refresh token is SameSite=Strict and sent only to `/auth`, where sessions are refreshed and ended. It
//! outlives the access token, so that a sign-out finds the session after the access token has expired.

use http_api::{ACCESS_TOKEN_COOKIE, REFRESH_TOKEN_COOKIE, Response};
use kernel::Secret;

use crate::app::token_issuer::TokenPair;

const ACCESS_TOKEN_SCOPE: &str = "Path=/; HttpOnly; Secure; SameSite=Lax";
const REFRESH_TOKEN_SCOPE: &str = "Path=/auth; HttpOnly; Secure; SameSite=Strict";

/// Sets both cookies, each for the lifetime of its token.
pub(super) fn set_both(answer: Response, grant: &TokenPair) -> Response {
    let (access, refresh) = (grant.access.expires_in.as_secs(), grant.refresh_expires_in.as_secs());
    answer
        .header("set-cookie", cookie(ACCESS_TOKEN_COOKIE, &grant.access.token, access, ACCESS_TOKEN_SCOPE))
        .header("set-cookie", cookie(REFRESH_TOKEN_COOKIE, &grant.refresh_token, refresh, REFRESH_TOKEN_SCOPE))
}

/// Clears both cookies. A browser only replaces a cookie of the same name and path.
pub(super) fn cleared() -> [(&'static str, String); 2] {
    let nothing = Secret::new(String::new());
    [
        ("set-cookie", cookie(ACCESS_TOKEN_COOKIE, &nothing, 0, ACCESS_TOKEN_SCOPE)),
        ("set-cookie", cookie(REFRESH_TOKEN_COOKIE, &nothing, 0, REFRESH_TOKEN_SCOPE)),
    ]
}

fn cookie(name: &str, value: &Secret<String>, max_age: u64, scope: &str) -> String {
    format!("{name}={}; Max-Age={max_age}; {scope}", value.expose())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use lambda_http::http::StatusCode;

    use super::*;
    use crate::app::token_issuer::IssuedAccessToken;

    #[test]
    fn the_cookies_are_kept_from_scripts_from_plain_http_and_from_other_sites() {
        let secret = |text: &str| Secret::new(text.to_owned());
        let grant = TokenPair {
            access: IssuedAccessToken { token: secret("a.b.c"), expires_in: Duration::from_mins(15) },
            refresh_token: secret("r"),
            refresh_expires_in: Duration::from_hours(1),
        };
        let answer = set_both(Response::json(StatusCode::OK, &()).unwrap(), &grant);
        let set: Vec<_> = answer.headers.iter().map(|(_, value)| value.as_str()).collect();
        assert_eq!(
            set,
            [
                "access_token=a.b.c; Max-Age=900; Path=/; HttpOnly; Secure; SameSite=Lax",
                "refresh_token=r; Max-Age=3600; Path=/auth; HttpOnly; Secure; SameSite=Strict",
            ]
        );
        assert_eq!(
            cleared().map(|(_, value)| value),
            [
                "access_token=; Max-Age=0; Path=/; HttpOnly; Secure; SameSite=Lax",
                "refresh_token=; Max-Age=0; Path=/auth; HttpOnly; Secure; SameSite=Strict",
            ]
        );
    }
}
