//! Cookies that hold a browser's tokens (RFC 6265).
//!
//! They are `HttpOnly` and `Secure`. The access token is `SameSite=Lax`, so that following a link from another site finds the user
//! signed in; the refresh token is `SameSite=Strict` and sent only to `/auth`, where sessions are refreshed and ended. It
//! outlives the access token, so that a sign-out finds the session after the access token has expired. Their names depend on
//! whether the deployment has TLS: see [`TokenCookies`].

use std::time::Duration;

use cookie::{Cookie, SameSite};
use http_api::{Problem, Request, Response, TokenCookies};
use kernel::Secret;
use lambda_http::RequestExt;

use crate::app::token_issuer::TokenPair;

/// The path below the base URL to which the refresh token is sent.
const REFRESH_PATH: &str = "/auth";

/// Returns the refresh token in the cookie.
///
/// # Errors
///
/// A 400 if the cookie has different values.
pub(super) fn refresh_token(request: &Request) -> Result<Option<Secret<String>>, Problem> {
    Ok(http_api::cookie(request, TokenCookies::of(request).refresh_token)?.map(Secret::new))
}

/// Sets both cookies, each for the lifetime of its token.
pub(super) fn set_both(response: Response, tokens: &TokenPair, request: &Request) -> Response {
    let (access, refresh) = (tokens.access.token.expose(), tokens.refresh_token.expose());
    response
        .header("set-cookie", access_token_cookie(request, access, tokens.access.expires_in))
        .header("set-cookie", refresh_token_cookie(request, refresh, tokens.refresh_expires_in))
}

/// Clears both cookies. A browser only replaces a cookie of the same name and path.
pub(super) fn cleared(request: &Request) -> [(&'static str, String); 2] {
    [
        ("set-cookie", access_token_cookie(request, "", Duration::ZERO)),
        ("set-cookie", refresh_token_cookie(request, "", Duration::ZERO)),
    ]
}

fn access_token_cookie(request: &Request, token: &str, max_age: Duration) -> String {
    set_cookie(TokenCookies::of(request).access_token, token, max_age, "/", SameSite::Lax)
}

fn refresh_token_cookie(request: &Request, token: &str, max_age: Duration) -> String {
    let path = format!("{}{REFRESH_PATH}", base_path(request));
    set_cookie(TokenCookies::of(request).refresh_token, token, max_age, &path, SameSite::Strict)
}

/// The path of the base URL: a stage or an API mapping, or nothing.
fn base_path(request: &Request) -> &str {
    let path = request.raw_http_path();
    let base = path.split_once("/auth/").map_or("", |(base, _)| base);
    let is_plain = base.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-._~$".contains(&byte));
    if is_plain { base } else { "" }
}

fn set_cookie(name: &str, value: &str, max_age: Duration, path: &str, same_site: SameSite) -> String {
    let max_age = time::Duration::try_from(max_age).unwrap_or(time::Duration::MAX);
    let cookie = Cookie::build((name, value)).max_age(max_age).path(path).http_only(true).secure(true);
    cookie.same_site(same_site).to_string()
}

#[cfg(test)]
mod tests {
    use lambda_http::Body;
    use lambda_http::http::StatusCode;

    use super::*;
    use crate::app::token_issuer::IssuedAccessToken;

    /// A request that arrives at this path of a deployment with these names.
    fn request(path: &str, names: TokenCookies) -> Request {
        let mut request = Request::new(Body::Empty).with_raw_http_path(path);
        request.extensions_mut().insert(names);
        request
    }

    fn set(request: &Request) -> [String; 2] {
        let secret = |text: &str| Secret::new(text.to_owned());
        let tokens = TokenPair {
            access: IssuedAccessToken { token: secret("a.b.c"), expires_in: Duration::from_mins(15) },
            refresh_token: secret("r"),
            refresh_expires_in: Duration::from_hours(1),
        };
        let response = set_both(Response::json(StatusCode::OK, &()).unwrap(), &tokens, request);
        let values: Vec<_> = response.headers.into_iter().map(|(_, value)| value).collect();
        values.try_into().unwrap()
    }

    #[test]
    fn cookies_are_http_only_secure_and_same_site() {
        let request = request("/auth/signin", TokenCookies::PLAIN);
        assert_eq!(
            set(&request),
            [
                "access_token=a.b.c; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=900",
                "refresh_token=r; HttpOnly; SameSite=Strict; Secure; Path=/auth; Max-Age=3600",
            ]
        );
        assert_eq!(
            cleared(&request).map(|(_, value)| value),
            [
                "access_token=; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0",
                "refresh_token=; HttpOnly; SameSite=Strict; Secure; Path=/auth; Max-Age=0",
            ]
        );
    }

    #[test]
    fn prefixed_cookies_meet_the_conditions_of_their_prefix() {
        let request = request("/auth/signin", TokenCookies::PREFIXED);
        let [access, refresh] = set(&request);
        assert_eq!(access, "__Host-access_token=a.b.c; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=900");
        assert_eq!(refresh, "__Secure-refresh_token=r; HttpOnly; SameSite=Strict; Secure; Path=/auth; Max-Age=3600");
        let cleared = cleared(&request).map(|(_, value)| value);
        assert!(
            cleared[0].starts_with("__Host-access_token=; ") && cleared[1].starts_with("__Secure-refresh_token=; ")
        );
    }

    #[test]
    fn refresh_cookie_path_includes_the_base_path() {
        for (path, expected) in [
            ("/prod/auth/signin", "/prod/auth"),
            ("/v1/payments/auth/refresh", "/v1/payments/auth"),
            ("/auth/sessions/7", "/auth"),
            ("/a; Domain=example.com/auth/signin", "/auth"),
            ("/signin", "/auth"),
            ("", "/auth"),
        ] {
            let [access, refresh] = set(&request(path, TokenCookies::PREFIXED));
            assert!(
                access.contains("; Path=/;") && refresh.contains(&format!("; Path={expected};")),
                "{path}: {refresh}"
            );
        }
    }
}
