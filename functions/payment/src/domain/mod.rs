//! Types and business rules, free of AWS and HTTP. The `utoipa` attributes shape the schemas of the API's document.

mod account;
mod closing;
mod cursor;
mod failure_reason;
mod idempotency;
mod ledger_audit;
mod payment;
mod rejection;
mod revocation;
mod transfer;
mod user;
mod webhook;
mod write_shards;

pub use account::{
    Account, AccountState, AccountStatus, AccountType, InvalidAccountId, NewAccount, NewShards, PaymentAccountId,
};
pub use closing::{Closing, Day, Digest, EntriesDigest, InvalidDay, encode_entry};
pub use cursor::Cursor;
pub use failure_reason::{FailureReason, Party};
pub use idempotency::{Fingerprint, Idempotent, IdempotentRequest, KeyReused, OperationId, Stored};
pub use ledger_audit::{Finding, FindingKind, LedgerPosition, NewestIds, ShardPosition, explains};
pub use payment::{
    Actor, InvalidProviderTransactionId, InvalidReference, Payment, PaymentMethod, PaymentReference, PaymentStatus,
    ProviderTransactionId, StatusChange, Transition,
};
pub use rejection::Rejection;
pub use revocation::{AccountRevocation, EndedSession, EndedSessions, MAX_ENDED_SESSIONS, TokenClaims};
pub use transfer::{Direction, Note, NoteTooLong, Posting, Transfer, TransferId, TransferStatus, TransferType};
pub use user::{Replica, TokenRevoked, User, UserStatus};
pub use webhook::{Contradiction, InvalidTransition, Report, Webhook, WebhookOutcome};
pub use write_shards::{InvalidShardNumber, InvalidWriteShards, WriteShards};
