//! The common parts of the endpoints that post transfers.

use auth::Principal;
use config::{ConfigError, Env};
use http_api::{FieldErrors, Problem, Request, Response};
use kernel::{Amount, Currency};
use openapi::Endpoint;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::dto::{MinorUnits, TransferBody};
use super::idempotency::{created, omit_default, operation_context};
use super::problems::{self, PartyFields};
use crate::app::post_transfer::{TransferParams, post_transfer};
use crate::domain::PaymentAccountId;
use crate::store::Store;

/// The state of an endpoint that posts transfers.
#[derive(Debug, Clone)]
pub struct TransferState {
    pub(super) store: Store,
    /// The currency of a request that names none.
    pub(super) default_currency: Currency,
}

impl TransferState {
    /// # Errors
    ///
    /// [`ConfigError`] if a setting is missing or invalid.
    pub fn from_env(env: &Env, store: Store) -> Result<Self, ConfigError> {
        Ok(Self { store, default_currency: env.read("DEFAULT_CURRENCY", Currency::parse)? })
    }

    /// Posts a transfer and responds with it.
    pub(super) async fn respond(
        &self,
        principal: &Principal,
        request: &Request,
        route: &str,
        body: &impl Serialize,
        params: TransferParams,
        fields: PartyFields,
    ) -> Result<Response, Problem> {
        let context = operation_context(&self.store, principal, request, route, body)?;
        let keyed = context.request.fingerprint.is_some();
        let posted = post_transfer(&self.store, context, params).await;
        let posted = posted.map_err(|error| problems::creation_problem(&error, fields, keyed))?;
        created(&TransferBody::from(&posted.value), posted.replayed)
    }
}

/// The body of a deposit or a withdrawal.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = OneSided, description = "A deposit from an external account, or a withdrawal to one.")]
pub(super) struct AccountAmount {
    /// One of your accounts.
    #[schema(value_type = PaymentAccountId)]
    payment_account_id: String,
    #[schema(value_type = Amount)]
    amount: MinorUnits,
    /// The currency of the account. The default is the deployment's currency.
    #[schema(value_type = Option<Currency>)]
    currency: Option<String>,
}

impl AccountAmount {
    /// Brings equal requests into the same form.
    pub(super) fn normalize(&mut self, default_currency: Currency) {
        self.payment_account_id.make_ascii_lowercase();
        omit_default(&mut self.currency, default_currency);
    }

    pub(super) fn parse(&self, default_currency: Currency) -> Result<(PaymentAccountId, Amount, Currency), Problem> {
        let mut fields = FieldErrors::default();
        let account = fields.read("paymentAccountId", PaymentAccountId::parse(&self.payment_account_id));
        let amount = fields.read("amount", Amount::from_minor(self.amount.0));
        let currency = fields.read_optional("currency", self.currency.as_deref().map(Currency::parse));
        let (Some(account), Some(amount), Some(currency)) = (account, amount, currency) else {
            return Err(fields.problem());
        };
        Ok((account, amount, currency.unwrap_or(default_currency)))
    }
}

/// Adds what all operations have in common that create something.
pub(super) fn creation(endpoint: Endpoint) -> Endpoint {
    endpoint
        .authenticated()
        .problems(&[&problems::VERIFICATION_REQUIRED])
        .idempotent(&problems::IDEMPOTENCY_KEY_REUSED)
        .problems(&[&problems::OUTCOME_UNKNOWN])
}
