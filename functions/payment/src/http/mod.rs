//! The HTTP API: one file per endpoint, with its types, handler, OpenAPI operation and tests.

pub mod create_payment;
pub mod deposit;
pub mod get_payment;
pub mod get_transfer;
pub mod list_accounts;
pub mod list_history;
pub mod list_payments;
pub mod open_account;
pub mod problems;
pub mod provider_webhook;
pub mod send;
pub mod transfers;
pub mod update_account;
pub mod update_payment_status;
pub mod withdraw;

mod dto;
mod examples;
mod idempotency;
mod page;
mod verification;

use openapi::Schemas;
use serde_json::{Map, Value};

/// The OpenAPI tag of accounts and transfers.
const WALLET: &str = "Wallet";
/// The OpenAPI tag of payments.
const PAYMENTS: &str = "Payments";

/// Adds the operations of this context to the API's document.
pub fn describe(paths: &mut Map<String, Value>, schemas: &mut Schemas) {
    for operation in [
        open_account::describe(),
        update_account::describe(),
        list_accounts::describe(),
        list_accounts::describe_former_path(),
        deposit::describe(),
        withdraw::describe(),
        send::describe(),
        list_history::describe(),
        get_transfer::describe(),
        create_payment::describe(),
        get_payment::describe(),
        list_payments::describe(),
        update_payment_status::describe(),
        provider_webhook::describe(),
    ] {
        operation.write(paths, schemas);
    }
}
