//! Transfers: a transfer is posted by one transaction in one round trip.
//!
//! The transaction writes the transfer if its id is new, debits the payer if it can pay and credits the payee if it can
//! receive, and reads nothing before. If a condition is false, DynamoDB returns the item that failed it, and from that
//! item the caller derives the reason. A payer whose balance is in write shards needs further round trips: see
//! [`shards`](super::shards).

use dynamo::{FailedConditions, Item, Transaction, TransactionOutcome, WriteOutcome, from_item, key, number, text};
use kernel::{Amount, Currency, Timestamp, UserId};
use serde::{Deserialize, Serialize};

use super::accounts::record::{AccountRecord, account_key};
use super::pagination::Partition;
pub use super::pagination::{Page, PageRange};
use super::revocations::{NOT_REVOKED, with_revocation_check};
use super::shards::{CreditLeg, ShardDrain};
use super::users::record::{user_among, user_key};
use super::{Store, StoreError, ensure_conclusive, item, with_sort_key};
use crate::domain::{
    AccountState, AccountStatus, AccountType, Cursor, FailureReason, Fingerprint, IdempotentRequest, Note, Party,
    PaymentAccountId, Posting, Replica, Stored, TokenClaims, Transfer, TransferId, TransferStatus, TransferType,
};

/// The command to post a transfer.
#[derive(Debug, Clone)]
pub struct PostTransfer {
    /// The completed transfer. Its creation time is replaced by that of the attempt that is committed.
    pub transfer: Transfer,
    pub request: IdempotentRequest,
    pub claims: TokenClaims,
}

/// The result of [`PostTransfer`]. Unless it is committed, nothing was written.
#[derive(Debug)]
pub enum PostOutcome {
    /// The creation time of the transfer.
    Committed(Timestamp),
    /// A transfer of this id exists.
    Exists(Stored<Transfer>),
    /// The condition on a party's account is false. `None` if the account does not exist.
    Rejected(Party, Option<AccountState>),
    /// Other transactions kept using the accounts.
    Conflict,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Transfer,
    Payer,
    Payee,
}

/// The requirements of a credit beyond those of the [`CreditLeg`].
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct CreditCondition<'a> {
    /// The required owner, and their token, which must not be revoked.
    pub(super) owner: Option<(UserId, &'a TokenClaims)>,
    pub(super) account_type: Option<AccountType>,
}

impl Store {
    /// Posts a transfer. The debit also drains the payer's write shards, if a drain is given.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the request fails.
    pub async fn post_transfer(
        &self,
        command: &PostTransfer,
        drain: Option<&ShardDrain>,
    ) -> Result<PostOutcome, StoreError> {
        let PostTransfer { transfer, request, claims } = command;
        let leg = transfer.posting.to().map(|account| CreditLeg::new(account, transfer));
        let requires_ownership = transfer.posting.requires_ownership(Party::Payee);
        let build = |now| {
            let mut transaction = Transaction::new();
            let transfer = Transfer { created_at: now, ..transfer.clone() };
            let item = transfer_item(&transfer, request.fingerprint.as_ref())?;
            transaction.add(Part::Transfer, self.table.put_new(item)?);
            if let Some(from) = transfer.posting.from() {
                transaction.add(Part::Payer, self.debit(from, &transfer, claims, drain)?);
            }
            if let Some(leg) = leg {
                let owner = requires_ownership.then_some((transfer.initiated_by, claims));
                transaction.add(Part::Payee, self.credit(leg, CreditCondition { owner, account_type: None })?);
            }
            Ok(transaction)
        };
        let (outcome, created_at) = match leg.filter(|_| !requires_ownership) {
            Some(leg) => self.commit_with_credit(build, Part::Payee, leg).await?,
            None => self.table.commit_with_time(build).await?,
        };
        match outcome {
            TransactionOutcome::Committed => Ok(PostOutcome::Committed(created_at)),
            TransactionOutcome::Conflict => Ok(PostOutcome::Conflict),
            TransactionOutcome::ConditionFailed(failed) => rejected(&failed, command),
        }
    }

    /// Debits the payer's account, which the initiator must own. With a drain, the payer's write shards are drained into
    /// its balance at the same time.
    fn debit(
        &self,
        account: &PaymentAccountId,
        transfer: &Transfer,
        claims: &TokenClaims,
        drain: Option<&ShardDrain>,
    ) -> Result<aws_sdk_dynamodb::types::TransactWriteItem, StoreError> {
        const CAN_PAY: &str = "currency = :currency AND #status = :active AND available >= :least";
        const DEBIT: &str =
            "SET balance = balance - :least, available = available - :least, headroom = headroom + :amount";
        let amount = transfer.amount.minor();
        let from_own_balance = amount.saturating_sub(drain.map_or(0, |drain| drain.amount));
        self.table.update(account_key(account), |update| {
            let update = with_revocation_check(update, transfer.initiated_by, claims);
            let update = match drain {
                None => update.update_expression(DEBIT).condition_expression(format!("{NOT_REVOKED} AND {CAN_PAY}")),
                Some(drain) => update
                    .update_expression(format!("{DEBIT}, drawn = :after"))
                    .condition_expression(format!("{NOT_REVOKED} AND {CAN_PAY} AND drawn = :before"))
                    .expression_attribute_values(":before", drain.before())
                    .expression_attribute_values(":after", drain.after()),
            };
            update
                .expression_attribute_names("#status", "status")
                .expression_attribute_values(":active", text(AccountStatus::Active))
                .expression_attribute_values(":currency", text(transfer.currency))
                .expression_attribute_values(":amount", number(amount))
                .expression_attribute_values(":least", number(from_own_balance))
        })
    }

    /// Credits an account that holds the currency and has the headroom.
    pub(super) fn credit(
        &self,
        leg: CreditLeg<'_>,
        condition: CreditCondition<'_>,
    ) -> Result<aws_sdk_dynamodb::types::TransactWriteItem, StoreError> {
        self.table.update(account_key(leg.account), |mut update| {
            let mut conditions = vec!["currency = :currency AND headroom >= :amount"];
            if let Some((owner, claims)) = condition.owner {
                update = with_revocation_check(update, owner, claims);
                conditions.push(NOT_REVOKED);
            }
            if !leg.allow_frozen {
                conditions.push("#status = :active");
                update = update
                    .expression_attribute_names("#status", "status")
                    .expression_attribute_values(":active", text(AccountStatus::Active));
            }
            if let Some(account_type) = condition.account_type {
                conditions.push("#type = :type");
                update = update
                    .expression_attribute_names("#type", "type")
                    .expression_attribute_values(":type", text(account_type));
            }
            update
                .update_expression(
                    "SET balance = balance + :amount, available = available + :amount, headroom = headroom - :amount",
                )
                .condition_expression(conditions.join(" AND "))
                .expression_attribute_values(":currency", text(leg.currency))
                .expression_attribute_values(":amount", number(leg.amount.minor()))
        })
    }

    /// Records the failure of a keyed request, so that a repeated request fails in the same way. Returns the stored
    /// transfer instead if the same request was completed or failed in the meantime.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the request fails.
    pub async fn record_failure(
        &self,
        transfer: Transfer,
        reason: FailureReason,
        fingerprint: &Fingerprint,
    ) -> Result<Option<Stored<Transfer>>, StoreError> {
        let failed = Transfer { status: TransferStatus::Failed(reason), ..transfer };
        let item = transfer_item(&failed, Some(fingerprint))?;
        match self.table.put_item(item, |put| put.condition_expression("attribute_not_exists(pk)")).await? {
            WriteOutcome::Written(_) => Ok(None),
            WriteOutcome::ConditionFailed(Some(stored)) => stored_transfer(stored).map(Some),
            WriteOutcome::ConditionFailed(None) => Err(StoreError::internal("the stored transfer was not returned")),
        }
    }

    /// Finds a transfer, together with the user who reads it.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the request fails.
    pub async fn transfer_and_user(
        &self,
        id: TransferId,
        reader: UserId,
    ) -> Result<(Option<Transfer>, Replica), StoreError> {
        let items = self.table.batch_get(vec![transfer_key(id), user_key(reader)]).await?;
        let transfer = with_sort_key(&items, "TRANSFER").cloned().map(stored_transfer).transpose()?;
        Ok((transfer.map(|stored| stored.value), user_among(&items)?))
    }

    /// Lists the completed transfers of several accounts, at most 100. A transfer between two of them is listed once. Takes
    /// one round trip for one account, and at most two for up to twenty; more accounts are queried in groups. Indexes are
    /// eventually consistent
    /// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html#GSI.Writes>).
    ///
    /// # Errors
    ///
    /// [`StoreError`] if a request fails.
    pub async fn list_transfers(&self, accounts: &[&str], range: &PageRange) -> Result<Page<Transfer>, StoreError> {
        let sides = |account: &&str| {
            [("byFrom", "from"), ("byTo", "to")].map(|(index, key)| Partition {
                index,
                key,
                value: (*account).to_owned(),
            })
        };
        let partitions = accounts.iter().flat_map(sides).collect();
        self.merged_page(partitions, range, |item| Ok(stored_transfer(item)?.value)).await
    }
}

fn rejected(failed: &FailedConditions<Part>, command: &PostTransfer) -> Result<PostOutcome, StoreError> {
    let PostTransfer { transfer, request, claims } = command;
    for (part, party) in [(Part::Payer, Party::Payer), (Part::Payee, Party::Payee)] {
        let account = failed.item(part).map(AccountRecord::state).transpose()?;
        let is_own = |state: &AccountState| {
            transfer.posting.requires_ownership(party) && state.account.owner == transfer.initiated_by
        };
        // A revoked token does not learn the result of an earlier request.
        if account.as_ref().is_some_and(|state| is_own(state) && state.revocation.is_revoked(claims)) {
            ensure_conclusive(failed, request)?;
            return Ok(PostOutcome::Rejected(party, account));
        }
    }
    // If the transfer exists, this is a repeated request.
    if let Some(stored) = failed.item(Part::Transfer) {
        return Ok(PostOutcome::Exists(stored_transfer(stored.clone())?));
    }
    ensure_conclusive(failed, request)?;
    for (part, party) in [(Part::Payer, Party::Payer), (Part::Payee, Party::Payee)] {
        if failed.contains(part) {
            let account = failed.item(part).map(AccountRecord::state).transpose()?;
            return Ok(PostOutcome::Rejected(party, account));
        }
    }
    Err(StoreError::internal("a transfer failed an unexpected condition"))
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TransferRecord {
    id: TransferId,
    #[serde(rename = "type")]
    kind: TransferType,
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure_party: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<PaymentAccountId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<PaymentAccountId>,
    amount: Amount,
    currency: Currency,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<Note>,
    initiated_by: UserId,
    created_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    fingerprint: Option<Fingerprint>,
    /// The sort key of the indexes.
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    order: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Status {
    Completed,
    Failed,
}

pub(super) fn transfer_key(id: TransferId) -> Item {
    key(format_args!("TRANSFER#{id}"), "TRANSFER")
}

pub(super) fn transfer_item(transfer: &Transfer, fingerprint: Option<&Fingerprint>) -> Result<Item, StoreError> {
    let (status, reason) = match transfer.status {
        TransferStatus::Completed => (Status::Completed, None),
        TransferStatus::Failed(reason) => (Status::Failed, Some(reason)),
    };
    let record = TransferRecord {
        id: transfer.id,
        kind: transfer.posting.kind(),
        status,
        failure_code: reason.map(|reason| reason.code().to_owned()),
        failure_party: reason.map(|reason| reason.party().to_string()),
        from: transfer.posting.from().cloned(),
        to: transfer.posting.to().cloned(),
        amount: transfer.amount,
        currency: transfer.currency,
        note: transfer.note.clone(),
        initiated_by: transfer.initiated_by,
        created_at: transfer.created_at,
        fingerprint: fingerprint.cloned(),
        order: reason.is_none().then(|| Cursor::new(transfer.created_at, transfer.id).to_string()),
    };
    item(transfer_key(transfer.id), record)
}

fn stored_transfer(item: Item) -> Result<Stored<Transfer>, StoreError> {
    let record: TransferRecord = from_item(item)?;
    let fingerprint = record.fingerprint.clone();
    Ok(Stored { value: record.try_into()?, fingerprint })
}

impl TryFrom<TransferRecord> for Transfer {
    type Error = StoreError;

    fn try_from(record: TransferRecord) -> Result<Self, StoreError> {
        let invalid = |what| StoreError::internal(format!("TRANSFER#{}: {what}", record.id));
        let status = match record.status {
            Status::Completed => TransferStatus::Completed,
            Status::Failed => {
                let party = record.failure_party.as_deref().and_then(|party| party.parse().ok());
                let reason = party.zip(record.failure_code.as_deref());
                let reason = reason.and_then(|(party, code)| FailureReason::from_code(code, party));
                TransferStatus::Failed(reason.ok_or_else(|| invalid("unknown failure reason"))?)
            }
        };
        let posting = match (record.kind, record.from, record.to) {
            (TransferType::Deposit, _, Some(to)) => Posting::Deposit { to },
            (TransferType::Collection, _, Some(to)) => Posting::Collection { to },
            (TransferType::Withdrawal, Some(from), _) => Posting::Withdrawal { from },
            (TransferType::Send | TransferType::Disbursement, Some(from), Some(to)) => {
                Posting::Internal { from, to, kind: record.kind }
            }
            _ => return Err(StoreError::internal(format!("TRANSFER#{}: an account is missing", record.id))),
        };
        Ok(Self {
            id: record.id,
            posting,
            status,
            amount: record.amount,
            currency: record.currency,
            note: record.note,
            initiated_by: record.initiated_by,
            created_at: record.created_at,
        })
    }
}
