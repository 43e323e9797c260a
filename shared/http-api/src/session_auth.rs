//! Who is asking: from the access token, never from a body or a query.

use std::time::Duration;

use auth::{Claims, LoadKeys, Principal, Rejection, Verifier};
use kernel::{Clock, Secret};

use crate::{Problem, Request};

/// The name of the cookie that holds an access token.
pub const ACCESS_TOKEN_COOKIE: &str = "access_token";

/// The name of the cookie that holds a refresh token.
pub const REFRESH_TOKEN_COOKIE: &str = "refresh_token";

/// The refresh token that the request bears in its cookie.
pub fn refresh_token_cookie(request: &Request) -> Option<Secret<String>> {
    cookie(request, REFRESH_TOKEN_COOKIE).map(|token| Secret::new(token.to_owned()))
}

/// Whether the request's access token came in its cookie: then an answer that holds another sets that cookie.
pub fn uses_cookie(request: &Request) -> bool {
    bearer_token(request).is_none()
}

/// The request's access token: the `Authorization` header's (RFC 6750), else the cookie's.
pub fn access_token(request: &Request) -> Option<Secret<String>> {
    bearer_token(request).or_else(|| cookie(request, ACCESS_TOKEN_COOKIE)).map(|token| Secret::new(token.to_owned()))
}

pub(super) fn bearer_token(request: &Request) -> Option<&str> {
    let (scheme, token) = request.headers().get("authorization")?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

fn cookie<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request
        .headers()
        .get_all("cookie")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(key, value)| (key == name && !value.is_empty()).then_some(value))
}

/// Who is asking.
///
/// # Errors
///
/// A 401 if there is no access token or it does not pass; a 503 if that cannot be told just now.
pub async fn authenticate<L, C>(verifier: &Verifier<L, C>, request: &Request) -> Result<Principal, Problem>
where
    L: LoadKeys + Sync,
    C: Clock + Sync,
{
    let Some(token) = access_token(request) else {
        return Err(Problem::unauthenticated(false, "no access token"));
    };
    verifier.verify(token.expose()).await.map_err(refuse)
}

/// What the request's access token says, if there is one.
///
/// # Errors
///
/// A 401 if it does not pass; a 503 if that cannot be told just now.
pub async fn claims<L, C>(verifier: &Verifier<L, C>, request: &Request) -> Result<Option<Claims>, Problem>
where
    L: LoadKeys + Sync,
    C: Clock + Sync,
{
    let Some(token) = access_token(request) else { return Ok(None) };
    verifier.claims(token.expose()).await.map(Some).map_err(refuse)
}

fn refuse(rejection: Rejection) -> Problem {
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
    fn a_token_is_taken_from_the_header_or_the_cookie_and_the_header_goes_first() {
        assert_eq!(token(&[("authorization", "Bearer a.b.c")]).as_deref(), Some("a.b.c"));
        assert_eq!(token(&[("authorization", "bearer  a.b.c ")]).as_deref(), Some("a.b.c"));
        assert_eq!(token(&[("cookie", "theme=dark; access_token=d.e.f")]).as_deref(), Some("d.e.f"));
        let both = [("cookie", "access_token=d.e.f"), ("authorization", "Bearer a.b.c")];
        assert_eq!(token(&both).as_deref(), Some("a.b.c"));
    }

    #[test]
    fn what_is_no_token_is_none() {
        assert_eq!(token(&[]), None);
        assert_eq!(token(&[("authorization", "Basic YTpi")]), None);
        assert_eq!(token(&[("authorization", "Bearer")]), None);
        assert_eq!(token(&[("cookie", "access_token=; xaccess_token=a")]), None);
    }
}
