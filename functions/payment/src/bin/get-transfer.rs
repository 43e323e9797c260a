//! `GET /payments/transfers/{id}`.

use std::process::ExitCode;

use payment::http::get_transfer;

fn main() -> ExitCode {
    payment::serve(
        |_, table| Ok(table),
        |table, principal, request| async move { get_transfer::handle(table, principal, &request).await },
    )
}
