//! The ledger: one transfer, one transaction, one round trip.
//!
//! (A payer whose money is in intake shards is looked at in between: see `intake`.)
//!
//! The transfer is written only if its id is new, the paying account changes only if it may pay, the receiving one only
//! if it may receive: all or nothing, and no read before. Where a condition fails, DynamoDB answers with the item it
//! failed on, and from that the reason is told. The transfer is looked at first: if it is there, the request came
//! before, and is answered as it was then.

use std::future::Future;

use aws_sdk_dynamodb::types::TransactWriteItem;
use dynamo::compat::TransactionOutcome;
use kernel::{Timestamp, UserId};

use super::intake::{Drawing, Receipt, Sharded};
use super::item::{Item, Reader, account_key, is_fenced_off, number, read_transfer, text, transfer_item};
use super::transaction::{GUARDED, Verdict, guard, verdict};
use super::{Fence, StoreError, Table};
use crate::domain::{Fingerprint, Party, Posting, Refusal, Transfer, TransferStatus};

/// A transfer that someone asks for.
#[derive(Debug, Clone)]
pub struct TransferOrder {
    /// The transfer as it will stand when the money has moved.
    pub transfer: Transfer,
    /// What was asked, where the client named the request.
    pub fingerprint: Option<Fingerprint>,
    /// Whose tokens may move money.
    pub fence: Fence,
    /// When there must be an answer.
    pub deadline: Option<Timestamp>,
}

/// A transfer that stands in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted {
    /// The transfer.
    pub transfer: Transfer,
    /// Whether it stood there before this request.
    pub replayed: bool,
}

/// Why no money moved for this request.
#[derive(Debug, thiserror::Error)]
pub enum PostError {
    /// It breaks a rule.
    #[error("{refusal}")]
    Refused {
        /// Which.
        refusal: Refusal,
        /// Whether it was refused before, under the same name.
        replayed: bool,
    },
    /// The name of the request stands for another one.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// The token is older than the fence.
    #[error("the token was revoked")]
    Revoked,
    /// Other transfers held the accounts for as long as there was time.
    #[error("other transfers hold these accounts")]
    Contention,
    /// The table.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Moves money. MUST carry out each transfer at most once by its id, and all of it or nothing; MUST answer
/// [`PostError::Refused`] in the same words for the same request if the client named it.
pub trait PostTransfer {
    /// Posts the transfer, or tells why not.
    fn post(&self, order: TransferOrder) -> impl Future<Output = Result<Posted, PostError>> + Send;
}

/// Who must own an account for the transfer to be theirs to ask for.
fn must_own(party: Party, posting: &Posting) -> bool {
    match party {
        Party::Payer => true,
        Party::Payee => posting.from().is_none(),
    }
}

impl PostTransfer for Table {
    async fn post(&self, order: TransferOrder) -> Result<Posted, PostError> {
        let mut drawing = None;
        for _ in 0..ATTEMPTS {
            let refusal = match self.try_to_post(&order, drawing.as_ref()).await? {
                Attempt::Posted(posted) => return Ok(posted),
                Attempt::Refused(refusal) => refusal,
                Attempt::Short(account) => match self.funds(&account, order.transfer.amount.minor()).await? {
                    Funds::Own => {
                        drawing = None;
                        continue;
                    }
                    Funds::Undrawn(undrawn) => {
                        drawing = Some(undrawn);
                        continue;
                    }
                    Funds::Insufficient => Refusal::InsufficientFunds,
                },
            };
            return match &order.fingerprint {
                Some(fingerprint) => self.remember(order.transfer, refusal, fingerprint).await,
                None => Err(PostError::Refused { refusal, replayed: false }),
            };
        }
        Err(PostError::Contention)
    }
}

/// How often a transfer is considered anew because its payer draws on shards at the same time for another one.
const ATTEMPTS: usize = 4;

/// What became of one try to post a transfer.
enum Attempt {
    Posted(Posted),
    Refused(Refusal),
    /// The paying account, as it stands, has not enough in its own balance.
    Short(Item),
}

/// Where the money for a transfer is.
enum Funds {
    /// In the account's own balance: somebody else has drawn from the shards meanwhile, and enough for both.
    Own,
    /// In its shards, with what the account has.
    Undrawn(Drawing),
    Insufficient,
}

impl Table {
    /// Where the payer has this much, of whom it was said that their own balance is not enough.
    async fn funds(&self, account: &Item, minor: i64) -> Result<Funds, StoreError> {
        let available = |account: &Item| Reader(account).integer::<i64>("available");
        if available(account)? >= minor {
            return Ok(Funds::Own);
        }
        let Some(Sharded { account, undrawn }) = self.with_shards(account).await? else {
            return Ok(Funds::Insufficient);
        };
        let all = available(&account)?.saturating_add(undrawn.amount);
        Ok(if all >= minor { Funds::Undrawn(undrawn) } else { Funds::Insufficient })
    }

    async fn try_to_post(&self, order: &TransferOrder, drawing: Option<&Drawing>) -> Result<Attempt, PostError> {
        let TransferOrder { transfer, fingerprint, fence, deadline } = order;
        let mut items = vec![self.put_new(transfer_item(transfer, fingerprint.as_ref()))?];
        let mut parties = Vec::new();
        if let Some(from) = transfer.posting.from() {
            items.push(self.take(account_key(from), transfer, *fence, drawing)?);
            parties.push(Party::Payer);
        }
        let mut receipt = None;
        if let Some(to) = transfer.posting.to() {
            let owner = must_own(Party::Payee, &transfer.posting).then_some((transfer.initiated_by, *fence));
            if owner.is_none() {
                let Transfer { amount, currency, .. } = *transfer;
                receipt = Some((items.len(), Receipt { account: to, amount, currency, frozen_too: false }));
            }
            items.push(self.give(account_key(to), transfer, owner)?);
            parties.push(Party::Payee);
        }
        let outcome = match receipt {
            Some((at, receipt)) => self.transact_giving(items, at, receipt, *deadline).await?,
            None => self.transact(items, *deadline).await?,
        };
        let reasons = match outcome {
            TransactionOutcome::Committed => {
                return Ok(Attempt::Posted(Posted { transfer: transfer.clone(), replayed: false }));
            }
            TransactionOutcome::ConditionFailed(reasons) => reasons,
            TransactionOutcome::Conflict => return Err(PostError::Contention),
        };
        if let Verdict::FailedOn(stored) = verdict(&reasons, 0) {
            return replay(stored, fingerprint.as_ref()).map(Attempt::Posted);
        }
        for (index, party) in parties.into_iter().enumerate() {
            let item = match verdict(&reasons, index + 1) {
                Verdict::Held => continue,
                Verdict::FailedOn(item) => Some(item),
                Verdict::FailedOnNothing => None,
            };
            return Ok(match (diagnose(party, item, transfer, *fence)?, item) {
                (Refusal::InsufficientFunds, Some(account)) => Attempt::Short(account.clone()),
                (refusal, _) => Attempt::Refused(refusal),
            });
        }
        Err(StoreError::internal("a transfer was cancelled for no reason that we know").into())
    }

    /// Takes the amount from an account, if it is the initiator's to take, with what is drawn from its shards.
    fn take(
        &self,
        key: Item,
        transfer: &Transfer,
        fence: Fence,
        drawing: Option<&Drawing>,
    ) -> Result<TransactWriteItem, StoreError> {
        const MAY_PAY: &str = "currency = :currency AND #status = :active AND available >= :least";
        let amount = transfer.amount.minor();
        let least = amount.saturating_sub(drawing.map_or(0, |drawing| drawing.amount));
        self.update(key, |update| {
            let update = guard(update, transfer.initiated_by, fence);
            let set = "SET balance = balance - :least, available = available - :least, headroom = headroom + :amount";
            let update = match drawing {
                None => update.update_expression(set).condition_expression(format!("{GUARDED} AND {MAY_PAY}")),
                Some(Drawing { before, after, .. }) => update
                    .update_expression(format!("{set}, drawn = :after"))
                    .condition_expression(format!("{GUARDED} AND {MAY_PAY} AND drawn = :before"))
                    .expression_attribute_values(":before", before.clone())
                    .expression_attribute_values(":after", after.clone()),
            };
            update
                .expression_attribute_names("#status", "status")
                .expression_attribute_values(":active", text("ACTIVE"))
                .expression_attribute_values(":currency", text(transfer.currency))
                .expression_attribute_values(":amount", number(amount))
                .expression_attribute_values(":least", number(least))
        })
    }

    /// Gives the amount to an account, which must be the initiator's where an owner is named.
    pub(crate) fn give(
        &self,
        key: Item,
        transfer: &Transfer,
        owner: Option<(UserId, Fence)>,
    ) -> Result<TransactWriteItem, StoreError> {
        const MAY_RECEIVE: &str = "currency = :currency AND #status = :active AND headroom >= :amount";
        self.update(key, |update| {
            let update = match owner {
                Some((owner, fence)) => {
                    guard(update, owner, fence).condition_expression(format!("{GUARDED} AND {MAY_RECEIVE}"))
                }
                None => update.condition_expression(MAY_RECEIVE),
            };
            update
                .update_expression(
                    "SET balance = balance + :amount, available = available + :amount, headroom = headroom - :amount",
                )
                .expression_attribute_names("#status", "status")
                .expression_attribute_values(":active", text("ACTIVE"))
                .expression_attribute_values(":currency", text(transfer.currency))
                .expression_attribute_values(":amount", number(transfer.amount.minor()))
        })
    }

    /// Writes down that a named request was refused, so that it stays refused when it comes again. If the same request
    /// was decided meanwhile, that decision stands.
    async fn remember(
        &self,
        transfer: Transfer,
        refusal: Refusal,
        fingerprint: &Fingerprint,
    ) -> Result<Posted, PostError> {
        use aws_sdk_dynamodb::operation::put_item::PutItemError;
        use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure;
        let failed = Transfer { status: TransferStatus::Failed(refusal), ..transfer };
        let outcome = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(transfer_item(&failed, Some(fingerprint))))
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let Err(error) = outcome else { return Err(PostError::Refused { refusal, replayed: false }) };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(failure)) => match failure.item() {
                Some(stored) => replay(stored, Some(fingerprint)),
                None => Err(StoreError::internal("the stored transfer was not returned").into()),
            },
            _ => Err(PostError::Store(error.into())),
        }
    }
}

/// Answers a request that came before as it was answered then.
fn replay(stored: &Item, fingerprint: Option<&Fingerprint>) -> Result<Posted, PostError> {
    let known = Reader(stored).optional_text("fingerprint");
    if known.is_none() || known != fingerprint.map(Fingerprint::as_str) {
        return Err(PostError::KeyReused);
    }
    let transfer = read_transfer(stored)?;
    match transfer.status {
        TransferStatus::Completed => Ok(Posted { transfer, replayed: true }),
        TransferStatus::Failed(refusal) => Err(PostError::Refused { refusal, replayed: true }),
    }
}

/// Which rule the transfer breaks, told from the account on which its condition failed.
fn diagnose(party: Party, item: Option<&Item>, transfer: &Transfer, fence: Fence) -> Result<Refusal, PostError> {
    let Some(item) = item else { return Ok(Refusal::AccountNotFound(party)) };
    let reader = Reader(item);
    if must_own(party, &transfer.posting) {
        if reader.text("ownerId")? != transfer.initiated_by.to_string() {
            return Ok(Refusal::AccountNotFound(party));
        }
        if is_fenced_off(item, fence) {
            return Err(PostError::Revoked);
        }
    }
    if reader.text("currency")? != transfer.currency.as_str() {
        return Ok(Refusal::CurrencyMismatch(party));
    }
    if reader.text("status")? != "ACTIVE" {
        return Ok(Refusal::AccountFrozen(party));
    }
    Ok(match party {
        Party::Payer => Refusal::InsufficientFunds,
        Party::Payee => Refusal::HeadroomExceeded,
    })
}
