//! Changing the status of a payment.

use std::collections::HashMap;

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use dynamo::{FailedConditions, Item, Transaction, TransactionOutcome, from_item, number, text};
use kernel::UserId;

use super::record::{PaymentRecord, owner_status, payment_key};
use crate::domain::{AccountState, Payment, PaymentReference, PaymentStatus, TokenClaims, Transfer, Transition};
use crate::store::accounts::record::AccountRecord;
use crate::store::shards::CreditLeg;
use crate::store::transfers::{CreditCondition, transfer_item};
use crate::store::{Store, StoreError};

/// The result of a transition of a payment that was read before. Unless it is committed, nothing was written.
#[derive(Debug)]
pub enum TransitionOutcome {
    Committed,
    /// The payment has changed, or the webhook was recorded, since they were read.
    Stale,
    /// The condition on the account that should be credited is false. `None` if the account does not exist.
    AccountRejected(Option<AccountState>),
    /// Other transactions kept using the items.
    Conflict,
}

/// The result of a transition of a payment that was not read before.
#[derive(Debug)]
pub enum UnreadTransitionOutcome {
    /// The payment after the transition.
    Committed(Box<Payment>),
    /// The payment exists and has another status than the transition requires.
    WrongStatus(PaymentStatus),
    NotFound,
    /// Other transactions kept using the payment.
    Conflict,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum SettlementPart {
    Payment,
    Transfer,
    Account,
    Webhook,
}

impl Store {
    /// Applies a transition that credits no account in one round trip, on the condition that the payment is the owner's and
    /// has the status `from`.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the request fails.
    pub async fn transition_unread(
        &self,
        reference: PaymentReference,
        owner: UserId,
        from: PaymentStatus,
        transition: &Transition,
    ) -> Result<UnreadTransitionOutcome, StoreError> {
        let Change { expression, names, values } = Change::new(transition, owner)?;
        let outcome = self
            .table
            .retry_on_conflict(|| {
                self.table
                    .client()
                    .update_item()
                    .table_name(self.table.name())
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
                return Ok(UnreadTransitionOutcome::Committed(Box::new(from_item::<PaymentRecord>(item)?.into())));
            }
            Err(error) => error,
        };
        match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(failure)) => {
                let payment = failure.item().cloned().map(from_item::<PaymentRecord>).transpose()?;
                let payment = payment.map(Payment::from).filter(|payment| payment.owner == owner);
                let status = payment.map(|payment| payment.status);
                Ok(status.map_or(UnreadTransitionOutcome::NotFound, UnreadTransitionOutcome::WrongStatus))
            }
            Some(UpdateItemError::TransactionConflictException(_)) => Ok(UnreadTransitionOutcome::Conflict),
            _ => Err(error.into()),
        }
    }

    /// Applies a transition that the owner initiated, and its collection, on the condition that the payment is unchanged.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the request fails.
    pub async fn transition(
        &self,
        payment: &Payment,
        transition: &Transition,
        claims: &TokenClaims,
    ) -> Result<TransitionOutcome, StoreError> {
        let mut transaction = Transaction::new();
        let collection = payment.collection(transition);
        self.add_transition(&mut transaction, payment, transition, collection.as_ref(), Some(claims))?;
        match self.table.commit(&transaction).await? {
            TransactionOutcome::Committed => Ok(TransitionOutcome::Committed),
            TransactionOutcome::Conflict => Ok(TransitionOutcome::Conflict),
            TransactionOutcome::ConditionFailed(failed) => rejected(&failed),
        }
    }

    /// Adds the writes of a transition: the payment, on the condition that it is unchanged, the collection, and its credit.
    /// With claims, the credit requires that the owner's token is not revoked. A frozen account is credited too: the
    /// customer has paid, and the account can't be debited.
    pub(in crate::store) fn add_transition(
        &self,
        transaction: &mut Transaction<SettlementPart>,
        payment: &Payment,
        transition: &Transition,
        collection: Option<&Transfer>,
        claims: Option<&TokenClaims>,
    ) -> Result<(), StoreError> {
        let change = Change::new(transition, payment.owner)?;
        let update = self.table.update(payment_key(payment.reference), |update| {
            update
                .update_expression(change.expression)
                .condition_expression("version = :version")
                .set_expression_attribute_names(Some(change.names))
                .set_expression_attribute_values(Some(change.values))
                .expression_attribute_values(":version", number(payment.version))
        })?;
        transaction.add(SettlementPart::Payment, update);
        if let Some((collection, leg)) =
            collection.and_then(|collection| Some((collection, collection_leg(collection)?)))
        {
            let owner = claims.map(|claims| (collection.initiated_by, claims));
            transaction.add(SettlementPart::Transfer, self.table.put_new(transfer_item(collection, None)?)?);
            let credit = self.credit(leg, CreditCondition { owner, account_type: None })?;
            transaction.add(SettlementPart::Account, credit);
        }
        Ok(())
    }

    /// Commits a transition with a collection that the provider initiated.
    pub(in crate::store) async fn commit_collection(
        &self,
        transaction: Transaction<SettlementPart>,
        collection: &Transfer,
    ) -> Result<TransactionOutcome<SettlementPart>, StoreError> {
        match collection_leg(collection) {
            Some(leg) => self.commit_with_credit(transaction, SettlementPart::Account, leg).await,
            None => self.table.commit(&transaction).await,
        }
    }
}

/// The credit of a collection, which a frozen account receives too.
fn collection_leg(collection: &Transfer) -> Option<CreditLeg<'_>> {
    let account = collection.posting.to()?;
    Some(CreditLeg { allow_frozen: true, ..CreditLeg::new(account, collection) })
}

pub(in crate::store) fn rejected(failed: &FailedConditions<SettlementPart>) -> Result<TransitionOutcome, StoreError> {
    if failed.contains(SettlementPart::Payment) || failed.contains(SettlementPart::Webhook) {
        return Ok(TransitionOutcome::Stale);
    }
    if failed.contains(SettlementPart::Account) {
        let account = failed.item(SettlementPart::Account).map(AccountRecord::state).transpose()?;
        return Ok(TransitionOutcome::AccountRejected(account));
    }
    Err(StoreError::internal("a transition failed an unexpected condition"))
}

/// The update of a payment.
struct Change {
    expression: &'static str,
    names: HashMap<String, String>,
    values: Item,
}

impl Change {
    fn new(transition: &Transition, owner: UserId) -> Result<Self, StoreError> {
        let entry = dynamo::to_item(transition.status_change())?;
        let mut values = Item::from([
            (":to".to_owned(), text(transition.to)),
            (":ownerStatus".to_owned(), text(owner_status(owner, transition.to))),
            (":at".to_owned(), text(transition.at)),
            (":one".to_owned(), number(1)),
            (":steps".to_owned(), AttributeValue::L(vec![AttributeValue::M(entry)])),
        ]);
        let expression = match &transition.provider_transaction_id {
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
        Ok(Self { expression, names: HashMap::from([("#status".to_owned(), "status".to_owned())]), values })
    }
}
