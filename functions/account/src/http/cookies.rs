//! Cookies that hold a browser's tokens (RFC 6265).
//!
//! They are `HttpOnly` and `Secure`. The access token is `SameSite=Lax`, so that following a link from another site finds the user
//! signed in; the refresh token is `SameSite=Strict` and sent only to `/auth`, where sessions are refreshed and ended. It
//! outlives the access token, so that a sign-out finds the session after the access token has expired.

use std::time::Duration;

use cookie::{Cookie, SameSite};
use http_api::{ACCESS_TOKEN_COOKIE, Request, Response};
use kernel::Secret;

use crate::app::token_issuer::TokenPair;

const REFRESH_TOKEN_COOKIE: &str = "refresh_token";

/// Returns the refresh token in the cookie.
pub(super) fn refresh_token(request: &Request) -> Option<Secret<String>> {
    http_api::cookie(request, REFRESH_TOKEN_COOKIE).map(Secret::new)
}

/// Sets both cookies, each for the lifetime of its token.
pub(super) fn set_both(response: Response, tokens: &TokenPair) -> Response {
    response
        .header("set-cookie", access_token_cookie(tokens.access.token.expose(), tokens.access.expires_in))
        .header("set-cookie", refresh_token_cookie(tokens.refresh_token.expose(), tokens.refresh_expires_in))
}

/// Clears both cookies. A browser only replaces a cookie of the same name and path.
pub(super) fn cleared() -> [(&'static str, String); 2] {
    [("set-cookie", access_token_cookie("", Duration::ZERO)), ("set-cookie", refresh_token_cookie("", Duration::ZERO))]
}

fn access_token_cookie(token: &str, max_age: Duration) -> String {
    set_cookie(ACCESS_TOKEN_COOKIE, token, max_age, "/", SameSite::Lax)
}

fn refresh_token_cookie(token: &str, max_age: Duration) -> String {
    set_cookie(REFRESH_TOKEN_COOKIE, token, max_age, "/auth", SameSite::Strict)
}

fn set_cookie(name: &str, value: &str, max_age: Duration, path: &str, same_site: SameSite) -> String {
    let max_age = time::Duration::try_from(max_age).unwrap_or(time::Duration::MAX);
    let cookie = Cookie::build((name, value)).max_age(max_age).path(path).http_only(true).secure(true);
    cookie.same_site(same_site).to_string()
}

#[cfg(test)]
mod tests {
    use lambda_http::http::StatusCode;

    use super::*;
    use crate::app::token_issuer::IssuedAccessToken;

    #[test]
    fn cookies_are_http_only_secure_and_same_site() {
        let secret = |text: &str| Secret::new(text.to_owned());
        let tokens = TokenPair {
            access: IssuedAccessToken { token: secret("a.b.c"), expires_in: Duration::from_mins(15) },
            refresh_token: secret("r"),
            refresh_expires_in: Duration::from_hours(1),
        };
        let response = set_both(Response::json(StatusCode::OK, &()).unwrap(), &tokens);
        let set: Vec<_> = response.headers.iter().map(|(_, value)| value.as_str()).collect();
        assert_eq!(
            set,
            [
                "access_token=a.b.c; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=900",
                "refresh_token=r; HttpOnly; SameSite=Strict; Secure; Path=/auth; Max-Age=3600",
            ]
        );
        assert_eq!(
            cleared().map(|(_, value)| value),
            [
                "access_token=; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0",
                "refresh_token=; HttpOnly; SameSite=Strict; Secure; Path=/auth; Max-Age=0",
            ]
        );
    }
}
