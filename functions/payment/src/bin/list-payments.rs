//! `GET /api/payments`.

use std::process::ExitCode;

use payment::http::list_payments;

fn main() -> ExitCode {
    payment::serve(
        |_, table| Ok(table),
        |table, principal, request| async move { list_payments::handle(table, principal, &request).await },
    )
}
