//! Payments: a merchant requests money from a customer, and a provider collects it.

use std::fmt;

use contact::{Email, Phone};
use kernel::{Amount, Currency, Random, Timestamp, UserId};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use strum::{Display, EnumString, VariantArray};
use utoipa::ToSchema;

use super::{IdempotentRequest, OperationId, PaymentAccountId, Posting, Transfer, TransferStatus};

/// The reference of a payment: `PAY-` and a ULID. If the request has an idempotency key, the ULID is derived from it, so
/// that a request creates one payment; otherwise it starts with the time, and references sort by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ToSchema)]
#[schema(value_type = String, pattern = "^PAY-[0-7][0-9A-HJKMNP-TV-Z]{25}$")]
#[schema(example = "PAY-01JZ8QK3Y5T8W2N4V6X8Z0A2C4", description = "The reference of a payment.")]
pub struct PaymentReference(ulid::Ulid);

/// The text is not a payment reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a payment's reference, such as PAY-01JZ8QK3Y5T8W2N4V6X8Z0A2C4")]
pub struct InvalidReference;

impl PaymentReference {
    /// The reference of the payment that a request creates.
    pub fn new(request: &IdempotentRequest, now: Timestamp, random: &(impl Random + ?Sized)) -> Self {
        if request.fingerprint.is_some() {
            return Self(ulid::Ulid::from(u128::from_be_bytes(*request.id.as_bytes())));
        }
        let mut bytes = [0; 16];
        random.fill(&mut bytes);
        let millis = u64::try_from(now.unix_millis()).unwrap_or_default();
        Self(ulid::Ulid::from_parts(millis, u128::from_be_bytes(bytes)))
    }

    /// Parses the printed form.
    ///
    /// # Errors
    ///
    /// [`InvalidReference`] for any other text.
    pub fn parse(text: &str) -> Result<Self, InvalidReference> {
        let reference = text.strip_prefix("PAY-").and_then(|ulid| ulid::Ulid::from_string(ulid).ok()).map(Self);
        reference.filter(|reference| reference.to_string() == text).ok_or(InvalidReference)
    }
}

impl fmt::Display for PaymentReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PAY-{}", self.0)
    }
}

impl Serialize for PaymentReference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PaymentReference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'_, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// The status of a payment: INITIATED, then PENDING, then SUCCESS or FAILED.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    Display,
    EnumString,
    VariantArray,
    ToSchema,
)]
#[serde(rename_all = "UPPERCASE")]
#[strum(serialize_all = "UPPERCASE")]
pub enum PaymentStatus {
    /// The merchant requested it.
    Initiated,
    /// It was handed to the provider.
    Pending,
    /// The customer paid. Terminal.
    Success,
    /// The customer did not pay. Terminal.
    Failed,
}

impl PaymentStatus {
    /// The status that precedes this one, if any.
    pub const fn predecessor(self) -> Option<Self> {
        match self {
            Self::Initiated => None,
            Self::Pending => Some(Self::Initiated),
            Self::Success | Self::Failed => Some(Self::Pending),
        }
    }

    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Success | Self::Failed)
    }
}

/// The payment method of the customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PaymentMethod {
    /// A mobile money wallet.
    MobileMoney,
}

/// The provider's id of a payment: 1 to 128 printable ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(transparent)]
#[schema(min_length = 1, max_length = 128, pattern = "^[!-~]+$", example = "MTN-884213")]
pub struct ProviderTransactionId(String);

/// The text is not a valid provider's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 128 printable ASCII characters")]
pub struct InvalidProviderTransactionId;

impl ProviderTransactionId {
    /// # Errors
    ///
    /// [`InvalidProviderTransactionId`] if the text is empty, too long or has other characters.
    pub fn parse(text: &str) -> Result<Self, InvalidProviderTransactionId> {
        let is_valid = (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if is_valid { Ok(Self(text.to_owned())) } else { Err(InvalidProviderTransactionId) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for ProviderTransactionId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'_, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// The initiator of a status change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Actor {
    /// The merchant.
    Owner,
    /// The provider, by webhook.
    Provider,
}

/// An entry in the history of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = PaymentStep)]
pub struct StatusChange {
    /// The new status.
    pub status: PaymentStatus,
    /// The time of the change.
    pub at: Timestamp,
    /// The initiator of the change.
    pub by: Actor,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    pub reference: PaymentReference,
    /// The merchant.
    pub owner: UserId,
    pub amount: Amount,
    pub currency: Currency,
    pub method: PaymentMethod,
    pub customer_phone: Phone,
    pub customer_email: Email,
    pub status: PaymentStatus,
    pub provider_name: String,
    /// The provider's id of the payment, once it is known.
    pub provider_transaction_id: Option<ProviderTransactionId>,
    /// The owner's account that is credited when the payment succeeds.
    pub payment_account_id: Option<PaymentAccountId>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// Oldest first.
    pub history: Vec<StatusChange>,
    /// 1 when created, incremented by each change.
    pub version: u64,
}

/// A change of a payment's status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    pub to: PaymentStatus,
    /// The provider's id of the payment, if it is reported with this change.
    pub provider_transaction_id: Option<ProviderTransactionId>,
    pub at: Timestamp,
    pub by: Actor,
}

impl Transition {
    pub const fn status_change(&self) -> StatusChange {
        StatusChange { status: self.to, at: self.at, by: self.by }
    }
}

impl Payment {
    /// The payment after a valid transition.
    #[must_use]
    pub fn after(&self, transition: &Transition) -> Self {
        let mut next = self.clone();
        next.status = transition.to;
        next.updated_at = transition.at;
        next.version += 1;
        next.history.push(transition.status_change());
        if let Some(id) = &transition.provider_transaction_id {
            next.provider_transaction_id = Some(id.clone());
        }
        next
    }

    /// The new payment, created at this time.
    #[must_use]
    pub fn with_created_at(self, at: Timestamp) -> Self {
        let history = self.history.into_iter().map(|change| StatusChange { at, ..change }).collect();
        Self { created_at: at, updated_at: at, history, ..self }
    }

    /// Whether the same actor has made this change before, with the same data.
    pub fn has_undergone(&self, transition: &Transition) -> bool {
        let is_same = |change: &StatusChange| change.status == transition.to && change.by == transition.by;
        let id = &transition.provider_transaction_id;
        // The first entry is the creation, not a transition.
        self.history.iter().skip(1).any(is_same) && (id.is_none() || *id == self.provider_transaction_id)
    }

    /// The payment as it was when it had this version.
    #[must_use]
    pub fn at_version(self, version: u64, provider_transaction_id: Option<ProviderTransactionId>) -> Self {
        let changes = usize::try_from(version).unwrap_or(usize::MAX);
        let history: Vec<_> = self.history.into_iter().take(changes).collect();
        let (status, updated_at) =
            history.last().map_or((self.status, self.updated_at), |change| (change.status, change.at));
        Self { status, provider_transaction_id, updated_at, history, version, ..self }
    }

    /// The payment as it was when it was created, which is the response to a replayed request.
    #[must_use]
    pub fn as_created(self) -> Self {
        self.at_version(1, None)
    }

    /// The account that a transition credits: a success credits the payment's account, if it has one.
    pub fn collection_account(&self, transition: &Transition) -> Option<&PaymentAccountId> {
        self.payment_account_id.as_ref().filter(|_| transition.to == PaymentStatus::Success)
    }

    /// The collection that a transition posts.
    pub fn collection(&self, transition: &Transition) -> Option<Transfer> {
        let to = self.collection_account(transition)?.clone();
        Some(Transfer {
            id: OperationId::of_collection(self.reference).into(),
            posting: Posting::Collection { to },
            status: TransferStatus::Completed,
            amount: self.amount,
            currency: self.currency,
            note: None,
            initiated_by: self.owner,
            created_at: transition.at,
        })
    }
}

#[cfg(test)]
mod tests {
    use kernel::testing::SeededRandom;

    use super::*;

    #[test]
    fn payment_status_has_three_valid_transitions() {
        use PaymentStatus::{Failed, Initiated, Pending, Success};
        let transitions = PaymentStatus::VARIANTS.iter().filter_map(|to| to.predecessor().map(|from| (from, *to)));
        assert_eq!(transitions.collect::<Vec<_>>(), [(Initiated, Pending), (Pending, Success), (Pending, Failed)]);
    }

    #[test]
    fn reference_round_trips_and_sorts_by_time() {
        let random = SeededRandom::new(1);
        let request = IdempotentRequest::unkeyed(&random);
        let at = |seconds| PaymentReference::new(&request, Timestamp::from_unix_seconds(seconds).unwrap(), &random);
        let (earlier, later) = (at(1_769_860_800), at(1_769_860_801));
        assert!(earlier.to_string() < later.to_string());
        assert_eq!(PaymentReference::parse(&earlier.to_string()), Ok(earlier));
        assert_eq!(earlier.to_string().len(), 30);
    }

    #[test]
    fn keyed_request_always_has_the_same_reference() {
        let ada = UserId::random(&SeededRandom::new(1));
        let request = IdempotentRequest::keyed(ada, "create-payment", "k", &5).unwrap();
        let at = |seconds| {
            PaymentReference::new(&request, Timestamp::from_unix_seconds(seconds).unwrap(), &SeededRandom::new(7))
        };
        assert_eq!(at(1), at(2));
    }

    #[test]
    fn malformed_reference_is_rejected() {
        let long = format!("PAY-8{}", "0".repeat(25));
        for text in ["", "PAY-", "01JZ8QK3Y5T8W2N4V6X8Z0A2C4", "PAY-01jz8qk3y5t8w2n4v6x8z0a2c4", "PAY-x", &long] {
            assert_eq!(PaymentReference::parse(text), Err(InvalidReference), "{text}");
        }
    }
}
