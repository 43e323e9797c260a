//! Codes that are sent to people, and what comes of them.

use std::future::Future;

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, Put, ReturnValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};
use kernel::{Timestamp, UserId};
use serde::Deserialize;

use super::records::{self, Item, VerificationRecord};
use super::transaction::{commit, retry_on_conflict, update};
use super::{AccountTable, StoreError, UpdateOutcome, UserUpdate};
use crate::domain::verification_code::{CODE_ATTEMPTS, CodeHash, CodeHistory};
use crate::domain::{AuditEvent, IdentifierKind, User};

/// Finds out when codes were sent.
pub trait FindCodeHistory {
    /// The codes that were sent to this person by e-mail or by SMS in the last day, as of now.
    fn find_code_history(
        &self,
        user: UserId,
        kind: IdentifierKind,
    ) -> impl Future<Output = Result<CodeHistory, StoreError>> + Send;
}

/// A code that is about to be sent.
#[derive(Debug)]
pub struct NewCode<'a> {
    /// To whom.
    pub user: UserId,
    /// By e-mail or by SMS.
    pub kind: IdentifierKind,
    /// All that were sent, with this one as the last.
    pub sent: &'a CodeHistory,
    /// What is kept of it.
    pub hash: &'a CodeHash,
    /// Until when it is good.
    pub expires_at: Timestamp,
    /// What is written down of it.
    pub record: &'a AuditEvent,
}

/// Keeps codes.
pub trait StoreCode {
    /// Keeps the code in place of the one before, or does nothing because another was sent since `sent` was found. Of
    /// several at once, MUST keep one.
    fn store_code(&self, new: NewCode<'_>) -> impl Future<Output = Result<StoreCodeOutcome, StoreError>> + Send;
}

/// Whether a code was kept, and may be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreCodeOutcome {
    /// It was.
    Stored,
    /// It was not: these have been sent.
    VersionConflict(CodeHistory),
}

/// Counts attempts to return a code.
pub trait CountCodeAttempt {
    /// Counts an attempt and answers with what it is compared with; or answers that there is no code that may be tried:
    /// none was sent, or its time is up, or it was tried too often. Of attempts at once, MUST let no more pass than of
    /// attempts one after the other.
    fn count_code_attempt(
        &self,
        user: UserId,
        kind: IdentifierKind,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<CodeAttempt>, StoreError>> + Send;
}

/// An attempt that may be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeAttempt {
    /// Of the code that was sent.
    pub hash: CodeHash,
    /// Which attempt it is: 1 for the first.
    pub number: u32,
}

/// Verifies identifiers.
pub trait VerifyIdentifier {
    /// Makes the person what they will be, and the code unfit for anybody else: both or nothing. MUST answer
    /// [`VerifyOutcome::VersionConflict`] if they have changed, however close in time, and [`VerifyOutcome::CodeExpired`] if another code
    /// has taken this one's place.
    fn verify_identifier(
        &self,
        change: UserUpdate<'_>,
        kind: IdentifierKind,
        hash: &CodeHash,
    ) -> impl Future<Output = Result<VerifyOutcome, StoreError>> + Send;
}

/// Whether an identifier is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VerifyOutcome {
    /// It is.
    Verified,
    /// It is not: this is how the person is now, or there is no such person any more.
    VersionConflict(Option<Box<User>>),
    /// It is not: the code is good no more.
    CodeExpired,
}

impl FindCodeHistory for AccountTable {
    async fn find_code_history(&self, user: UserId, kind: IdentifierKind) -> Result<CodeHistory, StoreError> {
        let item = self.client.get_item().table_name(&self.name).set_key(Some(records::verification_key(user, kind)));
        let item = item.consistent_read(true).send().await?.item;
        Ok(item
            .map(records::read::<VerificationRecord>)
            .transpose()?
            .map_or_else(CodeHistory::default, CodeHistory::from))
    }
}

impl StoreCode for AccountTable {
    async fn store_code(&self, new: NewCode<'_>) -> Result<StoreCodeOutcome, StoreError> {
        let before = new.sent.version.saturating_sub(1);
        let code = Put::builder()
            .table_name(&self.name)
            .set_item(Some(records::write(VerificationRecord::from(&new))?))
            .condition_expression("attribute_not_exists(pk) OR version = :before")
            .expression_attribute_values(":before", AttributeValue::N(before.to_string()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(StoreError::internal)?;
        let writes = vec![TransactWriteItem::builder().put(code).build(), self.audit()?.with(new.record)?];
        let Err(reasons) = commit(&self.client, &*self.random, writes).await? else {
            return Ok(StoreCodeOutcome::Stored);
        };
        let item = reasons.into_iter().next().and_then(|reason| reason.item).unwrap_or_default();
        Ok(StoreCodeOutcome::VersionConflict(records::read::<VerificationRecord>(item)?.into()))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Counted {
    code_hash: String,
    attempts: u32,
}

impl CountCodeAttempt for AccountTable {
    async fn count_code_attempt(
        &self,
        user: UserId,
        kind: IdentifierKind,
        now: Timestamp,
    ) -> Result<Option<CodeAttempt>, StoreError> {
        let outcome = retry_on_conflict(&*self.random, || {
            self.client
                .update_item()
                .table_name(&self.name)
                .set_key(Some(records::verification_key(user, kind)))
                .update_expression("SET attempts = attempts + :one")
                // Without a code there is no time either, and the condition does not hold.
                .condition_expression("codeExpiresAt > :now AND attempts < :most")
                .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
                .expression_attribute_values(":now", AttributeValue::N(now.unix_millis().to_string()))
                .expression_attribute_values(":most", AttributeValue::N(CODE_ATTEMPTS.to_string()))
                .return_values(ReturnValue::AllNew)
                .send()
        })
        .await;
        match outcome {
            Ok(written) => attempt(written.attributes.unwrap_or_default()).map(Some),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(None),
                _ => Err(error.into()),
            },
        }
    }
}

fn attempt(item: Item) -> Result<CodeAttempt, StoreError> {
    let counted: Counted = records::read(item)?;
    let hash = CodeHash::from_stored(counted.code_hash).map_err(StoreError::internal)?;
    Ok(CodeAttempt { hash, number: counted.attempts })
}

impl VerifyIdentifier for AccountTable {
    async fn verify_identifier(
        &self,
        change: UserUpdate<'_>,
        kind: IdentifierKind,
        hash: &CodeHash,
    ) -> Result<VerifyOutcome, StoreError> {
        let spend = update(&self.name, records::verification_key(change.before.id, kind), |code| {
            code.update_expression("REMOVE codeHash, codeExpiresAt, attempts")
                .condition_expression("codeHash = :hash")
                .expression_attribute_values(":hash", AttributeValue::S(hash.expose().to_owned()))
        })?;
        match self.update_user_with(change, Some(spend)).await? {
            None => Ok(VerifyOutcome::CodeExpired),
            Some(UpdateOutcome::Updated) => Ok(VerifyOutcome::Verified),
            Some(UpdateOutcome::VersionConflict(user)) => Ok(VerifyOutcome::VersionConflict(user)),
            Some(UpdateOutcome::IdentifierTaken(_) | UpdateOutcome::SessionConflict) => {
                Err(StoreError::internal("a verification gains no identifier and carries no session"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use contact::Email;
    use kernel::testing::SeededRandom;

    use super::super::testing::{Accounts, now, record, session, start};
    use super::super::{FindCredential, FindUser, ListSessions, UpdateUser};
    use super::*;
    use crate::domain::verification_code::{CODE_LIFETIME, CODE_PERIOD, Code};
    use crate::domain::{AuditEventKind, Identifier};

    const EMAIL: IdentifierKind = IdentifierKind::Email;

    fn at(seconds: u64) -> Timestamp {
        now().plus(Duration::from_secs(seconds))
    }

    /// What is kept of a code that only this seed gives.
    fn hash(seed: u64) -> CodeHash {
        let code = Code::random(&SeededRandom::new(seed));
        let address = Identifier::Email(Email::parse("ada@example.com").unwrap());
        CodeHash::new(&code, &address, &SeededRandom::new(seed)).unwrap()
    }

    async fn keep(accounts: &Accounts, ada: &User, sent: &CodeHistory, hash: &CodeHash) -> StoreCodeOutcome {
        let record = record(AuditEventKind::CodeSent);
        let expires_at = sent.times.last().unwrap().plus(CODE_LIFETIME);
        let new = NewCode { user: ada.id, kind: EMAIL, sent, hash, expires_at, record: &record };
        accounts.table.store_code(new).await.unwrap()
    }

    /// Ada, to whom one code was sent just now.
    async fn with_code() -> (Accounts, User, CodeHash) {
        let (accounts, ada) = Accounts::with_ada().await;
        let hash = hash(1);
        let sent = CodeHistory::default().with_code_sent_at(now()).unwrap();
        assert_eq!(keep(&accounts, &ada, &sent, &hash).await, StoreCodeOutcome::Stored);
        accounts.engine.round_trips();
        (accounts, ada, hash)
    }

    async fn attempt(accounts: &Accounts, ada: &User, at: Timestamp) -> Option<u32> {
        let attempt = accounts.table.count_code_attempt(ada.id, EMAIL, at).await.unwrap();
        attempt.map(|attempt| attempt.number)
    }

    async fn verify(accounts: &Accounts, before: &User, hash: &CodeHash) -> VerifyOutcome {
        let after = before.next_version(at(60)).with_verified(EMAIL);
        let record = record(AuditEventKind::IdentifierVerified);
        let change = UserUpdate {
            before,
            after: &after,
            password_hash: None,
            reset_failed_attempts: false,
            retained_session: None,
            record: &record,
        };
        accounts.table.verify_identifier(change, EMAIL, hash).await.unwrap()
    }

    #[tokio::test]
    async fn a_code_is_kept_with_when_it_was_sent_and_may_be_deleted_a_day_after() {
        let (accounts, ada, hash) = with_code().await;
        let sent = accounts.table.find_code_history(ada.id, EMAIL).await.unwrap();
        assert_eq!(sent, CodeHistory { version: 1, times: vec![now()] });
        assert_eq!(accounts.engine.round_trips(), ["GetItem"]);
        let item = accounts.records().await.into_iter().find(|item| item.contains_key("codeHash")).unwrap();
        assert_eq!(item["codeHash"], AttributeValue::S(hash.expose().to_owned()));
        assert_eq!(item["expiresAt"], AttributeValue::N(now().plus(CODE_PERIOD).unix_seconds().to_string()));
        let by_phone = accounts.table.find_code_history(ada.id, IdentifierKind::Phone).await.unwrap();
        assert_eq!((by_phone, accounts.audited().await), (CodeHistory::default(), vec!["CODE_SENT".to_owned()]));
    }

    #[tokio::test]
    async fn of_fifty_codes_at_once_one_is_kept_and_the_others_learn_of_it() {
        let (accounts, ada, _) = with_code().await;
        let accounts = Arc::new(accounts);
        let sent = CodeHistory { version: 1, times: vec![now()] }.with_code_sent_at(at(60)).unwrap();
        let hash = hash(2);
        let attempts: Vec<_> = (0..50)
            .map(|_| {
                let (accounts, ada, sent, hash) = (Arc::clone(&accounts), ada.clone(), sent.clone(), hash.clone());
                tokio::spawn(async move { keep(&accounts, &ada, &sent, &hash).await })
            })
            .collect();
        let mut outcomes = Vec::new();
        for attempt in attempts {
            outcomes.push(attempt.await.unwrap());
        }
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == StoreCodeOutcome::Stored).count(), 1);
        assert_eq!(
            outcomes.iter().filter(|outcome| **outcome == StoreCodeOutcome::VersionConflict(sent.clone())).count(),
            49
        );
        assert_eq!(accounts.audited().await, ["CODE_SENT", "CODE_SENT"]);
    }

    #[tokio::test]
    async fn a_code_is_kept_although_the_former_one_was_deleted_in_the_meantime() {
        let (accounts, ada, _) = with_code().await;
        accounts.delete(records::verification_key(ada.id, EMAIL)).await;
        let sent = CodeHistory { version: 1, times: vec![now()] }.with_code_sent_at(at(60)).unwrap();
        assert_eq!(keep(&accounts, &ada, &sent, &hash(2)).await, StoreCodeOutcome::Stored);
    }

    #[tokio::test]
    async fn a_code_may_be_tried_five_times_within_ten_minutes_each_in_one_round_trip() {
        let (accounts, ada, hash) = with_code().await;
        assert_eq!(attempt(&accounts, &ada, at(600)).await, None, "its time is up");
        let first = accounts.table.count_code_attempt(ada.id, EMAIL, at(599)).await.unwrap();
        assert_eq!(first, Some(CodeAttempt { hash, number: 1 }));
        for number in 2..=5 {
            assert_eq!(attempt(&accounts, &ada, at(0)).await, Some(number));
        }
        accounts.engine.round_trips();
        assert_eq!(attempt(&accounts, &ada, at(0)).await, None);
        assert_eq!(accounts.engine.round_trips(), ["UpdateItem"]);
        // The next code may be tried as often.
        let sent = CodeHistory { version: 1, times: vec![now()] }.with_code_sent_at(at(60)).unwrap();
        keep(&accounts, &ada, &sent, &self::hash(2)).await;
        assert_eq!(attempt(&accounts, &ada, at(61)).await, Some(1));
    }

    #[tokio::test]
    async fn where_no_code_was_sent_none_is_tried_and_nothing_is_written() {
        let (accounts, ada) = Accounts::with_ada().await;
        assert_eq!(attempt(&accounts, &ada, now()).await, None);
        assert_eq!(accounts.records().await.len(), 3);
    }

    #[tokio::test]
    async fn of_fifty_attempts_at_once_five_are_let_through() {
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
    async fn with_the_verification_every_copy_says_so_and_the_code_is_gone_in_one_round_trip() {
        let (accounts, ada, hash) = with_code().await;
        assert_eq!(verify(&accounts, &ada, &hash).await, VerifyOutcome::Verified);
        assert_eq!(accounts.engine.round_trips(), ["TransactWriteItems"]);
        let user = accounts.table.find_user(ada.id).await.unwrap().unwrap();
        assert_eq!((user.version, user.email_verified, user.phone_verified), (2, true, false));
        for identifier in ada.identifiers() {
            let copy = accounts.table.find_credential(&identifier).await.unwrap().unwrap();
            assert_eq!(copy.user, user);
        }
        assert_eq!(attempt(&accounts, &ada, now()).await, None);
        assert!(accounts.records().await.iter().all(|item| !item.contains_key("codeHash")));
        let sent = accounts.table.find_code_history(ada.id, EMAIL).await.unwrap();
        assert_eq!(sent.times, [now()], "codes that were returned count too");
        assert_eq!(accounts.audited().await, ["IDENTIFIER_VERIFIED", "CODE_SENT"]);
    }

    #[tokio::test]
    async fn of_two_verifications_by_one_code_one_is_made() {
        let (accounts, ada, hash) = with_code().await;
        let (one, other) = tokio::join!(verify(&accounts, &ada, &hash), verify(&accounts, &ada, &hash));
        let now = Box::new(accounts.table.find_user(ada.id).await.unwrap().unwrap());
        assert_eq!(now.version, 2);
        let mut outcomes = [one, other];
        outcomes.sort_by_key(|outcome| *outcome != VerifyOutcome::Verified);
        assert_eq!(outcomes, [VerifyOutcome::Verified, VerifyOutcome::VersionConflict(Some(now))]);
        assert_eq!(accounts.audited().await, ["IDENTIFIER_VERIFIED", "CODE_SENT"]);
    }

    #[tokio::test]
    async fn a_person_who_has_changed_is_not_verified_and_the_code_stays() {
        let (accounts, ada, hash) = with_code().await;
        let after = User { email: Email::parse("ada@example.org").unwrap(), ..ada.next_version(at(1)) };
        let own = super::super::testing::hash();
        let record = record(AuditEventKind::IdentifierChanged);
        let change = UserUpdate {
            before: &ada,
            after: &after,
            password_hash: Some(&own),
            reset_failed_attempts: true,
            retained_session: None,
            record: &record,
        };
        assert_eq!(accounts.table.update_user(change).await, Ok(UpdateOutcome::Updated));
        let is_now = VerifyOutcome::VersionConflict(Some(Box::new(after.clone())));
        assert_eq!(verify(&accounts, &ada, &hash).await, is_now);
        assert_eq!(accounts.table.find_user(ada.id).await, Ok(Some(after)));
        assert_eq!(attempt(&accounts, &ada, now()).await, Some(1));
    }

    #[tokio::test]
    async fn a_code_in_whose_place_another_was_sent_verifies_nothing() {
        let (accounts, ada, _) = with_code().await;
        assert_eq!(verify(&accounts, &ada, &hash(9)).await, VerifyOutcome::CodeExpired);
        assert_eq!(accounts.table.find_user(ada.id).await, Ok(Some(ada)));
        assert_eq!(accounts.audited().await, ["CODE_SENT"]);
    }

    #[tokio::test]
    async fn who_lists_sessions_does_not_read_codes() {
        let (accounts, ada, _) = with_code().await;
        start(&accounts, &ada, &session(2)).await.unwrap();
        let (_, sessions) = accounts.table.list_sessions(ada.id).await.unwrap().unwrap();
        assert_eq!(sessions, [session(2)]);
    }
}
