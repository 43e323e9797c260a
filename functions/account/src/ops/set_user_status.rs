//! Suspension and reactivation of users by an operator. There is no endpoint for it: the caller needs the permission to
//! invoke the function.

use aws_sdk_dynamodb::Client;
use config::{ConfigError, Env};
use contact::{Email, InvalidEmail, InvalidPhone, Phone};
use kernel::UserId;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::app::settings;
use crate::domain::{AuditEvent, AuditEventKind, AuditLog, AuditSubject, ClientInfo, Identifier, User, UserStatus};
use crate::store::{AccountTable, StoreError, UpdateConflict, UpdateError, UpdatePlan};

const MAX_REASON_CHARACTERS: usize = 200;

/// The state of the function.
pub struct SetUserStatus {
    pub accounts: AccountTable,
    pub audit_log: AuditLog,
}

/// The event. It contains exactly one of `userId`, `email` and `phone`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct SetStatusRequest {
    user_id: Option<UserId>,
    email: Option<String>,
    phone: Option<String>,
    status: UserStatus,
    /// The operator's reason, for the audit log.
    reason: Option<String>,
}

/// The user's status after the command.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UserStatusView {
    user_id: UserId,
    status: UserStatus,
    epoch: u64,
    /// Whether the command changed the status.
    changed: bool,
}

/// The status was not set.
#[derive(Debug, thiserror::Error)]
pub enum SetStatusError {
    /// The event is malformed. The message omits the cause: the message is logged, and the cause may quote personal data.
    #[error(
        "the event must be an object with status (ACTIVE or SUSPENDED), one of userId, email and phone, and optionally a \
         reason; all of them strings"
    )]
    InvalidEvent,
    #[error("specify the user by exactly one of userId, email and phone")]
    AmbiguousUser,
    #[error("email: {0}")]
    InvalidEmail(#[from] InvalidEmail),
    #[error("phone: {0}")]
    InvalidPhone(#[from] InvalidPhone),
    #[error("reason: must have at most {MAX_REASON_CHARACTERS} characters")]
    ReasonTooLong,
    #[error("no such user")]
    UserNotFound,
    #[error("the user was updated concurrently several times: invoke the function again")]
    TooManyConflicts,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<UpdateError> for SetStatusError {
    fn from(error: UpdateError) -> Self {
        match error {
            UpdateError::TooManyConflicts => Self::TooManyConflicts,
            UpdateError::Store(error) => Self::Store(error),
            UpdateError::IdentifierTaken(_) | UpdateError::CodeExpired => Self::Store(StoreError::internal(error)),
        }
    }
}

/// Suspends or reactivates a user, unless the user has that status already. A suspension revokes all tokens and sessions
/// of the user, who has to sign in again after a reactivation.
///
/// # Errors
///
/// [`SetStatusError`], which is returned to the operator as the failure of the invocation.
pub async fn set_user_status(
    state: &SetUserStatus,
    event: Value,
    request_id: String,
) -> Result<UserStatusView, SetStatusError> {
    let request: SetStatusRequest = serde_json::from_value(event).map_err(|_| SetStatusError::InvalidEvent)?;
    if request.reason.as_ref().is_some_and(|reason| reason.chars().count() > MAX_REASON_CHARACTERS) {
        return Err(SetStatusError::ReasonTooLong);
    }
    let client = ClientInfo::invocation(request_id);
    let request = &request;
    let load = |conflict| async move {
        let user = match conflict {
            Some(UpdateConflict::Version(user)) => user.map(|user| *user),
            None | Some(UpdateConflict::Session) => state.find(request).await?,
        };
        user.ok_or(SetStatusError::UserNotFound)
    };
    let plan = |user: &User| (user.status != request.status).then(|| state.plan(user, request, &client));
    let (user, update) = state.accounts.update_user_with_retry(load, plan).await?;
    Ok(match update {
        Some(update) => UserStatusView::new(&update.user, true),
        None => UserStatusView::new(&user, false),
    })
}

impl SetUserStatus {
    /// # Errors
    ///
    /// [`ConfigError`] if an environment variable is missing or invalid.
    pub fn from_env(env: &Env, client: Client) -> Result<Self, ConfigError> {
        Ok(Self { accounts: AccountTable::from_env(env, client)?, audit_log: settings::audit_log(env)? })
    }

    async fn find(&self, request: &SetStatusRequest) -> Result<Option<User>, SetStatusError> {
        let identifier = match (request.user_id, &request.email, &request.phone) {
            (Some(id), None, None) => return Ok(self.accounts.find_user(id).await?),
            (None, Some(email), None) => Identifier::Email(Email::parse(email)?),
            (None, None, Some(phone)) => Identifier::Phone(Phone::parse(phone)?),
            _ => return Err(SetStatusError::AmbiguousUser),
        };
        Ok(self.accounts.find_credential(&identifier).await?.map(|credential| credential.user))
    }

    fn plan(&self, user: &User, request: &SetStatusRequest, client: &ClientInfo) -> UpdatePlan {
        let now = self.accounts.now();
        let after = User { status: request.status, ..user.next_version(now) };
        let (after, kind) = match request.status {
            UserStatus::Suspended => (after.revoked(), AuditEventKind::UserSuspended),
            UserStatus::Active => (after, AuditEventKind::UserReactivated),
        };
        let event = self.audit_log.event(kind, AuditSubject::User(after.id), client, now, self.accounts.random());
        UpdatePlan::new(after, request.reason.iter().fold(event, AuditEvent::with_detail))
    }
}

impl UserStatusView {
    fn new(user: &User, changed: bool) -> Self {
        Self { user_id: user.id, status: user.status, epoch: user.epoch, changed }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kernel::Secret;
    use kernel::testing::SeededRandom;
    use serde_json::json;

    use super::*;
    use crate::domain::Revoked;
    use crate::store::testing::{Accounts, event, hash, items_of, now, session, start};
    use crate::store::{UPDATE_ATTEMPTS, UpdateOutcome};

    /// The function, on a table that contains Ada.
    struct Function {
        accounts: Accounts,
        ada: User,
        state: SetUserStatus,
    }

    impl Function {
        async fn start() -> Self {
            let (accounts, ada) = Accounts::with_ada().await;
            let state = SetUserStatus {
                accounts: accounts.table.clone(),
                audit_log: AuditLog::new(&Secret::new("pepper".to_owned()), Duration::from_hours(24)),
            };
            Self { accounts, ada, state }
        }

        async fn invoke(&self, event: Value) -> Result<Value, SetStatusError> {
            let view = set_user_status(&self.state, event, "invocation-1".to_owned()).await?;
            Ok(serde_json::to_value(view).unwrap())
        }

        async fn current_ada(&self) -> User {
            self.accounts.table.find_user(self.ada.id).await.unwrap().unwrap()
        }

        /// Updates Ada right before the next update of her is stored.
        fn update_before_next(&self, update: impl FnOnce(User) -> User + Send + 'static) {
            let (table, id) = (self.accounts.table.clone(), self.ada.id);
            self.accounts.engine.before_next("TransactWriteItems", async move {
                let before = table.find_user(id).await.unwrap().unwrap();
                let plan = UpdatePlan {
                    password_hash: Some(hash()),
                    ..UpdatePlan::new(update(before.next_version(now())), event(AuditEventKind::IdentifierChanged))
                };
                assert_eq!(table.update_user(&before, &plan).await, Ok(UpdateOutcome::Updated));
            });
        }

        /// The kinds and details of Ada's audit events, without sign-ups and sign-ins.
        async fn audit_events(&self) -> Vec<(String, Option<String>)> {
            let items = items_of(&self.accounts.engine, "AuditTable").await;
            let text = |value: &aws_sdk_dynamodb::types::AttributeValue| value.as_s().unwrap().clone();
            let of_ada = items.into_iter().filter(|item| text(&item["pk"]) == format!("PERSON#{}", self.ada.id));
            let mut events: Vec<_> = of_ada.map(|item| (text(&item["kind"]), item.get("detail").map(text))).collect();
            events.sort();
            events
        }
    }

    #[tokio::test]
    async fn suspension_revokes_sessions_permanently() {
        let function = Function::start().await;
        let session = session(1);
        start(&function.accounts, &function.ada, &session).await.unwrap();
        let id = function.ada.id;
        let event = |status| json!({"userId": id, "status": status, "reason": format!("to be {status}")});
        let view = |status, changed| json!({"userId": id, "status": status, "epoch": 1, "changed": changed});
        let found = async || function.accounts.table.find_session(id, session.id).await.unwrap().unwrap();

        for changed in [true, false] {
            assert_eq!(function.invoke(event("SUSPENDED")).await.unwrap(), view("SUSPENDED", changed));
            assert_eq!(found().await.authorize(1, now()), Err(Revoked::StaleEpoch));
            let user = function.current_ada().await;
            assert_eq!((user.status, user.version), (UserStatus::Suspended, 2));
            for identifier in user.identifiers() {
                let credential = function.accounts.table.find_credential(&identifier).await.unwrap().unwrap();
                assert_eq!(credential.user, user);
            }
        }
        for changed in [true, false] {
            assert_eq!(function.invoke(event("ACTIVE")).await.unwrap(), view("ACTIVE", changed));
            assert_eq!(found().await.authorize(1, now()), Err(Revoked::StaleEpoch));
            let user = function.current_ada().await;
            assert_eq!((user.status, user.version), (UserStatus::Active, 3));
        }
        let event = |kind: &str, reason: &str| (kind.to_owned(), Some(reason.to_owned()));
        let events = [event("PERSON_REACTIVATED", "to be ACTIVE"), event("PERSON_SUSPENDED", "to be SUSPENDED")];
        assert_eq!(function.audit_events().await, events);
    }

    #[tokio::test]
    async fn user_is_found_by_id_email_or_phone() {
        let id = Function::start().await.ada.id;
        for name in [json!({"userId": id}), json!({"email": "ADA@example.com"}), json!({"phone": "+33 6 12 34 56 78"})]
        {
            let function = Function::start().await;
            let mut event = name.clone();
            event["status"] = json!("SUSPENDED");
            assert_eq!(function.invoke(event).await.unwrap()["changed"], true, "{name}");
            assert_eq!(function.audit_events().await, [("PERSON_SUSPENDED".to_owned(), None)]);
            assert_eq!(function.current_ada().await.status, UserStatus::Suspended);
        }
    }

    #[tokio::test]
    async fn invalid_status_request_reports_reason_and_changes_nothing() {
        let function = Function::start().await;
        let (id, unknown) = (function.ada.id, UserId::random(&SeededRandom::new(9)));
        for (event, expected) in [
            (json!({"status": "SUSPENDED"}), "specify the user by exactly one of"),
            (json!({"email": "ada@example.com", "phone": "+33612345678", "status": "SUSPENDED"}), "one of"),
            (json!({"userId": id, "email": "ada@example.com", "status": "SUSPENDED"}), "one of"),
            (json!({"email": "ada", "status": "SUSPENDED"}), "email: must be an e-mail address"),
            (json!({"phone": "0612345678", "status": "SUSPENDED"}), "phone: must be a phone number"),
            (json!({"email": "bob@example.com", "status": "SUSPENDED"}), "no such user"),
            (json!({"phone": "+33600000000", "status": "SUSPENDED"}), "no such user"),
            (json!({"userId": unknown, "status": "SUSPENDED"}), "no such user"),
            (json!({"email": "ada@example.com", "status": "SUSPENDED", "reason": "é".repeat(201)}), "at most 200"),
        ] {
            let error = function.invoke(event.clone()).await.unwrap_err().to_string();
            assert!(error.contains(expected), "{event}: {error}");
        }
        assert_eq!((function.current_ada().await, function.audit_events().await), (function.ada.clone(), Vec::new()));
        let longest = json!({"email": "ada@example.com", "status": "SUSPENDED", "reason": "é".repeat(200)});
        assert!(function.invoke(longest).await.is_ok());
    }

    #[tokio::test]
    async fn unreadable_event_error_does_not_quote_the_event() {
        let function = Function::start().await;
        for event in [
            json!("ada@example.com"),
            json!(["ada@example.com", "SUSPENDED"]),
            json!(null),
            json!({"email": "ada@example.com"}),
            json!({"email": ["ada@example.com"], "status": "SUSPENDED"}),
            json!({"phone": 33_612_345_678_u64, "status": "SUSPENDED"}),
            json!({"userId": "ada@example.com", "status": "SUSPENDED"}),
            json!({"email": "ada@example.com", "status": "+33612345678"}),
            json!({"email": "ada@example.com", "status": "SUSPENDED", "epoch": 7}),
            json!({"ada@example.com": "SUSPENDED"}),
        ] {
            let error = function.invoke(event.clone()).await.unwrap_err();
            let text = format!("{error} {error:?}");
            assert!(text.contains("must be an object with status (ACTIVE or SUSPENDED)"), "{event}: {text}");
            assert!(!text.contains("example") && !text.contains("33612345678"), "{event}: {text}");
        }
        assert_eq!((function.current_ada().await, function.audit_events().await), (function.ada.clone(), Vec::new()));
    }

    #[tokio::test]
    async fn concurrent_updates_are_kept_when_user_is_suspended() {
        let function = Function::start().await;
        function.update_before_next(|ada| User { phone: None, email_verified: true, ..ada });
        function.update_before_next(User::revoked);
        let event = json!({"email": "ada@example.com", "status": "SUSPENDED"});
        assert_eq!(function.invoke(event).await.unwrap()["epoch"], 2);
        let user = function.current_ada().await;
        assert_eq!((user.status, user.phone, user.email_verified), (UserStatus::Suspended, None, true));
    }

    #[tokio::test]
    async fn status_is_unchanged_after_repeated_version_conflicts() {
        let function = Function::start().await;
        for _ in 0..UPDATE_ATTEMPTS {
            function.update_before_next(|ada| ada);
        }
        let event = json!({"email": "ada@example.com", "status": "SUSPENDED"});
        assert!(matches!(function.invoke(event).await, Err(SetStatusError::TooManyConflicts)));
        assert_eq!(function.current_ada().await.status, UserStatus::Active);
    }
}
