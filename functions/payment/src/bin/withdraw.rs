//! `POST /payments/withdraw`.

use std::process::ExitCode;

use payment::http::{Poster, withdraw};

fn main() -> ExitCode {
    payment::serve(Poster::from_env, |poster, principal, request| async move {
        withdraw::handle(poster, principal, &request).await
    })
}
