//! Payments: asked for, read, listed, and moved on, step by legal step.
//!
//! A step is a write on the condition that the payment stands where the step begins, so of two at once one wins. A
//! success that credits an account does so in the same transaction.

use std::collections::HashMap;
use std::future::Future;

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, ReturnValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};
use contact::{Email, Phone};
use dynamo::compat::TransactionOutcome;
use futures_util::future::try_join_all;
use kernel::{Amount, Currency, Timestamp, UserId};

use super::intake::Receipt;
use super::item::{Item, Reader, account_key, is_fenced_off, key, number, text, transfer_item};
use super::newest::{Partition, Span, merge};
use super::transaction::{GUARDED, Verdict, guard, guard_values, verdict};
use super::{Fence, StoreError, Table};
use crate::domain::{
    Actor, Advance, Fingerprint, Party, Payment, PaymentAccountId, PaymentMethod, PaymentReference, PaymentStatus,
    Place, Posting, ProviderTransactionId, Refusal, RequestId, Step, Transfer, TransferStatus,
};

/// How often a step begins anew because the payment moved under it.
const ATTEMPTS: usize = 3;

/// A payment that someone asks for.
#[derive(Debug, Clone)]
pub struct PaymentOrder {
    /// The payment as it will stand.
    pub payment: Payment,
    /// What was asked, where the client named the request.
    pub fingerprint: Option<Fingerprint>,
    /// Whose tokens may name an account to credit.
    pub fence: Fence,
    /// When there must be an answer.
    pub deadline: Option<Timestamp>,
}

/// A payment that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// The payment as it stood when it was asked for.
    pub payment: Payment,
    /// Whether it was asked for before, by the same request.
    pub replayed: bool,
}

/// Why there is no payment.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// The account that it should credit does not allow that.
    #[error("{0}")]
    Account(Refusal),
    /// The account that it should credit is a loan.
    #[error("a loan takes no collections")]
    AccountType,
    /// The name of the request stands for another one.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// It names an account, and the token is older than the fence.
    #[error("the token was revoked")]
    Revoked,
    /// Other transactions held the account for as long as there was time.
    #[error("other requests hold this account")]
    Contention,
    /// The table.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Asks for payments.
pub trait CreatePayment {
    /// Writes the payment down. MUST do so once for a request that the client named, and only if the account that it
    /// should credit is the owner's and holds its currency.
    fn create(&self, order: PaymentOrder) -> impl Future<Output = Result<Created, CreateError>> + Send;
}

/// Finds payments.
pub trait FindPayment {
    /// The payment, if it is this person's.
    fn find_payment(
        &self,
        reference: PaymentReference,
        owner: UserId,
    ) -> impl Future<Output = Result<Option<Payment>, StoreError>> + Send;
}

/// What part of a person's payments is asked for.
#[derive(Debug, Clone)]
pub struct PaymentQuery {
    /// Whose.
    pub owner: UserId,
    /// Only those that stand so.
    pub status: Option<PaymentStatus>,
    /// After this place, reading from the newest to the oldest.
    pub after: Option<Place>,
    /// At most so many, 1 to 100.
    pub limit: usize,
}

/// A part of a person's payments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentPage {
    /// Payments, newest first.
    pub payments: Vec<Payment>,
    /// Where the next page begins, if there is more.
    pub next: Option<Place>,
}

/// Lists payments.
pub trait ListPayments {
    /// A page of a person's payments.
    fn payments(&self, query: PaymentQuery) -> impl Future<Output = Result<PaymentPage, StoreError>> + Send;
}

/// A step that the owner takes.
#[derive(Debug, Clone)]
pub struct OwnerStep {
    /// Of which payment.
    pub reference: PaymentReference,
    /// Whose it must be.
    pub owner: UserId,
    /// The step.
    pub advance: Advance,
    /// Whose tokens may move money.
    pub fence: Fence,
    /// Whether a success may credit an account: the owner alone vouches for it.
    pub may_credit: bool,
    /// When there must be an answer.
    pub deadline: Option<Timestamp>,
}

/// Why a payment stands where it stood.
#[derive(Debug, thiserror::Error)]
pub enum AdvanceError {
    /// There is no such payment, or it is somebody else's.
    #[error("no such payment")]
    NotFound,
    /// The step is not legal from there.
    #[error("from {from} a payment does not come to {to}")]
    InvalidTransition {
        /// Where it stands.
        from: PaymentStatus,
        /// Where it should have come.
        to: PaymentStatus,
    },
    /// It would credit an account, and the token is older than the fence.
    #[error("the token was revoked")]
    Revoked,
    /// It would credit an account on the owner's word alone.
    #[error("the owner alone does not credit an account")]
    CreditNotAllowed,
    /// The account cannot take in as much.
    #[error("{0}")]
    Credit(Refusal),
    /// It kept moving, or others held it, for as long as there was time.
    #[error("other requests hold this payment")]
    Contention,
    /// The table.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Moves a payment on, on its owner's word.
pub trait AdvancePayment {
    /// Takes the step. MUST take only legal ones, and of two at once, one.
    fn advance(&self, step: OwnerStep) -> impl Future<Output = Result<Payment, AdvanceError>> + Send;
}

pub(crate) fn payment_key(reference: PaymentReference) -> Item {
    key(format!("PAYMENT#{reference}"), "PAYMENT")
}

impl CreatePayment for Table {
    async fn create(&self, order: PaymentOrder) -> Result<Created, CreateError> {
        let PaymentOrder { payment, fingerprint, fence, deadline } = order;
        let mut items = vec![self.put_new(payment_item(&payment, fingerprint.as_ref()))?];
        if let Some(account) = &payment.payment_account_id {
            items.push(self.may_be_credited(account, &payment, fence)?);
        }
        let reasons = match self.transact(items, deadline).await? {
            TransactionOutcome::Committed => return Ok(Created { payment, replayed: false }),
            TransactionOutcome::ConditionFailed(reasons) => reasons,
            TransactionOutcome::Conflict => return Err(CreateError::Contention),
        };
        if let Verdict::FailedOn(stored) = verdict(&reasons, 0) {
            let known = Reader(stored).optional_text("fingerprint");
            if known.is_none() || known != fingerprint.as_ref().map(Fingerprint::as_str) {
                return Err(CreateError::KeyReused);
            }
            return Ok(Created { payment: as_created(read_payment(stored)?), replayed: true });
        }
        let item = match verdict(&reasons, 1) {
            Verdict::FailedOn(item) => item,
            Verdict::FailedOnNothing => return Err(CreateError::Account(Refusal::AccountNotFound(Party::Payee))),
            Verdict::Held => {
                return Err(StoreError::internal("a payment was refused for no reason that we know").into());
            }
        };
        let reader = Reader(item);
        if reader.text("ownerId")? != payment.owner.to_string() {
            return Err(CreateError::Account(Refusal::AccountNotFound(Party::Payee)));
        }
        if is_fenced_off(item, fence) {
            return Err(CreateError::Revoked);
        }
        if reader.text("type")? == "LOAN" {
            return Err(CreateError::AccountType);
        }
        Err(CreateError::Account(Refusal::CurrencyMismatch(Party::Payee)))
    }
}

impl FindPayment for Table {
    async fn find_payment(&self, reference: PaymentReference, owner: UserId) -> Result<Option<Payment>, StoreError> {
        Ok(self.payment(reference).await?.filter(|payment| payment.owner == owner))
    }
}

impl ListPayments for Table {
    async fn payments(&self, query: PaymentQuery) -> Result<PaymentPage, StoreError> {
        let PaymentQuery { owner, status, after, limit } = query;
        let statuses = status.map_or_else(|| PaymentStatus::ALL.to_vec(), |status| vec![status]);
        let lists: Vec<String> = statuses.into_iter().map(|status| owner_status(owner, status)).collect();
        let span = Span { after, limit, ..Span::default() };
        let newest = try_join_all(
            lists
                .iter()
                .map(|list| self.newest(Partition { index: "byOwnerStatus", key: "ownerStatus", value: list }, &span)),
        );
        let (items, next) = merge(newest.await?, limit);
        let payments = items.iter().map(read_payment).collect::<Result<Vec<_>, _>>()?;
        Ok(PaymentPage { payments, next })
    }
}

impl AdvancePayment for Table {
    async fn advance(&self, step: OwnerStep) -> Result<Payment, AdvanceError> {
        let OwnerStep { reference, owner, advance, fence, may_credit, deadline } = step;
        if advance.to != PaymentStatus::Success {
            return self.advance_blindly(reference, owner, &advance, deadline).await;
        }
        for _ in 0..ATTEMPTS {
            let payment = self.find_payment(reference, owner).await?.ok_or(AdvanceError::NotFound)?;
            if advance.to.predecessor() != Some(payment.status) {
                return Err(AdvanceError::InvalidTransition { from: payment.status, to: advance.to });
            }
            if payment.payment_account_id.is_some() && !may_credit {
                return Err(AdvanceError::CreditNotAllowed);
            }
            let (items, parts) = self.settle(&payment, &advance, Some(fence))?;
            match self.transact(items, deadline).await? {
                TransactionOutcome::Committed => return Ok(payment.advanced(&advance)),
                TransactionOutcome::ConditionFailed(reasons) => refusal_of(&reasons, &parts, Some(fence))?,
                TransactionOutcome::Conflict => return Err(AdvanceError::Contention),
            }
        }
        Err(AdvanceError::Contention)
    }
}

/// What an item of a settling transaction is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Payment,
    Transfer,
    Account,
    Webhook,
}

/// Why a settling transaction was refused, unless it was that the payment moved on: then it may be tried again.
pub(crate) fn refusal_of(
    reasons: &[aws_sdk_dynamodb::types::CancellationReason],
    parts: &[Part],
    fence: Option<Fence>,
) -> Result<(), AdvanceError> {
    let failed = |wanted: Part| {
        parts.iter().position(|part| *part == wanted).map_or(Verdict::Held, |index| verdict(reasons, index))
    };
    if !matches!(failed(Part::Payment), Verdict::Held) || !matches!(failed(Part::Webhook), Verdict::Held) {
        return Ok(());
    }
    match failed(Part::Account) {
        Verdict::FailedOn(account) if fence.is_some_and(|fence| is_fenced_off(account, fence)) => {
            Err(AdvanceError::Revoked)
        }
        Verdict::FailedOn(_) => Err(AdvanceError::Credit(Refusal::HeadroomExceeded)),
        Verdict::FailedOnNothing => Err(AdvanceError::Credit(Refusal::AccountNotFound(Party::Payee))),
        Verdict::Held => Err(StoreError::internal("a settlement was refused for no reason that we know").into()),
    }
}

impl Table {
    pub(crate) async fn payment(&self, reference: PaymentReference) -> Result<Option<Payment>, StoreError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.name)
            .set_key(Some(payment_key(reference)))
            .consistent_read(true)
            .send()
            .await?;
        answer.item.as_ref().map(read_payment).transpose()
    }

    /// Takes a step that moves no money, in one round trip: where it must begin follows from where it leads.
    async fn advance_blindly(
        &self,
        reference: PaymentReference,
        owner: UserId,
        advance: &Advance,
        deadline: Option<Timestamp>,
    ) -> Result<Payment, AdvanceError> {
        let invalid = |from| AdvanceError::InvalidTransition { from, to: advance.to };
        let Some(from) = advance.to.predecessor() else {
            let payment = self.find_payment(reference, owner).await?.ok_or(AdvanceError::NotFound)?;
            return Err(invalid(payment.status));
        };
        let Change { expression, names, values } = change_of(advance, owner);
        let outcome = self
            .retry_on_conflict(deadline, || {
                self.client
                    .update_item()
                    .table_name(&self.name)
                    .set_key(Some(payment_key(reference)))
                    .update_expression(expression)
                    .condition_expression("ownerId = :owner AND #status = :from")
                    .set_expression_attribute_names(Some(names.clone()))
                    .set_expression_attribute_values(Some(values.clone()))
                    .expression_attribute_values(":owner", text(owner))
                    .expression_attribute_values(":from", text(from))
                    .return_values(ReturnValue::AllNew)
                    .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
                    .send()
            })
            .await;
        let error = match outcome {
            Ok(updated) => {
                let item = updated.attributes.ok_or_else(|| StoreError::internal("the payment was not returned"))?;
                return Ok(read_payment(&item)?);
            }
            Err(error) => error,
        };
        match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(failure)) => match failure.item() {
                Some(item) if Reader(item).text("ownerId")? == owner.to_string() => {
                    Err(invalid(read_payment(item)?.status))
                }
                _ => Err(AdvanceError::NotFound),
            },
            Some(UpdateItemError::TransactionConflictException(_)) => Err(AdvanceError::Contention),
            _ => Err(AdvanceError::Store(error.into())),
        }
    }

    /// What a step of this payment writes: the payment, on the condition that it has not moved, and for a success that
    /// credits an account, the transfer and the account. On the owner's word, the fence stands before the account.
    pub(crate) fn settle(
        &self,
        payment: &Payment,
        advance: &Advance,
        fence: Option<Fence>,
    ) -> Result<(Vec<TransactWriteItem>, Vec<Part>), StoreError> {
        let mut parts = vec![Part::Payment];
        let mut items = vec![self.update(payment_key(payment.reference), |update| {
            let change = change_of(advance, payment.owner);
            update
                .update_expression(change.expression)
                .condition_expression("version = :version")
                .set_expression_attribute_names(Some(change.names))
                .set_expression_attribute_values(Some(change.values))
                .expression_attribute_values(":version", number(payment.version))
        })?];
        if let (PaymentStatus::Success, Some(account)) = (advance.to, &payment.payment_account_id) {
            let transfer = Transfer {
                id: RequestId::of_collection(payment.reference).into(),
                posting: Posting::Collection { to: account.clone() },
                status: TransferStatus::Completed,
                amount: payment.amount,
                currency: payment.currency,
                note: None,
                initiated_by: payment.owner,
                created_at: advance.at,
            };
            parts.extend([Part::Transfer, Part::Account]);
            items.push(self.put_new(transfer_item(&transfer, None))?);
            items.push(self.update(account_key(account), |update| credit(update, &transfer, fence))?);
        }
        Ok((items, parts))
    }

    /// Writes what settles a payment by its provider's word. The account takes it in even if it is frozen: the customer has
    /// paid.
    pub(crate) async fn transact_settling(
        &self,
        items: Vec<TransactWriteItem>,
        parts: &[Part],
        payment: &Payment,
        deadline: Option<Timestamp>,
    ) -> Result<TransactionOutcome, StoreError> {
        let at = parts.iter().position(|part| *part == Part::Account);
        let (Some(at), Some(account)) = (at, &payment.payment_account_id) else {
            return self.transact(items, deadline).await;
        };
        let Payment { amount, currency, .. } = *payment;
        let receipt = Receipt { account, amount, currency, frozen_too: true };
        Box::pin(self.transact_giving(items, at, receipt, deadline)).await
    }

    /// Checks, without changing it, that an account may be credited by a payment that this token asks for.
    fn may_be_credited(
        &self,
        account: &PaymentAccountId,
        payment: &Payment,
        fence: Fence,
    ) -> Result<TransactWriteItem, StoreError> {
        let check = ConditionCheck::builder()
            .table_name(&self.name)
            .set_key(Some(account_key(account)))
            .condition_expression(format!("{GUARDED} AND currency = :currency AND #type <> :loan"))
            .expression_attribute_names("#type", "type")
            .set_expression_attribute_values(Some(guard_values(payment.owner, fence)))
            .expression_attribute_values(":currency", text(payment.currency))
            .expression_attribute_values(":loan", text("LOAN"))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build();
        Ok(TransactWriteItem::builder().condition_check(check.map_err(StoreError::internal)?).build())
    }
}

/// Credits what was collected. A frozen account takes it too: the customer has paid, and it cannot leave again.
fn credit(update: UpdateBuilder, transfer: &Transfer, fence: Option<Fence>) -> UpdateBuilder {
    const MAY_RECEIVE: &str = "currency = :currency AND headroom >= :amount";
    let update = match fence {
        Some(fence) => {
            guard(update, transfer.initiated_by, fence).condition_expression(format!("{GUARDED} AND {MAY_RECEIVE}"))
        }
        None => update.condition_expression(MAY_RECEIVE),
    };
    update
        .update_expression(
            "SET balance = balance + :amount, available = available + :amount, headroom = headroom - :amount",
        )
        .expression_attribute_values(":currency", text(transfer.currency))
        .expression_attribute_values(":amount", number(transfer.amount.minor()))
}

struct Change {
    expression: &'static str,
    names: HashMap<String, String>,
    values: Item,
}

/// What a step changes of a payment.
fn change_of(advance: &Advance, owner: UserId) -> Change {
    let mut values = Item::from([
        (":to".to_owned(), text(advance.to)),
        (":ownerStatus".to_owned(), text(owner_status(owner, advance.to))),
        (":at".to_owned(), text(advance.at)),
        (":one".to_owned(), number(1)),
        (":steps".to_owned(), AttributeValue::L(vec![step_value(advance.to, advance.at, advance.by)])),
    ]);
    let expression = match &advance.provider_transaction_id {
        None => {
            "SET #status = :to, ownerStatus = :ownerStatus, updatedAt = :at, version = version + :one, \
             history = list_append(history, :steps)"
        }
        Some(id) => {
            values.insert(":providerTransactionId".to_owned(), text(id.as_str()));
            "SET #status = :to, ownerStatus = :ownerStatus, updatedAt = :at, version = version + :one, \
             history = list_append(history, :steps), providerTransactionId = :providerTransactionId"
        }
    };
    Change { expression, names: HashMap::from([("#status".to_owned(), "status".to_owned())]), values }
}

/// The partition of the index in which a person's payments of one status stand.
fn owner_status(owner: UserId, status: PaymentStatus) -> String {
    format!("{owner}#{status}")
}

fn step_value(status: PaymentStatus, at: Timestamp, by: Actor) -> AttributeValue {
    AttributeValue::M(Item::from([
        ("status".to_owned(), text(status)),
        ("at".to_owned(), text(at)),
        ("by".to_owned(), text(by.as_str())),
    ]))
}

fn payment_item(payment: &Payment, fingerprint: Option<&Fingerprint>) -> Item {
    let mut item = payment_key(payment.reference);
    let mut set = |name: &str, value: AttributeValue| {
        item.insert(name.to_owned(), value);
    };
    set("reference", text(payment.reference));
    set("ownerId", text(payment.owner));
    set("ownerStatus", text(owner_status(payment.owner, payment.status)));
    set("order", text(Place::of(payment.created_at, payment.reference)));
    set("amount", number(payment.amount.minor()));
    set("currency", text(payment.currency));
    set("paymentMethod", text(payment.method.as_str()));
    set("customerPhone", text(payment.customer_phone.as_str()));
    set("customerEmail", text(payment.customer_email.as_str()));
    set("status", text(payment.status));
    set("providerName", text(&payment.provider_name));
    set("createdAt", text(payment.created_at));
    set("updatedAt", text(payment.updated_at));
    set("version", number(payment.version));
    let steps = payment.history.iter().map(|step| step_value(step.status, step.at, step.by)).collect();
    set("history", AttributeValue::L(steps));
    if let Some(id) = &payment.provider_transaction_id {
        set("providerTransactionId", text(id.as_str()));
    }
    if let Some(account) = &payment.payment_account_id {
        set("paymentAccountId", text(account));
    }
    if let Some(fingerprint) = fingerprint {
        set("fingerprint", text(fingerprint.as_str()));
    }
    item
}

pub(crate) fn read_payment(item: &Item) -> Result<Payment, StoreError> {
    let reader = Reader(item);
    let amount = Amount::from_minor(reader.integer("amount")?);
    let provider_transaction_id = reader.optional_text("providerTransactionId").map(ProviderTransactionId::parse);
    let payment_account_id = reader.optional_text("paymentAccountId").map(PaymentAccountId::parse);
    Ok(Payment {
        reference: reader.read("reference", PaymentReference::parse)?,
        owner: reader.read("ownerId", UserId::parse)?,
        amount: amount.map_err(|error| reader.unreadable("amount", error))?,
        currency: reader.read("currency", Currency::parse)?,
        method: reader.known("paymentMethod", PaymentMethod::parse)?,
        customer_phone: Phone::from_stored(reader.text("customerPhone")?),
        customer_email: Email::from_stored(reader.text("customerEmail")?),
        status: reader.known("status", PaymentStatus::parse)?,
        provider_name: reader.text("providerName")?.to_owned(),
        provider_transaction_id: provider_transaction_id
            .transpose()
            .map_err(|error| reader.unreadable("providerTransactionId", error))?,
        payment_account_id: payment_account_id
            .transpose()
            .map_err(|error| reader.unreadable("paymentAccountId", error))?,
        created_at: reader.read("createdAt", Timestamp::parse)?,
        updated_at: reader.read("updatedAt", Timestamp::parse)?,
        history: reader.maps("history").map(read_step).collect::<Result<_, _>>()?,
        version: reader.integer("version")?,
    })
}

fn read_step(item: &Item) -> Result<Step, StoreError> {
    let reader = Reader(item);
    Ok(Step {
        status: reader.known("status", PaymentStatus::parse)?,
        at: reader.read("at", Timestamp::parse)?,
        by: reader.known("by", Actor::parse)?,
    })
}

/// A payment as it stood when it was asked for: what a request that comes again is answered.
fn as_created(payment: Payment) -> Payment {
    Payment {
        status: PaymentStatus::Initiated,
        provider_transaction_id: None,
        updated_at: payment.created_at,
        history: payment.history.into_iter().take(1).collect(),
        version: 1,
        ..payment
    }
}
