//! What the audit of the ledger reads beside the journal, and what it records.
//!
//! The audit's progress is in one item. A finding is never updated or deleted.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, Get, KeysAndAttributes, TransactGetItem};
use dynamo::{Item, Transaction, TransactionOutcome, WriteOutcome, from_item, key, number, text};
use kernel::{Currency, Timestamp};
use serde::{Deserialize, Serialize};

use super::accounts::record::{AccountRecord, account_key, account_partition};
use super::shards::SHARD_PREFIX;
use super::{Store, StoreError, item};
use crate::domain::{AccountStatus, Finding, LedgerPosition, PaymentAccountId, ShardPosition};

/// The number of entries that one scan reads.
const PER_SCAN: i32 = 100;

/// The maximum number of items of a batch read.
const PER_BATCH: usize = 100;

/// The maximum number of attempts to freeze an account while its shards are set.
const MAX_FREEZE_ATTEMPTS: usize = 4;

/// The extent of a pass of the audit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum AuditScope {
    /// Every account, from its last closing on.
    Incremental,
    /// Every account from its first transfer on, all closings, and the accounts that users have.
    Full,
}

/// The progress of the audit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditPass {
    pub scope: AuditScope,
    pub started_at: Timestamp,
    pub completed_at: Option<Timestamp>,
    pub accounts: u64,
    pub transfers: u64,
    pub closings: u64,
    pub findings: u64,
    /// The number of times that the progress was saved.
    version: u64,
    /// The entry after which the scan continues.
    #[serde(skip)]
    position: Option<Item>,
}

impl AuditPass {
    pub const fn new(scope: AuditScope, started_at: Timestamp) -> Self {
        Self {
            scope,
            started_at,
            completed_at: None,
            accounts: 0,
            transfers: 0,
            closings: 0,
            findings: 0,
            version: 0,
            position: None,
        }
    }

    /// The pass that follows this one.
    #[must_use]
    pub fn followed_by(&self, scope: AuditScope, started_at: Timestamp) -> Self {
        Self { version: self.version, ..Self::new(scope, started_at) }
    }
}

/// A part of the table.
#[derive(Debug, Default)]
pub struct AuditPage {
    /// The accounts to audit.
    pub accounts: Vec<PaymentAccountId>,
    /// Accounts that users have.
    pub owned: Vec<PaymentAccountId>,
    next: Option<Item>,
}

impl Store {
    /// The progress of the audit, if it ever ran.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the request fails.
    pub async fn audit_pass(&self) -> Result<Option<AuditPass>, StoreError> {
        let Some(mut item) = self.table.get(pass_key()).await? else { return Ok(None) };
        let position = item.remove("position").and_then(|position| position.as_m().ok().cloned());
        Ok(Some(AuditPass { position, ..from_item(item)? }))
    }

    /// Saves the progress after a page. Returns whether it was saved: it is not if another invocation has saved its own since
    /// this one loaded it.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the request fails.
    pub async fn save_audit_pass(&self, pass: &mut AuditPass, page: AuditPage) -> Result<bool, StoreError> {
        let loaded = pass.version;
        pass.version += 1;
        pass.position = page.next;
        if pass.position.is_none() {
            pass.completed_at = Some(self.now());
        }
        let mut record = item(pass_key(), &*pass)?;
        if let Some(position) = &pass.position {
            record.insert("position".to_owned(), AttributeValue::M(position.clone()));
        }
        let put = self.table.put_item(record, |put| {
            put.condition_expression("attribute_not_exists(pk) OR version = :loaded")
                .expression_attribute_values(":loaded", number(loaded))
        });
        Ok(matches!(put.await?, WriteOutcome::Written(_)))
    }

    /// The next part of the table. An incremental pass reads the index of accounts, a full one all items.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the request fails.
    pub async fn audit_page(&self, pass: &AuditPass) -> Result<AuditPage, StoreError> {
        let scan = self.table.client().scan().table_name(self.table.name()).limit(PER_SCAN);
        let scan = match pass.scope {
            AuditScope::Incremental => scan.index_name("byAccount").projection_expression("pk, sk"),
            AuditScope::Full => scan.projection_expression("pk, sk, accountIds"),
        };
        let response = scan.set_exclusive_start_key(pass.position.clone()).send().await?;
        let mut page = AuditPage { next: response.last_evaluated_key, ..AuditPage::default() };
        for item in response.items.unwrap_or_default() {
            let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok());
            if text("sk").is_some_and(|sk| sk == "ACCOUNT") {
                let id = text("pk").and_then(|pk| account_of(pk));
                page.accounts.push(id.ok_or_else(|| StoreError::internal("an account has a malformed key"))?);
            }
            let owned = item.get("accountIds").and_then(|ids| ids.as_ss().ok()).into_iter().flatten();
            page.owned.extend(owned.filter_map(|id| PaymentAccountId::parse(id).ok()));
        }
        Ok(page)
    }

    /// The amounts of an account and its shards at one moment; `None` if the account does not exist, `Err` within `Ok` if an
    /// item can't be read.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if a request fails.
    pub async fn ledger_position(
        &self,
        id: &PaymentAccountId,
    ) -> Result<Option<Result<LedgerPosition, StoreError>>, StoreError> {
        let items = self.account_items(id).await?;
        // A query reads one item after the other. A single item needs no more.
        let items = if items.len() > 1 { self.snapshot(&items).await? } else { items };
        Ok((!items.is_empty()).then(|| position(id, items)))
    }

    /// The account and its shards, by a strongly consistent query.
    async fn account_items(&self, id: &PaymentAccountId) -> Result<Vec<Item>, StoreError> {
        let query = self.table.client().query().table_name(self.table.name());
        let response = query
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", text(account_partition(id)))
            .consistent_read(true)
            .send()
            .await?;
        Ok(response.items.unwrap_or_default())
    }

    async fn snapshot(&self, items: &[Item]) -> Result<Vec<Item>, StoreError> {
        let mut request = self.table.client().transact_get_items();
        for item in items {
            let get = Get::builder().table_name(self.table.name()).set_key(Some(key_of(item))).build();
            let get = get.map_err(StoreError::internal)?;
            request = request.transact_items(TransactGetItem::builder().get(get).build());
        }
        let response = self.table.retry_on_conflict(|| request.clone().send()).await?;
        Ok(response.responses.unwrap_or_default().into_iter().filter_map(|response| response.item).collect())
    }

    /// The currencies of accounts; `None` for those that do not exist or can't be read. Strongly consistent.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if a request fails.
    pub async fn account_currencies(
        &self,
        ids: impl IntoIterator<Item = PaymentAccountId>,
    ) -> Result<HashMap<PaymentAccountId, Option<Currency>>, StoreError> {
        let mut currencies: HashMap<_, _> = ids.into_iter().map(|id| (id, None)).collect();
        let keys: Vec<_> = currencies.keys().map(account_key).collect();
        for keys in keys.chunks(PER_BATCH) {
            let mut unread = KeysAndAttributes::builder()
                .set_keys(Some(keys.to_vec()))
                .consistent_read(true)
                .projection_expression("pk, currency")
                .build()
                .map_err(StoreError::internal)?;
            loop {
                let request = self.table.client().batch_get_item().request_items(self.table.name(), unread);
                let response = request.send().await?;
                for item in
                    response.responses.and_then(|mut tables| tables.remove(self.table.name())).unwrap_or_default()
                {
                    if let Ok(FoundAccount { pk, currency }) = from_item(item)
                        && let Some(id) = account_of(&pk)
                    {
                        currencies.insert(id, Some(currency));
                    }
                }
                let rest = response.unprocessed_keys.and_then(|mut tables| tables.remove(self.table.name()));
                let Some(rest) = rest else { break };
                unread = rest;
            }
        }
        Ok(currencies)
    }

    /// Records a finding. If it is about the account itself, freezes the account and its shards in the same transaction.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if a request fails, or other transactions keep using the account.
    pub async fn record_finding(&self, finding: &Finding) -> Result<(), StoreError> {
        for attempt in 1..=MAX_FREEZE_ATTEMPTS {
            let items = if finding.kind.freezes() { self.account_items(&finding.account).await? } else { Vec::new() };
            // A concurrent command could open a shard that is not frozen. An account whose shards keep changing, or can't be
            // counted, is frozen without regard to that.
            let shards = (attempt < MAX_FREEZE_ATTEMPTS).then(|| items.len().saturating_sub(1));
            let build = |at| {
                let mut transaction = Transaction::new().with((), self.table.put_new(finding_item(finding, at)?)?);
                for item in &items {
                    let is_account = item.get("sk") == Some(&text("ACCOUNT"));
                    transaction.add((), self.freeze(key_of(item), shards.filter(|_| is_account))?);
                }
                Ok(transaction)
            };
            match self.table.commit_with_time(build).await?.0 {
                TransactionOutcome::Committed => return Ok(()),
                TransactionOutcome::ConditionFailed(_) => {}
                TransactionOutcome::Conflict => {
                    return Err(StoreError::Unavailable("the account is in use".to_owned()));
                }
            }
        }
        Err(StoreError::internal("a finding was not recorded"))
    }

    /// Freezes an account or a shard. `shards` is the number of shards that the account must have.
    fn freeze(
        &self,
        key: Item,
        shards: Option<usize>,
    ) -> Result<aws_sdk_dynamodb::types::TransactWriteItem, StoreError> {
        self.table.update(key, |update| {
            let update = update
                .update_expression("SET #status = :frozen")
                .expression_attribute_names("#status", "status")
                .expression_attribute_values(":frozen", text(AccountStatus::Frozen));
            match shards {
                None => update.condition_expression("attribute_exists(pk)"),
                Some(0) => update
                    .condition_expression(
                        "attribute_exists(pk) AND (attribute_not_exists(drawn) OR size(drawn) = :shards)",
                    )
                    .expression_attribute_values(":shards", number(0)),
                Some(shards) => update
                    .condition_expression("attribute_exists(pk) AND size(drawn) = :shards")
                    .expression_attribute_values(":shards", number(shards)),
            }
        })
    }

    #[cfg(test)]
    pub(crate) async fn findings(&self, account: &PaymentAccountId) -> Vec<Item> {
        let query = self.table.client().query().table_name(self.table.name());
        let query = query.key_condition_expression("pk = :pk");
        let response = query.expression_attribute_values(":pk", text(format_args!("FINDINGS#{account}"))).send().await;
        response.unwrap().items.unwrap_or_default()
    }
}

#[derive(Deserialize)]
struct FoundAccount {
    pk: String,
    currency: Currency,
}

#[derive(Deserialize)]
struct ShardRecord {
    sk: String,
    currency: Currency,
    received: i64,
    headroom: i64,
}

/// The account with this partition key.
fn account_of(pk: &str) -> Option<PaymentAccountId> {
    PaymentAccountId::parse(pk.strip_prefix("ACCOUNT#")?).ok()
}

fn position(id: &PaymentAccountId, items: Vec<Item>) -> Result<LedgerPosition, StoreError> {
    let (own, shards): (Vec<_>, Vec<_>) = items.into_iter().partition(|item| item.get("sk") == Some(&text("ACCOUNT")));
    let own = own.into_iter().next().ok_or_else(|| StoreError::internal("shards without an account"))?;
    let own: AccountRecord = from_item(own)?;
    if own.id != *id {
        return Err(StoreError::internal("the account has the id of another"));
    }
    let mut shards = shards
        .into_iter()
        .map(|item| {
            let ShardRecord { sk, currency, received, headroom } = from_item(item)?;
            let number = sk.strip_prefix(SHARD_PREFIX).and_then(|number| number.parse().ok());
            let number = number.ok_or_else(|| StoreError::internal("a shard has no number"))?;
            Ok(ShardPosition { number, currency, received, headroom })
        })
        .collect::<Result<Vec<_>, StoreError>>()?;
    shards.sort_by_key(|shard| shard.number);
    Ok(LedgerPosition {
        kind: own.kind,
        currency: own.currency,
        balance: own.balance,
        available: own.available,
        headroom: own.headroom,
        drawn: own.drawn.unwrap_or_default(),
        shards,
    })
}

fn key_of(item: &Item) -> Item {
    item.iter()
        .filter(|(name, _)| matches!(name.as_str(), "pk" | "sk"))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

fn finding_item(finding: &Finding, at: Timestamp) -> Result<Item, StoreError> {
    #[derive(Serialize)]
    struct FindingRecord<'a> {
        #[serde(flatten)]
        finding: &'a Finding,
        at: Timestamp,
    }
    let key = key(format_args!("FINDINGS#{}", finding.account), format_args!("{at}#{}", finding.kind));
    item(key, FindingRecord { finding, at })
}

fn pass_key() -> Item {
    key("LEDGER_AUDIT", "LEDGER_AUDIT")
}
