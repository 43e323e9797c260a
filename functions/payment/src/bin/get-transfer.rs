//! `GET /payments/transfers/{id}`.

use std::process::ExitCode;

use payment::http::get_transfer::handle;

fn main() -> ExitCode {
    payment::serve(|_env, store| Ok(store), handle)
}
