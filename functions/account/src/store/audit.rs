//! Writing down what an auditor asks for.

use std::future::Future;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::TransactWriteItem;
use config::{ConfigError, Env};
use kernel::{SessionId, Timestamp};
use serde::Serialize;

use super::transaction::put;
use super::{AccountTable, StoreError, records};
use crate::domain::{AuditEvent, AuditSubject};

/// Writes down what changes nothing else. What accompanies a change is written in the change's transaction.
pub trait AppendAuditEvent {
    /// Adds the record to the trail.
    fn append_audit_event(&self, record: &AuditEvent) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// The trail's table. Nothing here reads, changes or deletes a record.
#[derive(Debug, Clone)]
pub struct AuditTable {
    client: Client,
    name: String,
}

/// A record. Keys: whom it is about, and when it was; by the index: what happened on which day, and when.
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
    /// In seconds since 1970: from then on DynamoDB may delete the item.
    expires_at: i64,
}

impl<'a> From<&'a AuditEvent> for AuditEventRecord<'a> {
    fn from(record: &'a AuditEvent) -> Self {
        let at = record.at.to_string();
        let day = at.split('T').next().unwrap_or_default();
        Self {
            pk: match &record.subject {
                AuditSubject::User(id) => format!("PERSON#{id}"),
                AuditSubject::UnknownIdentifier(hash) => format!("IDENTIFIER#{hash}"),
                AuditSubject::Deployment => "DEPLOYMENT".to_owned(),
            },
            sk: format!("{at}#{}", record.id),
            kind_day: format!("{}#{day}", record.kind.name()),
            kind: record.kind.name(),
            at: record.at,
            request_id: &record.request_id,
            source: record.source.as_deref(),
            session_id: record.session,
            detail: record.detail.as_deref(),
            expires_at: record.expires_at.unix_seconds(),
        }
    }
}

impl AuditTable {
    /// The table of this name.
    pub fn new(client: Client, name: impl Into<String>) -> Self {
        Self { client, name: name.into() }
    }

    /// The table that `AUDIT_TABLE` names.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if it is not set.
    pub fn from_env(env: &Env, client: Client) -> Result<Self, ConfigError> {
        Ok(Self::new(client, env.required("AUDIT_TABLE")?))
    }

    /// The record as a part of the transaction that makes the change.
    pub(super) fn with(&self, record: &AuditEvent) -> Result<TransactWriteItem, StoreError> {
        put(&self.name, AuditEventRecord::from(record), Some("attribute_not_exists(pk)"))
    }
}

impl AppendAuditEvent for AuditTable {
    async fn append_audit_event(&self, record: &AuditEvent) -> Result<(), StoreError> {
        let item = records::write(AuditEventRecord::from(record))?;
        let put = self.client.put_item().table_name(&self.name).set_item(Some(item));
        put.condition_expression("attribute_not_exists(pk)").send().await?;
        Ok(())
    }
}

impl AppendAuditEvent for AccountTable {
    async fn append_audit_event(&self, record: &AuditEvent) -> Result<(), StoreError> {
        self.audit()?.append_audit_event(record).await
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
    async fn a_record_stands_under_its_person_and_its_day_and_none_is_written_over() {
        let engine = Engine::start().await;
        let table = AuditTable::new(engine.client.clone(), engine.create_table("account", "AuditTable"));
        let audit_log = AuditLog::new(&Secret::new("pepper".to_owned()), Duration::from_hours(24));
        let user = UserId::random(&SeededRandom::new(1));
        let caller = ClientInfo { address: Some(Secret::new("192.0.2.1".to_owned())), ..ClientInfo::invocation("r-1") };
        let record = audit_log
            .event(AuditEventKind::SignedIn, AuditSubject::User(user), &caller, now(), &SeededRandom::new(2))
            .in_session(SessionId::random(&SeededRandom::new(3)))
            .with_detail("by phone");
        assert_eq!(table.append_audit_event(&record).await, Ok(()));
        assert!(table.append_audit_event(&record).await.is_err());

        let items = items_of(&engine, &table.name).await;
        let [item] = items.as_slice() else { panic!("{items:?}") };
        let text = |name: &str| item[name].as_s().unwrap().as_str();
        assert_eq!(text("pk"), format!("PERSON#{user}"));
        assert_eq!(text("sk"), format!("2026-01-31T12:00:00.000Z#{}", record.id));
        assert_eq!((text("kindDay"), text("kind")), ("SIGNED_IN#2026-01-31", "SIGNED_IN"));
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
