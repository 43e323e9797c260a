//! `GET /health`: the API is reachable and runs functions.

use std::process::ExitCode;

fn main() -> ExitCode {
    runtime::serve_http(async |_env| Ok(()), |(), _request| async { docs::health::answer() })
}
