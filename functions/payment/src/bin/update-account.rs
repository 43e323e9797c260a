//! `PATCH /payments/accounts/{id}`.

use std::process::ExitCode;

use payment::http::update_account::handle;

fn main() -> ExitCode {
    payment::serve(|_, store| Ok(store), handle)
}
