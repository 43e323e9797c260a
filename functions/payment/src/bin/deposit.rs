//! `POST /payments/deposit`.

use std::process::ExitCode;

use payment::http::{Poster, deposit};

fn main() -> ExitCode {
    payment::serve(
        |env, table| Ok((Poster::from_env(env, table)?, env.parsed("SELF_DEPOSIT")?)),
        |(poster, self_deposit), principal, request| async move {
            deposit::handle(poster, *self_deposit, principal, &request).await
        },
    )
}
