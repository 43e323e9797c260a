//! What depositing, withdrawing and sending have in common: from a parsed request to a transfer and its answer.

use std::str::FromStr;

use auth::Principal;
use config::{ConfigError, Env};
use http_api::{FieldErrors, Problem, Request, Response, deadline, idempotency_key};
use kernel::SystemRandom;
use kernel::{Amount, Clock, Currency, Random, SystemClock};
use lambda_http::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::problems::{self, REPLAYED, SideFields};
use super::wire::{MinorUnits, TransferBody};
use crate::domain::{self, Note, PaymentAccountId, Posting, Transfer, TransferStatus};
use crate::store::Fence;
use crate::store::ledger::{PostTransfer, TransferOrder};

/// Whether people may deposit to their own accounts: a convenience of development, closed in production.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SelfDeposit {
    /// They may.
    Enabled,
    /// Money comes in by collections only.
    Disabled,
}

impl FromStr for SelfDeposit {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "enabled" => Ok(Self::Enabled),
            "disabled" => Ok(Self::Disabled),
            _ => Err("it must be enabled or disabled"),
        }
    }
}

impl SelfDeposit {
    /// Lets a deposit pass, or not.
    pub(super) fn check(self) -> Result<(), Problem> {
        match self {
            Self::Enabled => Ok(()),
            Self::Disabled => Err(problems::self_deposit_disabled()),
        }
    }
}

/// What an endpoint that moves money depends on.
#[derive(Debug, Clone)]
pub struct Poster<L, C = SystemClock, R = SystemRandom> {
    /// Where transfers are posted.
    pub ledger: L,
    /// The time.
    pub clock: C,
    /// For ids of requests without a key.
    pub random: R,
    /// The currency of a request that names none.
    pub default_currency: Currency,
}

impl<L> Poster<L> {
    /// The dependencies of a function, as its environment has them.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if a setting is missing or wrong.
    pub fn from_env(env: &Env, ledger: L) -> Result<Self, ConfigError> {
        let default_currency = env.read("DEFAULT_CURRENCY", Currency::parse)?;
        Ok(Self { ledger, clock: SystemClock, random: SystemRandom, default_currency })
    }
}

/// A request that names one account of one's own, and the outside by what it asks.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(description = "Money in from the outside, or out to it.")]
pub(super) struct OneSided {
    /// An account of yours.
    #[schema(value_type = PaymentAccountId)]
    payment_account_id: String,
    #[schema(value_type = Amount)]
    amount: MinorUnits,
    /// The account's; where it is left out, the deployment's default.
    #[schema(value_type = Option<Currency>)]
    currency: Option<String>,
}

impl OneSided {
    pub(super) fn read(&self) -> Result<(PaymentAccountId, Amount, Option<Currency>), Problem> {
        let mut fields = FieldErrors::default();
        let account = fields.read("paymentAccountId", PaymentAccountId::parse(&self.payment_account_id));
        let amount = fields.read("amount", Amount::from_minor(self.amount.0));
        let currency = fields.read_optional("currency", self.currency.as_deref().map(Currency::parse));
        let (Some(account), Some(amount), Some(currency)) = (account, amount, currency) else {
            return Err(fields.problem());
        };
        Ok((account, amount, currency))
    }
}

/// A transfer as a request asks for it.
pub(super) struct Ask<'a, B> {
    /// The route, which keeps keys of different endpoints apart.
    pub(super) route: &'static str,
    /// The request's body: what a key stands for.
    pub(super) body: &'a B,
    pub(super) posting: Posting,
    pub(super) amount: Amount,
    pub(super) currency: Option<Currency>,
    pub(super) note: Option<Note>,
    pub(super) fields: SideFields,
}

impl<L: PostTransfer, C: Clock, R: Random> Poster<L, C, R> {
    pub(super) async fn post<B: Serialize>(
        &self,
        principal: Principal,
        request: &Request,
        ask: Ask<'_, B>,
    ) -> Result<Response, Problem> {
        let named = named_request(principal, request, ask.route, ask.body, &self.random)?;
        let order = TransferOrder {
            transfer: Transfer {
                id: named.id.into(),
                posting: ask.posting,
                status: TransferStatus::Completed,
                amount: ask.amount,
                currency: ask.currency.unwrap_or(self.default_currency),
                note: ask.note,
                initiated_by: principal.user_id,
                created_at: self.clock.now(),
            },
            fingerprint: named.fingerprint,
            fence: Fence::from(&principal),
            deadline: deadline(request),
        };
        let is_named = order.fingerprint.is_some();
        let posted = self.ledger.post(order).await;
        let posted = posted.map_err(|error| problems::of_command(problems::post(&error, ask.fields), is_named))?;
        answer(&TransferBody::from(&posted.transfer), posted.replayed)
    }
}

/// The request under the name that its `Idempotency-Key` gives it, or under none.
pub(super) fn named_request(
    principal: Principal,
    request: &Request,
    route: &str,
    body: &impl Serialize,
    random: &impl Random,
) -> Result<domain::Request, Problem> {
    match idempotency_key(request)? {
        None => Ok(domain::Request::unnamed(random)),
        Some(key) => domain::Request::named(principal.user_id, route, key.as_str(), body)
            .map_err(|error| Problem::internal(&error)),
    }
}

/// 201 with the thing that was made, now or by the same request before.
pub(super) fn answer(body: &impl Serialize, replayed: bool) -> Result<Response, Problem> {
    let answer = Response::json(StatusCode::CREATED, body)?;
    Ok(if replayed { answer.header(REPLAYED.0, REPLAYED.1) } else { answer })
}
