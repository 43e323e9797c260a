//! `GET /payments/accounts` and `GET /payments/account`.

use std::process::ExitCode;

use payment::http::list_accounts::handle;

fn main() -> ExitCode {
    payment::serve(|_env, store| Ok(store), handle)
}
