//! Verification codes.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{ReturnValue, TransactWriteItem};
use dynamo::{Item, Transaction, from_item, number, text, to_item};
use kernel::{Timestamp, UserId};
use serde::{Deserialize, Serialize};

use super::credentials::read;
use super::keys::{self, PrimaryKey};
use super::{AccountTable, StoreError, commit};
use crate::domain::verification_code::{CODE_PERIOD, CodeHash, CodeHistories, CodeHistory, MAX_CODE_ATTEMPTS};
use crate::domain::{AuditEvent, Identifier, IdentifierKind};

/// A code to be sent.
#[derive(Debug)]
pub struct NewCode<'a> {
    pub user: UserId,
    /// The identifier that the code is sent to.
    pub address: &'a Identifier,
    /// The histories, with this code as the last one.
    pub histories: &'a CodeHistories,
    pub hash: &'a CodeHash,
    pub expires_at: Timestamp,
    pub event: &'a AuditEvent,
}

/// The outcome of storing a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreCodeOutcome {
    /// The code may be sent.
    Stored,
    /// Nothing was written: another code was sent since the histories were read. These are the current ones of those that
    /// have changed.
    VersionConflict { user: Option<CodeHistory>, address: Option<CodeHistory> },
}

/// An attempt to submit a code that was counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeAttempt {
    /// The hash of the code that was sent.
    pub hash: CodeHash,
    /// The number of attempts, including this one.
    pub number: u32,
}

/// The codes that were sent to a user by e-mail or by SMS, with the last one until it is used.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct VerificationCodeRecord {
    #[serde(flatten)]
    key: PrimaryKey,
    version: u64,
    sent_at: Vec<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code_hash: Option<String>,
    /// In milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code_expires_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    attempts: Option<u32>,
    /// The TTL, in Unix seconds.
    expires_at: i64,
}

/// The codes that were sent to an address.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AddressRecord {
    #[serde(flatten)]
    key: PrimaryKey,
    version: u64,
    sent_at: Vec<Timestamp>,
    /// The TTL, in Unix seconds.
    expires_at: i64,
}

/// The attributes of a code that an attempt is checked against.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CodeAttemptRecord {
    code_hash: String,
    attempts: u32,
}

impl From<&NewCode<'_>> for VerificationCodeRecord {
    fn from(new: &NewCode<'_>) -> Self {
        Self {
            key: keys::verification_code(new.user, new.address.kind()),
            version: new.histories.user.version,
            sent_at: new.histories.user.times.clone(),
            code_hash: Some(new.hash.expose().to_owned()),
            code_expires_at: Some(new.expires_at.unix_millis()),
            attempts: Some(0),
            expires_at: history_ends(&new.histories.user, new.expires_at).unix_seconds(),
        }
    }
}

impl From<&NewCode<'_>> for AddressRecord {
    fn from(new: &NewCode<'_>) -> Self {
        Self {
            key: keys::codes_to_address(new.address),
            version: new.histories.address.version,
            sent_at: new.histories.address.times.clone(),
            expires_at: history_ends(&new.histories.address, new.expires_at).unix_seconds(),
        }
    }
}

/// A history limits further codes until a period after the last one.
fn history_ends(history: &CodeHistory, code_expires_at: Timestamp) -> Timestamp {
    history.times.last().copied().unwrap_or(code_expires_at).plus(CODE_PERIOD)
}

impl From<VerificationCodeRecord> for CodeHistory {
    fn from(record: VerificationCodeRecord) -> Self {
        Self { version: record.version, times: record.sent_at }
    }
}

impl From<AddressRecord> for CodeHistory {
    fn from(record: AddressRecord) -> Self {
        Self { version: record.version, times: record.sent_at }
    }
}

impl TryFrom<CodeAttemptRecord> for CodeAttempt {
    type Error = StoreError;

    fn try_from(record: CodeAttemptRecord) -> Result<Self, StoreError> {
        let hash = CodeHash::from_stored(record.code_hash).map_err(StoreError::internal)?;
        Ok(Self { hash, number: record.attempts })
    }
}

/// The writes of the transaction that stores a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Code,
    Address,
    AuditEvent,
}

impl AccountTable {
    /// Finds the times at which codes were sent to a user's identifiers of an address's kind, and to the address. Times
    /// older than a day may be missing.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if they could not be read.
    pub async fn find_code_histories(&self, user: UserId, address: &Identifier) -> Result<CodeHistories, StoreError> {
        let keys = vec![keys::verification_code(user, address.kind()).into(), keys::codes_to_address(address).into()];
        let mut histories = CodeHistories::default();
        for item in self.table.batch_get(keys).await? {
            if item.get("sk").is_some_and(|sk| *sk == text(keys::VERIFICATION)) {
                histories.address = read::<AddressRecord>(item)?.into();
            } else {
                histories.user = from_item::<VerificationCodeRecord>(item)?.into();
            }
        }
        Ok(histories)
    }

    /// Stores a code, which replaces the previous one. Of concurrent codes, one is stored.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the outcome is unknown.
    pub async fn store_code(&self, new: NewCode<'_>) -> Result<StoreCodeOutcome, StoreError> {
        let put = |item, history: &CodeHistory| {
            self.table.put(item, |put| {
                put.condition_expression("attribute_not_exists(pk) OR version = :before")
                    .expression_attribute_values(":before", number(history.version.saturating_sub(1)))
            })
        };
        let transaction = Transaction::new()
            .with(Part::Code, put(to_item(VerificationCodeRecord::from(&new))?, &new.histories.user)?)
            .with(Part::Address, put(to_item(AddressRecord::from(&new))?, &new.histories.address)?)
            .with(Part::AuditEvent, self.audit()?.append(new.event)?);
        let Some(failed) = commit(&self.table, &transaction, Part::AuditEvent).await? else {
            return Ok(StoreCodeOutcome::Stored);
        };
        let user = failed.item(Part::Code).cloned().map(from_item::<VerificationCodeRecord>).transpose()?;
        let address = failed.item(Part::Address).cloned().map(read::<AddressRecord>).transpose()?;
        if user.is_none() && address.is_none() {
            return Err(StoreError::internal("a code failed an unexpected condition"));
        }
        Ok(StoreCodeOutcome::VersionConflict {
            user: user.map(CodeHistory::from),
            address: address.map(CodeHistory::from),
        })
    }

    /// Counts an attempt to submit a code and returns the code's hash. Returns `None` if there is no valid code: none
    /// was sent, it has expired, or its attempts are exhausted. Concurrent attempts are limited as consecutive ones are.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the outcome is unknown.
    pub async fn count_code_attempt(
        &self,
        user: UserId,
        kind: IdentifierKind,
        now: Timestamp,
    ) -> Result<Option<CodeAttempt>, StoreError> {
        let send = || {
            let update = self.table.client().update_item().table_name(self.table.name());
            update
                .set_key(Some(keys::verification_code(user, kind).into()))
                .update_expression("SET attempts = attempts + :one")
                // False if there is no code, since the attribute is missing then.
                .condition_expression("codeExpiresAt > :now AND attempts < :most")
                .expression_attribute_values(":one", number(1))
                .expression_attribute_values(":now", number(now.unix_millis()))
                .expression_attribute_values(":most", number(MAX_CODE_ATTEMPTS))
                .return_values(ReturnValue::AllNew)
                .send()
        };
        match self.table.retry_on_conflict(send).await {
            Ok(written) => {
                let item: Item = written.attributes.unwrap_or_default();
                from_item::<CodeAttemptRecord>(item)?.try_into().map(Some)
            }
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(None),
                _ => Err(error.into()),
            },
        }
    }

    /// The write that uses up a code.
    pub(super) fn use_code(
        &self,
        user: UserId,
        kind: IdentifierKind,
        hash: &CodeHash,
    ) -> Result<TransactWriteItem, StoreError> {
        self.table.update(keys::verification_code(user, kind).into(), |update| {
            update
                .update_expression("REMOVE codeHash, codeExpiresAt, attempts")
                .condition_expression("codeHash = :hash")
                .expression_attribute_values(":hash", text(hash.expose()))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use contact::Email;
    use kernel::testing::SeededRandom;

    use super::super::testing::{Accounts, event, now, session, start};
    use super::super::{UpdateOutcome, UpdatePlan};
    use super::*;
    use crate::domain::verification_code::{CODE_LIFETIME, CODE_PERIOD, Code};
    use crate::domain::{AuditEventKind, User};

    const EMAIL: IdentifierKind = IdentifierKind::Email;

    fn at(seconds: u64) -> Timestamp {
        now().plus(Duration::from_secs(seconds))
    }

    /// The hash of a code generated from this seed.
    fn hash(seed: u64) -> CodeHash {
        let code = Code::random(&SeededRandom::new(seed));
        let address = Identifier::Email(Email::parse("ada@example.com").unwrap());
        CodeHash::new(&code, &address, &SeededRandom::new(seed)).unwrap()
    }

    fn address(ada: &User) -> Identifier {
        Identifier::Email(ada.email.clone())
    }

    /// The history in which this code was sent to the user and to the address alike.
    fn both(history: &CodeHistory) -> CodeHistories {
        CodeHistories { user: history.clone(), address: history.clone() }
    }

    async fn store(accounts: &Accounts, ada: &User, sent: &CodeHistory, hash: &CodeHash) -> StoreCodeOutcome {
        let event = event(AuditEventKind::CodeSent);
        let expires_at = sent.times.last().unwrap().plus(CODE_LIFETIME);
        let (address, histories) = (address(ada), both(sent));
        let new = NewCode { user: ada.id, address: &address, histories: &histories, hash, expires_at, event: &event };
        accounts.table.store_code(new).await.unwrap()
    }

    /// Creates a table with Ada, to whom one code was sent now.
    async fn with_code() -> (Accounts, User, CodeHash) {
        let (accounts, ada) = Accounts::with_ada().await;
        let hash = hash(1);
        let sent = CodeHistory::default().with_code_sent_at(now()).unwrap();
        assert_eq!(store(&accounts, &ada, &sent, &hash).await, StoreCodeOutcome::Stored);
        accounts.engine.round_trips();
        (accounts, ada, hash)
    }

    async fn attempt(accounts: &Accounts, ada: &User, at: Timestamp) -> Option<u32> {
        let attempt = accounts.table.count_code_attempt(ada.id, EMAIL, at).await.unwrap();
        attempt.map(|attempt| attempt.number)
    }

    async fn verify(accounts: &Accounts, before: &User, hash: &CodeHash) -> UpdateOutcome {
        let after = before.next_version(at(60)).with_verified(EMAIL);
        let used_code = Some((EMAIL, hash.clone()));
        let plan = UpdatePlan { used_code, ..UpdatePlan::new(after, event(AuditEventKind::IdentifierVerified)) };
        accounts.table.update_user(before, &plan).await.unwrap()
    }

    #[tokio::test]
    async fn stored_code_has_history_and_ttl_of_a_day() {
        let (accounts, ada, hash) = with_code().await;
        let sent = accounts.table.find_code_histories(ada.id, &address(&ada)).await.unwrap();
        assert_eq!(sent, both(&CodeHistory { version: 1, times: vec![now()] }));
        assert_eq!(accounts.engine.round_trips(), ["BatchGetItem"]);
        let records = accounts.records().await;
        let items: Vec<_> = records.into_iter().filter(|item| item.contains_key("sentAt")).collect();
        assert_eq!(items.len(), 2);
        for item in items {
            assert_eq!(item["expiresAt"], number(now().plus(CODE_PERIOD).unix_seconds()));
            if item["sk"] == text("VERIFICATION#email") {
                assert_eq!(item["codeHash"], text(hash.expose()));
            } else {
                assert_eq!((&item["pk"], item.get("codeHash")), (&text("IDENTIFIER#email#ada@example.com"), None));
            }
        }
        let phone = Identifier::Phone(ada.phone.unwrap());
        let by_phone = accounts.table.find_code_histories(ada.id, &phone).await.unwrap();
        assert_eq!((by_phone, accounts.audited().await), (CodeHistories::default(), vec!["CODE_SENT".to_owned()]));
    }

    #[tokio::test]
    async fn address_keeps_its_history_when_another_user_has_it() {
        let (accounts, ada, _) = with_code().await;
        let sent = CodeHistory { version: 1, times: vec![now()] };
        let bob = super::super::testing::user(2, "ada@example.com", None);
        let found = accounts.table.find_code_histories(bob.id, &address(&ada)).await.unwrap();
        assert_eq!(found, CodeHistories { user: CodeHistory::default(), address: sent.clone() });
        let first = CodeHistory::default().with_code_sent_at(now()).unwrap();
        let conflict = StoreCodeOutcome::VersionConflict { user: None, address: Some(sent) };
        assert_eq!(store(&accounts, &bob, &first, &hash(3)).await, conflict);
        assert_eq!(accounts.audited().await, ["CODE_SENT"]);
    }

    #[tokio::test]
    async fn fifty_concurrent_codes_store_one() {
        let (accounts, ada, _) = with_code().await;
        let accounts = Arc::new(accounts);
        let sent = CodeHistory { version: 1, times: vec![now()] }.with_code_sent_at(at(60)).unwrap();
        let hash = hash(2);
        let attempts: Vec<_> = (0..50)
            .map(|_| {
                let (accounts, ada, sent, hash) = (Arc::clone(&accounts), ada.clone(), sent.clone(), hash.clone());
                tokio::spawn(async move { store(&accounts, &ada, &sent, &hash).await })
            })
            .collect();
        let mut outcomes = Vec::new();
        for attempt in attempts {
            outcomes.push(attempt.await.unwrap());
        }
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == StoreCodeOutcome::Stored).count(), 1);
        let conflict = StoreCodeOutcome::VersionConflict { user: Some(sent.clone()), address: Some(sent) };
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == conflict).count(), 49);
        assert_eq!(accounts.audited().await, ["CODE_SENT", "CODE_SENT"]);
    }

    #[tokio::test]
    async fn code_is_stored_after_previous_item_was_deleted() {
        let (accounts, ada, _) = with_code().await;
        accounts.delete(keys::verification_code(ada.id, EMAIL)).await;
        accounts.delete(keys::codes_to_address(&address(&ada))).await;
        let sent = CodeHistory { version: 1, times: vec![now()] }.with_code_sent_at(at(60)).unwrap();
        assert_eq!(store(&accounts, &ada, &sent, &hash(2)).await, StoreCodeOutcome::Stored);
    }

    #[tokio::test]
    async fn code_allows_five_attempts_within_ten_minutes() {
        let (accounts, ada, hash) = with_code().await;
        assert_eq!(attempt(&accounts, &ada, at(600)).await, None, "the code has expired");
        let first = accounts.table.count_code_attempt(ada.id, EMAIL, at(599)).await.unwrap();
        assert_eq!(first, Some(CodeAttempt { hash, number: 1 }));
        for number in 2..=5 {
            assert_eq!(attempt(&accounts, &ada, at(0)).await, Some(number));
        }
        accounts.engine.round_trips();
        assert_eq!(attempt(&accounts, &ada, at(0)).await, None);
        assert_eq!(accounts.engine.round_trips(), ["UpdateItem"]);
        // The next code has as many attempts.
        let sent = CodeHistory { version: 1, times: vec![now()] }.with_code_sent_at(at(60)).unwrap();
        store(&accounts, &ada, &sent, &self::hash(2)).await;
        assert_eq!(attempt(&accounts, &ada, at(61)).await, Some(1));
    }

    #[tokio::test]
    async fn attempt_without_code_writes_nothing() {
        let (accounts, ada) = Accounts::with_ada().await;
        assert_eq!(attempt(&accounts, &ada, now()).await, None);
        assert_eq!(accounts.records().await.len(), 3);
    }

    #[tokio::test]
    async fn fifty_concurrent_code_attempts_allow_five() {
        let (accounts, ada, _) = with_code().await;
        let accounts = Arc::new(accounts);
        let attempts: Vec<_> = (0..50)
            .map(|_| {
                let (accounts, ada) = (Arc::clone(&accounts), ada.clone());
                tokio::spawn(async move { attempt(&accounts, &ada, now()).await })
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
    async fn verification_updates_copies_and_removes_code() {
        let (accounts, ada, hash) = with_code().await;
        assert_eq!(verify(&accounts, &ada, &hash).await, UpdateOutcome::Updated);
        assert_eq!(accounts.engine.round_trips(), ["TransactWriteItems"]);
        let user = accounts.table.find_user(ada.id).await.unwrap().unwrap();
        assert_eq!((user.version, user.email_verified, user.phone_verified), (2, true, false));
        for identifier in ada.identifiers() {
            let copy = accounts.table.find_credential(&identifier).await.unwrap().unwrap();
            assert_eq!(copy.user, user);
        }
        assert_eq!(attempt(&accounts, &ada, now()).await, None);
        assert!(accounts.records().await.iter().all(|item| !item.contains_key("codeHash")));
        let sent = accounts.table.find_code_histories(ada.id, &address(&ada)).await.unwrap();
        assert_eq!((sent.user.times, sent.address.times), (vec![now()], vec![now()]), "used codes stay in the history");
        assert_eq!(accounts.audited().await, ["IDENTIFIER_VERIFIED", "CODE_SENT"]);
    }

    #[tokio::test]
    async fn concurrent_verifications_by_one_code_apply_one() {
        let (accounts, ada, hash) = with_code().await;
        let (one, other) = tokio::join!(verify(&accounts, &ada, &hash), verify(&accounts, &ada, &hash));
        let now = Box::new(accounts.table.find_user(ada.id).await.unwrap().unwrap());
        assert_eq!(now.version, 2);
        let mut outcomes = [one, other];
        outcomes.sort_by_key(|outcome| *outcome != UpdateOutcome::Updated);
        assert_eq!(outcomes, [UpdateOutcome::Updated, UpdateOutcome::VersionConflict(Some(now))]);
        assert_eq!(accounts.audited().await, ["IDENTIFIER_VERIFIED", "CODE_SENT"]);
    }

    #[tokio::test]
    async fn verification_of_changed_user_keeps_the_code() {
        let (accounts, ada, hash) = with_code().await;
        let after = User { email: Email::parse("ada@example.org").unwrap(), ..ada.next_version(at(1)) };
        let own = super::super::testing::hash();
        let event = event(AuditEventKind::IdentifierChanged);
        let plan = UpdatePlan {
            password_hash: Some(own.clone()),
            reset_failed_attempts: true,
            retained_session: None,
            ..UpdatePlan::new(after.clone(), event.clone())
        };

        assert_eq!(accounts.table.update_user(&ada, &plan).await, Ok(UpdateOutcome::Updated));
        let is_now = UpdateOutcome::VersionConflict(Some(Box::new(after.clone())));
        assert_eq!(verify(&accounts, &ada, &hash).await, is_now);
        assert_eq!(accounts.table.find_user(ada.id).await, Ok(Some(after)));
        assert_eq!(attempt(&accounts, &ada, now()).await, Some(1));
    }

    #[tokio::test]
    async fn replaced_code_verifies_nothing() {
        let (accounts, ada, _) = with_code().await;
        assert_eq!(verify(&accounts, &ada, &hash(9)).await, UpdateOutcome::CodeExpired);
        assert_eq!(accounts.table.find_user(ada.id).await, Ok(Some(ada)));
        assert_eq!(accounts.audited().await, ["CODE_SENT"]);
    }

    #[tokio::test]
    async fn listing_sessions_excludes_verification_codes() {
        let (accounts, ada, _) = with_code().await;
        start(&accounts, &ada, &session(2)).await.unwrap();
        let page = accounts.table.list_sessions(ada.id, None, 100).await.unwrap();
        assert_eq!((page.sessions, page.next), (vec![session(2)], None));
    }
}
