//! Credentials, and the attempts to use them.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use dynamo::{Item, number, text};
use kernel::{Random, Timestamp, UserId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::keys::{self, PrimaryKey};
use super::users::record::UserAttributes;
use super::{AccountTable, StoreError};
use crate::domain::throttle::{
    ATTEMPT_WINDOW, Attempts, Backoff, MAX_BACKOFF, NextAttempt, PASSWORDS, RateLimit, SIGN_UPS,
};
use crate::domain::{Identifier, PasswordHash, User};

/// How often counting an attempt is started over because of concurrent attempts.
const MAX_ATTEMPTS: usize = 3;

/// The credential of an identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// A copy, whose version is checked by [`start_session`](AccountTable::start_session).
    pub user: User,
    pub password_hash: PasswordHash,
}

/// An attempt that was counted and is in flight until it is settled: by the reset after a success, or as failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CountedAttempt {
    /// The number of attempts since the last success, including this one.
    pub number: u32,
    id: AttemptId,
}

/// An attempt to sign in that was counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignInAttempt {
    /// The credential of the identifier, if it belongs to a user.
    pub credential: Option<Credential>,
    pub counted: CountedAttempt,
}

/// The stored name of an attempt in flight: the time at which it was counted, in milliseconds since 1970, `#`, and a
/// random number.
#[derive(Debug, Clone, PartialEq, Eq)]
struct AttemptId(String);

impl CountedAttempt {
    /// An attempt that is to be counted.
    fn new(now: Timestamp, random: &(impl Random + ?Sized)) -> Self {
        Self { number: 0, id: AttemptId::new(now, random) }
    }
}

impl AttemptId {
    fn new(now: Timestamp, random: &(impl Random + ?Sized)) -> Self {
        let mut bytes = [0; 8];
        random.fill(&mut bytes);
        Self(format!("{}#{:016x}", now.unix_millis(), u64::from_le_bytes(bytes)))
    }

    fn counted_at(&self) -> Result<Timestamp, StoreError> {
        let millis = self.0.split('#').next().and_then(|millis| millis.parse().ok());
        let millis = millis.ok_or_else(|| StoreError::internal("attempt in flight without a time"))?;
        Timestamp::from_unix_millis(millis).map_err(StoreError::internal)
    }
}

/// An identifier of a user.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct IdentifierRecord {
    #[serde(flatten)]
    key: PrimaryKey,
    user_id: UserId,
    password_hash: String,
    #[serde(flatten)]
    user: UserAttributes,
}

impl IdentifierRecord {
    pub(super) fn new(identifier: &Identifier, user: &User, hash: &PasswordHash) -> Self {
        Self {
            key: keys::identifier(identifier),
            user_id: user.id,
            password_hash: hash.expose().to_owned(),
            user: user.into(),
        }
    }
}

impl TryFrom<IdentifierRecord> for Credential {
    type Error = StoreError;

    fn try_from(record: IdentifierRecord) -> Result<Self, StoreError> {
        let password_hash = PasswordHash::from_stored(record.password_hash).map_err(StoreError::internal)?;
        Ok(Self { user: record.user.into_user(record.user_id), password_hash })
    }
}

/// The counter of attempts, in an identifier or an item of its own.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CounterRecord {
    attempts: u32,
    /// In milliseconds since 1970.
    last_attempt_at: i64,
    /// The ids of the attempts that are not settled.
    #[serde(default)]
    in_flight: Vec<String>,
}

impl TryFrom<CounterRecord> for Attempts {
    type Error = StoreError;

    fn try_from(record: CounterRecord) -> Result<Self, StoreError> {
        let last_at = Timestamp::from_unix_millis(record.last_attempt_at).map_err(StoreError::internal)?;
        let in_flight =
            record.in_flight.into_iter().map(|id| AttemptId(id).counted_at()).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { count: record.attempts, last_at, in_flight_since: in_flight.into_iter().max() })
    }
}

fn attempts(item: Item) -> Result<Attempts, StoreError> {
    read::<CounterRecord>(item)?.try_into()
}

/// Deserializes an item whose partition key is an e-mail address or a phone number, which must not be logged.
pub(super) fn read<T: DeserializeOwned>(item: Item) -> Result<T, StoreError> {
    serde_dynamo::from_item(item).map_err(StoreError::internal)
}

/// Reads the credential of an identifier's item, if the identifier belongs to a user.
pub(super) fn read_credential(item: Item) -> Result<Option<Credential>, StoreError> {
    if item.contains_key("userId") { read::<IdentifierRecord>(item)?.try_into().map(Some) } else { Ok(None) }
}

/// A conditional write of a counter, without the attributes that every such write sets.
struct CounterUpdate {
    attempts: &'static str,
    condition: String,
    values: HashMap<String, AttributeValue>,
}

/// The result of a conditional write of a counter.
enum CounterWrite {
    /// The item after the write.
    Written(Item),
    /// The item that did not meet the condition.
    ConditionFailed(Item),
}

impl CounterUpdate {
    /// Counts one more attempt, unless it has to wait. The condition expresses the backoff as a function of the stored
    /// attributes, so that no read is needed, and a rejected attempt changes nothing.
    fn increment(backoff: Backoff, now: Timestamp) -> Self {
        let ago = |duration: Duration| number(now.unix_millis().saturating_sub_unsigned(millis(duration)));
        let mut values = HashMap::from([
            (":zero".to_owned(), number(0)),
            (":free".to_owned(), number(backoff.burst)),
            (":longest".to_owned(), ago(MAX_BACKOFF)),
            (":forgotten".to_owned(), ago(ATTEMPT_WINDOW)),
        ]);
        let mut waited = vec!["attempts < :free".to_owned(), "lastAttemptAt <= :longest".to_owned()];
        for (attempts, backoff) in backoff.steps() {
            waited.push(format!("(attempts <= :n{attempts} AND lastAttemptAt <= :t{attempts})"));
            values.insert(format!(":n{attempts}"), number(attempts));
            values.insert(format!(":t{attempts}"), ago(backoff));
        }
        Self {
            attempts: "if_not_exists(attempts, :zero) + :one",
            condition: format!(
                "attribute_not_exists(attempts) OR (lastAttemptAt > :forgotten AND ({}))",
                waited.join(" OR ")
            ),
            values,
        }
    }

    /// Counts the first attempt after the expired ones, unless a concurrent attempt was counted.
    fn reset(expired: Attempts) -> Self {
        let values = HashMap::from([(":seen".to_owned(), number(expired.last_at.unix_millis()))]);
        Self { attempts: ":one", condition: "lastAttemptAt = :seen".to_owned(), values }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl AccountTable {
    /// Finds the credential of an identifier.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if it could not be read.
    pub async fn find_credential(&self, identifier: &Identifier) -> Result<Option<Credential>, StoreError> {
        let item = self.table.get(keys::identifier(identifier).into()).await?;
        Ok(item.map(read_credential).transpose()?.flatten())
    }

    /// Counts an attempt to sign in with an identifier and returns its credential, unless the attempt has to wait.
    /// Concurrent attempts are limited as consecutive ones are, and those with an unknown identifier as those with a
    /// known one.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the attempt was not counted.
    pub async fn count_attempt(
        &self,
        identifier: &Identifier,
        now: Timestamp,
    ) -> Result<RateLimit<SignInAttempt>, StoreError> {
        let attempt = CountedAttempt::new(now, self.random());
        let key = keys::identifier(identifier).into();
        let (item, counted) = match self.count(key, PASSWORDS, Some(&attempt), now).await? {
            RateLimit::Allowed((item, number)) => (item, CountedAttempt { number, ..attempt }),
            RateLimit::Undecided => return Ok(RateLimit::Undecided),
            RateLimit::Limited { retry_after } => return Ok(RateLimit::Limited { retry_after }),
        };
        Ok(RateLimit::Allowed(SignInAttempt { credential: read_credential(item)?, counted }))
    }

    /// Settles an attempt to sign in as failed.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the outcome is unknown.
    pub async fn settle_attempt(&self, identifier: &Identifier, counted: &CountedAttempt) -> Result<(), StoreError> {
        self.settle(keys::identifier(identifier).into(), counted).await
    }

    /// Counts an attempt of a signed-in user to confirm their password, unless it has to wait. These attempts are counted
    /// separately from those to sign in, so that no one else can make a signed-in user wait.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the attempt was not counted.
    pub async fn count_reauthentication(
        &self,
        user: UserId,
        now: Timestamp,
    ) -> Result<RateLimit<CountedAttempt>, StoreError> {
        let attempt = CountedAttempt::new(now, self.random());
        Ok(match self.count(keys::attempts(user).into(), PASSWORDS, Some(&attempt), now).await? {
            RateLimit::Allowed((_, number)) => RateLimit::Allowed(CountedAttempt { number, ..attempt }),
            RateLimit::Undecided => RateLimit::Undecided,
            RateLimit::Limited { retry_after } => RateLimit::Limited { retry_after },
        })
    }

    /// Settles an attempt to confirm a password as failed.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the outcome is unknown.
    pub async fn settle_reauthentication(&self, user: UserId, counted: &CountedAttempt) -> Result<(), StoreError> {
        self.settle(keys::attempts(user).into(), counted).await
    }

    /// Counts a sign-up with a taken identifier, unless it has to wait. It is counted separately from attempts to sign in,
    /// so that no sign-up makes the owner wait.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if it was not counted.
    pub async fn count_taken_sign_up(
        &self,
        identifier: &Identifier,
        now: Timestamp,
    ) -> Result<RateLimit<()>, StoreError> {
        Ok(match self.count(keys::sign_ups(identifier).into(), SIGN_UPS, None, now).await? {
            RateLimit::Allowed(_) => RateLimit::Allowed(()),
            RateLimit::Undecided => RateLimit::Undecided,
            RateLimit::Limited { retry_after } => RateLimit::Limited { retry_after },
        })
    }

    /// Counts an attempt in the item of this key, as in flight if it is named. Returns the item after the write and the
    /// number of the attempt.
    async fn count(
        &self,
        key: Item,
        backoff: Backoff,
        in_flight: Option<&CountedAttempt>,
        now: Timestamp,
    ) -> Result<RateLimit<(Item, u32)>, StoreError> {
        let mut update = CounterUpdate::increment(backoff, now);
        for _ in 0..MAX_ATTEMPTS {
            let previous = match self.write_counter(&key, now, in_flight, &update).await? {
                CounterWrite::Written(item) => {
                    let number = attempts(item.clone())?.count;
                    return Ok(RateLimit::Allowed((item, number)));
                }
                CounterWrite::ConditionFailed(item) => attempts(item)?,
            };
            update = match previous.next(backoff, now) {
                NextAttempt::Increment => CounterUpdate::increment(backoff, now),
                NextAttempt::Reset => CounterUpdate::reset(previous),
                NextAttempt::AwaitOthers => return Ok(RateLimit::Undecided),
                NextAttempt::Wait(retry_after) => return Ok(RateLimit::Limited { retry_after }),
            };
        }
        Err(StoreError::Unavailable("concurrent attempts kept changing the counter".to_owned()))
    }

    /// Removes a failed attempt from those in flight. It stays counted. After a reset nothing is left to remove.
    async fn settle(&self, key: Item, CountedAttempt { id, .. }: &CountedAttempt) -> Result<(), StoreError> {
        let send = || {
            let update = self.table.client().update_item().table_name(self.table.name()).set_key(Some(key.clone()));
            update
                .update_expression("DELETE inFlight :attempts")
                // An update of a missing item would create it.
                .condition_expression("contains(inFlight, :attempt)")
                .expression_attribute_values(":attempts", AttributeValue::Ss(vec![id.0.clone()]))
                .expression_attribute_values(":attempt", text(&id.0))
                .send()
        };
        match self.table.retry_on_conflict(send).await {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(()),
                _ => Err(error.into()),
            },
        }
    }

    async fn write_counter(
        &self,
        key: &Item,
        now: Timestamp,
        in_flight: Option<&CountedAttempt>,
        CounterUpdate { attempts, condition, values }: &CounterUpdate,
    ) -> Result<CounterWrite, StoreError> {
        let add = if in_flight.is_some() { " ADD inFlight :attempt" } else { "" };
        let send = || {
            let mut update = self.table.client().update_item().table_name(self.table.name()).set_key(Some(key.clone()));
            update = update.set_expression_attribute_values(Some(values.clone()));
            if let Some(attempt) = in_flight {
                update = update.expression_attribute_values(":attempt", AttributeValue::Ss(vec![attempt.id.0.clone()]));
            }
            update
                .update_expression(format!(
                    "SET attempts = {attempts}, lastAttemptAt = :now, expiresAt = if_not_exists(userId, :forget){add}"
                ))
                .condition_expression(condition)
                .expression_attribute_values(":one", number(1))
                .expression_attribute_values(":now", number(now.unix_millis()))
                .expression_attribute_values(":forget", number(now.plus(ATTEMPT_WINDOW).unix_seconds()))
                .return_values(ReturnValue::AllNew)
                .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
                .send()
        };
        match self.table.retry_on_conflict(send).await {
            Ok(written) => Ok(CounterWrite::Written(written.attributes.unwrap_or_default())),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(failure)) => {
                    Ok(CounterWrite::ConditionFailed(failure.item().cloned().unwrap_or_default()))
                }
                _ => Err(error.into()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use contact::{Email, Phone};

    use super::super::CreateUserOutcome;
    use super::super::testing::{Accounts, event, hash, now, session, start, user};
    use super::*;
    use crate::domain::AuditEventKind;
    use crate::domain::throttle::BURST;

    fn ada() -> Identifier {
        Identifier::Email(Email::parse("ada@example.com").unwrap())
    }

    fn unknown() -> Identifier {
        Identifier::Phone(Phone::parse("+33600000000").unwrap())
    }

    fn at(seconds: u64) -> Timestamp {
        now().plus(Duration::from_secs(seconds))
    }

    /// Makes a failed attempt. Returns its number, or the seconds to wait.
    async fn attempt(accounts: &Accounts, identifier: &Identifier, at: Timestamp) -> Result<u32, u64> {
        match accounts.table.count_attempt(identifier, at).await.unwrap() {
            RateLimit::Allowed(SignInAttempt { credential, counted }) => {
                assert_eq!(credential.is_some(), *identifier == ada());
                accounts.table.settle_attempt(identifier, &counted).await.unwrap();
                Ok(counted.number)
            }
            RateLimit::Limited { retry_after } => Err(retry_after.as_secs()),
            RateLimit::Undecided => panic!("an attempt is in flight"),
        }
    }

    #[tokio::test]
    async fn backoff_applies_to_known_and_unknown_identifiers() {
        let (accounts, _) = Accounts::with_ada().await;
        for identifier in [ada(), unknown()] {
            for n in 1..=5 {
                assert_eq!(attempt(&accounts, &identifier, at(0)).await, Ok(n));
            }
            let mut clock = 0;
            for (n, wait) in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900].into_iter().enumerate() {
                assert_eq!(attempt(&accounts, &identifier, at(clock)).await, Err(wait));
                assert_eq!(
                    attempt(&accounts, &identifier, at(clock + wait - 1)).await,
                    Err(1),
                    "a limited attempt does not extend the backoff"
                );
                clock += wait;
                assert_eq!(attempt(&accounts, &identifier, at(clock)).await, Ok(u32::try_from(n).unwrap() + 6));
            }
        }
    }

    #[tokio::test]
    async fn attempt_is_one_round_trip_when_allowed_and_when_limited() {
        let (accounts, _) = Accounts::with_ada().await;
        for _ in 0..7 {
            for identifier in [ada(), unknown()] {
                accounts.table.count_attempt(&identifier, now()).await.unwrap();
                assert_eq!(accounts.engine.round_trips(), ["UpdateItem"]);
            }
        }
    }

    #[tokio::test]
    async fn hundred_concurrent_attempts_allow_five() {
        let (accounts, _) = Accounts::with_ada().await;
        let accounts = Arc::new(accounts);
        let attempts: Vec<_> = (0..100)
            .map(|_| {
                let accounts = Arc::clone(&accounts);
                tokio::spawn(async move { accounts.table.count_attempt(&ada(), now()).await.unwrap() })
            })
            .collect();
        let (mut allowed, mut undecided) = (Vec::new(), 0);
        for attempt in attempts {
            match attempt.await.unwrap() {
                RateLimit::Allowed(SignInAttempt { counted, .. }) => allowed.push(counted),
                RateLimit::Undecided => undecided += 1,
                RateLimit::Limited { .. } => panic!("none has failed"),
            }
        }
        let mut numbers: Vec<_> = allowed.iter().map(|counted| counted.number).collect();
        numbers.sort_unstable();
        assert_eq!((numbers.as_slice(), undecided), ([1, 2, 3, 4, 5].as_slice(), 95));

        for counted in &allowed[..4] {
            accounts.table.settle_attempt(&ada(), counted).await.unwrap();
            assert_eq!(accounts.table.count_attempt(&ada(), now()).await, Ok(RateLimit::Undecided));
        }
        accounts.table.settle_attempt(&ada(), &allowed[4]).await.unwrap();
        let limited = RateLimit::Limited { retry_after: Duration::from_secs(1) };
        assert_eq!(accounts.table.count_attempt(&ada(), now()).await, Ok(limited));
    }

    #[tokio::test]
    async fn success_makes_room_for_undecided_attempts() {
        let (accounts, ada_user) = Accounts::with_ada().await;
        let mut counted = Vec::new();
        for _ in 0..BURST {
            let RateLimit::Allowed(SignInAttempt { counted: attempt, .. }) =
                accounts.table.count_attempt(&ada(), now()).await.unwrap()
            else {
                panic!()
            };
            counted.push(attempt);
        }
        assert_eq!(accounts.table.count_attempt(&ada(), now()).await, Ok(RateLimit::Undecided));
        start(&accounts, &ada_user, &session(2)).await.unwrap();
        for attempt in &counted {
            accounts.table.settle_attempt(&ada(), attempt).await.unwrap();
        }
        assert_eq!(attempt(&accounts, &ada(), now()).await, Ok(1), "a failure from before the success is forgotten");
    }

    #[tokio::test]
    async fn attempt_that_was_never_settled_counts_as_failed() {
        let (accounts, _) = Accounts::with_ada().await;
        for _ in 0..BURST + 4 {
            accounts.table.count_attempt(&ada(), at(0)).await.unwrap();
        }
        accounts.set(keys::identifier(&ada()), "attempts", number(20)).await;
        assert_eq!(accounts.table.count_attempt(&ada(), at(14)).await, Ok(RateLimit::Undecided));
        assert_eq!(attempt(&accounts, &ada(), at(15)).await, Err(900 - 15));
    }

    #[tokio::test]
    async fn settling_an_attempt_creates_no_missing_item() {
        let (accounts, _) = Accounts::with_ada().await;
        let RateLimit::Allowed(SignInAttempt { counted, .. }) =
            accounts.table.count_attempt(&unknown(), now()).await.unwrap()
        else {
            panic!()
        };
        accounts.delete(keys::identifier(&unknown())).await;
        accounts.table.settle_attempt(&unknown(), &counted).await.unwrap();
        assert_eq!(accounts.records().await.len(), 3);
    }

    #[tokio::test]
    async fn attempt_count_resets_after_a_day() {
        let (accounts, _) = Accounts::with_ada().await;
        for identifier in [ada(), unknown()] {
            for n in 1..=5 {
                assert_eq!(attempt(&accounts, &identifier, at(0)).await, Ok(n));
            }
            assert_eq!(attempt(&accounts, &identifier, at(86399)).await, Ok(6));
            for n in 1..=5 {
                assert_eq!(attempt(&accounts, &identifier, at(86399 + 86400)).await, Ok(n));
            }
            assert_eq!(attempt(&accounts, &identifier, at(86399 + 86400)).await, Err(1));
        }
    }

    #[tokio::test]
    async fn only_counter_of_unknown_identifier_has_ttl() {
        let (accounts, ada_user) = Accounts::with_ada().await;
        for identifier in [ada(), unknown()] {
            attempt(&accounts, &identifier, now()).await.unwrap();
        }
        for item in accounts.records().await {
            let Some(expires_at) = item.get("expiresAt") else { continue };
            match item.get("userId") {
                Some(_) => assert_eq!(expires_at, &AttributeValue::S(ada_user.id.to_string())),
                None => assert_eq!(expires_at, &number(at(86400).unix_seconds())),
            }
        }
    }

    #[tokio::test]
    async fn attempted_identifier_can_be_claimed_with_reset_counter() {
        let (accounts, _) = Accounts::with_ada().await;
        for _ in 0..6 {
            accounts.table.count_attempt(&unknown(), now()).await.unwrap();
        }
        let bob = user(2, "bob@example.com", Some("+33600000000"));
        assert_eq!(
            accounts.table.create_user(&bob, &hash(), &event(AuditEventKind::SignedUp)).await,
            Ok(CreateUserOutcome::Created)
        );
        let RateLimit::Allowed(SignInAttempt { credential: Some(credential), counted }) =
            accounts.table.count_attempt(&unknown(), now()).await.unwrap()
        else {
            panic!()
        };
        assert_eq!((credential.user, counted.number), (bob, 1));
    }

    #[tokio::test]
    async fn reauthentication_attempts_are_counted_separately() {
        let (accounts, ada_user) = Accounts::with_ada().await;
        for _ in 0..9 {
            accounts.table.count_attempt(&ada(), now()).await.unwrap();
        }
        accounts.engine.round_trips();
        for n in 1..=5 {
            let RateLimit::Allowed(counted) = accounts.table.count_reauthentication(ada_user.id, now()).await.unwrap()
            else {
                panic!()
            };
            assert_eq!((counted.number, accounts.engine.round_trips()), (n, vec!["UpdateItem".to_owned()]));
            accounts.table.settle_reauthentication(ada_user.id, &counted).await.unwrap();
            assert_eq!(accounts.engine.round_trips(), ["UpdateItem"]);
        }
        let limited = accounts.table.count_reauthentication(ada_user.id, now()).await;
        assert_eq!(limited, Ok(RateLimit::Limited { retry_after: Duration::from_secs(1) }));
        assert_eq!(accounts.engine.round_trips(), ["UpdateItem"]);
    }

    #[tokio::test]
    async fn taken_sign_ups_are_counted_separately_from_sign_ins() {
        let (accounts, _) = Accounts::with_ada().await;
        for _ in 0..10 {
            assert_eq!(accounts.table.count_taken_sign_up(&ada(), at(0)).await, Ok(RateLimit::Allowed(())));
        }
        let limited = |seconds| Ok(RateLimit::Limited { retry_after: Duration::from_secs(seconds) });
        assert_eq!(accounts.table.count_taken_sign_up(&ada(), at(0)).await, limited(1));
        assert_eq!(accounts.table.count_taken_sign_up(&ada(), at(1)).await, Ok(RateLimit::Allowed(())));
        assert_eq!(accounts.table.count_taken_sign_up(&ada(), at(1)).await, limited(2));
        assert_eq!(attempt(&accounts, &ada(), at(1)).await, Ok(1));
        let item = accounts.records().await.into_iter().find(|item| item["sk"] == text("SIGN_UPS")).unwrap();
        assert_eq!(item["expiresAt"], number(at(1 + 86400).unix_seconds()));
    }

    #[tokio::test]
    async fn attempt_is_retried_on_transaction_conflict() {
        let (accounts, _) = Accounts::with_ada().await;
        accounts.engine.raise_conflicts("UpdateItem", 3);
        let counted = accounts.table.count_attempt(&ada(), now()).await.unwrap();
        let RateLimit::Allowed(SignInAttempt { counted, .. }) = counted else { panic!() };
        assert_eq!((counted.number, accounts.engine.round_trips()), (1, vec!["UpdateItem".to_owned(); 4]));
        accounts.engine.raise_conflicts("UpdateItem", 1);
        accounts.table.settle_attempt(&ada(), &counted).await.unwrap();
        assert_eq!(accounts.engine.round_trips(), ["UpdateItem"; 2]);
        accounts.engine.raise_conflicts("UpdateItem", usize::MAX);
        let outcome = accounts.table.count_attempt(&ada(), now()).await;
        assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{outcome:?}");
    }

    #[tokio::test]
    async fn unknown_identifier_has_no_credential() {
        let (accounts, _) = Accounts::with_ada().await;
        for identifier in [
            Identifier::Email(Email::parse("bob@example.com").unwrap()),
            Identifier::Phone(Phone::parse("+33600000000").unwrap()),
        ] {
            assert_eq!(accounts.table.find_credential(&identifier).await, Ok(None));
        }
    }

    #[tokio::test]
    async fn invalid_stored_hash_is_not_quoted_in_the_error() {
        let (accounts, ada) = Accounts::with_ada().await;
        let identifier = Identifier::Email(ada.email);
        let hash = AttributeValue::S("hunter2".to_owned());
        accounts.set(keys::identifier(&identifier), "passwordHash", hash).await;
        let Err(StoreError::Internal(text)) = accounts.table.find_credential(&identifier).await else { panic!() };
        assert!(!text.contains("hunter2"), "{text}");
    }
}
