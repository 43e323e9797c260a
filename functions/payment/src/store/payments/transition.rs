//! Changing the status of a payment.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem};
use dynamo::{FailedConditions, Item, Transaction, TransactionOutcome, key, number, text};
use kernel::{Timestamp, UserId};

use super::query::payment_among;
use super::record::{TransitionRecord, payment_key, request_key};
use crate::domain::{
    AccountState, IdempotentRequest, Payment, PaymentReference, PaymentStatus, ProviderTransactionId, Replica, Stored,
    TokenClaims, Transition,
};
use crate::store::accounts::record::AccountRecord;
use crate::store::shards::CreditLeg;
use crate::store::transfers::{CreditCondition, transfer_item};
use crate::store::users::record::{user_among, user_key};
use crate::store::{Store, StoreError, item, with_sort_key};

/// The items that an owner's transition depends on, read together.
#[derive(Debug)]
pub struct PaymentToChange {
    /// The payment, if it is the owner's.
    pub payment: Option<Payment>,
    pub owner: Replica,
    /// The payment after the transition of an earlier request with the same idempotency key.
    pub changed: Option<Stored<Payment>>,
}

/// The result of a transition. Unless it is committed, nothing was written.
#[derive(Debug)]
pub enum TransitionOutcome {
    /// The time of the transition.
    Committed(Timestamp),
    /// The payment has changed, or the request or the webhook was recorded, since they were read.
    Stale,
    /// The owner's token is revoked.
    TokenRevoked,
    /// The provider's transaction has settled another payment.
    ProviderTransactionUsed,
    /// The condition on the account that should be credited is false. `None` if the account does not exist.
    AccountRejected(Option<AccountState>),
    /// Other transactions kept using the items.
    Conflict,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum SettlementPart {
    Payment,
    Request,
    Webhook,
    Owner,
    ProviderTransaction,
    Transfer,
    Account,
}

impl Store {
    /// Reads a payment, its owner, and the result of an earlier request with the same idempotency key.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the request fails.
    pub async fn payment_to_change(
        &self,
        reference: PaymentReference,
        owner: UserId,
        request: &IdempotentRequest,
    ) -> Result<PaymentToChange, StoreError> {
        let mut keys = vec![payment_key(reference), user_key(owner)];
        if request.fingerprint.is_some() {
            keys.push(request_key(request.id));
        }
        let items = self.table.batch_get(keys).await?;
        let payment = payment_among(&items, owner)?;
        let record = with_sort_key(&items, "IDEMPOTENCY").cloned().map(dynamo::from_item::<TransitionRecord>);
        let changed = record.transpose()?.zip(payment.clone()).map(|(record, payment)| record.stored(payment));
        Ok(PaymentToChange { payment, owner: user_among(&items)?, changed })
    }

    /// Applies a transition that the owner initiated, and its collection, on the condition that the payment is unchanged
    /// and the owner's token is not revoked. The request is recorded if it has an idempotency key.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the request fails.
    pub async fn transition(
        &self,
        payment: &Payment,
        transition: &Transition,
        request: &IdempotentRequest,
        claims: &TokenClaims,
    ) -> Result<TransitionOutcome, StoreError> {
        let build = |at| {
            let transition = &Transition { at, ..transition.clone() };
            let mut transaction = Transaction::new();
            self.add_transition(&mut transaction, payment, transition, Some(claims))?;
            if payment.collection(transition).is_none() {
                transaction.add(SettlementPart::Owner, self.check_user(payment.owner, claims)?);
            }
            if let Some(fingerprint) = &request.fingerprint {
                let record = TransitionRecord::new(fingerprint, &payment.after(transition));
                let item = item(request_key(request.id), record)?;
                transaction.add(SettlementPart::Request, self.table.put_new(item)?);
            }
            Ok(transaction)
        };
        let (outcome, at) = self.table.commit_with_time(build).await?;
        transition_outcome(&outcome, at)
    }

    /// Adds the writes of a transition: the payment, on the condition that it is unchanged; the claim of the provider's
    /// transaction; the collection, and its credit. With claims, the credit requires that the owner's token is not revoked.
    /// A frozen account is credited too: the customer has paid, and the account can't be debited.
    pub(in crate::store) fn add_transition(
        &self,
        transaction: &mut Transaction<SettlementPart>,
        payment: &Payment,
        transition: &Transition,
        claims: Option<&TokenClaims>,
    ) -> Result<(), StoreError> {
        let change = Change::new(transition)?;
        let update = self.table.update(payment_key(payment.reference), |update| {
            update
                .update_expression(change.expression)
                .condition_expression("version = :version")
                .set_expression_attribute_names(Some(change.names))
                .set_expression_attribute_values(Some(change.values))
                .expression_attribute_values(":version", number(payment.version))
        })?;
        transaction.add(SettlementPart::Payment, update);
        if transition.to == PaymentStatus::Success
            && let Some(id) = &payment.after(transition).provider_transaction_id
        {
            let claim = self.claim_provider_transaction(payment, id)?;
            transaction.add(SettlementPart::ProviderTransaction, claim);
        }
        if let (Some(collection), Some(leg)) = (payment.collection(transition), collection_leg(payment, transition)) {
            let owner = claims.map(|claims| (payment.owner, claims));
            transaction.add(SettlementPart::Transfer, self.table.put_new(transfer_item(&collection, None)?)?);
            let credit = self.credit(leg, CreditCondition { owner, account_type: None })?;
            transaction.add(SettlementPart::Account, credit);
        }
        Ok(())
    }

    /// Claims a transaction of the provider for a payment: it settles no other.
    fn claim_provider_transaction(
        &self,
        payment: &Payment,
        id: &ProviderTransactionId,
    ) -> Result<TransactWriteItem, StoreError> {
        let pk = format_args!("PROVIDER_TRANSACTION#{}#{}", payment.provider_name, id.as_str()).to_string();
        let mut claim = key(pk, "PROVIDER_TRANSACTION");
        claim.insert("reference".to_owned(), text(payment.reference));
        self.table.put_new(claim)
    }
}

/// The credit of a transition's collection, which a frozen account receives too.
pub(in crate::store) fn collection_leg<'a>(payment: &'a Payment, transition: &Transition) -> Option<CreditLeg<'a>> {
    let account = payment.collection_account(transition)?;
    Some(CreditLeg { account, amount: payment.amount, currency: payment.currency, allow_frozen: true })
}

pub(in crate::store) fn transition_outcome(
    outcome: &TransactionOutcome<SettlementPart>,
    at: Timestamp,
) -> Result<TransitionOutcome, StoreError> {
    match outcome {
        TransactionOutcome::Committed => Ok(TransitionOutcome::Committed(at)),
        TransactionOutcome::Conflict => Ok(TransitionOutcome::Conflict),
        TransactionOutcome::ConditionFailed(failed) => rejected(failed),
    }
}

fn rejected(failed: &FailedConditions<SettlementPart>) -> Result<TransitionOutcome, StoreError> {
    if failed.contains(SettlementPart::Owner) {
        return Ok(TransitionOutcome::TokenRevoked);
    }
    if [SettlementPart::Payment, SettlementPart::Request, SettlementPart::Webhook]
        .into_iter()
        .any(|part| failed.contains(part))
    {
        return Ok(TransitionOutcome::Stale);
    }
    if failed.contains(SettlementPart::ProviderTransaction) {
        return Ok(TransitionOutcome::ProviderTransactionUsed);
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
    fn new(transition: &Transition) -> Result<Self, StoreError> {
        let entry = dynamo::to_item(transition.status_change())?;
        let mut values = Item::from([
            (":to".to_owned(), text(transition.to)),
            (":at".to_owned(), text(transition.at)),
            (":one".to_owned(), number(1)),
            (":steps".to_owned(), AttributeValue::L(vec![AttributeValue::M(entry)])),
        ]);
        let expression = match &transition.provider_transaction_id {
            None => {
                "SET #status = :to, updatedAt = :at, version = version + :one, \
                 history = list_append(history, :steps)"
            }
            Some(id) => {
                values.insert(":providerTransactionId".to_owned(), text(id.as_str()));
                "SET #status = :to, updatedAt = :at, version = version + :one, \
                 history = list_append(history, :steps), providerTransactionId = :providerTransactionId"
            }
        };
        Ok(Self { expression, names: HashMap::from([("#status".to_owned(), "status".to_owned())]), values })
    }
}
