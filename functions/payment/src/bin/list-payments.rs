//! `GET /api/payments`.

use std::process::ExitCode;

use payment::http::list_payments::{QUERY, handle};

fn main() -> ExitCode {
    payment::serve_with_query(QUERY, |_env, store| Ok(store), handle)
}
