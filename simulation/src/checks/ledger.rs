//! Money: books, balances, limits, payments and the effects of requests.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Checked, ensure, violation};
use crate::executor::TaskId;
use crate::tables::{Change, PAYMENT_TABLE, number, text};

/// An account as it was after a commit, with its write shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    /// The number of commits up to then.
    pub(crate) commit: u64,
    pub(crate) balance: i64,
    pub(crate) available: i64,
    pub(crate) is_active: bool,
}

#[derive(Debug)]
struct Account {
    owner: String,
    currency: String,
    kind: String,
    item: Value,
    shards: BTreeMap<String, (i64, i64)>,
    /// `available - balance`, which never changes.
    credit: i64,
    /// The balance and the headroom of all items, which never changes.
    capacity: i64,
    /// The sum of the transfers.
    fold: i64,
    positions: Vec<Position>,
}

impl Account {
    fn undrained(&self) -> i64 {
        let drawn = self.item["drawn"]["L"].as_array().into_iter().flatten();
        let drawn: i64 =
            drawn.map(|number| number["N"].as_str().and_then(|n| n.parse::<i64>().ok()).unwrap_or(0)).sum();
        self.shards.values().map(|(received, _)| received).sum::<i64>() - drawn
    }

    fn balance(&self) -> i64 {
        number(&self.item, "balance") + self.undrained()
    }

    fn capacity(&self) -> i64 {
        let shards: i64 = self.shards.values().map(|(_, headroom)| headroom).sum();
        self.balance() + number(&self.item, "headroom") + shards
    }

    fn is_active(&self) -> bool {
        text(&self.item, "status") == "ACTIVE"
    }
}

/// A completed transfer.
#[derive(Debug, Clone)]
pub(crate) struct Transfer {
    pub(crate) id: String,
    pub(crate) from: Option<String>,
    pub(crate) to: Option<String>,
    pub(crate) amount: i64,
    pub(crate) created_at: String,
}

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    accounts: BTreeMap<String, Account>,
    pub(crate) transfers: BTreeMap<String, Transfer>,
    external: BTreeMap<String, i64>,
    /// The number of commits that changed the payment table.
    pub(crate) commits: u64,
    /// Per payment, its statuses and the commits by which it got them.
    payments: BTreeMap<String, Vec<(u64, String)>>,
    settled_by: BTreeMap<String, String>,
    applied_webhooks: BTreeMap<String, String>,
    /// The transfers that each task has posted.
    posted: BTreeMap<TaskId, Vec<String>>,
}

impl Ledger {
    /// Checks a commit to the payment table. `webhook` is the id of the webhook that the task applies.
    pub(crate) fn committed(&mut self, task: TaskId, webhook: Option<&str>, changes: &[Change]) -> Checked {
        let changes: Vec<_> = changes.iter().filter(|change| change.key.table == PAYMENT_TABLE).collect();
        if changes.is_empty() {
            return Ok(());
        }
        self.commits += 1;
        let was_active: BTreeSet<String> =
            self.accounts.iter().filter(|(_, account)| account.is_active()).map(|(id, _)| id.clone()).collect();
        let mut touched = BTreeSet::new();
        for change in &changes {
            self.apply_account(change, &mut touched)?;
            let finding = change.new.as_ref().filter(|_| change.key.pk.starts_with("FINDINGS#"));
            let is_difference = finding.is_some_and(|finding| text(finding, "kind") != "NOT_AUDITED");
            ensure(!is_difference, "the audit finds nothing", || format!("{finding:?}"))?;
        }
        let mut collections = Vec::new();
        for change in changes.iter().filter(|change| change.key.sk == "TRANSFER") {
            if let Some(transfer) = self.apply_transfer(task, change, &was_active)? {
                touched.extend(transfer.from.iter().chain(&transfer.to).cloned());
                if transfer_kind(change) == "COLLECTION" {
                    collections.push(transfer);
                }
            }
        }
        for change in changes.iter().filter(|change| change.key.sk == "PAYMENT") {
            self.apply_payment(webhook, change, &mut collections)?;
        }
        ensure(collections.is_empty(), "collection without a payment", || format!("{collections:?}"))?;
        for id in touched {
            self.check_account(&id)?;
        }
        self.check_books()
    }

    fn apply_account(&mut self, change: &Change, touched: &mut BTreeSet<String>) -> Checked {
        let Some(id) = change.key.pk.strip_prefix("ACCOUNT#") else { return Ok(()) };
        let Some(item) = &change.new else { return violation("account deleted", id) };
        touched.insert(id.to_owned());
        if change.key.sk == "ACCOUNT" {
            let account = self.accounts.entry(id.to_owned()).or_insert_with(|| Account {
                owner: text(item, "ownerId").to_owned(),
                currency: text(item, "currency").to_owned(),
                kind: text(item, "type").to_owned(),
                item: Value::Null,
                shards: BTreeMap::new(),
                credit: number(item, "available") - number(item, "balance"),
                capacity: 0,
                fold: 0,
                positions: Vec::new(),
            });
            account.item = item.clone();
        } else if change.key.sk.starts_with("INTAKE#") {
            let Some(account) = self.accounts.get_mut(id) else { return violation("shard without an account", id) };
            let shard = (number(item, "received"), number(item, "headroom"));
            account.shards.insert(change.key.sk.clone(), shard);
        }
        Ok(())
    }

    fn apply_transfer(
        &mut self,
        task: TaskId,
        change: &Change,
        was_active: &BTreeSet<String>,
    ) -> Result<Option<Transfer>, super::Violation> {
        let (None, Some(item)) = (&change.old, &change.new) else {
            return violation("transfer changed", format!("{} by task {task}", change.key.pk));
        };
        if text(item, "status") != "COMPLETED" {
            return Ok(None);
        }
        let party = |name: &str| Some(text(item, name)).filter(|id| !id.is_empty()).map(str::to_owned);
        let transfer = Transfer {
            id: text(item, "id").to_owned(),
            from: party("from"),
            to: party("to"),
            amount: number(item, "amount"),
            created_at: text(item, "createdAt").to_owned(),
        };
        let currency = text(item, "currency");
        ensure(transfer.amount > 0, "transfer of a positive amount", || format!("{transfer:?}"))?;
        for (side, sign) in [(&transfer.from, -1), (&transfer.to, 1)] {
            match side {
                None => *self.external.entry(currency.to_owned()).or_default() += sign * transfer.amount,
                Some(id) => {
                    let Some(account) = self.accounts.get_mut(id) else {
                        return violation("transfer without an account", format!("{transfer:?}"));
                    };
                    ensure(account.currency == currency, "transfer in another currency", || format!("{transfer:?}"))?;
                    account.fold += sign * transfer.amount;
                }
            }
        }
        if let Some(account) = transfer.from.as_ref().and_then(|from| self.accounts.get(from))
            && transfer_kind(change) != "DISBURSEMENT"
        {
            let is_owner = account.owner == text(item, "initiatedBy");
            ensure(is_owner, "debit by another user", || format!("{transfer:?}"))?;
            let active = transfer.from.as_ref().is_some_and(|from| was_active.contains(from));
            ensure(active, "debit of a frozen account", || format!("{transfer:?}"))?;
        }
        self.posted.entry(task).or_default().push(transfer.id.clone());
        self.transfers.insert(transfer.id.clone(), transfer.clone());
        Ok(Some(transfer))
    }

    fn apply_payment(&mut self, webhook: Option<&str>, change: &Change, collections: &mut Vec<Transfer>) -> Checked {
        let Some(item) = &change.new else { return violation("payment deleted", change.key.pk.as_str()) };
        let reference = text(item, "reference").to_owned();
        let status = text(item, "status");
        let before = change.old.as_ref().map_or("", |old| text(old, "status"));
        let legal = matches!(
            (before, status),
            ("", "INITIATED") | ("INITIATED", "PENDING") | ("PENDING", "SUCCESS" | "FAILED")
        );
        ensure(legal, "payment transition", || format!("{reference}: {before} to {status}"))?;
        self.payments.entry(reference.clone()).or_default().push((self.commits, status.to_owned()));
        if let Some(webhook) = webhook
            && let Some(other) = self.applied_webhooks.insert(webhook.to_owned(), reference.clone())
        {
            return violation("webhook applied twice", format!("{webhook}: {other}, then {reference}"));
        }
        if status != "SUCCESS" {
            return Ok(());
        }
        let transaction = text(item, "providerTransactionId");
        if !transaction.is_empty()
            && let Some(other) = self.settled_by.insert(transaction.to_owned(), reference.clone())
        {
            return violation("provider transaction settled twice", format!("{transaction}: {other}, {reference}"));
        }
        let account = text(item, "paymentAccountId");
        if account.is_empty() {
            return Ok(());
        }
        let own = collections
            .iter()
            .position(|transfer| transfer.to.as_deref() == Some(account) && transfer.amount == number(item, "amount"));
        match own {
            Some(position) => {
                collections.remove(position);
                Ok(())
            }
            None => violation("payment without a collection", reference),
        }
    }

    fn check_account(&mut self, id: &str) -> Checked {
        let commit = self.commits;
        let Some(account) = self.accounts.get_mut(id) else { return violation("transfer without an account", id) };
        let (balance, headroom) = (account.balance(), number(&account.item, "headroom"));
        let available = number(&account.item, "available");
        if account.positions.is_empty() {
            account.capacity = account.capacity();
        }
        let detail = || format!("{id}: {}, shards {:?}", account.item, account.shards);
        ensure(balance == account.fold, "balance is the sum of transfers", || {
            format!("{id}: balance {balance}, transfers {}", account.fold)
        })?;
        let credit = available - number(&account.item, "balance");
        ensure(credit == account.credit, "available is balance and credit", detail)?;
        ensure(account.kind == "LOAN" || available >= 0, "available is not negative", detail)?;
        ensure(account.kind != "LOAN" || balance <= 0, "a loan is at most repaid", detail)?;
        ensure(headroom >= 0, "headroom is not negative", detail)?;
        ensure(account.shards.values().all(|(_, headroom)| *headroom >= 0), "headroom is not negative", detail)?;
        ensure(account.undrained() >= 0, "nothing is drained twice", detail)?;
        ensure(account.capacity() == account.capacity, "balance and headroom are constant", detail)?;
        let position =
            Position { commit, balance, available: available + account.undrained(), is_active: account.is_active() };
        account.positions.push(position);
        Ok(())
    }

    fn check_books(&self) -> Checked {
        let mut books: BTreeMap<&str, i64> = self.external.iter().map(|(name, sum)| (name.as_str(), *sum)).collect();
        for account in self.accounts.values() {
            *books.entry(account.currency.as_str()).or_default() += account.balance();
        }
        let open = books.iter().find(|(_, sum)| **sum != 0);
        ensure(open.is_none(), "books sum to zero", || format!("{open:?}"))
    }

    /// The positions of an account from a commit on, with the one that it had then.
    pub(crate) fn positions_since(&self, account: &str, commit: u64) -> &[Position] {
        let Some(account) = self.accounts.get(account) else { return &[] };
        let later = account.positions.partition_point(|position| position.commit <= commit);
        account.positions.get(later.saturating_sub(1)..).unwrap_or_default()
    }

    /// The accounts of a user that existed at a commit.
    pub(crate) fn accounts_of(&self, owner: &str, commit: u64) -> Vec<&str> {
        let existed = |account: &Account| account.positions.first().is_some_and(|first| first.commit <= commit);
        let own = self.accounts.iter().filter(|(_, account)| account.owner == owner && existed(account));
        own.map(|(id, _)| id.as_str()).collect()
    }

    pub(crate) fn posted_by(&self, task: TaskId) -> &[String] {
        self.posted.get(&task).map_or(&[], Vec::as_slice)
    }

    /// Whether a payment had a status at some time since a commit.
    pub(crate) fn had_status(&self, reference: &str, status: &str, commit: u64) -> bool {
        let Some(statuses) = self.payments.get(reference) else { return false };
        let later = statuses.partition_point(|(at, _)| *at <= commit);
        statuses.iter().skip(later.saturating_sub(1)).any(|(_, had)| had == status)
    }
}

fn transfer_kind(change: &Change) -> &str {
    change.new.as_ref().map_or("", |item| text(item, "type"))
}
