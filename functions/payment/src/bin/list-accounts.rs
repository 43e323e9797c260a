//! `GET /payments/accounts` and `GET /payments/account`.

use std::process::ExitCode;

use payment::http::list_accounts;

fn main() -> ExitCode {
    payment::serve(
        |_, table| Ok(table),
        |table, principal, _| async move { list_accounts::handle(table, principal).await },
    )
}
