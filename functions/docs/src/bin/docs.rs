//! `GET /openapi.json`, `GET /docs` and `GET /docs/{file}`: the OpenAPI document, and a page to read and try it.

use std::process::ExitCode;

fn main() -> ExitCode {
    http_api::serve(async |_env| Ok(()), |(), request| async move { docs::files::respond(&request) })
}
