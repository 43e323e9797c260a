//! Request cookies (RFC 6265), and the names of those that hold tokens.

use config::{ConfigError, Env};
use cookie::Cookie;

use crate::{Problem, Request, problem_types};

const COOKIE_PREFIXES: &str = "COOKIE_PREFIXES";

/// The names of the cookies that hold tokens.
///
/// Browsers accept a name with the prefix `__Host-` or `__Secure-` from a secure origin only, and `__Host-` from no other
/// host, so neither a sibling domain nor a network attacker can plant one
/// (<https://datatracker.ietf.org/doc/html/draft-ietf-httpbis-rfc6265bis#section-4.1.3>).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenCookies {
    pub access_token: &'static str,
    pub refresh_token: &'static str,
}

impl TokenCookies {
    /// The names on a deployment with TLS. `__Host-` requires the path `/`, which the refresh token does not have.
    pub const PREFIXED: Self = Self { access_token: "__Host-access_token", refresh_token: "__Secure-refresh_token" };
    /// The names on a deployment without TLS, which browsers would not accept prefixed ones from.
    pub const PLAIN: Self = Self { access_token: "access_token", refresh_token: "refresh_token" };

    /// The names of this deployment. They are prefixed unless the setting disables it.
    pub(crate) fn from_env(env: &Env) -> Result<Self, ConfigError> {
        if env.optional(COOKIE_PREFIXES).is_none() {
            return Ok(Self::PREFIXED);
        }
        env.read(COOKIE_PREFIXES, |setting| match setting {
            "enabled" => Ok(Self::PREFIXED),
            "disabled" => Ok(Self::PLAIN),
            _ => Err("must be enabled or disabled"),
        })
    }

    /// The names that [`serve`](crate::serve) has put into the request; without it, as in tests of handlers, plain ones.
    pub fn of(request: &Request) -> Self {
        request.extensions().get().copied().unwrap_or(Self::PLAIN)
    }
}

/// Returns the value of a cookie, unless it is empty. Each cookie is decoded by itself: what is not UTF-8 is replaced in
/// that cookie only.
///
/// # Errors
/// A 400 if cookies of this name have different values, because any of them may come from another site.
pub fn cookie(request: &Request, name: &str) -> Result<Option<String>, Problem> {
    let mut found: Option<String> = None;
    let headers = request.headers().get_all("cookie").iter();
    for bytes in headers.flat_map(|header| header.as_bytes().split(|byte| *byte == b';')) {
        let text = String::from_utf8_lossy(bytes);
        let Ok(cookie) = Cookie::parse(text.as_ref()) else { continue };
        let value = cookie.value();
        if cookie.name() != name || value.is_empty() {
            continue;
        }
        if found.as_ref().is_some_and(|found| found != value) {
            let detail =
                format!("The cookie {name} was sent with different values. Delete all of them and sign in again.");
            return Err(Problem::new(&problem_types::INVALID_REQUEST, detail));
        }
        found = Some(value.to_owned());
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use lambda_http::Body;
    use lambda_http::http::HeaderValue;

    use super::*;

    fn value(headers: &[&[u8]]) -> Result<Option<String>, Problem> {
        let mut request = Request::new(Body::Empty);
        for header in headers {
            request.headers_mut().append("cookie", HeaderValue::from_bytes(header).unwrap());
        }
        cookie(&request, "token")
    }

    #[test]
    fn undecodable_cookie_affects_only_itself() {
        for headers in [
            &["name=Jos\u{e9}; token=a.b.c".as_bytes()][..],
            &["token=a.b.c; name=Jos\u{e9}".as_bytes()],
            &[b"name=Jos\xe9; token=a.b.c"],
            &[b"name=Jos\xe9", b"token=a.b.c"],
            &[b"Jos\xe9=1;token=a.b.c"],
            &[b"; =; ;\xff;theme; token=a.b.c ; x"],
            &[b"token=; xtoken=1; token=a.b.c; Token=2"],
        ] {
            assert_eq!(value(headers).unwrap().as_deref(), Some("a.b.c"), "{headers:?}");
        }
        let undecodable = value(&[b"token=a\xe9"]).unwrap();
        assert_eq!(undecodable.as_deref(), Some("a\u{fffd}"), "present, and no valid token");
        assert_eq!(value(&[b"token="]).unwrap(), None);
        assert_eq!(value(&[]).unwrap(), None);
    }

    #[test]
    fn cookie_with_different_values_is_a_400() {
        for headers in [&[&b"token=a; token=b"[..]][..], &[b"token=a", b"token=b"], &[b"token=a; token=\xe9; token=a"]]
        {
            let problem = value(headers).unwrap_err();
            assert_eq!(problem.problem_type, &problem_types::INVALID_REQUEST);
        }
        assert_eq!(value(&[b"token=a; token=a", b"token=a"]).unwrap().as_deref(), Some("a"));
    }

    #[test]
    fn cookie_names_are_prefixed_unless_disabled() {
        let read = |setting| TokenCookies::from_env(&Env::from_iter([(COOKIE_PREFIXES, setting)]));
        assert_eq!(TokenCookies::from_env(&Env::default()), Ok(TokenCookies::PREFIXED));
        assert_eq!(read("enabled"), Ok(TokenCookies::PREFIXED));
        assert_eq!(read("disabled"), Ok(TokenCookies::PLAIN));
        assert!(read("off").is_err());
    }
}
