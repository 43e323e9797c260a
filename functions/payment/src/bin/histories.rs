//! `GET /payments/histories`.

use std::process::ExitCode;

use payment::http::histories;

fn main() -> ExitCode {
    payment::serve(
        |_, table| Ok(table),
        |table, principal, request| async move { histories::handle(table, principal, &request).await },
    )
}
