//! `POST /api/payments/{reference}/status`: the owner moves a payment on.

use auth::Principal;
use config::{ConfigError, Env};
use http_api::{FieldErrors, Problem, Request, Response, deadline, json_body};
use kernel::{Clock, SystemClock};
use lambda_http::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use super::get_payment::reference;
use super::wire::PaymentBody;
use super::{SelfDeposit, problems};
use crate::domain::{Actor, Advance, PaymentStatus, ProviderTransactionId};
use crate::store::Fence;
use crate::store::payments::{AdvancePayment, OwnerStep};

/// The next step of a payment.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = UpdatePaymentStatus)]
pub(super) struct Body {
    status: PaymentStatus,
    #[schema(value_type = Option<ProviderTransactionId>)]
    provider_transaction_id: Option<String>,
}

/// What the endpoint depends on.
#[derive(Debug, Clone)]
pub struct StatusDesk<S, C = SystemClock> {
    /// Where payments move on.
    pub store: S,
    /// The time.
    pub clock: C,
    /// Whether an owner's word alone credits their account: that is a deposit that a person makes by themselves.
    pub self_deposit: SelfDeposit,
}

impl<S> StatusDesk<S> {
    /// The dependencies of the function, as its environment has them.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if a setting is missing or wrong.
    pub fn from_env(env: &Env, store: S) -> Result<Self, ConfigError> {
        Ok(Self { store, clock: SystemClock, self_deposit: env.parsed("SELF_DEPOSIT")? })
    }
}

/// Answers the request.
///
/// # Errors
///
/// A [`Problem`]: there is no such payment, or it cannot take this step.
pub async fn handle<S: AdvancePayment, C: Clock>(
    desk: &StatusDesk<S, C>,
    principal: Principal,
    request: &Request,
) -> Result<Response, Problem> {
    let reference = reference(request)?;
    let body: Body = json_body(request)?;
    let mut fields = FieldErrors::default();
    let id = body.provider_transaction_id.as_deref().map(ProviderTransactionId::parse);
    let Some(provider_transaction_id) = fields.read_optional("providerTransactionId", id) else {
        return Err(fields.problem());
    };
    let step = OwnerStep {
        reference,
        owner: principal.user_id,
        advance: Advance { to: body.status, provider_transaction_id, at: desk.clock.now(), by: Actor::Owner },
        fence: Fence::from(&principal),
        may_credit: desk.self_deposit == SelfDeposit::Enabled,
        deadline: deadline(request),
    };
    let payment = desk.store.advance(step).await.map_err(|error| problems::advance(&error))?;
    Response::json(StatusCode::OK, &PaymentBody::from(&payment))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Mutex;

    use kernel::testing::FixedClock;
    use lambda_http::RequestExt;
    use serde_json::{Value, json};

    use super::super::testing::{ada, now, pointers, request};
    use super::*;
    use crate::domain::Payment;
    use crate::store::payments::AdvanceError;

    #[derive(Default)]
    struct Standing(Mutex<Vec<OwnerStep>>);

    impl AdvancePayment for Standing {
        async fn advance(&self, step: OwnerStep) -> Result<Payment, AdvanceError> {
            let to = step.advance.to;
            self.0.lock().unwrap().push(step);
            Err(AdvanceError::InvalidTransition { from: PaymentStatus::Initiated, to })
        }
    }

    async fn refused(desk: &StatusDesk<Standing, FixedClock>, body: &Value) -> Problem {
        let reference = "PAY-01JZ8QK3Y5T8W2N4V6X8Z0A2C4".to_owned();
        let request = request(body).with_path_parameters(HashMap::from([("reference".to_owned(), reference)]));
        handle(desk, ada(), &request).await.unwrap_err()
    }

    fn desk(self_deposit: SelfDeposit) -> StatusDesk<Standing, FixedClock> {
        StatusDesk { store: Standing::default(), clock: FixedClock(now()), self_deposit }
    }

    #[tokio::test]
    async fn an_illegal_step_names_both_states() {
        let problem = refused(&desk(SelfDeposit::Enabled), &json!({"status": "SUCCESS"})).await;
        assert_eq!((problem.problem_type.status, problem.problem_type.code), (400, "invalid_transition"));
        assert!(problem.detail.contains("INITIATED") && problem.detail.contains("SUCCESS"), "{}", problem.detail);
    }

    #[tokio::test]
    async fn the_owners_word_credits_an_account_only_where_people_may_deposit() {
        for (self_deposit, may_credit) in [(SelfDeposit::Enabled, true), (SelfDeposit::Disabled, false)] {
            let desk = desk(self_deposit);
            refused(&desk, &json!({"status": "SUCCESS"})).await;
            assert_eq!(desk.store.0.lock().unwrap()[0].may_credit, may_credit);
        }
    }

    #[tokio::test]
    async fn what_is_no_status_or_no_providers_id_is_pointed_at() {
        let desk = desk(SelfDeposit::Enabled);
        assert_eq!(pointers(&refused(&desk, &json!({"status": "PAID"})).await), ["/status"]);
        let body = json!({"status": "PENDING", "providerTransactionId": "a b"});
        assert_eq!(pointers(&refused(&desk, &body).await), ["/providerTransactionId"]);
        assert!(desk.store.0.lock().unwrap().is_empty());
    }
}
