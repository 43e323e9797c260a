//! Commands of operators, and the audit of the ledger. They have no route: the caller needs the permission to invoke the
//! function.

pub mod audit_ledger;
pub mod open_credit;
pub mod set_account_status;
pub mod set_write_shards;

/// The limit of the reason that an operator states.
const MAX_REASON_CHARACTERS: usize = 200;

/// Checks that a text is not blank and not too long. The error names the field.
fn check_length(field: &str, text: &str, max: usize) -> Result<(), String> {
    if text.trim().is_empty() || text.chars().count() > max {
        return Err(format!("{field}: must have 1 to {max} characters"));
    }
    Ok(())
}
