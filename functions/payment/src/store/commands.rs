//! The commands of operators, each recorded with its effect. Nothing updates or deletes a record.

use dynamo::{Item, key};
use kernel::{Timestamp, UserId};
use serde::Serialize;

use super::{StoreError, item};
use crate::domain::{Account, PaymentAccountId};

/// The command of an operator, as it is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorCommand {
    /// Lambda's id of the invocation, by which `CloudTrail` names the operator.
    pub request_id: String,
    pub reason: String,
}

/// The record of a command on an account, with what is particular to its kind.
pub(super) fn command_item(
    kind: &'static str,
    account: &Account,
    operator: &OperatorCommand,
    at: Timestamp,
    particulars: impl Serialize,
) -> Result<Item, StoreError> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct CommandRecord<'a, P> {
        kind: &'static str,
        user_id: UserId,
        payment_account_id: &'a PaymentAccountId,
        #[serde(flatten)]
        particulars: P,
        reason: &'a str,
        request_id: &'a str,
        at: Timestamp,
    }
    let record = CommandRecord {
        kind,
        user_id: account.owner,
        payment_account_id: &account.id,
        particulars,
        reason: &operator.reason,
        request_id: &operator.request_id,
        at,
    };
    item(key(format_args!("COMMANDS#{}", account.owner), format_args!("{at}#{}", account.id)), record)
}
