//! An operator's word on whether a person may act. No endpoint has it: it takes the right to invoke the function.

use contact::{Email, InvalidEmail, InvalidPhone, Phone};
use kernel::{Clock, Random, UserId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::{AuditEvent, AuditEventKind, AuditLog, AuditSubject, ClientInfo, Identifier, User, UserStatus};
use crate::store::{FindCredential, FindUser, StoreError, UpdateOutcome, UpdateUser, UserUpdate};

/// How often it begins anew because the person changed under it.
const MAX_ATTEMPTS: usize = 5;
const MAX_REASON_CHARACTERS: usize = 200;

/// What the function needs.
#[derive(Debug)]
pub struct SetUserStatus<S, R, C> {
    /// Where people are found and changed.
    pub users: S,
    /// Writes it down.
    pub audit_log: AuditLog,
    /// For the record's id.
    pub random: R,
    /// For the time of it.
    pub clock: C,
}

/// What the operator says: of whom, by one of the three, and what they are to be.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct SetStatusRequest {
    user_id: Option<UserId>,
    email: Option<String>,
    phone: Option<String>,
    status: UserStatus,
    /// For whoever reads the trail.
    reason: Option<String>,
}

/// How the person stands now.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UserStatusView {
    user_id: UserId,
    status: UserStatus,
    epoch: u64,
    /// Whether they stood otherwise before.
    changed: bool,
}

/// Why a person's status is what it was.
#[derive(Debug, thiserror::Error)]
pub enum SetStatusError {
    /// The event is not what this function takes. Why not is not told: it may quote a name, and this goes to the log.
    #[error(
        "the event must be an object with status (ACTIVE or SUSPENDED), one of userId, email and phone, and at most a \
         reason besides, each a text"
    )]
    Unreadable,
    /// It names nobody, or more than one may be.
    #[error("name the person by one of userId, email and phone")]
    NotOneName,
    /// It names them by what is no address.
    #[error("email: {0}")]
    Email(#[from] InvalidEmail),
    /// It names them by what is no number.
    #[error("phone: {0}")]
    Phone(#[from] InvalidPhone),
    /// It gives more of a reason than is kept.
    #[error("reason: must have at most {MAX_REASON_CHARACTERS} characters")]
    Reason,
    /// It names somebody who is not there.
    #[error("there is no such person")]
    NoSuchPerson,
    /// Others changed the person again and again.
    #[error("the person kept changing: invoke the function again")]
    UserKeptChanging,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Suspends a person or lets them act again. A suspension revokes all that they have: whoever may act again has to sign in
/// again. What is so already is not changed.
///
/// # Errors
///
/// [`SetStatusError`], of which the operator is told as the invocation's failure.
pub async fn set_user_status<S, R, C>(
    deps: &SetUserStatus<S, R, C>,
    event: Value,
    request_id: String,
) -> Result<UserStatusView, SetStatusError>
where
    S: FindUser + FindCredential + UpdateUser + Sync,
    R: Random + Sync,
    C: Clock + Sync,
{
    let order: SetStatusRequest = serde_json::from_value(event).map_err(|_| SetStatusError::Unreadable)?;
    if order.reason.as_ref().is_some_and(|reason| reason.chars().count() > MAX_REASON_CHARACTERS) {
        return Err(SetStatusError::Reason);
    }
    let caller = ClientInfo::invocation(request_id);
    let mut found = deps.find(&order).await?;
    for _ in 0..MAX_ATTEMPTS {
        let before = found.ok_or(SetStatusError::NoSuchPerson)?;
        if before.status == order.status {
            return Ok(UserStatusView::of(&before, false));
        }
        let now = deps.clock.now();
        let after = User { status: order.status, ..before.next_version(now) };
        let (after, kind) = match order.status {
            UserStatus::Suspended => (after.revoked(), AuditEventKind::UserSuspended),
            UserStatus::Active => (after, AuditEventKind::UserReactivated),
        };
        let record = deps.audit_log.event(kind, AuditSubject::User(after.id), &caller, now, &deps.random);
        let change = UserUpdate {
            before: &before,
            after: &after,
            password_hash: None,
            reset_failed_attempts: false,
            retained_session: None,
            event: &order.reason.iter().fold(record, AuditEvent::with_detail),
        };
        match deps.users.update_user(change).await? {
            UpdateOutcome::Updated => return Ok(UserStatusView::of(&after, true)),
            UpdateOutcome::VersionConflict(user) => found = user.map(|user| *user),
            UpdateOutcome::IdentifierTaken(_) | UpdateOutcome::SessionConflict => {
                return Err(
                    StoreError::internal("a change that claims and carries nothing was refused for that").into()
                );
            }
        }
    }
    Err(SetStatusError::UserKeptChanging)
}

impl<S: FindUser + FindCredential, R, C> SetUserStatus<S, R, C> {
    async fn find(&self, order: &SetStatusRequest) -> Result<Option<User>, SetStatusError> {
        let identifier = match (order.user_id, &order.email, &order.phone) {
            (Some(id), None, None) => return Ok(self.users.find_user(id).await?),
            (None, Some(email), None) => Identifier::Email(Email::parse(email)?),
            (None, None, Some(phone)) => Identifier::Phone(Phone::parse(phone)?),
            _ => return Err(SetStatusError::NotOneName),
        };
        Ok(self.users.find_credential(&identifier).await?.map(|credential| credential.user))
    }
}

impl UserStatusView {
    fn of(user: &User, changed: bool) -> Self {
        Self { user_id: user.id, status: user.status, epoch: user.epoch, changed }
    }
}

#[cfg(test)]
mod tests {
    use kernel::testing::FixedClock;
    use kernel::testing::SeededRandom;
    use serde_json::json;

    use super::*;
    use crate::domain::{Revoked, UserStatus};
    use crate::testing::ada_on_engine::{AdaOnEngine, Table};
    use crate::testing::{ada, audit_log, now};

    fn deps(ada: &AdaOnEngine) -> SetUserStatus<Table, SeededRandom, FixedClock> {
        SetUserStatus {
            users: ada.users(),
            audit_log: audit_log(),
            random: SeededRandom::new(1),
            clock: FixedClock(now()),
        }
    }

    async fn say(deps: &SetUserStatus<Table, SeededRandom, FixedClock>, order: Value) -> Result<Value, SetStatusError> {
        let standing = set_user_status(deps, order, "invocation-1".to_owned()).await?;
        Ok(serde_json::to_value(standing).unwrap())
    }

    #[tokio::test]
    async fn suspension_revokes_sessions_permanently() {
        let ada = AdaOnEngine::new().await;
        let (session, deps) = (ada.session(1).await, deps(&ada));
        let order = |status| json!({"userId": self::ada().id, "status": status, "reason": format!("to be {status}")});
        let standing =
            |status, changed| json!({"userId": self::ada().id, "status": status, "epoch": 1, "changed": changed});

        for changed in [true, false] {
            assert_eq!(say(&deps, order("SUSPENDED")).await.unwrap(), standing("SUSPENDED", changed));
            assert_eq!(ada.find(&session).await.authorize(1, now()), Err(Revoked::StaleEpoch));
            let user = ada.ada().await;
            assert_eq!((user.status, user.version), (UserStatus::Suspended, 2));
            for identifier in user.identifiers() {
                assert_eq!(ada.credential(&identifier).await.unwrap().user, user);
            }
        }
        for changed in [true, false] {
            assert_eq!(say(&deps, order("ACTIVE")).await.unwrap(), standing("ACTIVE", changed));
            assert_eq!(ada.find(&session).await.authorize(1, now()), Err(Revoked::StaleEpoch));
            assert_eq!((ada.ada().await.status, ada.ada().await.version), (UserStatus::Active, 3));
        }
        let told = |kind: &str, reason: &str| (kind.to_owned(), Some(reason.to_owned()));
        let recorded = [told("PERSON_REACTIVATED", "to be ACTIVE"), told("PERSON_SUSPENDED", "to be SUSPENDED")];
        assert_eq!(ada.recorded().await, recorded);
    }

    #[tokio::test]
    async fn user_is_found_by_id_email_or_phone() {
        for name in
            [json!({"userId": ada().id}), json!({"email": "ADA@example.com"}), json!({"phone": "+33 6 12 34 56 78"})]
        {
            let ada = AdaOnEngine::new().await;
            let mut order = name.clone();
            order["status"] = json!("SUSPENDED");
            assert_eq!(say(&deps(&ada), order).await.unwrap()["changed"], true, "{name}");
            assert_eq!(ada.recorded().await, [("PERSON_SUSPENDED".to_owned(), None)]);
            assert_eq!(ada.ada().await.status, UserStatus::Suspended);
        }
    }

    #[tokio::test]
    async fn invalid_status_request_reports_reason_and_changes_nothing() {
        let ada = AdaOnEngine::new().await;
        let deps = deps(&ada);
        for (order, why) in [
            (json!({"status": "SUSPENDED"}), "name the person by one of"),
            (json!({"email": "ada@example.com", "phone": "+33612345678", "status": "SUSPENDED"}), "one of"),
            (json!({"userId": self::ada().id, "email": "ada@example.com", "status": "SUSPENDED"}), "one of"),
            (json!({"email": "ada", "status": "SUSPENDED"}), "email: must be an e-mail address"),
            (json!({"phone": "0612345678", "status": "SUSPENDED"}), "phone: must be a phone number"),
            (json!({"email": "bob@example.com", "status": "SUSPENDED"}), "there is no such person"),
            (json!({"phone": "+33600000000", "status": "SUSPENDED"}), "there is no such person"),
            (
                json!({"userId": UserId::random(&SeededRandom::new(9)), "status": "SUSPENDED"}),
                "there is no such person",
            ),
            (json!({"email": "ada@example.com", "status": "SUSPENDED", "reason": "é".repeat(201)}), "at most 200"),
        ] {
            let error = say(&deps, order.clone()).await.unwrap_err().to_string();
            assert!(error.contains(why), "{order}: {error}");
        }
        assert_eq!((ada.ada().await, ada.recorded().await), (self::ada(), Vec::new()));
        let longest = json!({"email": "ada@example.com", "status": "SUSPENDED", "reason": "é".repeat(200)});
        assert!(say(&deps, longest).await.is_ok());
    }

    #[tokio::test]
    async fn unreadable_event_error_does_not_quote_the_event() {
        let ada = AdaOnEngine::new().await;
        let deps = deps(&ada);
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
            let error = say(&deps, event.clone()).await.unwrap_err();
            let told = format!("{error} {error:?}");
            assert!(told.contains("must be an object with status (ACTIVE or SUSPENDED)"), "{event}: {told}");
            assert!(!told.contains("example") && !told.contains("33612345678"), "{event}: {told}");
        }
        assert_eq!((ada.ada().await, ada.recorded().await), (self::ada(), Vec::new()));
    }

    #[tokio::test]
    async fn concurrent_updates_are_kept_when_user_is_suspended() {
        let ada = AdaOnEngine::new().await;
        ada.before_change.happens(ada.change(|ada| User { phone: None, email_verified: true, ..ada }, None));
        ada.before_change.happens(ada.change(User::revoked, None));
        let order = json!({"email": "ada@example.com", "status": "SUSPENDED"});
        assert_eq!(say(&deps(&ada), order).await.unwrap()["epoch"], 2);
        let user = ada.ada().await;
        assert_eq!((user.status, user.phone, user.email_verified), (UserStatus::Suspended, None, true));
    }

    #[tokio::test]
    async fn status_is_unchanged_after_repeated_version_conflicts() {
        let ada = AdaOnEngine::new().await;
        for _ in 0..MAX_ATTEMPTS {
            ada.before_change.happens(ada.change(|ada| ada, None));
        }
        let order = json!({"email": "ada@example.com", "status": "SUSPENDED"});
        assert!(matches!(say(&deps(&ada), order).await, Err(SetStatusError::UserKeptChanging)));
        assert_eq!(ada.ada().await.status, UserStatus::Active);
    }
}
