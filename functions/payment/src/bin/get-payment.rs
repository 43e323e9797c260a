//! `GET /api/payments/{reference}`.

use std::process::ExitCode;

use payment::http::get_payment::handle;

fn main() -> ExitCode {
    payment::serve(|_env, store| Ok(store), handle)
}
