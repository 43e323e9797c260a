//! Payments: money that a merchant asks of a customer, and that a provider collects.

use std::fmt;

use contact::{Email, Phone};
use kernel::{Amount, Currency, Random, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{PaymentAccountId, Request};

/// The reference of a payment: `PAY-` and a ULID. Of a request without a key, the ULID begins with the time and sorts by
/// it; of one with a key it derives from the key, so that one request has one payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ToSchema)]
#[schema(value_type = String, pattern = "^PAY-[0-7][0-9A-HJKMNP-TV-Z]{25}$")]
#[schema(example = "PAY-01JZ8QK3Y5T8W2N4V6X8Z0A2C4", description = "The reference of a payment.")]
pub struct PaymentReference(ulid::Ulid);

/// The text is not the reference of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a payment's reference, such as PAY-01JZ8QK3Y5T8W2N4V6X8Z0A2C4")]
pub struct InvalidReference;

impl PaymentReference {
    /// The reference of the payment that a request makes.
    pub fn of(request: &Request, now: Timestamp, random: &(impl Random + ?Sized)) -> Self {
        if request.fingerprint.is_some() {
            return Self(ulid::Ulid::from(request.id.uuid().as_u128()));
        }
        let mut bytes = [0; 16];
        random.fill(&mut bytes);
        let millis = u64::try_from(now.unix_millis()).unwrap_or_default();
        Self(ulid::Ulid::from_parts(millis, u128::from_be_bytes(bytes)))
    }

    /// Reads a reference in the form in which it is printed.
    ///
    /// # Errors
    ///
    /// [`InvalidReference`] for anything else.
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

/// Where a payment stands. INITIATED -> PENDING -> SUCCESS or FAILED, and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum PaymentStatus {
    /// The merchant has asked for it.
    Initiated,
    /// It is with the provider.
    Pending,
    /// The customer has paid.
    Success,
    /// The customer has not, and will not.
    Failed,
}

impl PaymentStatus {
    /// Every status there is.
    pub const ALL: [Self; 4] = [Self::Initiated, Self::Pending, Self::Success, Self::Failed];

    /// As it is stored and sent.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Initiated => "INITIATED",
            Self::Pending => "PENDING",
            Self::Success => "SUCCESS",
            Self::Failed => "FAILED",
        }
    }

    /// The other way round.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// The one status from which a payment may come to this one. None for the first.
    pub const fn predecessor(self) -> Option<Self> {
        match self {
            Self::Initiated => None,
            Self::Pending => Some(Self::Initiated),
            Self::Success | Self::Failed => Some(Self::Pending),
        }
    }

    /// Whether nothing comes after it.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Success | Self::Failed)
    }
}

impl fmt::Display for PaymentStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How the customer pays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PaymentMethod {
    /// From a mobile money wallet.
    MobileMoney,
}

impl PaymentMethod {
    /// As it is stored and sent.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MobileMoney => "MOBILE_MONEY",
        }
    }

    /// The other way round.
    pub fn parse(text: &str) -> Option<Self> {
        (text == Self::MobileMoney.as_str()).then_some(Self::MobileMoney)
    }
}

/// The provider's own id of a payment: 1 to 128 printable ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(transparent)]
#[schema(min_length = 1, max_length = 128, pattern = "^[!-~]+$", example = "MTN-884213")]
pub struct ProviderTransactionId(String);

/// The text cannot be a provider's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 128 printable ASCII characters")]
pub struct InvalidProviderTransactionId;

impl ProviderTransactionId {
    /// Reads an id.
    ///
    /// # Errors
    ///
    /// [`InvalidProviderTransactionId`] if it is empty, too long or has other characters.
    pub fn parse(text: &str) -> Result<Self, InvalidProviderTransactionId> {
        let legal = (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if legal { Ok(Self(text.to_owned())) } else { Err(InvalidProviderTransactionId) }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Who moved a payment on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Actor {
    /// Whose payment it is.
    Owner,
    /// The provider, by webhook.
    Provider,
}

impl Actor {
    /// As it is stored and sent.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "OWNER",
            Self::Provider => "PROVIDER",
        }
    }

    /// The other way round.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Owner, Self::Provider].into_iter().find(|actor| actor.as_str() == text)
    }
}

/// One step of a payment's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = PaymentStep)]
pub struct Step {
    /// What it came to be.
    pub status: PaymentStatus,
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub by: Actor,
}

/// A payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// Its reference.
    pub reference: PaymentReference,
    /// Whose it is: the merchant's.
    pub owner: UserId,
    /// How much the customer is asked for.
    pub amount: Amount,
    /// In which currency.
    pub currency: Currency,
    /// How the customer pays.
    pub method: PaymentMethod,
    /// The customer's phone.
    pub customer_phone: Phone,
    /// The customer's e-mail address.
    pub customer_email: Email,
    /// Where it stands.
    pub status: PaymentStatus,
    /// Who collects it.
    pub provider_name: String,
    /// The provider's own id of it, once there is one.
    pub provider_transaction_id: Option<ProviderTransactionId>,
    /// The owner's account that is credited when it succeeds, if any.
    pub payment_account_id: Option<PaymentAccountId>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// How it came to where it stands, oldest first.
    pub history: Vec<Step>,
    /// 1 at first, and one more at each change.
    pub version: u64,
}

/// A step that a payment is to take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advance {
    /// What it is to be.
    pub to: PaymentStatus,
    /// The provider's own id of it, if it comes with this step.
    pub provider_transaction_id: Option<ProviderTransactionId>,
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub by: Actor,
}

impl Payment {
    /// The payment after a step that is legal from where it stands.
    #[must_use]
    pub fn advanced(&self, advance: &Advance) -> Self {
        let mut next = self.clone();
        next.status = advance.to;
        next.updated_at = advance.at;
        next.version += 1;
        next.history.push(Step { status: advance.to, at: advance.at, by: advance.by });
        if let Some(id) = &advance.provider_transaction_id {
            next.provider_transaction_id = Some(id.clone());
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use kernel::testing::SeededRandom;

    use super::*;

    #[test]
    fn only_three_steps_are_legal() {
        use PaymentStatus::{Failed, Initiated, Pending, Success};
        let steps = PaymentStatus::ALL.into_iter().filter_map(|to| to.predecessor().map(|from| (from, to)));
        assert_eq!(steps.collect::<Vec<_>>(), [(Initiated, Pending), (Pending, Success), (Pending, Failed)]);
    }

    #[test]
    fn a_reference_reads_back_and_sorts_by_time() {
        let random = SeededRandom::new(1);
        let request = Request::unnamed(&random);
        let at = |seconds| PaymentReference::of(&request, Timestamp::from_unix_seconds(seconds).unwrap(), &random);
        let (earlier, later) = (at(1_769_860_800), at(1_769_860_801));
        assert!(earlier.to_string() < later.to_string());
        assert_eq!(PaymentReference::parse(&earlier.to_string()), Ok(earlier));
        assert_eq!(earlier.to_string().len(), 30);
    }

    #[test]
    fn a_named_request_has_one_reference_whenever_it_comes() {
        let ada = UserId::random(&SeededRandom::new(1));
        let request = Request::named(ada, "create-payment", "k", &5).unwrap();
        let at = |seconds| {
            PaymentReference::of(&request, Timestamp::from_unix_seconds(seconds).unwrap(), &SeededRandom::new(7))
        };
        assert_eq!(at(1), at(2));
    }

    #[test]
    fn only_the_printed_form_is_a_reference() {
        let long = format!("PAY-8{}", "0".repeat(25));
        for text in ["", "PAY-", "01JZ8QK3Y5T8W2N4V6X8Z0A2C4", "PAY-01jz8qk3y5t8w2n4v6x8z0a2c4", "PAY-x", &long] {
            assert_eq!(PaymentReference::parse(text), Err(InvalidReference), "{text}");
        }
    }
}
