//! Events and histories: every event arrives, and a reader misses nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Checked, Ledger, Running, ensure};
use crate::command::Command;
use crate::platform::Answer;
use crate::tables::{ACCOUNT_TABLE, PAYMENT_TABLE, Tables, number, text};

/// What a reader of a user's history has seen.
#[derive(Debug, Default)]
struct Reader {
    seen: BTreeSet<String>,
    complete_until: Option<String>,
}

#[derive(Debug, Default)]
pub(super) struct Readers(BTreeMap<usize, Reader>);

impl Readers {
    pub(super) fn complete_until(&self, user: usize) -> Option<&str> {
        self.0.get(&user)?.complete_until.as_deref()
    }

    /// After a poll, the reader has seen every transfer from before the time up to which the list was complete.
    pub(super) fn check(&mut self, running: &Running, pages: &[Answer], ledger: &Ledger) -> Checked {
        let (Command::Follow { by }, Some(first)) = (&running.command, pages.first()) else { return Ok(()) };
        if pages.iter().any(|page| page.status != 200) {
            return Ok(());
        }
        let Some(owner) = running.principal.map(|principal| principal.user_id.to_string()) else { return Ok(()) };
        let reader = self.0.entry(by.user).or_default();
        let entries = pages.iter().flat_map(|page| page.body["data"].as_array().into_iter().flatten());
        reader.seen.extend(entries.filter_map(|entry| entry["id"].as_str()).map(str::to_owned));
        let until = first.body["completeUntil"].as_str().unwrap_or_default();
        let own: BTreeSet<&str> = ledger.accounts_of(&owner, running.commits_before).into_iter().collect();
        let is_own = |party: &Option<String>| party.as_deref().is_some_and(|id| own.contains(id));
        let missed = ledger.transfers.values().find(|transfer| {
            (is_own(&transfer.from) || is_own(&transfer.to))
                && transfer.created_at.as_str() < until
                && !reader.seen.contains(&transfer.id)
        });
        ensure(missed.is_none(), "a reader misses nothing", || format!("{missed:?}, complete until {until}"))?;
        reader.complete_until = Some(until.to_owned());
        Ok(())
    }
}

/// The payment context knows every user and every key as the account context does.
pub(super) fn check_convergence(tables: &Tables) -> Checked {
    for user in tables.with_sort_key(ACCOUNT_TABLE, "PROFILE") {
        let id = text(user, "id");
        let replica = tables.item(PAYMENT_TABLE, &format!("USER#{id}"), "USER");
        let shown = |item: &Value| {
            let texts = (text(item, "email").to_owned(), text(item, "status").to_owned());
            (texts, number(item, "epoch"), number(item, "version"))
        };
        let same = replica.is_some_and(|replica| shown(replica) == shown(user));
        ensure(same, "the replica converges", || format!("{user}, replica {replica:?}"))?;
    }
    for (key, item) in tables.of(ACCOUNT_TABLE).filter(|(key, _)| key.pk == "SIGNING_KEYS") {
        let replica = tables.item(PAYMENT_TABLE, &key.pk, &key.sk);
        let is_retired = |item: &Value| text(item, "status") == "RETIRED";
        let same = replica.is_some_and(|replica| is_retired(replica) == is_retired(item));
        ensure(same, "signing keys arrive", || format!("{item}, replica {replica:?}"))?;
    }
    Ok(())
}

/// Every transfer that moved money and every status of a payment after the first was published.
pub(super) fn check_published(tables: &Tables, published: &BTreeSet<String>) -> Checked {
    for transfer in tables.with_sort_key(PAYMENT_TABLE, "TRANSFER") {
        let id = format!("{}.1", text(transfer, "id"));
        let due = text(transfer, "status") == "COMPLETED";
        ensure(!due || published.contains(&id), "every event is published", || transfer.to_string())?;
    }
    for payment in tables.with_sort_key(PAYMENT_TABLE, "PAYMENT") {
        for version in 2..=number(payment, "version") {
            let id = format!("{}.{version}", text(payment, "reference"));
            ensure(published.contains(&id), "every event is published", || format!("{id}: {payment}"))?;
        }
    }
    Ok(())
}
