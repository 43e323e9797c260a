//! Types and rules. Knows nothing of AWS or HTTP.

mod account;
mod idempotency;
mod intake_shards;
mod payment;
mod place;
mod refusal;
mod transfer;

pub use account::{Account, AccountStatus, AccountType, InvalidAccountId, NewAccount, PaymentAccountId};
pub use idempotency::{Fingerprint, Request, RequestId};
pub use intake_shards::{IntakeShards, InvalidIntakeShards};
pub use payment::{
    Actor, Advance, InvalidProviderTransactionId, InvalidReference, Payment, PaymentMethod, PaymentReference,
    PaymentStatus, ProviderTransactionId, Step,
};
pub use place::Place;
pub use refusal::{Party, Refusal};
pub use transfer::{Direction, Note, NoteTooLong, Posting, Transfer, TransferId, TransferStatus, TransferType};
