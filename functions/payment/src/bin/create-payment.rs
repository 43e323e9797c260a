//! `POST /api/payments`.

use std::process::ExitCode;

use payment::http::create_payment::{self, PaymentDesk};

fn main() -> ExitCode {
    payment::serve(PaymentDesk::from_env, |desk, principal, request| async move {
        create_payment::handle(desk, principal, &request).await
    })
}
