//! The audit of the ledger: it compares every account with the journal of its transfers, and closes days.
//!
//! A pass visits all accounts. It ends with its invocation, and the next one continues it. The accounts stay in use
//! meanwhile: an account that seems to contradict its journal is audited once more after a pause, and the transfers that may
//! explain the difference are read again after another one, before it is a finding.

mod account;

use std::time::Duration;

use futures_util::{StreamExt, stream};
use kernel::Timestamp;

use self::account::{AccountAudit, AccountResult};
use crate::domain::{Day, Finding, FindingKind, PaymentAccountId};
use crate::store::ledger_audit::{AuditPage, AuditPass, AuditScope};
use crate::store::{Store, StoreError};

/// The pause after which the indexes are expected to have a transfer. `DynamoDB` states no maximum; usually it is less than a
/// second.
pub const INDEX_DELAY: Duration = Duration::from_secs(15);

/// The time after which a full pass is due.
const FULL_PASS_INTERVAL: Duration = Duration::from_hours(24 * 7);

/// The number of accounts that are audited concurrently.
const CONCURRENT_ACCOUNTS: usize = 8;

/// The maximum number of accounts that a pass freezes. More of them have a common cause, which a person has to find first.
const MAX_FROZEN: u64 = 10;

/// The maximum number of findings that an invocation returns. All of them are recorded.
const MAX_REPORTED: usize = 100;

/// No account is begun with less time than this: two pauses, and the second audits of the accounts that need them.
const TIME_RESERVE: Duration = Duration::from_mins(1);

/// A request for a new pass.
#[derive(Debug, Clone, Copy, Default)]
pub struct AuditRequest {
    /// Begins a pass of this scope, whatever the state of the last one.
    pub restart: Option<AuditScope>,
    /// Reports only: no account is frozen.
    pub keep_active: bool,
}

/// The state of the pass after an invocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AuditStatus {
    /// The last pass began today, and is complete. Nothing was done.
    UpToDate,
    /// The time ran out. The next invocation continues the pass.
    InProgress,
    Completed,
    /// Another invocation has saved its progress in the meantime, and continues the audit.
    Superseded,
}

/// The result of an invocation.
#[derive(Debug)]
pub struct AuditReport {
    pub status: AuditStatus,
    pub pass: AuditPass,
    /// The first findings of this invocation.
    pub findings: Vec<Finding>,
}

/// Continues the audit, or begins a new pass if one is due. Every finding is recorded, and an account that contradicts its
/// journal is frozen. `index_delay` is the pause before a difference is believed.
///
/// # Errors
///
/// [`StoreError`] if a request fails that is not about a single account, or the audit of every account of a page fails. The
/// next invocation continues the pass.
pub async fn audit_ledger(
    store: &Store,
    request: AuditRequest,
    index_delay: Duration,
) -> Result<AuditReport, StoreError> {
    let mut findings = Vec::new();
    let last = store.audit_pass().await?;
    let (mut pass, is_new) = next_pass(last.as_ref(), request, store.now());
    if pass.completed_at.is_some() {
        return Ok(AuditReport { status: AuditStatus::UpToDate, pass, findings });
    }
    // Saved at once, so that no other invocation continues the last pass.
    if is_new && !store.save_audit_pass(&mut pass).await? {
        return Ok(AuditReport { status: AuditStatus::Superseded, pass, findings });
    }
    let status = loop {
        if is_out_of_time() {
            break AuditStatus::InProgress;
        }
        let page = store.audit_page(&pass).await?;
        if audit_page(store, &page, &mut pass, index_delay, &mut findings).await? {
            pass.turn(&page, store.now());
        }
        if pass.completed_at.is_some() {
            break AuditStatus::Completed;
        }
        // In a full pass, most pages have no accounts.
        if !page.is_empty() && !store.save_audit_pass(&mut pass).await? {
            return Ok(AuditReport { status: AuditStatus::Superseded, pass, findings });
        }
    };
    let is_saved = store.save_audit_pass(&mut pass).await?;
    Ok(AuditReport { status: if is_saved { status } else { AuditStatus::Superseded }, pass, findings })
}

/// The pass to run, and whether it is a new one. It is the last one, if that is not complete, or if none is due.
fn next_pass(last: Option<&AuditPass>, request: AuditRequest, now: Timestamp) -> (AuditPass, bool) {
    let scope = match (last, request.restart) {
        (_, Some(scope)) => scope,
        (Some(last), None) if last.completed_at.is_none() || Day::of(last.started_at) == Day::of(now) => {
            return (last.clone(), false);
        }
        (Some(last), None) if last.last_full().is_some_and(|at| now < at.plus(FULL_PASS_INTERVAL)) => {
            AuditScope::Incremental
        }
        (_, None) => AuditScope::Full,
    };
    let mut pass = AuditPass::new(last, scope, now);
    pass.keep_active = request.keep_active;
    (pass, true)
}

/// Audits the accounts of a page that were not audited before, and records what is found. Returns whether all are audited.
async fn audit_page(
    store: &Store,
    page: &AuditPage,
    pass: &mut AuditPass,
    index_delay: Duration,
    findings: &mut Vec<Finding>,
) -> Result<bool, StoreError> {
    let mut found = page.malformed.clone();
    found.extend(missing_accounts(store, page).await?);
    let (mut audited, mut suspects) = (Vec::new(), Vec::new());
    for (account, result) in audit_accounts(store, page.accounts.iter(), pass).await? {
        match result {
            Ok(result) if result.is_suspect() && !result.is_out_of_time => suspects.push(account),
            result => audited.push((account, result)),
        }
    }
    if !suspects.is_empty() {
        tokio::time::sleep(index_delay).await;
        let again = audit_accounts(store, suspects.iter(), pass).await?;
        tokio::time::sleep(index_delay).await;
        for (account, result) in again {
            let confirmed = match result {
                Ok(result) => result.confirm(store).await,
                Err(error) => Err(error),
            };
            audited.push((account, confirmed));
        }
    }
    for (account, result) in audited {
        let result = result.unwrap_or_else(|error| AccountResult::failed(&account, &error));
        pass.transfers += result.transfers;
        pass.closings += result.closings;
        // An interrupted audit that has found something is not continued: the account is frozen.
        if !result.is_out_of_time || result.is_suspect() {
            pass.accounts += 1;
            pass.verified.remove(&account);
            pass.audited.insert(account);
        } else if let Some(day) = result.verified.clone() {
            pass.verified.insert(account, day);
        }
        found.extend(result.findings);
    }
    for finding in found {
        report(store, pass, &finding).await?;
        if findings.len() < MAX_REPORTED {
            findings.push(finding);
        }
    }
    Ok(page.accounts.iter().all(|account| pass.audited.contains(account)))
}

type Audited = (PaymentAccountId, Result<AccountResult, StoreError>);

/// Audits accounts, a few at a time, unless they were audited before.
async fn audit_accounts(
    store: &Store,
    accounts: impl Iterator<Item = &PaymentAccountId>,
    pass: &AuditPass,
) -> Result<Vec<Audited>, StoreError> {
    let audit = async |account: &PaymentAccountId| {
        let verified = pass.verified.get(account).cloned();
        (account.clone(), AccountAudit::new(store, account, pass.scope, verified).run().await)
    };
    let audits: Vec<_> = accounts.filter(|account| !pass.audited.contains(*account)).map(audit).collect();
    let mut audited: Vec<Audited> = stream::iter(audits).buffer_unordered(CONCURRENT_ACCOUNTS).collect().await;
    // If all of several fail, the cause is not an account.
    let failures = audited.iter().filter(|(_, result)| result.is_err()).count();
    match audited.pop() {
        Some((_, Err(error))) if failures > 1 && failures == audited.len() + 1 => Err(error),
        last => {
            audited.extend(last);
            Ok(audited)
        }
    }
}

/// Records a finding, and freezes its account.
async fn report(store: &Store, pass: &mut AuditPass, finding: &Finding) -> Result<(), StoreError> {
    tracing::error!(
        finding = %finding.kind,
        account = finding.account,
        detail = finding.detail,
        transfers = finding.transfers.join(" "),
        "the audit of the ledger found a difference"
    );
    store.record_finding(finding, pass.started_at).await?;
    pass.findings += 1;
    if !finding.kind.freezes() || pass.keep_active {
        return Ok(());
    }
    if pass.frozen < MAX_FROZEN {
        pass.frozen += u64::from(store.freeze_account(&finding.account).await?);
    } else {
        tracing::error!(account = finding.account, "not frozen: the pass has frozen the maximum number of accounts");
    }
    Ok(())
}

/// The accounts that users have and that do not exist.
async fn missing_accounts(store: &Store, page: &AuditPage) -> Result<Vec<Finding>, StoreError> {
    let found = store.account_currencies(page.owned.iter().cloned()).await?;
    let missing = found.into_iter().filter(|(_, currency)| currency.is_none());
    let finding = |(account, _): (PaymentAccountId, _)| {
        let detail = "a user has the account, which does not exist or can't be read";
        Finding::new(FindingKind::AccountMissing, &account, detail)
    };
    Ok(missing.map(finding).collect())
}

fn is_out_of_time() -> bool {
    deadline::time_left().is_some_and(|left| left < TIME_RESERVE)
}

#[cfg(test)]
mod tests;
