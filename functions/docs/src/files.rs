//! The OpenAPI document and the page that shows it, compressed and embedded.

use std::borrow::Cow;
use std::io::Read;

use flate2::read::GzDecoder;
use http_api::{Problem, ProblemType, Request, Response};
use lambda_http::RequestExt;
use lambda_http::http::{HeaderMap, StatusCode};

pub const FILE_NOT_FOUND: ProblemType =
    ProblemType { code: "file_not_found", status: 404, title: "File not found", retryable: false };

/// The page loads only its own files and calls only its own API. Swagger UI uses `data:` URLs for its icons.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Long enough to cover a page view, short enough that a deployment is visible on the same day.
const CACHE_CONTROL: &str = "public, max-age=3600";

struct File {
    name: &'static str,
    media_type: &'static str,
    /// Changes whenever the content does (RFC 9110, section 8.8.3).
    tag: &'static str,
    gzip: &'static [u8],
}

static FILES: &[File] = include!(concat!(env!("OUT_DIR"), "/files.rs"));

/// Returns a file.
///
/// # Errors
/// A 404 if there is no such file.
pub fn respond(request: &Request) -> Result<Response<Cow<'static, [u8]>>, Problem> {
    let parameters = request.path_parameters_ref();
    let name = match parameters.and_then(|parameters| parameters.first("file")) {
        Some(file) => file,
        None if request.uri().path().ends_with("/openapi.json") => "openapi.json",
        None => "docs.html",
    };
    let file = FILES.iter().find(|file| file.name == name);
    let file = file.ok_or_else(|| Problem::new(&FILE_NOT_FOUND, "GET /docs shows the page with all its files."))?;
    file.respond(request.headers())
}

impl File {
    fn respond(&self, headers: &HeaderMap) -> Result<Response<Cow<'static, [u8]>>, Problem> {
        let response = if has(headers, "if-none-match", self.tag) {
            Response { status: StatusCode::NOT_MODIFIED, ..Response::new(self.media_type, Cow::Borrowed(&[][..])) }
        } else if has(headers, "accept-encoding", "gzip") {
            Response::new(self.media_type, Cow::Borrowed(self.gzip)).header("content-encoding", "gzip")
        } else {
            Response::new(self.media_type, Cow::Owned(self.plain()?))
        };
        Ok(response
            .header("cache-control", CACHE_CONTROL)
            .header("etag", self.tag)
            .header("vary", "accept-encoding")
            .header("content-security-policy", CONTENT_SECURITY_POLICY)
            .header("referrer-policy", "no-referrer"))
    }

    fn plain(&self) -> Result<Vec<u8>, Problem> {
        let mut content = Vec::new();
        GzDecoder::new(self.gzip).read_to_end(&mut content).map_err(|error| Problem::internal(&error))?;
        Ok(content)
    }
}

/// Whether a list header contains this member with a non-zero weight.
fn has(headers: &HeaderMap, name: &str, member: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|item| {
        let (value, weight) = item.split_once(';').unwrap_or((item, ""));
        // A cache may have weakened the tag; the comparison is weak.
        let value = value.trim().trim_start_matches("W/");
        value.eq_ignore_ascii_case(member) && !matches!(weight.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000")
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use lambda_http::Body;

    use super::*;

    fn ask(path: &str, headers: &[(&'static str, &str)]) -> Result<Response<Cow<'static, [u8]>>, Problem> {
        let mut request = Request::new(Body::Empty);
        *request.uri_mut() = format!("https://api.example.com{path}").parse().unwrap();
        for (name, value) in headers {
            request.headers_mut().append(*name, value.parse().unwrap());
        }
        let file = path.strip_prefix("/docs/").map(|file| ("file".to_owned(), file.to_owned()));
        respond(&request.with_path_parameters(file.into_iter().collect::<HashMap<_, _>>()))
    }

    fn header<'a>(response: &'a Response<Cow<'static, [u8]>>, name: &str) -> Option<&'a str> {
        response.headers.iter().find_map(|(key, value)| (*key == name).then_some(value.as_str()))
    }

    #[test]
    fn page_refers_to_served_files_by_relative_urls() {
        let page = String::from_utf8(ask("/docs", &[]).unwrap().body.into_owned()).unwrap();
        let named: Vec<_> = page.split(['"', '\'']).filter(|text| text.starts_with("docs/")).collect();
        assert_eq!(named.len(), 4, "{named:?}");
        for file in named {
            assert_eq!(ask(&format!("/{file}"), &[]).unwrap().status, 200, "{file}");
        }
        assert!(!page.contains("://") && !page.contains("=\"/"), "an address that is not relative: {page}");
    }

    #[test]
    fn compressed_and_plain_content_are_equal() {
        for file in FILES {
            let path = format!("/docs/{}", file.name);
            let compressed = ask(&path, &[("accept-encoding", "br;q=1.0, gzip;q=0.8")]).unwrap();
            assert_eq!(header(&compressed, "content-encoding"), Some("gzip"));
            let mut content = Vec::new();
            GzDecoder::new(&*compressed.body).read_to_end(&mut content).unwrap();
            for plain in [ask(&path, &[]), ask(&path, &[("accept-encoding", "gzip;q=0, identity")])] {
                let plain = plain.unwrap();
                assert_eq!((header(&plain, "content-encoding"), &*plain.body), (None, &*content), "{path}");
            }
        }
    }

    #[test]
    fn matching_etag_returns_304() {
        let first = ask("/openapi.json", &[]).unwrap();
        let tag = header(&first, "etag").unwrap().to_owned();
        for known in [tag.clone(), format!("\"other\", W/{tag}")] {
            let again = ask("/openapi.json", &[("if-none-match", &known)]).unwrap();
            assert_eq!((again.status, again.body.len()), (StatusCode::NOT_MODIFIED, 0));
        }
        assert_eq!(ask("/openapi.json", &[("if-none-match", "\"other\"")]).unwrap().status, 200);
    }

    #[test]
    fn unknown_file_returns_404() {
        for path in ["/docs/", "/docs/x.js", "/docs/../secret", "/docs/openapi"] {
            assert_eq!(ask(path, &[]).unwrap_err().problem_type, &FILE_NOT_FOUND, "{path}");
        }
    }

    #[test]
    fn page_policy_allows_no_inline_script_or_other_site() {
        let page = ask("/docs", &[]).unwrap();
        let policy = header(&page, "content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe") && !policy.contains("http"));
        let text = String::from_utf8(page.body.into_owned()).unwrap();
        assert!(!text.contains("<script>") && !text.contains("<style"));
    }
}
