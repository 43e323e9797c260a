//! The audit log.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::types::TransactWriteItem;
use config::{ConfigError, Env};
use dynamo::{Table, WriteOutcome};
use kernel::{SessionId, SystemClock, SystemRandom, Timestamp};
use serde::Serialize;

use super::{AccountTable, RETRY_BUDGET, StoreError};
use crate::domain::{AuditEvent, AuditSubject};

/// The table of audit events, which is append-only.
#[derive(Debug, Clone)]
pub struct AuditTable {
    table: Table,
}

/// An audit event, keyed by its subject and time. An index is keyed by its kind and day, and its time. The first
/// hexadecimal digit of the event's id divides a day's events of one kind over sixteen partitions of the index: one accepts
/// 1,000 writes a second
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html>).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AuditEventRecord<'a> {
    pk: String,
    sk: String,
    kind_day: String,
    kind: &'static str,
    at: Timestamp,
    request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<SessionId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    /// The TTL, in Unix seconds.
    expires_at: i64,
}

impl<'a> From<&'a AuditEvent> for AuditEventRecord<'a> {
    fn from(event: &'a AuditEvent) -> Self {
        let at = event.at.to_string();
        let day = at.split('T').next().unwrap_or_default();
        let digit = event.id.chars().next().unwrap_or_default();
        Self {
            pk: match &event.subject {
                AuditSubject::User(id) => format!("PERSON#{id}"),
                AuditSubject::UnknownIdentifier(pseudonym) => format!("IDENTIFIER#{pseudonym}"),
                AuditSubject::Deployment => "DEPLOYMENT".to_owned(),
            },
            sk: format!("{at}#{}", event.id),
            kind_day: format!("{}#{day}#{digit}", event.kind.name()),
            kind: event.kind.name(),
            at: event.at,
            request_id: &event.request_id,
            source: event.source.as_deref(),
            session_id: event.session,
            detail: event.detail.as_deref(),
            expires_at: event.expires_at.unix_seconds(),
        }
    }
}

impl AuditTable {
    pub fn new(client: Client, name: impl Into<String>) -> Self {
        Self { table: Table::new(client, name, SystemClock, SystemRandom, RETRY_BUDGET) }
    }

    /// Creates a handle for the table named by `AUDIT_TABLE`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if the variable is not set.
    pub fn from_env(env: &Env, client: Client) -> Result<Self, ConfigError> {
        Ok(Self::new(client, env.required("AUDIT_TABLE")?))
    }

    /// The write that appends an event, for the transaction of the change that it records.
    pub(super) fn append(&self, event: &AuditEvent) -> Result<TransactWriteItem, StoreError> {
        self.table.put_new(dynamo::to_item(AuditEventRecord::from(event))?)
    }

    /// Appends an event that does not accompany a change. An event that is stored already has been appended: the SDK
    /// repeats a request whose response was lost.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the event was not stored.
    pub async fn append_audit_event(&self, event: &AuditEvent) -> Result<(), StoreError> {
        let item = dynamo::to_item(AuditEventRecord::from(event))?;
        let put = |put: PutItemFluentBuilder| put.condition_expression("attribute_not_exists(pk)");
        // Boxed because it has some kilobytes, which each of the futures around it would copy.
        match Box::pin(self.table.put_item(item.clone(), put)).await? {
            WriteOutcome::Written(_) => Ok(()),
            WriteOutcome::ConditionFailed(Some(stored)) if stored == item => Ok(()),
            WriteOutcome::ConditionFailed(_) => Err(StoreError::internal("another audit event has the same key")),
        }
    }
}

impl AccountTable {
    /// Appends an event that does not accompany a change.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the event was not stored.
    pub async fn append_audit_event(&self, event: &AuditEvent) -> Result<(), StoreError> {
        self.audit()?.append_audit_event(event).await
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kernel::testing::SeededRandom;
    use kernel::{Secret, UserId};
    use testkit::Engine;

    use super::super::testing::{items_of, now};
    use super::*;
    use crate::domain::{AuditEventKind, AuditLog, ClientInfo};

    #[tokio::test]
    async fn audit_event_is_keyed_by_user_and_day_and_never_replaced() {
        let engine = Engine::start().await;
        let table = AuditTable::new(engine.client.clone(), engine.create_table("account", "AuditTable"));
        let audit_log = AuditLog::new(&Secret::new("pepper".to_owned()), Duration::from_hours(24));
        let user = UserId::random(&SeededRandom::new(1));
        let client = ClientInfo { address: Some(Secret::new("192.0.2.1".to_owned())), ..ClientInfo::invocation("r-1") };
        let event = audit_log
            .event(AuditEventKind::SignedIn, AuditSubject::User(user), &client, now(), &SeededRandom::new(2))
            .in_session(SessionId::random(&SeededRandom::new(3)))
            .with_detail("by phone");
        assert_eq!(table.append_audit_event(&event).await, Ok(()));
        assert_eq!(table.append_audit_event(&event).await, Ok(()), "the response to the first request was lost");
        let other = event.clone().with_detail("by e-mail");
        assert!(matches!(table.append_audit_event(&other).await, Err(StoreError::Internal(_))));

        let items = items_of(&engine, table.table.name()).await;
        let [item] = items.as_slice() else { panic!("{items:?}") };
        let text = |name: &str| item[name].as_s().unwrap().as_str();
        assert_eq!(text("pk"), format!("PERSON#{user}"));
        assert_eq!(text("sk"), format!("2026-01-31T12:00:00.000Z#{}", event.id));
        assert_eq!(text("kindDay"), format!("SIGNED_IN#2026-01-31#{}", &event.id[..1]));
        assert_eq!(text("kind"), "SIGNED_IN");
        assert_eq!((text("requestId"), text("detail")), ("r-1", "by phone"));
        assert_eq!(item["expiresAt"].as_n().unwrap(), &(now().unix_seconds() + 86400).to_string());
        assert!(
            items
                .iter()
                .flatten()
                .all(|(_, value)| value.as_s().is_ok_and(|text| text != "192.0.2.1") || value.as_n().is_ok())
        );
    }
}
