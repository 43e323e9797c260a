//! Counting an attempt to sign in before it is made.

use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use kernel::{Timestamp, UserId};
use serde::Deserialize;

use super::records::{self, IdentifierRecord, Item};
use super::transaction::retry_on_conflict;
use super::{AccountTable, Credential, StoreError};
use crate::domain::Identifier;
use crate::domain::throttle::{ATTEMPT_WINDOW, Attempts, BURST, MAX_BACKOFF, backoff_steps};

/// How often it is tried to begin to count anew while others do so too.
const MAX_ATTEMPTS: usize = 3;

/// Counts attempts.
pub trait CountAttempt {
    /// Counts an attempt to sign in by this identifier and answers with its credential, or does nothing because the
    /// identifier has to wait. Of attempts at once, MUST let no more pass than of attempts one after the other. MUST do
    /// the same for an identifier that nobody has.
    fn count_attempt(
        &self,
        identifier: &Identifier,
        now: Timestamp,
    ) -> impl Future<Output = Result<Counted, StoreError>> + Send;
}

/// Counts attempts of whoever is signed in to show that they know their password.
pub trait CountReauthentication {
    /// Counts an attempt of this person's and answers which it is since one succeeded, or does nothing because they have
    /// to wait. Apart from the attempts to sign in, for those anybody may make: nobody else can have this person wait.
    fn count_reauthentication(
        &self,
        user: UserId,
        now: Timestamp,
    ) -> impl Future<Output = Result<Result<u32, Locked>, StoreError>> + Send;
}

/// No attempt may be made, for so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Locked(pub Duration);

/// Whether an attempt may be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Counted {
    /// It may.
    Allowed {
        /// Whose the identifier is.
        credential: Option<Credential>,
        /// Which attempt it is since one succeeded: 1 for the first.
        attempts: u32,
    },
    /// It may not, for so long.
    Locked(Duration),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Counter {
    attempts: u32,
    /// In milliseconds since 1970.
    last_attempt_at: i64,
}

impl Counter {
    fn read(item: Item) -> Result<Attempts, StoreError> {
        let counter: Self = records::read(item)?;
        let last_at = Timestamp::from_unix_millis(counter.last_attempt_at).map_err(StoreError::internal)?;
        Ok(Attempts { count: counter.attempts, last_at })
    }
}

/// A write of the counter: what it sets beside the time, and on which condition.
struct Count {
    attempts: &'static str,
    condition: String,
    values: HashMap<String, AttributeValue>,
}

fn number(value: impl Into<i64>) -> AttributeValue {
    AttributeValue::N(value.into().to_string())
}

impl Count {
    /// One attempt more, unless the identifier has to wait. The wait is a function of what is stored, which the
    /// condition spells out: so nothing has to be read before, and an attempt that is refused changes nothing.
    fn one_more(now: Timestamp) -> Self {
        let ago = |wait: Duration| number(now.unix_millis().saturating_sub_unsigned(millis(wait)));
        let mut values = HashMap::from([
            (":zero".to_owned(), number(0)),
            (":free".to_owned(), number(BURST)),
            (":longest".to_owned(), ago(MAX_BACKOFF)),
            (":forgotten".to_owned(), ago(ATTEMPT_WINDOW)),
        ]);
        let mut waited = vec!["attempts < :free".to_owned(), "lastAttemptAt <= :longest".to_owned()];
        for (attempts, wait) in backoff_steps() {
            waited.push(format!("(attempts <= :n{attempts} AND lastAttemptAt <= :t{attempts})"));
            values.insert(format!(":n{attempts}"), number(attempts));
            values.insert(format!(":t{attempts}"), ago(wait));
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

    /// The first attempt after those that are forgotten, unless somebody else has begun anew.
    fn anew(forgotten: Attempts) -> Self {
        let values = HashMap::from([(":seen".to_owned(), number(forgotten.last_at.unix_millis()))]);
        Self { attempts: ":one", condition: "lastAttemptAt = :seen".to_owned(), values }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl CountAttempt for AccountTable {
    async fn count_attempt(&self, identifier: &Identifier, now: Timestamp) -> Result<Counted, StoreError> {
        let item = match self.count(&records::identifier_key(identifier), now).await? {
            Ok(item) => item,
            Err(Locked(wait)) => return Ok(Counted::Locked(wait)),
        };
        let attempts = Counter::read(item.clone())?.count;
        let credential =
            if item.contains_key("userId") { Some(records::read::<IdentifierRecord>(item)?.try_into()?) } else { None };
        Ok(Counted::Allowed { credential, attempts })
    }
}

impl CountReauthentication for AccountTable {
    async fn count_reauthentication(&self, user: UserId, now: Timestamp) -> Result<Result<u32, Locked>, StoreError> {
        match self.count(&records::attempts_key(user), now).await? {
            Ok(item) => Ok(Ok(Counter::read(item)?.count)),
            Err(locked) => Ok(Err(locked)),
        }
    }
}

impl AccountTable {
    /// Counts an attempt on the item of this key, and answers with the item as it is then.
    async fn count(&self, key: &Item, now: Timestamp) -> Result<Result<Item, Locked>, StoreError> {
        let mut count = Count::one_more(now);
        for _ in 0..MAX_ATTEMPTS {
            let stands = match self.write_count(key, now, &count).await? {
                Ok(item) => return Ok(Ok(item)),
                Err(item) => Counter::read(item)?,
            };
            if stands.have_expired(now) {
                count = Count::anew(stands);
            } else if stands.wait(now) > Duration::ZERO {
                return Ok(Err(Locked(stands.wait(now))));
            } else {
                count = Count::one_more(now);
            }
        }
        Err(StoreError::Unavailable("others kept trying at the same time".to_owned()))
    }

    /// Writes the counter, or answers with the item as it is where the condition does not hold.
    async fn write_count(
        &self,
        key: &Item,
        now: Timestamp,
        Count { attempts, condition, values }: &Count,
    ) -> Result<Result<Item, Item>, StoreError> {
        let outcome = retry_on_conflict(&*self.random, || {
            self.client
                .update_item()
                .table_name(&self.name)
                .set_key(Some(key.clone()))
                .update_expression(format!(
                    "SET attempts = {attempts}, lastAttemptAt = :now, expiresAt = if_not_exists(userId, :forget)"
                ))
                .condition_expression(condition)
                .set_expression_attribute_values(Some(values.clone()))
                .expression_attribute_values(":one", number(1))
                .expression_attribute_values(":now", number(now.unix_millis()))
                .expression_attribute_values(":forget", number(now.plus(ATTEMPT_WINDOW).unix_seconds()))
                .return_values(ReturnValue::AllNew)
                .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
                .send()
        })
        .await;
        match outcome {
            Ok(written) => Ok(Ok(written.attributes.unwrap_or_default())),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(failure)) => {
                    Ok(Err(failure.item().cloned().unwrap_or_default()))
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

    use super::super::testing::{Accounts, hash, now, record, user};
    use super::super::{CreateUser, CreateUserOutcome};
    use super::*;
    use crate::domain::AuditEventKind;

    fn ada() -> Identifier {
        Identifier::Email(Email::parse("ada@example.com").unwrap())
    }

    fn nobody() -> Identifier {
        Identifier::Phone(Phone::parse("+33600000000").unwrap())
    }

    fn at(seconds: u64) -> Timestamp {
        now().plus(Duration::from_secs(seconds))
    }

    /// Which attempt it was, or the seconds to wait.
    async fn attempt(accounts: &Accounts, identifier: &Identifier, at: Timestamp) -> Result<u32, u64> {
        match accounts.table.count_attempt(identifier, at).await.unwrap() {
            Counted::Allowed { attempts, credential } => {
                assert_eq!(credential.is_some(), *identifier == ada());
                Ok(attempts)
            }
            Counted::Locked(wait) => Err(wait.as_secs()),
        }
    }

    #[tokio::test]
    async fn after_five_attempts_each_waits_twice_as_long_whether_anybody_has_the_identifier_or_not() {
        let (accounts, _) = Accounts::with_ada().await;
        for identifier in [ada(), nobody()] {
            for n in 1..=5 {
                assert_eq!(attempt(&accounts, &identifier, at(0)).await, Ok(n));
            }
            let mut clock = 0;
            for (n, wait) in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900].into_iter().enumerate() {
                assert_eq!(attempt(&accounts, &identifier, at(clock)).await, Err(wait));
                assert_eq!(attempt(&accounts, &identifier, at(clock + wait - 1)).await, Err(1), "is not extended");
                clock += wait;
                assert_eq!(attempt(&accounts, &identifier, at(clock)).await, Ok(u32::try_from(n).unwrap() + 6));
            }
        }
    }

    #[tokio::test]
    async fn every_attempt_is_one_round_trip_allowed_or_not() {
        let (accounts, _) = Accounts::with_ada().await;
        for _ in 0..7 {
            for identifier in [ada(), nobody()] {
                accounts.table.count_attempt(&identifier, now()).await.unwrap();
                assert_eq!(accounts.engine.round_trips(), ["UpdateItem"]);
            }
        }
    }

    #[tokio::test]
    async fn a_hundred_attempts_at_once_get_no_more_than_as_many_in_a_row() {
        let (accounts, _) = Accounts::with_ada().await;
        let accounts = Arc::new(accounts);
        let attempts: Vec<_> = (0..100)
            .map(|_| {
                let accounts = Arc::clone(&accounts);
                tokio::spawn(async move { attempt(&accounts, &ada(), now()).await })
            })
            .collect();
        let mut allowed = Vec::new();
        for attempt in attempts {
            allowed.extend(attempt.await.unwrap());
        }
        allowed.sort_unstable();
        assert_eq!(allowed, [1, 2, 3, 4, 5]);
    }

    #[tokio::test]
    async fn after_a_day_without_attempts_counting_begins_anew_for_one_and_all() {
        let (accounts, _) = Accounts::with_ada().await;
        for identifier in [ada(), nobody()] {
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
    async fn dynamodb_may_delete_a_counter_that_is_nobodys_and_never_a_credential() {
        let (accounts, ada_person) = Accounts::with_ada().await;
        for identifier in [ada(), nobody()] {
            attempt(&accounts, &identifier, now()).await.unwrap();
        }
        for item in accounts.records().await {
            let Some(expires_at) = item.get("expiresAt") else { continue };
            match item.get("userId") {
                Some(_) => assert_eq!(expires_at, &AttributeValue::S(ada_person.id.to_string())),
                None => assert_eq!(expires_at, &number(at(86400).unix_seconds())),
            }
        }
    }

    #[tokio::test]
    async fn an_identifier_that_was_tried_before_anybody_had_it_can_be_claimed_and_begins_anew() {
        let (accounts, _) = Accounts::with_ada().await;
        for _ in 0..6 {
            accounts.table.count_attempt(&nobody(), now()).await.unwrap();
        }
        let bob = user(2, "bob@example.com", Some("+33600000000"));
        assert_eq!(
            accounts.table.create_user(&bob, &hash(), &record(AuditEventKind::SignedUp)).await,
            Ok(CreateUserOutcome::Created)
        );
        let Counted::Allowed { credential: Some(credential), attempts: 1 } =
            accounts.table.count_attempt(&nobody(), now()).await.unwrap()
        else {
            panic!()
        };
        assert_eq!(credential.user, bob);
    }

    #[tokio::test]
    async fn whoever_is_signed_in_waits_for_their_own_attempts_and_for_nobody_elses() {
        let (accounts, ada_person) = Accounts::with_ada().await;
        for _ in 0..9 {
            accounts.table.count_attempt(&ada(), now()).await.unwrap();
        }
        accounts.engine.round_trips();
        for n in 1..=5 {
            assert_eq!(accounts.table.count_reauthentication(ada_person.id, now()).await, Ok(Ok(n)));
        }
        let locked = accounts.table.count_reauthentication(ada_person.id, now()).await;
        assert_eq!(locked, Ok(Err(Locked(Duration::from_secs(1)))));
        assert_eq!(accounts.engine.round_trips(), ["UpdateItem"; 6]);
    }

    #[tokio::test]
    async fn an_attempt_that_meets_a_transaction_on_the_same_item_waits_its_turn() {
        let (accounts, _) = Accounts::with_ada().await;
        accounts.engine.raise_conflicts("UpdateItem", 3);
        assert_eq!(attempt(&accounts, &ada(), now()).await, Ok(1));
        assert_eq!(accounts.engine.round_trips(), ["UpdateItem"; 4]);
        accounts.engine.raise_conflicts("UpdateItem", usize::MAX);
        let outcome = accounts.table.count_attempt(&ada(), now()).await;
        assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{outcome:?}");
    }
}
