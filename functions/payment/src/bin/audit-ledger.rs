//! Audits the ledger: hourly until the pass of the day is complete, weekly in full, and on an operator's request.

use std::process::ExitCode;

use payment::ops::audit_ledger::{AuditLedger, audit_ledger};

fn main() -> ExitCode {
    lambda::serve_invocations(
        |env| async move { AuditLedger::from_env(&env, aws::dynamodb_client(&env)?) },
        audit_ledger,
    )
}
