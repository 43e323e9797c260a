//! `GET /api/payments`.

use std::process::ExitCode;

use payment::http::list_payments::handle;

fn main() -> ExitCode {
    payment::serve(|_env, store| Ok(store), handle)
}
