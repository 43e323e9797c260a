//! An operator's word on whether a person may act. No endpoint has it: it takes the right to invoke the function.

use contact::{Email, InvalidEmail, InvalidPhone, Phone};
use kernel::{Clock, Random, UserId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::{AuditKind, AuditRecord, AuditSubject, AuditTrail, Caller, Identifier, Person, PersonStatus};
use crate::store::{ChangePerson, Changed, FindCredential, FindPerson, PersonChange, StoreError};

/// How often it begins anew because the person changed under it.
const TRIES: usize = 5;
const MAX_REASON_CHARACTERS: usize = 200;

/// What the function needs.
#[derive(Debug)]
pub struct SetPersonStatus<S, R, C> {
    /// Where people are found and changed.
    pub people: S,
    /// Writes it down.
    pub trail: AuditTrail,
    /// For the record's id.
    pub random: R,
    /// For the time of it.
    pub clock: C,
}

/// What the operator says: of whom, by one of the three, and what they are to be.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Order {
    user_id: Option<UserId>,
    email: Option<String>,
    phone: Option<String>,
    status: PersonStatus,
    /// For whoever reads the trail.
    reason: Option<String>,
}

/// How the person stands now.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Standing {
    user_id: UserId,
    status: PersonStatus,
    epoch: u64,
    /// Whether they stood otherwise before.
    changed: bool,
}

/// Why a person's status is what it was.
#[derive(Debug, thiserror::Error)]
pub enum StatusNotSet {
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
    PersonKeptChanging,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Suspends a person or lets them act again. A suspension revokes all that they have: whoever may act again has to sign in
/// again. What is so already is not changed.
///
/// # Errors
///
/// [`StatusNotSet`], of which the operator is told as the invocation's failure.
pub async fn set_person_status<S, R, C>(
    deps: &SetPersonStatus<S, R, C>,
    event: Value,
    request_id: String,
) -> Result<Standing, StatusNotSet>
where
    S: FindPerson + FindCredential + ChangePerson + Sync,
    R: Random + Sync,
    C: Clock + Sync,
{
    let order: Order = serde_json::from_value(event).map_err(|_| StatusNotSet::Unreadable)?;
    if order.reason.as_ref().is_some_and(|reason| reason.chars().count() > MAX_REASON_CHARACTERS) {
        return Err(StatusNotSet::Reason);
    }
    let caller = Caller::invocation(request_id);
    let mut found = deps.find(&order).await?;
    for _ in 0..TRIES {
        let before = found.ok_or(StatusNotSet::NoSuchPerson)?;
        if before.status == order.status {
            return Ok(Standing::of(&before, false));
        }
        let now = deps.clock.now();
        let after = Person { status: order.status, ..before.next_version(now) };
        let (after, kind) = match order.status {
            PersonStatus::Suspended => (after.revoked(), AuditKind::PersonSuspended),
            PersonStatus::Active => (after, AuditKind::PersonReactivated),
        };
        let record = deps.trail.record(kind, AuditSubject::Person(after.id), &caller, now, &deps.random);
        let change = PersonChange {
            before: &before,
            after: &after,
            password_hash: None,
            knows_password: false,
            carried: None,
            record: &order.reason.iter().fold(record, AuditRecord::with_detail),
        };
        match deps.people.change_person(change).await? {
            Changed::Yes => return Ok(Standing::of(&after, true)),
            Changed::PersonIsNow(person) => found = person.map(|person| *person),
            Changed::Taken(_) | Changed::SessionMoved => {
                return Err(
                    StoreError::internal("a change that claims and carries nothing was refused for that").into()
                );
            }
        }
    }
    Err(StatusNotSet::PersonKeptChanging)
}

impl<S: FindPerson + FindCredential, R, C> SetPersonStatus<S, R, C> {
    async fn find(&self, order: &Order) -> Result<Option<Person>, StatusNotSet> {
        let identifier = match (order.user_id, &order.email, &order.phone) {
            (Some(id), None, None) => return Ok(self.people.find_person(id).await?),
            (None, Some(email), None) => Identifier::Email(Email::parse(email)?),
            (None, None, Some(phone)) => Identifier::Phone(Phone::parse(phone)?),
            _ => return Err(StatusNotSet::NotOneName),
        };
        Ok(self.people.find_credential(&identifier).await?.map(|credential| credential.person))
    }
}

impl Standing {
    fn of(person: &Person, changed: bool) -> Self {
        Self { user_id: person.id, status: person.status, epoch: person.epoch, changed }
    }
}

#[cfg(test)]
mod tests {
    use kernel::testing::FixedClock;
    use kernel::testing::SeededRandom;
    use serde_json::json;

    use super::*;
    use crate::domain::{PersonStatus, Revoked};
    use crate::testing::ada_on_engine::{AdaOnEngine, Table};
    use crate::testing::{ada, now, trail};

    fn deps(ada: &AdaOnEngine) -> SetPersonStatus<Table, SeededRandom, FixedClock> {
        SetPersonStatus { people: ada.people(), trail: trail(), random: SeededRandom::new(1), clock: FixedClock(now()) }
    }

    async fn say(deps: &SetPersonStatus<Table, SeededRandom, FixedClock>, order: Value) -> Result<Value, StatusNotSet> {
        let standing = set_person_status(deps, order, "invocation-1".to_owned()).await?;
        Ok(serde_json::to_value(standing).unwrap())
    }

    #[tokio::test]
    async fn a_suspension_revokes_all_that_a_person_has_and_their_return_gives_none_of_it_back() {
        let ada = AdaOnEngine::new().await;
        let (session, deps) = (ada.session(1).await, deps(&ada));
        let order = |status| json!({"userId": self::ada().id, "status": status, "reason": format!("to be {status}")});
        let standing =
            |status, changed| json!({"userId": self::ada().id, "status": status, "epoch": 1, "changed": changed});

        for changed in [true, false] {
            assert_eq!(say(&deps, order("SUSPENDED")).await.unwrap(), standing("SUSPENDED", changed));
            assert_eq!(ada.find(&session).await.accept(1, now()), Err(Revoked::EpochPassed));
            let person = ada.ada().await;
            assert_eq!((person.status, person.version), (PersonStatus::Suspended, 2));
            for identifier in person.identifiers() {
                assert_eq!(ada.credential(&identifier).await.unwrap().person, person);
            }
        }
        for changed in [true, false] {
            assert_eq!(say(&deps, order("ACTIVE")).await.unwrap(), standing("ACTIVE", changed));
            assert_eq!(ada.find(&session).await.accept(1, now()), Err(Revoked::EpochPassed));
            assert_eq!((ada.ada().await.status, ada.ada().await.version), (PersonStatus::Active, 3));
        }
        let told = |kind: &str, reason: &str| (kind.to_owned(), Some(reason.to_owned()));
        let recorded = [told("PERSON_REACTIVATED", "to be ACTIVE"), told("PERSON_SUSPENDED", "to be SUSPENDED")];
        assert_eq!(ada.recorded().await, recorded);
    }

    #[tokio::test]
    async fn a_person_is_named_by_their_id_or_by_what_they_sign_in_by() {
        for name in
            [json!({"userId": ada().id}), json!({"email": "ADA@example.com"}), json!({"phone": "+33 6 12 34 56 78"})]
        {
            let ada = AdaOnEngine::new().await;
            let mut order = name.clone();
            order["status"] = json!("SUSPENDED");
            assert_eq!(say(&deps(&ada), order).await.unwrap()["changed"], true, "{name}");
            assert_eq!(ada.recorded().await, [("PERSON_SUSPENDED".to_owned(), None)]);
            assert_eq!(ada.ada().await.status, PersonStatus::Suspended);
        }
    }

    #[tokio::test]
    async fn an_order_that_is_none_says_why_and_changes_nothing() {
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
    async fn an_event_that_cannot_be_read_is_told_what_to_be_and_never_what_it_is() {
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
    async fn what_happens_meanwhile_is_kept_and_does_not_keep_the_person_from_being_suspended() {
        let ada = AdaOnEngine::new().await;
        ada.before_change.happens(ada.change(|ada| Person { phone: None, email_verified: true, ..ada }, None));
        ada.before_change.happens(ada.change(Person::revoked, None));
        let order = json!({"email": "ada@example.com", "status": "SUSPENDED"});
        assert_eq!(say(&deps(&ada), order).await.unwrap()["epoch"], 2);
        let person = ada.ada().await;
        assert_eq!((person.status, person.phone, person.email_verified), (PersonStatus::Suspended, None, true));
    }

    #[tokio::test]
    async fn a_person_who_keeps_changing_is_left_as_they_are_and_the_operator_is_told() {
        let ada = AdaOnEngine::new().await;
        for _ in 0..TRIES {
            ada.before_change.happens(ada.change(|ada| ada, None));
        }
        let order = json!({"email": "ada@example.com", "status": "SUSPENDED"});
        assert!(matches!(say(&deps(&ada), order).await, Err(StatusNotSet::PersonKeptChanging)));
        assert_eq!(ada.ada().await.status, PersonStatus::Active);
    }
}
