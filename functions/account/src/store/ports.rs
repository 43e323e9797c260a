//! Traits of single requests, for callers that are generic over their store.

use std::future::Future;

use kernel::{SessionId, Timestamp, UserId};

use super::{
    AccountTable, CodeAttempt, CountedAttempt, CreateUserOutcome, Credential, EndSessionOutcome, KeyTables, NewCode,
    NewSession, SigningKeyTable, StartSessionOutcome, StoreCodeOutcome, StoreError, UpdateOutcome, UserUpdate,
    VerifyOutcome,
};
use crate::domain::throttle::RateLimit;
use crate::domain::verification_code::{CodeHash, CodeHistory};
use crate::domain::{
    AuditEvent, Identifier, IdentifierKind, KeySet, KeySetChange, PasswordHash, RefreshTokenHash, Session, SigningKey,
    User, UserSession,
};

/// Defines a trait of one method, and implements it by the table's method of that name.
macro_rules! port {
    ($port:ident for $table:ident: $method:ident($($name:ident: $argument:ty),*) -> $output:ty) => {
        pub trait $port {
            fn $method(&self, $($name: $argument),*) -> impl Future<Output = Result<$output, StoreError>> + Send;
        }

        impl $port for $table {
            async fn $method(&self, $($name: $argument),*) -> Result<$output, StoreError> {
                $table::$method(self, $($name),*).await
            }
        }
    };
}

port!(AppendAuditEvent for AccountTable: append_audit_event(event: &AuditEvent) -> ());
port!(CreateUser for AccountTable:
    create_user(user: &User, password_hash: &PasswordHash, event: &AuditEvent) -> CreateUserOutcome);
port!(FindUser for AccountTable: find_user(user: UserId) -> Option<User>);
port!(UpdateUser for AccountTable: update_user(update: UserUpdate<'_>) -> UpdateOutcome);
port!(FindCredential for AccountTable: find_credential(identifier: &Identifier) -> Option<Credential>);
port!(CountAttempt for AccountTable:
    count_attempt(identifier: &Identifier, now: Timestamp) -> RateLimit<CountedAttempt>);
port!(CountReauthentication for AccountTable:
    count_reauthentication(user: UserId, now: Timestamp) -> RateLimit<u32>);
port!(StartSession for AccountTable: start_session(new: NewSession<'_>) -> StartSessionOutcome);
port!(FindSession for AccountTable: find_session(user: UserId, session: SessionId) -> Option<UserSession>);
port!(ListSessions for AccountTable: list_sessions(user: UserId) -> Option<(User, Vec<Session>)>);
port!(EndSession for AccountTable:
    end_session(user: UserId, session: SessionId, now: Timestamp, event: &AuditEvent) -> EndSessionOutcome);
port!(RotateRefreshToken for AccountTable:
    rotate_refresh_token(user: UserId, current: &RefreshTokenHash, after: &Session) -> bool);
port!(FindCodeHistory for AccountTable: find_code_history(user: UserId, kind: IdentifierKind) -> CodeHistory);
port!(StoreCode for AccountTable: store_code(new: NewCode<'_>) -> StoreCodeOutcome);
port!(CountCodeAttempt for AccountTable:
    count_code_attempt(user: UserId, kind: IdentifierKind, now: Timestamp) -> Option<CodeAttempt>);
port!(VerifyIdentifier for AccountTable:
    verify_identifier(update: UserUpdate<'_>, kind: IdentifierKind, hash: &CodeHash) -> VerifyOutcome);
port!(LoadSigningKey for SigningKeyTable: load_signing_key() -> Option<SigningKey>);
port!(LoadKeySet for KeyTables: load_key_set() -> Option<KeySet>);
port!(ApplyRotation for KeyTables:
    apply_rotation(change: &KeySetChange, events: &[AuditEvent], now: Timestamp) -> KeySet);
