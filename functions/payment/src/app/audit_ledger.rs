//! The audit of the ledger: it compares every account with the journal of its transfers, and closes days.
//!
//! A pass visits all accounts. It ends with its invocation, and the next one continues it. The accounts stay in use meanwhile:
//! see [`Suspect`] for how transfers that are posted during the audit are told from differences.

mod account;

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use kernel::Timestamp;

use self::account::{AccountAudit, AccountResult, Suspect};
use crate::domain::{Day, Finding, FindingKind};
use crate::store::ledger_audit::{AuditPage, AuditPass, AuditScope};
use crate::store::{Store, StoreError};

/// The time until the indexes contain a transfer. `DynamoDB` states none; usually it is less than a second.
pub const INDEX_DELAY: Duration = Duration::from_secs(15);

/// The number of accounts that are audited concurrently.
const CONCURRENT_ACCOUNTS: usize = 8;

/// The time that a page takes at most beside its transfers: the pause, and what is sent after it.
const TIME_RESERVE: Duration = Duration::from_secs(30);

/// What an invocation has to do.
#[derive(Debug, Clone, Copy)]
pub struct AuditRequest {
    pub scope: AuditScope,
    /// Whether a new pass begins, whatever the state of the last one.
    pub restart: bool,
}

/// The state of the pass after an invocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AuditStatus {
    /// The last pass of this scope began today. Nothing was done.
    UpToDate,
    /// The time ran out. The next invocation continues the pass.
    InProgress,
    Completed,
    /// Another invocation continues the pass.
    Superseded,
}

/// The result of an invocation.
#[derive(Debug)]
pub struct AuditReport {
    pub status: AuditStatus,
    pub pass: AuditPass,
    /// The findings of this invocation.
    pub findings: Vec<Finding>,
}

/// Continues the audit, or begins a new pass if the last one is complete and of another day. Every finding is recorded, and
/// an account that contradicts its journal is frozen. `index_delay` is the pause before a difference is believed.
///
/// # Errors
///
/// [`StoreError`] if a request fails. The next invocation continues the pass.
pub async fn audit_ledger(
    store: &Store,
    request: AuditRequest,
    index_delay: Duration,
) -> Result<AuditReport, StoreError> {
    let mut findings = Vec::new();
    let mut pass = next_pass(store.audit_pass().await?, request, store.now());
    if pass.completed_at.is_some() {
        return Ok(AuditReport { status: AuditStatus::UpToDate, pass, findings });
    }
    while pass.completed_at.is_none() {
        if is_out_of_time() {
            return Ok(AuditReport { status: AuditStatus::InProgress, pass, findings });
        }
        let page = store.audit_page(&pass).await?;
        let results = audit_page(store, &page, pass.scope, index_delay).await?;
        let page_is_incomplete = results.iter().any(|result| result.is_out_of_time);
        for result in results {
            for finding in result.findings {
                tracing::error!(
                    finding = %finding.kind, account = %finding.account, transfers = finding.transfers.join(" "),
                    "the audit of the ledger found a difference"
                );
                store.record_finding(&finding).await?;
                findings.push(finding);
                pass.findings += 1;
            }
            pass.transfers += result.transfers;
            pass.closings += result.closings;
        }
        if page_is_incomplete {
            return Ok(AuditReport { status: AuditStatus::InProgress, pass, findings });
        }
        pass.accounts += u64::try_from(page.accounts.len()).unwrap_or_default();
        if !store.save_audit_pass(&mut pass, page).await? {
            return Ok(AuditReport { status: AuditStatus::Superseded, pass, findings });
        }
    }
    tracing::info!(accounts = pass.accounts, transfers = pass.transfers, "the audit of the ledger is complete");
    Ok(AuditReport { status: AuditStatus::Completed, pass, findings })
}

/// The pass to run. It is the last one, if that is not complete, or if none is due.
fn next_pass(last: Option<AuditPass>, request: AuditRequest, now: Timestamp) -> AuditPass {
    let AuditRequest { scope, restart } = request;
    let Some(last) = last else { return AuditPass::new(scope, now) };
    let covers_scope = last.scope == AuditScope::Full || scope == AuditScope::Incremental;
    let is_of_today = Day::of(last.started_at) == Day::of(now);
    if !restart && covers_scope && (last.completed_at.is_none() || is_of_today) {
        last
    } else {
        last.followed_by(scope, now)
    }
}

async fn audit_page(
    store: &Store,
    page: &AuditPage,
    scope: AuditScope,
    index_delay: Duration,
) -> Result<Vec<AccountResult>, StoreError> {
    let audits: Vec<_> = page.accounts.iter().map(|account| AccountAudit::new(store, account, scope).run()).collect();
    let mut results: Vec<AccountResult> =
        stream::iter(audits).buffer_unordered(CONCURRENT_ACCOUNTS).try_collect().await?;
    results.push(missing_accounts(store, page).await?);
    let suspects: Vec<Suspect> = results.iter_mut().filter_map(|result| result.suspect.take()).collect();
    if !suspects.is_empty() {
        tokio::time::sleep(index_delay).await;
        for suspect in suspects {
            let finding = suspect.confirm(store).await?;
            results.push(AccountResult { findings: finding.into_iter().collect(), ..AccountResult::default() });
        }
    }
    Ok(results)
}

/// The accounts that users have and that do not exist.
async fn missing_accounts(store: &Store, page: &AuditPage) -> Result<AccountResult, StoreError> {
    let found = store.account_currencies(page.owned.iter().cloned()).await?;
    let missing = found.into_iter().filter(|(_, currency)| currency.is_none());
    let findings = missing.map(|(account, _)| Finding {
        kind: FindingKind::AccountMissing,
        account,
        detail: "a user has the account, which does not exist or can't be read".to_owned(),
        transfers: Vec::new(),
    });
    Ok(AccountResult { findings: findings.collect(), ..AccountResult::default() })
}

fn is_out_of_time() -> bool {
    deadline::time_left().is_some_and(|left| left < TIME_RESERVE)
}

#[cfg(test)]
mod tests;
