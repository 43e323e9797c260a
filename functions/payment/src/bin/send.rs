//! `POST /payments/send`.

use std::process::ExitCode;

use payment::http::{Poster, send};

fn main() -> ExitCode {
    payment::serve(Poster::from_env, |poster, principal, request| async move {
        send::handle(poster, principal, &request).await
    })
}
