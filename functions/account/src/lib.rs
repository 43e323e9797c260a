//! The account context: users, their credentials and sessions, and the keys that sign access tokens.
//!
//! | module | contents | depends on |
//! |---|---|---|
//! | [`domain`] | types and business rules: identifiers, passwords, sessions, key sets, tokens | kernel, `auth`, cryptography |
//! | [`app`] | use cases, configuration and errors | domain, store, notify |
//! | [`store`] | DynamoDB: records and the requests on them | domain, `dynamo` |
//! | [`http`] | endpoints: one file each | app, domain, the store's queries |
//! | [`events`] | events published from the table's stream | domain, store records, contracts |
//! | [`ops`] | operator and scheduled commands | app, domain, store |
//! | [`notify`] | delivery of verification codes by SMS and e-mail | domain, SNS, SES |
//! | `bin/` | one file per Lambda function | all of it |

pub mod app;
pub mod domain;
pub mod events;
pub mod http;
pub mod notify;
pub mod ops;
mod serve;
pub mod store;
#[cfg(test)]
mod testing;

pub use serve::{
    Clients, authenticate_optional, authenticate_session, serve_with_optional_token, serve_with_session,
    serve_with_token, verifier,
};
