//! The health check, the OpenAPI document and the page to read and try it.
//! These functions use no table and have no permission beyond logging.

pub mod files;
pub mod health;
pub mod home;

use std::borrow::Cow;

use http_api::{Problem, Request, Response};
use lambda_http::RequestExt;

/// Answers the routes of the documentation: `/`, `/docs` with its files, and `/openapi.json`.
///
/// # Errors
/// A 404 if there is no such file.
pub fn respond(request: &Request) -> Result<Response<Cow<'static, [u8]>>, Problem> {
    let path = request.uri().path();
    let is_file =
        request.path_parameters_ref().is_some() || ["/docs", "/openapi.json"].iter().any(|end| path.ends_with(end));
    if is_file {
        return files::respond(request);
    }
    let Response { status, media_type, headers, body } = home::respond(request)?;
    Ok(Response { status, media_type, headers, body: Cow::Owned(body.into_bytes()) })
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use lambda_http::Body;

    use super::*;

    #[test]
    fn each_docs_route_returns_its_content() {
        for stage in ["", "/prod"] {
            for (path, file, media_type) in [
                ("/", None, "application/json"),
                ("/docs", None, "text/html; charset=utf-8"),
                ("/openapi.json", None, "application/json"),
                ("/docs/docs.js", Some("docs.js"), "text/javascript; charset=utf-8"),
            ] {
                let mut request = Request::new(Body::Empty);
                *request.uri_mut() = format!("{stage}{path}").parse().unwrap();
                let file: HashMap<_, _> = file.map(|file| ("file".to_owned(), file.to_owned())).into_iter().collect();
                let response = respond(&request.with_path_parameters(file)).unwrap();
                assert_eq!((response.status.as_u16(), response.media_type), (200, media_type), "{stage}{path}");
                assert_eq!(response.headers.iter().any(|(name, _)| *name == "etag"), path != "/", "{stage}{path}");
            }
        }
    }
}
