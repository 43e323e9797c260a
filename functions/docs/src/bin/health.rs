//! `GET /health`: shows that the API is reachable and runs functions.

use std::process::ExitCode;

fn main() -> ExitCode {
    http_api::serve(async |_env| Ok(()), |(), _request| async { docs::health::respond() })
}
