//! The audit of the ledger, by schedule and on an operator's request.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use config::{ConfigError, Env};
use kernel::{SystemClock, SystemRandom, Timestamp};
use lambda::telemetry;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::app::audit_ledger::{AuditReport, AuditRequest, AuditStatus, INDEX_DELAY};
use crate::domain::Finding;
use crate::store::ledger_audit::AuditScope;
use crate::store::{Store, StoreError};

/// The state of the function.
pub struct AuditLedger {
    pub store: Store,
    /// The pause before a difference is believed.
    pub index_delay: Duration,
}

/// The event. An empty object continues the pass in progress, or begins the pass of the day.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct AuditLedgerRequest {
    /// Begins a pass of this scope, whatever the state of the last one.
    restart: Option<AuditScope>,
    /// Whether the new pass reports only, and freezes no account.
    #[serde(default)]
    keep_active: bool,
}

/// The progress of the pass, and the findings of this invocation.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditResult {
    pub status: AuditStatus,
    scope: AuditScope,
    started_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_at: Option<Timestamp>,
    /// The numbers of accounts and transfers that the pass has checked, and of the days that it has closed.
    accounts: u64,
    transfers: u64,
    closings: u64,
    /// Those of this invocation, at most 100.
    pub findings: Vec<Finding>,
    /// The number of those of the pass.
    finding_count: u64,
}

/// The audit failed. The next invocation continues it.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    #[error(
        "the event must be an object, optionally with restart (INCREMENTAL or FULL) and with it keepActive (true or false)"
    )]
    InvalidEvent,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AuditLedger {
    /// # Errors
    ///
    /// [`ConfigError`] if an environment variable is missing or invalid.
    pub fn from_env(env: &Env, client: Client) -> Result<Self, ConfigError> {
        let store = Store::new(client, env.required("PAYMENT_TABLE")?, SystemClock, SystemRandom);
        Ok(Self { store, index_delay: INDEX_DELAY })
    }
}

/// Audits accounts until all are audited or the time runs out.
///
/// # Errors
///
/// [`AuditError`], which is the failure of the invocation.
pub async fn audit_ledger(state: &AuditLedger, event: Value, _request_id: String) -> Result<AuditResult, AuditError> {
    let request: AuditLedgerRequest = serde_json::from_value(event).map_err(|_| AuditError::InvalidEvent)?;
    if request.keep_active && request.restart.is_none() {
        return Err(AuditError::InvalidEvent);
    }
    let request = AuditRequest { restart: request.restart, keep_active: request.keep_active };
    let report = crate::app::audit_ledger::audit_ledger(&state.store, request, state.index_delay).await?;
    let AuditReport { status, pass, findings } = report;
    if status == AuditStatus::Completed {
        tracing::info!(
            target: telemetry::COUNTED,
            audit = "COMPLETED",
            accounts = pass.accounts,
            findings = pass.findings,
            "the audit of the ledger is complete"
        );
    }
    Ok(AuditResult {
        status,
        scope: pass.scope,
        started_at: pass.started_at,
        completed_at: pass.completed_at,
        accounts: pass.accounts,
        transfers: pass.transfers,
        closings: pass.closings,
        findings,
        finding_count: pass.findings,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{TestApp, account_key};

    #[tokio::test]
    async fn result_has_the_progress_and_the_findings() {
        let app = TestApp::new().await;
        app.open_debit(app.user().await, "ada", 5).await;
        app.set(account_key("ada"), "available", dynamo::number(6)).await;
        let state = AuditLedger { store: app.store.clone(), index_delay: Duration::ZERO };
        let result = audit_ledger(&state, json!({"restart": "FULL"}), "request-1".to_owned()).await.unwrap();
        let mut result = serde_json::to_value(result).unwrap();
        assert!(result["startedAt"].take().is_string() && result["completedAt"].take().is_string());
        assert!(result["findings"][0]["transfers"].take()[0].is_string());
        assert_eq!(
            result,
            json!({
                "status": "COMPLETED", "scope": "FULL", "startedAt": null, "completedAt": null,
                "accounts": 1, "transfers": 1, "closings": 0, "findingCount": 1,
                "findings": [{
                    "kind": "POSITION_INVALID", "paymentAccountId": "ada",
                    "detail": "available is not the balance", "transfers": null,
                }],
            })
        );
    }

    #[tokio::test]
    async fn invalid_event_is_rejected() {
        let app = TestApp::new().await;
        let state = AuditLedger { store: app.store.clone(), index_delay: Duration::ZERO };
        for event in
            [json!("FULL"), json!({"restart": true}), json!({"all": true}), json!({"keepActive": true}), json!(null)]
        {
            let result = audit_ledger(&state, event.clone(), String::new()).await;
            assert!(matches!(result, Err(AuditError::InvalidEvent)), "{event}: {result:?}");
        }
    }
}
