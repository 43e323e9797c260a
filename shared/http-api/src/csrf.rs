//! Protection against cross-site request forgery: a browser attaches a user's cookies to requests that other sites trigger.
//! A state-changing request that is not authorized by a bearer token must come from a page of the same origin, or from an
//! origin that the deployment trusts. Browsers state the source in `Sec-Fetch-Site` (<https://www.w3.org/TR/fetch-metadata/>)
//! or, if they are older, in `Origin`, and pages cannot forge either
//! (<https://cheatsheetseries.owasp.org/cheatsheets/Cross-Site_Request_Forgery_Prevention_Cheat_Sheet.html>). A client that
//! sends neither is not a browser and holds no cookies but its own.

use lambda_http::RequestExt;
use lambda_http::http::Uri;
use lambda_http::request::RequestContext;

use crate::session_auth::bearer_token;
use crate::{Problem, Request, problem_types};
use config::{ConfigError, Env};

const ALLOWED_ORIGINS: &str = "ALLOWED_ORIGINS";

/// The origins of other sites whose pages may send requests with a user's cookies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct AllowedOrigins(Vec<String>);

impl AllowedOrigins {
    /// Reads a comma-separated list; an absent variable trusts no origin.
    pub(crate) fn from_env(env: &Env) -> Result<Self, ConfigError> {
        if env.optional(ALLOWED_ORIGINS).is_none() {
            return Ok(Self::default());
        }
        let read = |text: &str| text.split(',').map(|origin| read_origin(origin.trim())).collect::<Result<_, _>>();
        env.read(ALLOWED_ORIGINS, read).map(Self)
    }

    /// Rejects requests that another site made a browser send.
    pub(crate) fn check(&self, request: &Request) -> Result<(), Problem> {
        if request.method().is_safe() || bearer_token(request).is_some() {
            return Ok(());
        }
        let header = |name| request.headers().get(name).map(|value| value.to_str().unwrap_or_default());
        let (site, origin) = (header("sec-fetch-site"), header("origin"));
        let is_own = match (site, origin) {
            (Some(site), _) => matches!(site, "same-origin" | "none"),
            (None, Some(origin)) => is_own_origin(origin, request),
            (None, None) => true,
        };
        if is_own || origin.is_some_and(|origin| self.0.iter().any(|allowed| allowed == origin)) {
            return Ok(());
        }
        let detail = "Pages of other sites cannot send this request with a user's cookies. Clients other than browsers send \
                      the token as `Authorization: Bearer`.";
        let cause = format!("from {:?}, {:?}", site.unwrap_or_default(), origin.unwrap_or_default());
        Err(Problem::new(&problem_types::CROSS_SITE_REQUEST, detail).with_cause(cause))
    }
}

/// Accepts an origin in the serialization that browsers use (<https://www.rfc-editor.org/rfc/rfc6454#section-6.2>), so that
/// origins can be compared as strings.
fn read_origin(text: &str) -> Result<String, String> {
    let invalid =
        || format!("{text:?} is not a valid origin: write it as https://app.example.com, without a path or a *");
    let (scheme, host) = text.split_once("://").ok_or_else(invalid)?;
    let uri: Uri = text.parse().map_err(|_| invalid())?;
    let own_port = match scheme {
        "https" => ":443",
        "http" => ":80",
        _ => return Err(invalid()),
    };
    let is_written_so = uri.authority().is_some_and(|authority| authority.as_str() == host)
        && host.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-:[]".contains(&byte))
        && !host.ends_with(own_port);
    if is_written_so { Ok(text.to_owned()) } else { Err(invalid()) }
}

/// Whether the page has the origin that the request was sent to.
fn is_own_origin(origin: &str, request: &Request) -> bool {
    let Some((_, host)) = origin.split_once("://") else { return false };
    let sent_to = request.headers().get("host").and_then(|value| value.to_str().ok());
    let domain = match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => context.domain_name.as_deref(),
        _ => None,
    };
    [sent_to, domain].into_iter().flatten().any(|own| host.eq_ignore_ascii_case(own))
}

#[cfg(test)]
mod tests {
    use aws_lambda_events::apigw::ApiGatewayV2httpRequestContext;
    use lambda_http::Body;
    use lambda_http::http::Method;

    use super::*;

    const OURS: &str = "api.example.com";
    const PARTNER: &str = "https://app.example.org";
    const COOKIE: (&str, &str) = ("cookie", "access_token=a.b.c");

    fn passes(method: &Method, headers: &[(&'static str, &str)]) -> bool {
        let allowed = read("https://other.example, https://app.example.org").unwrap();
        let mut request = Request::new(Body::Empty);
        *request.method_mut() = method.clone();
        for (name, value) in [&[("host", OURS), COOKIE], headers].concat() {
            request.headers_mut().append(name, value.parse().unwrap());
        }
        match allowed.check(&request) {
            Ok(()) => true,
            Err(problem) => {
                assert_eq!((problem.problem_type.status, problem.problem_type.code), (403, "cross_site_request"));
                false
            }
        }
    }

    fn read(text: &str) -> Result<AllowedOrigins, ConfigError> {
        AllowedOrigins::from_env(&Env::from_iter([("ALLOWED_ORIGINS", text)]))
    }

    #[test]
    fn cross_site_change_is_rejected_unless_trusted() {
        for method in [Method::POST, Method::PATCH, Method::PUT, Method::DELETE] {
            for site in ["cross-site", "same-site", "", "anything else", "same-origin, cross-site"] {
                let site = ("sec-fetch-site", site);
                assert!(!passes(&method, &[site]), "{method} {site:?}");
                assert!(!passes(&method, &[site, ("origin", "https://evil.example")]), "{method} {site:?}");
                assert!(!passes(&method, &[site, ("origin", "null")]), "{method} {site:?}");
                assert!(passes(&method, &[site, ("origin", PARTNER)]), "{method} {site:?}");
            }
        }
    }

    #[test]
    fn same_origin_or_user_initiated_change_is_accepted() {
        for site in ["same-origin", "none"] {
            assert!(passes(&Method::POST, &[("sec-fetch-site", site)]), "{site}");
        }
    }

    #[test]
    fn origin_decides_without_fetch_metadata() {
        for (origin, own) in [
            ("https://api.example.com", true),
            ("https://API.example.com", true),
            (PARTNER, true),
            ("https://api.example.com:8443", false),
            ("https://api.example.com.evil.example", false),
            ("https://evil.example/api.example.com", false),
            ("https://example.com", false),
            ("api.example.com", false),
            ("null", false),
            ("", false),
        ] {
            assert_eq!(passes(&Method::POST, &[("origin", origin)]), own, "{origin}");
        }
    }

    #[test]
    fn gateway_domain_is_own_origin_behind_a_proxy() {
        let mut context = ApiGatewayV2httpRequestContext::default();
        context.domain_name = Some("api.example.com".to_owned());
        let mut request = Request::new(Body::Empty).with_request_context(RequestContext::ApiGatewayV2(context));
        *request.method_mut() = Method::POST;
        request.headers_mut().insert("origin", "https://api.example.com".parse().unwrap());
        assert!(AllowedOrigins::default().check(&request).is_ok());
    }

    #[test]
    fn request_without_browser_headers_is_accepted() {
        assert!(passes(&Method::POST, &[]));
    }

    #[test]
    fn safe_methods_are_accepted_from_any_site() {
        for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
            assert!(
                passes(&method, &[("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")]),
                "{method}"
            );
        }
    }

    #[test]
    fn bearer_token_is_accepted_and_basic_is_not() {
        let cross_site = ("sec-fetch-site", "cross-site");
        assert!(passes(&Method::POST, &[cross_site, ("authorization", "Bearer a.b.c")]));
        assert!(!passes(&Method::POST, &[cross_site, ("authorization", "Basic YTpi")]));
        assert!(!passes(&Method::POST, &[cross_site, ("authorization", "Bearer")]));
    }

    #[test]
    fn invalid_trusted_origin_is_a_config_error() {
        assert_eq!(AllowedOrigins::from_env(&Env::default()), Ok(AllowedOrigins::default()));
        assert_eq!(read(""), Ok(AllowedOrigins::default()));
        for good in ["https://app.example.com", "http://localhost:3000", "https://a.example,https://[::1]:8443"] {
            assert!(read(good).is_ok(), "{good}");
        }
        for bad in [
            "*",
            "null",
            "app.example.com",
            "https://app.example.com/",
            "https://app.example.com/path",
            "https://app.example.com?a",
            "https://*.example.com",
            "https://App.example.com",
            "https://app.example.com:443",
            "http://localhost:80",
            "https://user@app.example.com",
            "https://",
            "ftp://app.example.com",
            "https://a.example,,https://b.example",
            "https://a.example https://b.example",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
