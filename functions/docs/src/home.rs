//! `GET /`: leads a browser to the documentation page, and tells a program where the OpenAPI document is.

use http_api::{Problem, Request, Response};
use lambda_http::RequestExt;
use lambda_http::http::{HeaderMap, StatusCode};
use serde_json::json;

/// Returns a redirect to the page if the client prefers HTML, as browsers do, or else JSON with links. References are
/// relative to the URL of the request, so they are valid below a stage or an API mapping.
///
/// # Errors
/// A 500 if the response cannot be serialized.
pub fn respond(request: &Request) -> Result<Response, Problem> {
    let base = base(request.raw_http_path());
    let [page, document, health] = ["docs", "openapi.json", "health"].map(|name| format!("{base}{name}"));
    let response = if prefers_html(request.headers()) {
        let empty = Response::new("text/html; charset=utf-8", String::new());
        Response { status: StatusCode::FOUND, ..empty }.header("location", page.clone())
    } else {
        let links = json!({
            "title": "Payments API", "version": env!("CARGO_PKG_VERSION"),
            "openapi": document, "docs": page, "health": health,
        });
        Response::json(StatusCode::OK, &links)?
    };
    // RFC 8631.
    let links =
        format!("<{document}>; rel=\"service-desc\", <{page}>; rel=\"service-doc\", <{health}>; rel=\"status\"");
    Ok(response.header("link", links).header("vary", "accept"))
}

/// The relative reference of the base URL: nothing, or its last segment if the URL lacks the slash at the end.
fn base(path: &str) -> String {
    let (_, last) = path.rsplit_once('/').unwrap_or_default();
    let is_plain = last.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~$".contains(&byte));
    if last.is_empty() || !is_plain { String::new() } else { format!("{last}/") }
}

/// Whether `Accept` (RFC 9110, section 12.5.1) names HTML, and not JSON with a higher weight. Wildcards are no preference.
fn prefers_html(headers: &HeaderMap) -> bool {
    let html = weight(headers, "text/html");
    html > 0.0 && html >= weight(headers, "application/json")
}

fn weight(headers: &HeaderMap, media_type: &str) -> f32 {
    let values = headers.get_all("accept").iter().filter_map(|value| value.to_str().ok());
    for item in values.flat_map(|value| value.split(',')) {
        let mut parts = item.split(';').map(str::trim);
        if parts.next().is_some_and(|range| range.eq_ignore_ascii_case(media_type)) {
            let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
            return weight.map_or(1.0, |weight| weight.parse().unwrap_or(0.0));
        }
    }
    0.0
}

#[cfg(test)]
mod tests {
    use lambda_http::Body;
    use serde_json::Value;

    use super::*;

    const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";

    fn ask(path: &str, accept: Option<&str>) -> Response {
        let mut request = Request::new(Body::Empty).with_raw_http_path(path);
        if let Some(accept) = accept {
            request.headers_mut().insert("accept", accept.parse().unwrap());
        }
        respond(&request).unwrap()
    }

    fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
        response.headers.iter().find_map(|(key, value)| (*key == name).then_some(value.as_str()))
    }

    #[test]
    fn browser_is_redirected_to_the_page() {
        for accept in [BROWSER, "text/html", "TEXT/HTML;q=0.5", "application/json;q=0.1, text/html;charset=utf-8;q=0.2"]
        {
            let response = ask("/", Some(accept));
            assert_eq!((response.status, header(&response, "location")), (StatusCode::FOUND, Some("docs")), "{accept}");
        }
    }

    #[test]
    fn client_that_does_not_prefer_html_receives_links() {
        for accept in [
            None,
            Some("*/*"),
            Some("application/json"),
            Some("application/json, text/html;q=0.9"),
            Some("text/html;q=0"),
        ] {
            let response = ask("/", accept);
            let body: Value = serde_json::from_str(&response.body).unwrap();
            assert_eq!((response.status, &body["openapi"]), (StatusCode::OK, &json!("openapi.json")), "{accept:?}");
            assert_eq!((&body["docs"], &body["health"]), (&json!("docs"), &json!("health")));
            assert!(header(&response, "link").unwrap().contains("<openapi.json>; rel=\"service-desc\""));
            assert_eq!(header(&response, "vary"), Some("accept"));
        }
    }

    #[test]
    fn references_are_valid_with_and_without_a_stage() {
        for (path, location) in [
            ("", "docs"),
            ("/", "docs"),
            ("/prod/", "docs"),
            ("/prod", "prod/docs"),
            ("/payments/v1", "v1/docs"),
            ("//evil.example", "evil.example/docs"),
            ("/javascript:alert(1)", "docs"),
        ] {
            assert_eq!(header(&ask(path, Some(BROWSER)), "location"), Some(location), "{path}");
        }
    }
}
