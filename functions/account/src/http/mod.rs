//! The HTTP API: one file per endpoint, with its types, handler, OpenAPI operation and tests.

pub mod change_password;
pub mod confirm_code;
pub mod end_session;
pub mod jwks;
pub mod list_sessions;
pub mod login;
pub mod me;
pub mod problems;
pub mod refresh;
pub mod register;
pub mod send_code;
pub mod signin;
pub mod signout;
pub mod signup;
pub mod update_me;
pub mod validate;

mod client_info;
mod cookies;
mod credentials;
mod examples;
mod token_response;
mod tokens;

use openapi::Schemas;
use serde_json::{Map, Value};

/// The OpenAPI tag of this context's operations.
const ACCOUNT: &str = "Account";

/// Adds the operations of this context to the OpenAPI document.
pub fn describe(paths: &mut Map<String, Value>, schemas: &mut Schemas) {
    for operation in [
        signup::describe(),
        signin::describe(),
        refresh::describe(),
        signout::describe(),
        list_sessions::describe(),
        end_session::describe(),
        me::describe(),
        update_me::describe(),
        change_password::describe(),
        register::describe(),
        login::describe(),
        validate::describe(),
        jwks::describe(),
        send_code::describe(),
        confirm_code::describe(),
    ] {
        operation.write(paths, schemas);
    }
}
