//! `POST /payments/accounts`.

use std::process::ExitCode;

use payment::http::open_account::{self, Opener};

fn main() -> ExitCode {
    payment::serve(Opener::from_env, |opener, principal, request| async move {
        open_account::handle(opener, principal, &request).await
    })
}
