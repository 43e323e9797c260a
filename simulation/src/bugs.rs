//! Known bugs. They are planted into the requests and responses between the functions and their services, so that the
//! functions contain no switch for them.

use std::fmt;
use std::time::Duration;

use kernel::Timestamp;
use serde_json::{Value, json};
use testkit::Reply;

use crate::tables::text;

/// A bug that the simulation has to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// A debit does not check that the account has the money.
    MissingFundsCondition,
    /// The payee is credited by a write after the transaction.
    CreditOutsideTransaction,
    /// A transfer is written even if one with its id exists.
    LostTransferDedupe,
    /// A webhook is applied even if one with its id was applied.
    LostWebhookDedupe,
    /// The consumer does not report the messages that it failed to apply.
    SwallowedBatchFailure,
    /// A debit does not check that the token is not revoked.
    UnfencedDebit,
    /// A key with another payload returns the first response.
    IgnoredFingerprint,
    /// A debit drains shards without checking that they were not drained meanwhile.
    ShardDrawnTwice,
    /// The failure of a keyed transfer is not stored.
    UnstoredFailure,
    /// An older version of a user replaces a newer one.
    StaleEventApplied,
    /// The creation time of a transfer is taken a minute before its commit.
    EarlyTime,
    /// The publisher skips the records that it failed to publish.
    SkippedStreamRecord,
    /// A refresh token is accepted although it was used meanwhile.
    RefreshTokenUsedTwice,
}

impl Bug {
    pub const ALL: [Self; 13] = [
        Self::MissingFundsCondition,
        Self::CreditOutsideTransaction,
        Self::LostTransferDedupe,
        Self::LostWebhookDedupe,
        Self::SwallowedBatchFailure,
        Self::UnfencedDebit,
        Self::IgnoredFingerprint,
        Self::ShardDrawnTwice,
        Self::UnstoredFailure,
        Self::StaleEventApplied,
        Self::EarlyTime,
        Self::SkippedStreamRecord,
        Self::RefreshTokenUsedTwice,
    ];

    /// The bug of this name, which is the name of its variant.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|bug| bug.to_string() == name)
    }

    /// Changes a request before it is executed. Returns a response if it is not to be executed.
    pub(crate) fn rewrite_request(self, operation: &str, body: &mut Value) -> Option<Reply> {
        match self {
            Self::MissingFundsCondition => weaken(body, "available >= :least"),
            Self::UnfencedDebit => weaken(
                body,
                "ownerEpoch <= :epoch AND NOT contains(revokedSessions, :session) \
                 AND (attribute_not_exists(tokensNotBefore) OR tokensNotBefore <= :issuedAt)",
            ),
            Self::ShardDrawnTwice => weaken(body, "drawn = :before"),
            Self::StaleEventApplied => weaken(body, "attribute_not_exists(version) OR version < :version"),
            Self::RefreshTokenUsedTwice => weaken(body, "refreshHash = :good"),
            Self::LostTransferDedupe => {
                for put in puts(body, "TRANSFER") {
                    put.remove("ConditionExpression");
                }
            }
            Self::LostWebhookDedupe => {
                for put in puts(body, "WEBHOOK") {
                    put.remove("ConditionExpression");
                    put.remove("ExpressionAttributeValues");
                }
            }
            Self::EarlyTime => {
                for put in puts(body, "TRANSFER") {
                    let Some(item) = put.get_mut("Item") else { continue };
                    let created_at = Timestamp::parse(text(item, "createdAt")).expect("a valid time");
                    let minute_ago = created_at.minus(Duration::from_mins(1)).to_string();
                    let order = format!("{minute_ago}#{}", text(item, "id"));
                    item["createdAt"] = json!({"S": minute_ago});
                    if item.get("order").is_some() {
                        item["order"] = json!({"S": order});
                    }
                }
            }
            Self::UnstoredFailure if operation == "PutItem" && body["Item"]["status"]["S"] == "FAILED" => {
                return Some(Reply { status: 200, body: "{}".to_owned() });
            }
            _ => {}
        }
        None
    }

    /// Takes the credit out of a transaction. Returns its position and the write.
    pub(crate) fn take_credit(self, body: &mut Value) -> Option<(usize, Value)> {
        if self != Self::CreditOutsideTransaction {
            return None;
        }
        let writes = body["TransactItems"].as_array_mut().filter(|writes| writes.len() > 2)?;
        let is_credit = |write: &Value| {
            let expression = write["Update"]["UpdateExpression"].as_str();
            expression.is_some_and(|expression| expression.starts_with("SET balance = balance + "))
        };
        let position = writes.iter().position(is_credit)?;
        let credit = writes.remove(position)["Update"].take();
        Some((position, credit))
    }

    /// Changes the response to a request.
    pub(crate) fn rewrite_response(self, operation: &str, request: &Value, reply: &mut Reply) {
        match (self, operation) {
            (Self::IgnoredFingerprint, "TransactWriteItems") if reply.status == 400 => {
                let mut body: Value = serde_json::from_str(&reply.body).expect("a response in JSON");
                let reasons = body["CancellationReasons"].as_array_mut().into_iter().flatten();
                for (reason, write) in reasons.zip(request["TransactItems"].as_array().into_iter().flatten()) {
                    if let (Some(item), Some(asked)) = (reason.get_mut("Item"), write.pointer("/Put/Item/fingerprint"))
                    {
                        item["fingerprint"] = asked.clone();
                    }
                }
                reply.body = body.to_string();
            }
            (Self::LostWebhookDedupe, "BatchGetItem") if reply.status == 200 => {
                let mut body: Value = serde_json::from_str(&reply.body).expect("a response in JSON");
                for items in body["Responses"].as_object_mut().into_iter().flat_map(|tables| tables.values_mut()) {
                    if let Some(items) = items.as_array_mut() {
                        items.retain(|item| item["sk"]["S"] != "WEBHOOK");
                    }
                }
                reply.body = body.to_string();
            }
            _ => {}
        }
    }
}

impl fmt::Display for Bug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// The conditional writes of a request.
fn writes(body: &mut Value) -> Vec<&mut serde_json::Map<String, Value>> {
    if body.get("TransactItems").is_none() {
        return body.as_object_mut().into_iter().collect();
    }
    let items = body["TransactItems"].as_array_mut().into_iter().flatten();
    items.filter_map(|item| item.as_object_mut()?.values_mut().next()?.as_object_mut()).collect()
}

fn puts<'a>(body: &'a mut Value, sk: &'a str) -> impl Iterator<Item = &'a mut serde_json::Map<String, Value>> {
    writes(body).into_iter().filter(move |write| write.get("Item").is_some_and(|item| item["sk"]["S"] == sk))
}

/// Makes a part of a condition true of every existing item. It stays in the expression, because unused values are invalid.
fn weaken(body: &mut Value, part: &str) {
    for write in writes(body) {
        if let Some(condition) = write.get_mut("ConditionExpression")
            && let Some(text) = condition.as_str()
        {
            *condition = json!(text.replace(part, &format!("({part} OR attribute_exists(pk))")));
        }
    }
}
