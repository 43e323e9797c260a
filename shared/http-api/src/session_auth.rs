//! Authentication by access token. Identity never comes from a body or a query.

use std::time::Duration;

use auth::{Claims, LoadKeys, Principal, Rejection, Verifier};
use cookie::Cookie;
use kernel::Secret;

use crate::{Problem, Request};

pub const ACCESS_TOKEN_COOKIE: &str = "access_token";

/// Whether the request has no bearer token, so that its access token, if any, is in the cookie.
pub fn uses_cookie(request: &Request) -> bool {
    bearer_token(request).is_none()
}

/// Returns the access token from the `Authorization` header (RFC 6750) or else from the cookie.
pub fn access_token(request: &Request) -> Option<Secret<String>> {
    bearer_token(request)
        .map(|token| Secret::new(token.to_owned()))
        .or_else(|| cookie(request, ACCESS_TOKEN_COOKIE).map(Secret::new))
}

pub(super) fn bearer_token(request: &Request) -> Option<&str> {
    let (scheme, token) = request.headers().get("authorization")?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// Returns the value of a cookie (RFC 6265), unless it is empty.
pub fn cookie(request: &Request, name: &str) -> Option<String> {
    let headers = request.headers().get_all("cookie");
    let mut cookies =
        headers.iter().filter_map(|value| value.to_str().ok()).flat_map(Cookie::split_parse).filter_map(Result::ok);
    cookies.find(|cookie| cookie.name() == name && !cookie.value().is_empty()).map(|cookie| cookie.value().to_owned())
}

/// Authenticates the request.
/// # Errors
/// A 401 if the access token is missing or invalid; a 503 if it cannot be verified at the moment.
pub async fn authenticate<L: LoadKeys + Sync>(verifier: &Verifier<L>, request: &Request) -> Result<Principal, Problem> {
    let Some(token) = access_token(request) else {
        return Err(Problem::unauthenticated(false, "no access token"));
    };
    verifier.verify(token.expose()).await.map_err(problem)
}

/// Returns the claims of the request's access token, if it has one.
/// # Errors
/// A 401 if the token is invalid; a 503 if it cannot be verified at the moment.
pub async fn claims<L: LoadKeys + Sync>(verifier: &Verifier<L>, request: &Request) -> Result<Option<Claims>, Problem> {
    let Some(token) = access_token(request) else { return Ok(None) };
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

    use super::*;

    fn token(headers: &[(&'static str, &str)]) -> Option<String> {
        let mut request = Request::new(Body::Empty);
        for (name, value) in headers {
            request.headers_mut().append(*name, value.parse().unwrap());
        }
        access_token(&request).map(|token| token.expose().clone())
    }

    #[test]
    fn access_token_header_takes_precedence_over_cookie() {
        assert_eq!(token(&[("authorization", "Bearer a.b.c")]).as_deref(), Some("a.b.c"));
        assert_eq!(token(&[("authorization", "bearer  a.b.c ")]).as_deref(), Some("a.b.c"));
        assert_eq!(token(&[("cookie", "theme=dark; access_token=d.e.f")]).as_deref(), Some("d.e.f"));
        let both = [("cookie", "access_token=d.e.f"), ("authorization", "Bearer a.b.c")];
        assert_eq!(token(&both).as_deref(), Some("a.b.c"));
    }

    #[test]
    fn missing_or_malformed_token_is_none() {
        assert_eq!(token(&[]), None);
        assert_eq!(token(&[("authorization", "Basic YTpi")]), None);
        assert_eq!(token(&[("authorization", "Bearer")]), None);
        assert_eq!(token(&[("cookie", "access_token=; xaccess_token=a")]), None);
    }
}
