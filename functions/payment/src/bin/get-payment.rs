//! `GET /api/payments/{reference}`.

use std::process::ExitCode;

use payment::http::get_payment;

fn main() -> ExitCode {
    payment::serve(
        |_, table| Ok(table),
        |table, principal, request| async move { get_payment::handle(table, principal, &request).await },
    )
}
