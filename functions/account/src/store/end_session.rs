//! Ending a session.

use std::future::Future;

use aws_sdk_dynamodb::types::AttributeValue;
use kernel::{SessionId, Timestamp, UserId};

use super::records::ENDED_SESSION_VERSION;
use super::transaction::{commit, update};
use super::{AccountTable, StoreError, records};
use crate::domain::AuditEvent;

/// Ends sessions.
pub trait EndSession {
    /// Ends the session, if it has not ended before, and writes that down. The end is published.
    fn end_session(
        &self,
        user: UserId,
        session: SessionId,
        now: Timestamp,
        record: &AuditEvent,
    ) -> impl Future<Output = Result<EndSessionOutcome, StoreError>> + Send;
}

/// What became of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndSessionOutcome {
    /// It ended now.
    Ended,
    /// It had ended before.
    AlreadyEnded,
    /// The person has no such session.
    NotFound,
}

impl EndSession for AccountTable {
    async fn end_session(
        &self,
        user: UserId,
        session: SessionId,
        now: Timestamp,
        record: &AuditEvent,
    ) -> Result<EndSessionOutcome, StoreError> {
        let end = update(&self.name, records::session_key(user, session), |change| {
            change
                .update_expression("SET endedAt = :now, version = :ended")
                // Without the first, the end of a session that is gone would make one.
                .condition_expression("attribute_exists(pk) AND attribute_not_exists(endedAt)")
                .expression_attribute_values(":now", AttributeValue::S(now.to_string()))
                .expression_attribute_values(":ended", AttributeValue::N(ENDED_SESSION_VERSION.to_string()))
        })?;
        let Err(reasons) = commit(&self.client, &*self.random, vec![end, self.audit()?.with(record)?]).await? else {
            return Ok(EndSessionOutcome::Ended);
        };
        let there_is_one = reasons.first().and_then(|reason| reason.item.as_ref()).is_some_and(|item| !item.is_empty());
        Ok(if there_is_one { EndSessionOutcome::AlreadyEnded } else { EndSessionOutcome::NotFound })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::FindSession;
    use super::super::testing::{Accounts, now, record, session, start};
    use super::*;
    use crate::domain::AuditEventKind;

    #[tokio::test]
    async fn a_session_ends_once_and_no_other_with_it_in_one_round_trip() {
        let (accounts, ada) = Accounts::with_ada().await;
        let (ended, other) = (session(2), session(3));
        for session in [&ended, &other] {
            start(&accounts, &ada, session).await.unwrap();
        }
        accounts.engine.round_trips();
        for (later, expected) in
            [(Duration::ZERO, EndSessionOutcome::Ended), (Duration::from_secs(9), EndSessionOutcome::AlreadyEnded)]
        {
            let record = record(AuditEventKind::SessionEnded);
            let outcome = accounts.table.end_session(ada.id, ended.id, now().plus(later), &record).await;
            assert_eq!(outcome, Ok(expected));
            assert_eq!(accounts.engine.round_trips(), ["TransactWriteItems"]);
            let found = accounts.table.find_session(ada.id, ended.id).await.unwrap().unwrap();
            assert_eq!(found.session.ended_at, Some(now()));
            accounts.engine.round_trips();
        }
        let found = accounts.table.find_session(ada.id, other.id).await.unwrap().unwrap();
        assert_eq!(found.session.ended_at, None);
        assert_eq!(accounts.audited().await, ["SIGNED_IN", "SIGNED_IN", "SESSION_ENDED"]);
    }

    #[tokio::test]
    async fn ending_a_session_that_is_not_there_makes_none() {
        let (accounts, ada) = Accounts::with_ada().await;
        let record = record(AuditEventKind::SessionEnded);
        let outcome = accounts.table.end_session(ada.id, session(2).id, now(), &record).await;
        assert_eq!(outcome, Ok(EndSessionOutcome::NotFound));
        assert_eq!((accounts.records().await.len(), accounts.audited().await.len()), (3, 0));
    }
}
