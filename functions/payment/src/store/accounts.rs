//! Accounts: opening them, and listing those of a user.

pub(super) mod record;

use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem};
use dynamo::{FailedConditions, Item, Transaction, TransactionOutcome, from_item, key, number, text};
use futures_util::{StreamExt, TryStreamExt, stream};
use kernel::{Amount, Currency, Timestamp};
use record::{AccountRecord, account_key};
use serde::Serialize;

use super::commands::{OperatorCommand, command_item};
use super::shards::{CreditLeg, nothing_drawn};
use super::transfers::{CreditCondition, transfer_item};
use super::users::record::{UserRecord, user_key};
use super::{MAX_CONCURRENT_QUERIES, Store, StoreError, ensure_conclusive, item};
use crate::domain::{
    Account, AccountState, AccountType, EndedSessions, IdempotentRequest, Replica, Stored, TokenClaims, Transfer,
    UserStatus,
};

/// The command to open an account.
#[derive(Debug, Clone)]
pub struct OpenAccount {
    pub request: IdempotentRequest,
    /// The account. Its creation time, and that of the transfer, are replaced by that of the attempt that is committed.
    pub account: Account,
    /// The transfer that is posted with the opening: the opening deposit, or the disbursement of a loan.
    pub transfer: Option<Transfer>,
    pub claims: TokenClaims,
    /// The maximum number of accounts of a user.
    pub max_accounts: u32,
    /// The credit limit or the principal of the account, and the maximum of all those of a user in one currency, which is
    /// at least as high.
    pub credit: Option<(Amount, Amount)>,
    /// The command of an operator, if the owner did not request the account.
    pub operator: Option<OperatorCommand>,
}

/// The result of [`OpenAccount`]. Unless the account is opened, nothing was written.
#[derive(Debug)]
pub enum OpenOutcome {
    /// The creation time of the account.
    Opened(Timestamp),
    /// An earlier request with the same key opened the account, which is returned as it was then.
    Exists(Stored<Account>),
    /// Another account has the id.
    IdTaken,
    /// The condition on the owner is false.
    OwnerRejected {
        /// `None` if the owner is not replicated.
        owner: Option<Replica>,
        /// The owner's credit in the currency of the account, in minor units.
        credit: i64,
    },
    /// The condition on the account that should receive the principal is false. `None` if it does not exist.
    PayeeRejected(Option<AccountState>),
    /// Other transactions kept using the items.
    Conflict,
}

/// What an operator's command has opened.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CreditOpened {
    payment_account_type: AccountType,
    amount: Amount,
    currency: Currency,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Request,
    Account,
    Shard,
    Owner,
    Transfer,
    Payee,
    Command,
}

impl Store {
    /// Opens an account, and in the same transaction posts the opening transfer and adds the account to its owner's.
    ///
    /// `ended` are the owner's ended sessions, which the account inherits. Without them the account is only opened if no
    /// session has ended whose tokens may be valid; with them, only if no other session has ended since. So a token that
    /// was revoked before the opening is revoked on the account, and the token of the opening itself is not revoked.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the request fails.
    pub async fn open_account(
        &self,
        command: &OpenAccount,
        ended: Option<&EndedSessions>,
    ) -> Result<OpenOutcome, StoreError> {
        match self.table.commit_with_time(|now| self.opening(command, ended, now)).await? {
            (TransactionOutcome::Committed, created_at) => Ok(OpenOutcome::Opened(created_at)),
            (TransactionOutcome::Conflict, _) => Ok(OpenOutcome::Conflict),
            (TransactionOutcome::ConditionFailed(failed), _) => rejected(&failed, command),
        }
    }

    fn opening(
        &self,
        command: &OpenAccount,
        ended: Option<&EndedSessions>,
        created_at: Timestamp,
    ) -> Result<Transaction<Part>, StoreError> {
        let OpenAccount { request, account, transfer, claims, .. } = command;
        let account = &Account { created_at, ..account.clone() };
        let now = created_at.unix_seconds();
        let mut transaction = Transaction::new();
        if let Some(fingerprint) = &request.fingerprint {
            let record = AccountRecord { fingerprint: Some(fingerprint.clone()), ..AccountRecord::from(account) };
            let key = key(format_args!("IDEMPOTENCY#{}", request.id), "IDEMPOTENCY");
            transaction.add(Part::Request, self.table.put_new(item(key, record)?)?);
        }
        let record = AccountRecord {
            owner_epoch: Some(claims.epoch),
            revoked_sessions: ended.map(|ended| ended.unexpired(now)).unwrap_or_default(),
            fence_version: ended.map(|ended| ended.version),
            tokens_not_before: ended.map(|ended| ended.tokens_not_before),
            drawn: account.write_shards.map(nothing_drawn),
            ..AccountRecord::from(account)
        };
        transaction.add(Part::Account, self.table.put_new(item(account_key(&account.id), record)?)?);
        for shard in self.new_shards(account)? {
            transaction.add(Part::Shard, shard);
        }
        transaction.add(Part::Owner, self.add_to_owner(command, ended, now)?);
        if let Some(transfer) = transfer {
            let transfer = &Transfer { created_at, ..transfer.clone() };
            transaction.add(Part::Transfer, self.table.put_new(transfer_item(transfer, None)?)?);
            // The payee of an opening deposit is the account itself, which opens with that balance.
            if let (Some(_), Some(payee)) = (transfer.posting.from(), transfer.posting.to()) {
                let owner = Some((transfer.initiated_by, claims));
                let condition = CreditCondition { owner, account_type: Some(AccountType::Debit) };
                transaction.add(Part::Payee, self.credit(CreditLeg::new(payee, transfer), condition)?);
            }
        }
        if let (Some(operator), Some((amount, _))) = (&command.operator, command.credit) {
            let opened = CreditOpened { payment_account_type: account.kind, amount, currency: account.currency };
            let item = command_item("CREDIT_OPENED", account, operator, account.created_at, opened)?;
            transaction.add(Part::Command, self.table.put_new(item)?);
        }
        Ok(transaction)
    }

    /// Adds the account to its owner's, if the owner can open one more.
    fn add_to_owner(
        &self,
        command: &OpenAccount,
        ended: Option<&EndedSessions>,
        now: i64,
    ) -> Result<TransactWriteItem, StoreError> {
        let OpenAccount { account, claims, max_accounts, credit, .. } = command;
        self.table.update(user_key(account.owner), |update| {
            let (no_new_end, update) = match ended {
                None => (
                    "(attribute_not_exists(revokedUntil) OR revokedUntil <= :now)",
                    update.expression_attribute_values(":now", number(now)),
                ),
                Some(ended) => {
                    ("fenceVersion = :seen", update.expression_attribute_values(":seen", number(ended.version)))
                }
            };
            let (add, below_maximum, update) = match credit {
                None => ("", "", update),
                Some((amount, max)) => (
                    ", #credit :credit",
                    " AND (attribute_not_exists(#credit) OR #credit <= :creditRoom)",
                    update
                        .expression_attribute_names("#credit", credit_attribute(account.currency))
                        .expression_attribute_values(":credit", number(amount.minor()))
                        .expression_attribute_values(":creditRoom", number(max.minor() - amount.minor())),
                ),
            };
            update
                .update_expression(format!("ADD accountIds :account{add}"))
                .condition_expression(format!(
                    "#status = :active AND epoch <= :epoch \
                     AND (attribute_not_exists(accountIds) OR size(accountIds) < :most) AND {no_new_end}{below_maximum}"
                ))
                .expression_attribute_names("#status", "status")
                .expression_attribute_values(":account", AttributeValue::Ss(vec![account.id.to_string()]))
                .expression_attribute_values(":active", text(UserStatus::Active))
                .expression_attribute_values(":epoch", number(claims.epoch))
                .expression_attribute_values(":most", number(max_accounts))
        })
    }

    /// The accounts with these ids, at most 100, oldest first, with the balances of their write shards. Strongly consistent.
    /// One batch read, and then one query for each account with write shards, of at most 17 items.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if a request fails.
    pub async fn accounts(&self, ids: &[String]) -> Result<Vec<Account>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let items = self.table.batch_get(ids.iter().map(account_key).collect()).await?;
        let reads: Vec<_> = items.iter().map(|item| self.with_shard_balances(item)).collect();
        let mut accounts: Vec<_> = stream::iter(reads).buffer_unordered(MAX_CONCURRENT_QUERIES).try_collect().await?;
        accounts.sort_by(|one, other| (one.created_at, &one.id).cmp(&(other.created_at, &other.id)));
        Ok(accounts)
    }

    async fn with_shard_balances(&self, item: &Item) -> Result<Account, StoreError> {
        let AccountState { account, .. } = AccountRecord::state(item)?;
        match self.sharded_account(&account).await? {
            Some(sharded) => sharded.with_shard_balances(),
            None => Ok(account),
        }
    }
}

/// The attribute of a user with their credit in a currency.
fn credit_attribute(currency: Currency) -> String {
    format!("credit#{currency}")
}

fn rejected(
    failed: &FailedConditions<Part>,
    OpenAccount { request, claims, account, operator, .. }: &OpenAccount,
) -> Result<OpenOutcome, StoreError> {
    ensure_conclusive(failed, request)?;
    let unexpected = || StoreError::internal("an opening failed an unexpected condition");
    let owner = failed.item(Part::Owner).cloned().map(from_item::<UserRecord>).transpose()?;
    // A revoked token does not learn the result of an earlier request. An operator does.
    let revoked = owner.map(UserRecord::replica).filter(|owner| operator.is_none() && owner.admit(claims).is_err());
    if let Some(owner) = revoked {
        return Ok(OpenOutcome::OwnerRejected { owner: Some(owner), credit: 0 });
    }
    let (part, item) = failed.iter().next().ok_or_else(unexpected)?;
    match part {
        Part::Request => {
            let stored = item.ok_or_else(|| StoreError::internal("the stored request was not returned"))?;
            let record: AccountRecord = from_item(stored.clone())?;
            let fingerprint = record.fingerprint.clone();
            let AccountState { account, .. } = record.try_into()?;
            Ok(OpenOutcome::Exists(Stored { value: account, fingerprint }))
        }
        Part::Account => Ok(OpenOutcome::IdTaken),
        Part::Owner => {
            let user = item.cloned().map(from_item::<UserRecord>).transpose()?;
            let credit = item.and_then(|item| item.get(&credit_attribute(account.currency))?.as_n().ok()?.parse().ok());
            let owner = user.filter(UserRecord::is_replicated).map(UserRecord::replica);
            Ok(OpenOutcome::OwnerRejected { owner, credit: credit.unwrap_or_default() })
        }
        Part::Payee => Ok(OpenOutcome::PayeeRejected(item.map(AccountRecord::state).transpose()?)),
        Part::Transfer | Part::Shard | Part::Command => Err(unexpected()),
    }
}
