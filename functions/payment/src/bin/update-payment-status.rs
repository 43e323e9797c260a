//! `POST /api/payments/{reference}/status`.

use std::process::ExitCode;

use payment::http::update_payment_status::{self, StatusDesk};

fn main() -> ExitCode {
    payment::serve(StatusDesk::from_env, |desk, principal, request| async move {
        update_payment_status::handle(desk, principal, &request).await
    })
}
