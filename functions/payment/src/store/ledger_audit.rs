//! What the audit of the ledger reads beside the journal, and what it records.
//!
//! The audit's progress is in one item. A finding is never deleted.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use dynamo::{Item, WriteOutcome, from_item, key, number, text};
use kernel::{Currency, Timestamp};
use serde::{Deserialize, Serialize};

use super::account_status::is_account;
use super::accounts::record::{AccountRecord, account_key};
use super::shards::ShardRecord;
use super::{Store, StoreError, item};
use crate::domain::{Day, Finding, FindingKind, LedgerPosition, PaymentAccountId, ShardPosition};

/// The number of accounts that one scan of the index reads.
const ACCOUNTS_PER_SCAN: i32 = 100;

/// The number of items that one scan of the table reads.
const ITEMS_PER_SCAN: i32 = 1_000;

const ACCOUNT_PREFIX: &str = "ACCOUNT#";

/// The maximum number of items of a batch read.
const PER_BATCH: usize = 100;

/// The maximum number of queries after the first until two return the same. An account that changes faster may seem to
/// contradict itself, and is read again later.
const MAX_SNAPSHOT_ATTEMPTS: usize = 50;

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
    /// When the last full pass began that was completed before this pass.
    previous_full: Option<Timestamp>,
    pub completed_at: Option<Timestamp>,
    /// Whether no account is frozen.
    pub keep_active: bool,
    pub accounts: u64,
    pub transfers: u64,
    pub closings: u64,
    pub findings: u64,
    /// The number of accounts that were frozen.
    pub frozen: u64,
    /// The accounts of the current page that were audited.
    pub audited: BTreeSet<PaymentAccountId>,
    /// Until which day those were compared with their closings that took longer than an invocation.
    pub verified: BTreeMap<PaymentAccountId, Day>,
    /// The number of times that the progress was saved.
    version: u64,
    /// The entry after which the scan continues.
    #[serde(skip)]
    position: Option<Item>,
}

impl AuditPass {
    /// A pass that follows the last one.
    pub fn new(last: Option<&Self>, scope: AuditScope, started_at: Timestamp) -> Self {
        Self {
            scope,
            started_at,
            previous_full: last.and_then(Self::last_full),
            completed_at: None,
            keep_active: false,
            accounts: 0,
            transfers: 0,
            closings: 0,
            findings: 0,
            frozen: 0,
            audited: BTreeSet::new(),
            verified: BTreeMap::new(),
            version: last.map_or(0, |last| last.version),
            position: None,
        }
    }

    /// When the last full pass began that is complete.
    pub fn last_full(&self) -> Option<Timestamp> {
        let is_full = self.scope == AuditScope::Full && self.completed_at.is_some();
        if is_full { Some(self.started_at) } else { self.previous_full }
    }

    /// Continues after a page, or completes the pass.
    pub fn turn(&mut self, page: &AuditPage, now: Timestamp) {
        self.audited.clear();
        self.verified.clear();
        self.position.clone_from(&page.next);
        self.completed_at = page.next.is_none().then_some(now);
    }
}

/// A part of the table.
#[derive(Debug, Default)]
pub struct AuditPage {
    /// The accounts to audit.
    pub accounts: Vec<PaymentAccountId>,
    /// Accounts that users have.
    pub owned: Vec<PaymentAccountId>,
    /// Accounts whose keys are malformed.
    pub malformed: Vec<Finding>,
    next: Option<Item>,
}

impl AuditPage {
    /// Whether there is nothing to audit.
    pub const fn is_empty(&self) -> bool {
        self.accounts.is_empty() && self.owned.is_empty() && self.malformed.is_empty()
    }
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

    /// Saves the progress. Returns whether it was saved: it is not if another invocation has saved its own since this one
    /// loaded it.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the request fails.
    pub async fn save_audit_pass(&self, pass: &mut AuditPass) -> Result<bool, StoreError> {
        let loaded = pass.version;
        pass.version += 1;
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
        let scan = self.table.client().scan().table_name(self.table.name());
        let scan = match pass.scope {
            AuditScope::Incremental => {
                scan.index_name("byAccount").projection_expression("pk, sk").limit(ACCOUNTS_PER_SCAN)
            }
            AuditScope::Full => scan
                .projection_expression("pk, sk, accountIds")
                .filter_expression("sk = :account OR attribute_exists(accountIds)")
                .expression_attribute_values(":account", text("ACCOUNT"))
                .limit(ITEMS_PER_SCAN),
        };
        let response = scan.set_exclusive_start_key(pass.position.clone()).send().await?;
        let mut page = AuditPage { next: response.last_evaluated_key, ..AuditPage::default() };
        for item in response.items.unwrap_or_default() {
            let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok());
            if text("sk").is_some_and(|sk| sk == "ACCOUNT") {
                let pk = text("pk").map_or("", String::as_str);
                if let Some(account) = account_of(pk) {
                    page.accounts.push(account);
                } else {
                    let id = pk.strip_prefix(ACCOUNT_PREFIX).unwrap_or(pk);
                    let finding = Finding::new(FindingKind::ItemMalformed, &id, "the id of the account is malformed");
                    page.malformed.push(finding);
                }
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
        let mut items = self.account_items(id).await?;
        // A query reads one item after the other, beginning with the account. If another one returns the same items, none of
        // the shards has changed between its two reads, and between those is that of the account.
        for _ in 0..MAX_SNAPSHOT_ATTEMPTS {
            if items.len() <= 1 {
                break;
            }
            let again = self.account_items(id).await?;
            if again == items {
                break;
            }
            items = again;
        }
        Ok((!items.is_empty()).then(|| position(id, items)))
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
            for item in self.table.batch_get(keys.to_vec()).await? {
                if let Ok(FoundAccount { pk, currency }) = from_item(item)
                    && let Some(id) = account_of(&pk)
                {
                    currencies.insert(id, Some(currency));
                }
            }
        }
        Ok(currencies)
    }

    /// Records a finding of a pass. Of the same kind and account there is one.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the request fails.
    pub async fn record_finding(&self, finding: &Finding, pass_started_at: Timestamp) -> Result<(), StoreError> {
        self.table.put_item(finding_item(finding, pass_started_at, self.now())?, |put| put).await.map(drop)
    }
}

#[derive(Deserialize)]
struct FoundAccount {
    pk: String,
    currency: Currency,
}

/// The account with this partition key.
fn account_of(pk: &str) -> Option<PaymentAccountId> {
    let id = pk.strip_prefix(ACCOUNT_PREFIX)?;
    // Ids are stored in lower case.
    PaymentAccountId::parse(id).ok().filter(|parsed| parsed.as_str() == id)
}

fn position(id: &PaymentAccountId, items: Vec<Item>) -> Result<LedgerPosition, StoreError> {
    let (own, shards): (Vec<_>, Vec<_>) = items.into_iter().partition(is_account);
    let own = own.into_iter().next().ok_or_else(|| StoreError::internal("shards without an account"))?;
    let own: AccountRecord = from_item(own)?;
    if own.id != *id {
        return Err(StoreError::internal("the account has the id of another"));
    }
    let mut shards = shards
        .into_iter()
        .map(|item| {
            let ShardRecord { number, currency, received, headroom } = ShardRecord::read(item)?;
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

fn finding_item(finding: &Finding, pass_started_at: Timestamp, at: Timestamp) -> Result<Item, StoreError> {
    #[derive(Serialize)]
    struct FindingRecord<'a> {
        #[serde(flatten)]
        finding: &'a Finding,
        at: Timestamp,
    }
    let key = key(format_args!("FINDINGS#{}", finding.account), format_args!("{pass_started_at}#{}", finding.kind));
    item(key, FindingRecord { finding, at })
}

fn pass_key() -> Item {
    key("LEDGER_AUDIT", "LEDGER_AUDIT")
}
