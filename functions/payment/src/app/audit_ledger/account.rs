//! The audit of one account.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use kernel::{Currency, Timestamp};

use super::is_out_of_time;
use crate::domain::{
    Closing, Day, Digest, EntriesDigest, Finding, FindingKind, NewestIds, PaymentAccountId, Transfer, explains,
};
use crate::store::closings::StoredClosing;
use crate::store::journal::JournalEntry;
use crate::store::ledger_audit::AuditScope;
use crate::store::{Store, StoreError};

/// The time after the end of a day at which it is closed. No transfer of the day is written that late: a write ends within
/// seconds of the time that it records.
const CLOSING_DELAY: Duration = Duration::from_hours(1);

/// The maximum difference between two clocks.
const CLOCK_SKEW: Duration = Duration::from_secs(5);

/// The time before the audit of an account whose transfers are read again to explain a difference: the index may have been
/// this late.
const REREAD: Duration = Duration::from_mins(2);

/// The number of accounts and currencies that are checked by one read.
const PER_CHECK: usize = 100;

const NO_TRANSFERS: [&str; 0] = [];

/// What the audit of an account has found.
#[derive(Debug, Default)]
pub(super) struct AccountResult {
    pub(super) findings: Vec<Finding>,
    difference: Option<Difference>,
    pub(super) transfers: u64,
    pub(super) closings: u64,
    /// Whether the time ran out before all transfers were read.
    pub(super) is_out_of_time: bool,
    /// The last day that was compared with its closing.
    pub(super) verified: Option<Day>,
}

/// A balance that differs from the sum of the transfers that were read before it.
///
/// A transfer that was posted in between, or that the index did not have yet, explains a difference. Those that are found
/// later may or may not be included in the balance, unless they were created after it was read.
#[derive(Debug)]
struct Difference {
    account: PaymentAccountId,
    minor: i128,
    /// When the balance was read.
    read_at: Timestamp,
    since: Timestamp,
    /// The orders of the transfers since then that were read before.
    read: HashSet<String>,
    named: NewestIds,
}

pub(super) struct AccountAudit<'a> {
    store: &'a Store,
    account: &'a PaymentAccountId,
    scope: AuditScope,
    started_at: Timestamp,
    /// The first order of the transfers that are read again to explain a difference.
    reread_from: String,
    /// The last day that an earlier invocation of the pass has compared with its closing.
    verified: Option<Day>,
    /// The sum of the transfers, in minor units.
    balance: i128,
    day: Option<(Day, OpenDay)>,
    /// The newest closing before the audit.
    latest: Option<Day>,
    previous: Option<(Day, Digest)>,
    /// Whether closings follow from what was read.
    can_close: bool,
    /// The closings of days that have none yet.
    new_closings: Vec<StoredClosing>,
    /// The accounts and currencies to check, each with a transfer that names it.
    unchecked: HashMap<(PaymentAccountId, Currency), String>,
    read: HashSet<String>,
    named: NewestIds,
    result: AccountResult,
}

/// Where the audit of an account begins.
enum Start {
    /// With the transfers since a time, or with the first one.
    Transfers(Option<Timestamp>),
    /// The balance before the next transfers is unknown.
    Unknown,
}

/// A day whose transfers are being read.
#[derive(Default)]
struct OpenDay {
    opening_balance: i128,
    transfers: u64,
    entries: EntriesDigest,
    named: NewestIds,
}

impl AccountResult {
    /// The audit of an account failed.
    pub(super) fn failed(account: &PaymentAccountId, error: &StoreError) -> Self {
        let finding = Finding::new(FindingKind::NotAudited, account, &error.to_string());
        Self { findings: vec![finding], ..Self::default() }
    }

    /// Whether the account seems to contradict its journal.
    pub(super) fn is_suspect(&self) -> bool {
        self.difference.is_some() || self.findings.iter().any(|finding| finding.kind.freezes())
    }

    /// Reads the newest transfers again, and adds the finding if they do not explain the difference.
    pub(super) async fn confirm(mut self, store: &Store) -> Result<Self, StoreError> {
        if let Some(difference) = self.difference.take() {
            self.findings.extend(difference.confirm(store).await?);
        }
        Ok(self)
    }
}

impl<'a> AccountAudit<'a> {
    pub(super) fn new(
        store: &'a Store,
        account: &'a PaymentAccountId,
        scope: AuditScope,
        verified: Option<Day>,
    ) -> Self {
        let started_at = store.now();
        Self {
            store,
            account,
            scope,
            started_at,
            reread_from: started_at.minus(REREAD).to_string(),
            verified,
            balance: 0,
            day: None,
            latest: None,
            previous: None,
            can_close: true,
            new_closings: Vec::new(),
            unchecked: HashMap::new(),
            read: HashSet::new(),
            named: NewestIds::default(),
            result: AccountResult::default(),
        }
    }

    pub(super) async fn run(mut self) -> Result<AccountResult, StoreError> {
        let since = match self.begin().await? {
            Start::Transfers(since) => since,
            Start::Unknown => {
                self.compare().await?;
                return Ok(self.result);
            }
        };
        let mut journal = self.store.journal(self.account, since);
        while let Some(entry) = journal.next().await? {
            if is_out_of_time() {
                return self.interrupt().await;
            }
            self.add(&entry).await?;
        }
        if is_out_of_time() {
            return self.interrupt().await;
        }
        self.close_day().await?;
        self.check_named_accounts().await?;
        let last_closed = self.previous.as_ref().map(|(day, _)| day);
        if self.can_close && self.latest.as_ref() > last_closed {
            self.find(FindingKind::ClosingChanged, "a closed day has no transfers", NO_TRANSFERS);
        }
        self.compare().await?;
        // A day is closed when the account agrees with it, so that a repair does not contradict a closing.
        if !self.result.is_suspect() {
            self.write_closings().await?;
        }
        Ok(self.result)
    }

    /// Ends the audit of an account that takes longer than an invocation. What was read is closed, although the balance was
    /// not compared: without that, no later invocation would come further.
    async fn interrupt(mut self) -> Result<AccountResult, StoreError> {
        if self.result.findings.iter().all(|finding| !finding.kind.freezes()) {
            self.write_closings().await?;
        }
        let verified = self.previous.map(|(day, _)| day);
        Ok(AccountResult { is_out_of_time: true, verified, difference: None, ..self.result })
    }

    /// Takes the balance of the closing from which the audit continues.
    async fn begin(&mut self) -> Result<Start, StoreError> {
        let latest = match self.store.latest_closing(self.account).await? {
            (None, None) => return Ok(Start::Transfers(None)),
            (Some(until), Some(Ok(latest))) if latest.is_intact(self.account) && until.is_last(&latest) => latest,
            _ => {
                self.can_close = false;
                self.find(
                    FindingKind::ClosingChanged,
                    "the newest closing is not the one that was written",
                    NO_TRANSFERS,
                );
                let is_full = self.scope == AuditScope::Full;
                return Ok(if is_full { Start::Transfers(None) } else { Start::Unknown });
            }
        };
        self.latest = Some(latest.closing.day.clone());
        let base = match (self.scope, &self.verified) {
            (AuditScope::Incremental, _) => latest,
            (AuditScope::Full, None) => return Ok(Start::Transfers(None)),
            (AuditScope::Full, Some(day)) => match self.store.closing(self.account, day).await? {
                Some(Ok(verified)) if verified.is_intact(self.account) => verified,
                _ => return Ok(Start::Transfers(None)),
            },
        };
        self.balance = base.closing.closing_balance.into();
        let end = base.closing.day.end().map_err(StoreError::internal)?;
        self.previous = Some((base.closing.day, base.digest));
        Ok(Start::Transfers(Some(end)))
    }

    async fn add(&mut self, entry: &JournalEntry) -> Result<(), StoreError> {
        self.result.transfers += 1;
        self.named.add(entry.id());
        if entry.order() >= self.reread_from.as_str() {
            self.read.insert(entry.order().to_owned());
        }
        let transfer = match entry.transfer(self.account) {
            Ok(transfer) => transfer,
            Err(error) => {
                self.can_close = false;
                self.find(FindingKind::ItemMalformed, &format!("a transfer: {error}"), Some(entry.id()));
                return Ok(());
            }
        };
        let day = Day::of(transfer.created_at);
        if self.day.as_ref().is_none_or(|(open, _)| *open != day) {
            self.close_day().await?;
        }
        let opening_balance = self.balance;
        let (_, open) = self.day.get_or_insert_with(|| (day, OpenDay { opening_balance, ..OpenDay::default() }));
        open.transfers += 1;
        open.entries.add(&entry.encoding());
        open.named.add(entry.id());
        self.balance += i128::from(signed_amount(&transfer, self.account));
        let currency = transfer.currency;
        for party in [transfer.posting.from(), transfer.posting.to()].into_iter().flatten() {
            self.unchecked.entry((party.clone(), currency)).or_insert_with(|| entry.id().to_owned());
        }
        if self.unchecked.len() >= PER_CHECK { self.check_named_accounts().await } else { Ok(()) }
    }

    /// Compares the day whose transfers were read with its closing, or makes the closing if it has none yet.
    async fn close_day(&mut self) -> Result<(), StoreError> {
        let Some((day, open)) = self.day.take() else { return Ok(()) };
        let is_over = day.end().is_ok_and(|end| end.plus(CLOSING_DELAY) <= self.started_at);
        if !is_over || !self.can_close {
            return Ok(());
        }
        let balance = |minor: i128| i64::try_from(minor).map_err(StoreError::internal);
        let closing = Closing {
            day: day.clone(),
            opening_balance: balance(open.opening_balance)?,
            closing_balance: balance(self.balance)?,
            transfers: open.transfers,
            entries_digest: open.entries.finish(),
            previous_digest: self.previous.take().map(|(_, digest)| digest),
        };
        let closing = StoredClosing::new(closing, self.account);
        self.previous = Some((day.clone(), closing.digest.clone()));
        if self.latest.as_ref().is_none_or(|latest| day > *latest) {
            self.new_closings.push(closing);
            return Ok(());
        }
        let written = self.store.closing(self.account, &day).await?;
        if !matches!(written, Some(Ok(written)) if written == closing) {
            self.can_close = false;
            let detail = format!("the closing of {day} is not that of its transfers");
            self.find(FindingKind::ClosingChanged, &detail, open.named);
        }
        Ok(())
    }

    async fn write_closings(&mut self) -> Result<(), StoreError> {
        for closing in std::mem::take(&mut self.new_closings) {
            match self.store.put_closing(self.account, &closing).await? {
                None => self.result.closings += 1,
                // Another invocation has audited the account too.
                Some(Ok(written)) if written == closing => {}
                Some(_) => {
                    let detail = format!("{} has another closing than that of its transfers", closing.closing.day);
                    self.find(FindingKind::ClosingChanged, &detail, NO_TRANSFERS);
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Checks that the accounts of the transfers exist, and have their currency.
    async fn check_named_accounts(&mut self) -> Result<(), StoreError> {
        let named = std::mem::take(&mut self.unchecked);
        let found = self.store.account_currencies(named.keys().map(|(account, _)| account.clone())).await?;
        for ((account, currency), transfer) in named {
            let is_of = found.get(&account).copied().flatten();
            if is_of == Some(currency) {
                continue;
            }
            if account != *self.account {
                let detail = format!("{account} does not exist, or has another currency than the transfer");
                self.find(FindingKind::CounterpartyMissing, &detail, Some(&transfer));
            } else if is_of.is_some() {
                let detail = "a transfer has another currency than the account";
                self.find(FindingKind::ItemMalformed, detail, Some(&transfer));
            }
        }
        Ok(())
    }

    /// Compares the account with the sum of its transfers.
    async fn compare(&mut self) -> Result<(), StoreError> {
        let position = match self.store.ledger_position(self.account).await? {
            None => {
                self.find(FindingKind::AccountMissing, "the account does not exist", NO_TRANSFERS);
                return Ok(());
            }
            Some(Err(error)) => {
                self.find(FindingKind::ItemMalformed, &error.to_string(), NO_TRANSFERS);
                return Ok(());
            }
            Some(Ok(position)) => position,
        };
        if let Some(rule) = position.violation() {
            self.find(FindingKind::PositionInvalid, rule, self.named.clone());
        }
        // Without an intact closing, or a malformed transfer, the sum is unknown.
        let is_sum_unknown = self.result.findings.iter().any(|finding| {
            let is_of_journal = finding.kind == FindingKind::ClosingChanged && self.scope == AuditScope::Incremental;
            finding.kind == FindingKind::ItemMalformed || is_of_journal
        });
        let minor = position.total_balance() - self.balance;
        if minor != 0 && !is_sum_unknown {
            self.result.difference = Some(Difference {
                account: self.account.clone(),
                minor,
                read_at: self.store.now(),
                since: self.started_at.minus(REREAD),
                read: std::mem::take(&mut self.read),
                named: std::mem::take(&mut self.named),
            });
        }
        Ok(())
    }

    /// Adds a finding. Of each kind the first is kept, with the transfers of all of them.
    fn find(&mut self, kind: FindingKind, detail: &str, transfers: impl IntoIterator<Item = impl ToString>) {
        let findings = &mut self.result.findings;
        let known = findings.iter().position(|finding| finding.kind == kind);
        let index = known.unwrap_or_else(|| {
            findings.push(Finding::new(kind, self.account, detail));
            findings.len() - 1
        });
        if let Some(finding) = findings.get_mut(index) {
            let left = NewestIds::CAPACITY.saturating_sub(finding.transfers.len());
            finding.transfers.extend(transfers.into_iter().take(left).map(|id| id.to_string()));
        }
    }
}

impl Difference {
    /// Reads the newest transfers again. Returns the finding, if they do not explain the difference.
    async fn confirm(mut self, store: &Store) -> Result<Option<Finding>, StoreError> {
        let mut amounts = Vec::new();
        let mut journal = store.journal(&self.account, Some(self.since));
        while let Some(entry) = journal.next().await? {
            let Ok(transfer) = entry.transfer(&self.account) else { continue };
            if !self.read.contains(entry.order()) && transfer.created_at <= self.read_at.plus(CLOCK_SKEW) {
                amounts.push(signed_amount(&transfer, &self.account));
                self.named.add(entry.id());
            }
        }
        if explains(self.minor, &amounts) {
            return Ok(None);
        }
        let detail = format!("the balance is the sum of its transfers plus {} minor units", self.minor);
        let finding = Finding::new(FindingKind::BalanceMismatch, &self.account, &detail);
        Ok(Some(Finding { transfers: self.named.into(), ..finding }))
    }
}

/// The change of the account's balance by a transfer, in minor units.
fn signed_amount(transfer: &Transfer, account: &PaymentAccountId) -> i64 {
    let amount = |party: Option<&PaymentAccountId>| if party == Some(account) { transfer.amount.minor() } else { 0 };
    amount(transfer.posting.to()) - amount(transfer.posting.from())
}
