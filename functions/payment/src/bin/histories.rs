//! `GET /payments/histories`.

use std::process::ExitCode;

use payment::http::list_history::handle;

fn main() -> ExitCode {
    payment::serve(|_env, store| Ok(store), handle)
}
