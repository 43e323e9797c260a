//! Authentication by access token. Identity never comes from a body or a query.

use std::time::Duration;

use auth::{Claims, LoadKeys, Principal, Rejection, Verifier};
use kernel::Secret;

use crate::cookies::{TokenCookies, cookie};
use crate::{Problem, Request};

/// Whether the request has no `Authorization` header, so that its access token, if any, is in the cookie.
pub fn uses_cookie(request: &Request) -> bool {
    !request.headers().contains_key("authorization")
}

/// Returns the access token from the `Authorization` header (RFC 6750) or, if there is no such header, from the cookie.
///
/// # Errors
/// A 401 if the header is not one bearer token; a 400 if the cookie has different values.
pub fn access_token(request: &Request) -> Result<Option<Secret<String>>, Problem> {
    if uses_cookie(request) {
        return Ok(cookie(request, TokenCookies::of(request).access_token)?.map(Secret::new));
    }
    match bearer_token(request) {
        Some(token) => Ok(Some(Secret::new(token.to_owned()))),
        None => Err(Problem::invalid_authorization()),
    }
}

/// Returns the token of the `Authorization` header, if that is sent once and holds a bearer token. API Gateway joins repeated
/// headers with commas, which no token contains.
pub(super) fn bearer_token(request: &Request) -> Option<&str> {
    let mut headers = request.headers().get_all("authorization").iter();
    let (Some(header), None) = (headers.next(), headers.next()) else { return None };
    // `to_str` would compare byte by byte what `is_token` compares again.
    let (scheme, token) = str::from_utf8(header.as_bytes()).ok()?.trim_ascii().split_once(' ')?;
    let token = token.trim_ascii_start();
    (scheme.eq_ignore_ascii_case("bearer") && is_token(token)).then_some(token)
}

/// Whether the text is a `b64token` of RFC 6750, section 2.1.
fn is_token(text: &str) -> bool {
    let token = text.trim_end_matches('=');
    !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte))
}

/// Authenticates the request.
///
/// # Errors
/// A 401 if the access token is missing or invalid; a 400 if it is ambiguous; a 503 if it cannot be verified at the moment.
pub async fn authenticate<L: LoadKeys + Sync>(verifier: &Verifier<L>, request: &Request) -> Result<Principal, Problem> {
    let Some(token) = access_token(request)? else {
        return Err(Problem::unauthenticated(false, "no access token"));
    };
    verifier.verify(token.expose()).await.map_err(problem)
}

/// Returns the claims of the request's access token, if it has one.
///
/// # Errors
/// A 401 if the token is invalid; a 400 if it is ambiguous; a 503 if it cannot be verified at the moment.
pub async fn claims<L: LoadKeys + Sync>(verifier: &Verifier<L>, request: &Request) -> Result<Option<Claims>, Problem> {
    let Some(token) = access_token(request)? else { return Ok(None) };
    verifier.claims(token.expose()).await.map(Some).map_err(problem)
}

fn problem(rejection: Rejection) -> Problem {
    match rejection {
        Rejection::Unavailable(error) => Problem::unavailable(Duration::from_secs(1), &error),
        Rejection::Invalid(_) | Rejection::Expired(_) => Problem::unauthenticated(true, rejection),
    }
}

#[cfg(test)]
mod tests {
    use lambda_http::Body;
    use lambda_http::http::HeaderValue;

    use super::*;
    use crate::problem_types;

    const COOKIE: (&str, &str) = ("cookie", "theme=dark; access_token=d.e.f");

    fn request(headers: &[(&'static str, &str)]) -> Request {
        let mut request = Request::new(Body::Empty);
        for (name, value) in headers {
            request.headers_mut().append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        request
    }

    fn token(headers: &[(&'static str, &str)]) -> Option<String> {
        access_token(&request(headers)).unwrap().map(|token| token.expose().clone())
    }

    #[test]
    fn access_token_header_takes_precedence_over_cookie() {
        assert_eq!(token(&[("authorization", "Bearer a.b.c")]).as_deref(), Some("a.b.c"));
        assert_eq!(token(&[("authorization", "bearer  a.b.c ")]).as_deref(), Some("a.b.c"));
        assert_eq!(token(&[("authorization", "Bearer a-b_c~+/9==")]).as_deref(), Some("a-b_c~+/9=="));
        assert_eq!(token(&[COOKIE]).as_deref(), Some("d.e.f"));
        assert_eq!(token(&[COOKIE, ("authorization", "Bearer a.b.c")]).as_deref(), Some("a.b.c"));
    }

    #[test]
    fn missing_token_is_none() {
        assert_eq!(token(&[]), None);
        assert_eq!(token(&[("cookie", "access_token=; xaccess_token=a")]), None);
    }

    #[test]
    fn non_bearer_authorization_returns_401() {
        for authorization in [
            "Basic YTpi",
            "Bearer",
            "Bearer ",
            "Bearer =",
            "",
            "a.b.c",
            "BearerX a.b.c",
            "Bearer a.b.c, Bearer d.e.f",
            "Bearer a.b.c,Basic YTpi",
            "Bearer a b",
            "Bearer Jos\u{e9}",
            "\u{a0}Bearer a.b.c",
            "Bearer \u{a0}a.b.c",
            "Digest username=\"a\"",
        ] {
            let request = request(&[COOKIE, ("authorization", authorization)]);
            let problem = access_token(&request).unwrap_err();
            assert_eq!(problem.problem_type, &problem_types::UNAUTHENTICATED, "{authorization}");
            assert!(problem.headers.contains(&("www-authenticate", "Bearer realm=\"payments\"".to_owned())));
        }
        let twice = [("authorization", "Bearer a.b.c"), ("authorization", "Bearer a.b.c"), COOKIE];
        assert_eq!(access_token(&request(&twice)).unwrap_err().problem_type, &problem_types::UNAUTHENTICATED);
    }

    #[test]
    fn access_token_cookie_has_the_name_of_the_deployment() {
        for (names, token) in [(TokenCookies::PREFIXED, "a.b.c"), (TokenCookies::PLAIN, "d.e.f")] {
            let mut request = request(&[("cookie", "access_token=d.e.f; __Host-access_token=a.b.c")]);
            request.extensions_mut().insert(names);
            assert_eq!(access_token(&request).unwrap().unwrap().expose(), token);
        }
    }

    #[test]
    fn access_token_cookie_with_different_values_is_a_400() {
        let request = request(&[COOKIE, ("cookie", "access_token=a.b.c")]);
        assert_eq!(access_token(&request).unwrap_err().problem_type, &problem_types::INVALID_REQUEST);
    }
}
