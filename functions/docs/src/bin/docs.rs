//! `GET /`, `GET /openapi.json`, `GET /docs` and `GET /docs/{file}`: the OpenAPI document, a page to read and try it, and where they
//! are.

use std::process::ExitCode;

use http_api::QueryParameters;

fn main() -> ExitCode {
    let respond = |(): &(), request| async move { docs::respond(&request) };
    http_api::serve_with_query(QueryParameters::Ignored, async |_env| Ok(()), respond)
}
