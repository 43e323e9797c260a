//! The audit of one account.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use kernel::{Currency, Timestamp};

use super::is_out_of_time;
use crate::domain::{Closing, Day, Digest, EntriesDigest, Finding, FindingKind, PaymentAccountId, Transfer, explains};
use crate::store::closings::StoredClosing;
use crate::store::journal::JournalEntry;
use crate::store::ledger_audit::AuditScope;
use crate::store::{Store, StoreError};

/// The time after the end of a day at which it is closed. No transfer of the day is written that late: a write ends within
/// seconds of the time that it records.
const CLOSING_DELAY: Duration = Duration::from_hours(1);

/// The maximum difference between two clocks.
const CLOCK_SKEW: Duration = Duration::from_secs(5);

/// The time before the audit of an account whose transfers are read again to confirm a difference: the index may have been
/// this late.
const REREAD: Duration = Duration::from_mins(2);

/// The maximum number of transfers that a finding names.
const MAX_NAMED: usize = 100;

/// The number of accounts and currencies that are checked by one read.
const PER_CHECK: usize = 100;

/// What an account's audit has found so far.
#[derive(Debug, Default)]
pub(super) struct AccountResult {
    pub(super) findings: Vec<Finding>,
    pub(super) suspect: Option<Suspect>,
    pub(super) transfers: u64,
    pub(super) closings: u64,
    /// Whether the time ran out before all transfers were read.
    pub(super) is_out_of_time: bool,
}

/// An account whose balance differs from the sum of the transfers that were read before it.
///
/// A transfer that was posted in between, or that the index did not have yet, explains a difference. So the newest
/// transfers are read again after a pause. Those that were not read before may or may not be included in the balance, unless
/// they were created after it was read. The difference is a finding if no combination of them explains it.
#[derive(Debug)]
pub(super) struct Suspect {
    account: PaymentAccountId,
    difference: i128,
    /// When the balance was read.
    read_at: Timestamp,
    since: Timestamp,
    /// The orders of the transfers since then that were read before.
    read: HashSet<String>,
    named: VecDeque<String>,
}

pub(super) struct AccountAudit<'a> {
    store: &'a Store,
    account: &'a PaymentAccountId,
    scope: AuditScope,
    started_at: Timestamp,
    /// The sum of the transfers, in minor units.
    balance: i128,
    day: Option<OpenDay>,
    /// The newest closing before the audit.
    latest: Option<Day>,
    previous: Option<(Day, Digest)>,
    /// Whether closings follow from what was read.
    can_close: bool,
    /// The accounts and currencies to check, each with a transfer that names it.
    unchecked: HashMap<(PaymentAccountId, Currency), String>,
    read: HashSet<String>,
    named: VecDeque<String>,
    result: AccountResult,
}

/// A day whose transfers are being read.
struct OpenDay {
    day: Day,
    opening_balance: i128,
    transfers: u64,
    entries: EntriesDigest,
    named: VecDeque<String>,
}

impl<'a> AccountAudit<'a> {
    pub(super) fn new(store: &'a Store, account: &'a PaymentAccountId, scope: AuditScope) -> Self {
        Self {
            store,
            account,
            scope,
            started_at: store.now(),
            balance: 0,
            day: None,
            latest: None,
            previous: None,
            can_close: true,
            unchecked: HashMap::new(),
            read: HashSet::new(),
            named: VecDeque::new(),
            result: AccountResult::default(),
        }
    }

    pub(super) async fn run(mut self) -> Result<AccountResult, StoreError> {
        let since = self.begin().await?;
        let mut journal = self.store.journal(self.account, since);
        while let Some(entry) = journal.next().await? {
            if is_out_of_time() {
                return Ok(AccountResult { is_out_of_time: true, ..self.result });
            }
            self.add(&entry).await?;
        }
        self.close_day().await?;
        self.check_named_accounts().await?;
        let last_closed = self.previous.as_ref().map(|(day, _)| day);
        if self.can_close && self.latest.as_ref() > last_closed {
            self.find(FindingKind::ClosingChanged, "a closed day has no transfers", []);
        }
        self.compare().await?;
        Ok(self.result)
    }

    /// Takes the balance of the newest closing, if the audit continues from it. Returns the creation time of the first
    /// transfer to read.
    async fn begin(&mut self) -> Result<Option<Timestamp>, StoreError> {
        let latest = match self.store.latest_closing(self.account).await? {
            None => return Ok(None),
            Some(Ok(latest)) if latest.is_intact(self.account) => latest,
            Some(_) => {
                self.can_close = false;
                self.find(FindingKind::ClosingChanged, "the newest closing is not as it was written", []);
                return Ok(None);
            }
        };
        self.latest = Some(latest.closing.day.clone());
        if self.scope == AuditScope::Full {
            return Ok(None);
        }
        self.balance = latest.closing.closing_balance.into();
        let end = latest.closing.day.end().map_err(StoreError::internal)?;
        self.previous = Some((latest.closing.day, latest.digest));
        Ok(Some(end))
    }

    async fn add(&mut self, entry: &JournalEntry) -> Result<(), StoreError> {
        self.result.transfers += 1;
        name(&mut self.named, entry.id());
        if entry.order() >= self.reread_since().to_string().as_str() {
            self.read.insert(entry.order().to_owned());
        }
        let transfer = match entry.transfer(self.account) {
            Ok(transfer) => transfer,
            Err(error) => {
                self.can_close = false;
                self.find(FindingKind::ItemMalformed, &format!("a transfer: {error}"), [entry.id().to_owned()]);
                return Ok(());
            }
        };
        let day = Day::of(transfer.created_at);
        if self.day.as_ref().is_none_or(|open| open.day != day) {
            self.close_day().await?;
        }
        let opening_balance = self.balance;
        let open = self.day.get_or_insert_with(|| OpenDay {
            day,
            opening_balance,
            transfers: 0,
            entries: EntriesDigest::default(),
            named: VecDeque::new(),
        });
        open.transfers += 1;
        open.entries.add(&entry.encoding());
        name(&mut open.named, entry.id());
        self.balance += i128::from(signed_amount(&transfer, self.account));
        let currency = transfer.currency;
        for party in [transfer.posting.from(), transfer.posting.to()].into_iter().flatten() {
            self.unchecked.entry((party.clone(), currency)).or_insert_with(|| entry.id().to_owned());
        }
        if self.unchecked.len() >= PER_CHECK { self.check_named_accounts().await } else { Ok(()) }
    }

    /// Writes the closing of the day whose transfers were read, or compares it with the one that was written.
    async fn close_day(&mut self) -> Result<(), StoreError> {
        let Some(open) = self.day.take() else { return Ok(()) };
        let is_over = open.day.end().is_ok_and(|end| end.plus(CLOSING_DELAY) <= self.started_at);
        let balances = i64::try_from(open.opening_balance).ok().zip(i64::try_from(self.balance).ok());
        let Some((opening_balance, closing_balance)) = balances.filter(|_| is_over && self.can_close) else {
            return Ok(());
        };
        let closing = Closing {
            day: open.day.clone(),
            opening_balance,
            closing_balance,
            transfers: open.transfers,
            entries_digest: open.entries.finish(),
            previous_digest: self.previous.take().map(|(_, digest)| digest),
        };
        let closing = StoredClosing::new(closing, self.account);
        let is_expected = self.latest.as_ref().is_some_and(|latest| open.day <= *latest);
        let written = if is_expected {
            self.store.closing(self.account, &open.day).await?
        } else {
            self.store.put_closing(self.account, &closing).await?
        };
        match written {
            None if !is_expected => self.result.closings += 1,
            Some(Ok(written)) if written == closing => {}
            _ => {
                self.can_close = false;
                let detail = format!("the closing of {} is not that of its transfers", open.day);
                self.find(FindingKind::ClosingChanged, &detail, open.named);
            }
        }
        self.previous = Some((open.day, closing.digest));
        Ok(())
    }

    /// Checks that the accounts of the transfers exist, and have their currency.
    async fn check_named_accounts(&mut self) -> Result<(), StoreError> {
        let named = std::mem::take(&mut self.unchecked);
        let found = self.store.account_currencies(named.keys().map(|(account, _)| account.clone())).await?;
        for ((account, currency), transfer) in named {
            if found.get(&account).copied().flatten() == Some(currency) {
                continue;
            }
            // Its own item is read later.
            let is_missing = found.get(&account).copied().flatten().is_none();
            if account != *self.account {
                let detail = format!("{account} does not exist, or has another currency than the transfer");
                self.find(FindingKind::CounterpartyMissing, &detail, [transfer]);
            } else if !is_missing {
                self.find(FindingKind::ItemMalformed, "a transfer has another currency than the account", [transfer]);
            }
        }
        Ok(())
    }

    /// Compares the account with the sum of its transfers.
    async fn compare(&mut self) -> Result<(), StoreError> {
        let position = match self.store.ledger_position(self.account).await? {
            None => {
                self.find(FindingKind::AccountMissing, "the account does not exist", self.named.clone());
                return Ok(());
            }
            Some(Err(error)) => {
                self.find(FindingKind::ItemMalformed, &error.to_string(), []);
                return Ok(());
            }
            Some(Ok(position)) => position,
        };
        if let Some(rule) = position.violation() {
            self.find(FindingKind::PositionInvalid, rule, self.named.clone());
        }
        let difference = position.total_balance() - self.balance;
        let is_unreadable = self.result.findings.iter().any(|finding| finding.kind == FindingKind::ItemMalformed);
        if difference != 0 && !is_unreadable {
            self.result.suspect = Some(Suspect {
                account: self.account.clone(),
                difference,
                read_at: self.store.now(),
                since: self.reread_since(),
                read: std::mem::take(&mut self.read),
                named: std::mem::take(&mut self.named),
            });
        }
        Ok(())
    }

    fn reread_since(&self) -> Timestamp {
        self.started_at.minus(REREAD)
    }

    fn find(&mut self, kind: FindingKind, detail: &str, transfers: impl IntoIterator<Item = String>) {
        let (account, detail) = (self.account.clone(), detail.to_owned());
        self.result.findings.push(Finding { kind, account, detail, transfers: transfers.into_iter().collect() });
    }
}

impl Suspect {
    /// Reads the newest transfers again. Returns the finding, if they do not explain the difference.
    pub(super) async fn confirm(mut self, store: &Store) -> Result<Option<Finding>, StoreError> {
        let mut amounts = Vec::new();
        let mut journal = store.journal(&self.account, Some(self.since));
        while let Some(entry) = journal.next().await? {
            let Ok(transfer) = entry.transfer(&self.account) else { continue };
            if !self.read.contains(entry.order()) && transfer.created_at <= self.read_at.plus(CLOCK_SKEW) {
                amounts.push(signed_amount(&transfer, &self.account));
                name(&mut self.named, entry.id());
            }
        }
        if explains(self.difference, &amounts) {
            return Ok(None);
        }
        Ok(Some(Finding {
            kind: FindingKind::BalanceMismatch,
            detail: format!("the balance is the sum of its transfers plus {} minor units", self.difference),
            transfers: self.named.into(),
            account: self.account,
        }))
    }
}

/// The change of the account's balance by a transfer, in minor units.
fn signed_amount(transfer: &Transfer, account: &PaymentAccountId) -> i64 {
    let amount = |party: Option<&PaymentAccountId>| if party == Some(account) { transfer.amount.minor() } else { 0 };
    amount(transfer.posting.to()) - amount(transfer.posting.from())
}

/// Adds the id of a transfer, and forgets the oldest if there are too many.
fn name(named: &mut VecDeque<String>, id: &str) {
    if named.len() == MAX_NAMED {
        named.pop_front();
    }
    named.push_back(id.to_owned());
}
