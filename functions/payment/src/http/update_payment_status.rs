//! `POST /api/payments/{reference}/status`: changes the status of one of the user's payments.

use auth::Principal;
use config::{ConfigError, Env};
use http_api::{FieldErrors, Problem, Request, Response, json_body};
use lambda_http::http::StatusCode;
use openapi::Endpoint;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::dto::PaymentBody;
use super::get_payment::{by_reference, path_reference};
use super::idempotency::{REPLAYED, operation_context};
use super::{PAYMENTS, examples, problems};
use crate::app::PaymentError;
use crate::app::config::SelfDeposit;
use crate::app::transition_payment::{TransitionParams, transition_payment};
use crate::domain::{Idempotent, PaymentStatus, ProviderTransactionId};
use crate::store::Store;

/// The new status of a payment.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = UpdatePaymentStatus)]
pub(super) struct Body {
    status: PaymentStatus,
    #[schema(value_type = Option<ProviderTransactionId>)]
    provider_transaction_id: Option<String>,
}

#[derive(Debug, Clone)]
pub struct State {
    store: Store,
    self_deposit: SelfDeposit,
}

impl State {
    /// # Errors
    ///
    /// [`ConfigError`] if a setting is missing or invalid.
    pub fn from_env(env: &Env, store: Store) -> Result<Self, ConfigError> {
        Ok(Self { store, self_deposit: env.parsed("SELF_DEPOSIT")? })
    }
}

/// # Errors
///
/// A [`Problem`] if the user has no such payment, or its status can't change in this way.
pub async fn handle(state: &State, principal: Principal, request: Request) -> Result<Response, Problem> {
    let reference = path_reference(&request)?;
    let body: Body = json_body(&request)?;
    let mut fields = FieldErrors::default();
    let id = body.provider_transaction_id.as_deref();
    let parsed = id.map(ProviderTransactionId::parse);
    let Some(provider_transaction_id) = fields.read_optional("providerTransactionId", parsed) else {
        return Err(fields.problem());
    };
    let params = TransitionParams { reference, to: body.status, provider_transaction_id };
    let payload = json!({"reference": reference, "status": body.status, "providerTransactionId": id});
    let context = operation_context(&state.store, &principal, &request, "update-payment-status", &payload)?;
    let changed = transition_payment(&state.store, &context, params, state.self_deposit).await;
    let Idempotent { value: payment, replayed } = changed.map_err(|error| match error {
        // The status and the provider's transaction are fields of the request; the account is not.
        PaymentError::InvalidTransition(_) | PaymentError::ProviderTransactionUsed => error.into(),
        error => problems::problem_without_fields(&error),
    })?;
    let response = Response::json(StatusCode::OK, &PaymentBody::from(&payment))?;
    Ok(if replayed { response.header(REPLAYED.0, REPLAYED.1) } else { response })
}

pub(super) fn describe() -> Endpoint {
    let path = "/api/payments/{reference}/status";
    by_reference(Endpoint::new("post", path, PAYMENTS, "updatePaymentStatus", "Update a payment's status"))
        .description(
            "The status changes from INITIATED to PENDING, and from PENDING to SUCCESS or FAILED. If the payment credits an \
             account, you can report its success only if the deployment enables self-service deposits. Without an \
             idempotency key, a repetition of a transition that you have made returns the payment as it is.",
        )
        .authenticated()
        .idempotent(&problems::IDEMPOTENCY_KEY_REUSED)
        .problems(&[&problems::VERIFICATION_REQUIRED])
        .request_body::<Body>(&[("to the provider", json!({"status": "PENDING"}))])
        .response::<PaymentBody<'_>>(200, "The updated payment.", &examples::payment())
        .problems(problems::COLLECTION_PROBLEMS)
        .problems(&[&problems::INVALID_TRANSITION,
            &problems::PROVIDER_TRANSACTION_USED,
            &problems::SELF_DEPOSIT_DISABLED,
            &problems::HEADROOM_EXCEEDED,
        ])
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use lambda_http::RequestExt;
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{TestApp, TestUser, body_of, pointers, request};

    struct Scene {
        app: TestApp,
        ada: TestUser,
        reference: String,
    }

    impl Scene {
        /// An INITIATED payment that credits `main`.
        async fn new() -> Self {
            let app = TestApp::new().await;
            let ada = app.user().await;
            app.open_debit(ada, "main", 0).await;
            let reference = app.create_payment(ada, Some("main")).await.reference.to_string();
            app.engine.round_trips();
            Self { app, ada, reference }
        }

        async fn update(&self, self_deposit: SelfDeposit, body: &Value) -> Result<Response, Problem> {
            let parameters = HashMap::from([("reference".to_owned(), self.reference.clone())]);
            let request = request(body).with_path_parameters(parameters);
            handle(&State { store: self.app.store.clone(), self_deposit }, self.ada.principal(), request).await
        }

        async fn rejected(&self, body: &Value) -> Problem {
            self.update(SelfDeposit::Enabled, body).await.unwrap_err()
        }
    }

    #[tokio::test]
    async fn invalid_transition_names_both_states() {
        let problem = Scene::new().await.rejected(&json!({"status": "SUCCESS"})).await;
        assert_eq!((problem.problem_type.status, problem.problem_type.code), (400, "invalid_transition"));
        assert!(problem.detail.contains("INITIATED") && problem.detail.contains("SUCCESS"), "{}", problem.detail);
    }

    #[tokio::test]
    async fn owner_reports_success_only_if_self_deposit_is_enabled() {
        let scene = Scene::new().await;
        scene.update(SelfDeposit::Disabled, &json!({"status": "PENDING"})).await.unwrap();
        let success = json!({"status": "SUCCESS"});
        let problem = scene.update(SelfDeposit::Disabled, &success).await.unwrap_err();
        assert_eq!(problem.problem_type.code, "self_deposit_disabled");
        assert_eq!(scene.app.balance(scene.ada, "main").await, 0);
        let body = body_of(&scene.update(SelfDeposit::Enabled, &success).await.unwrap());
        assert_eq!(body["status"], json!("SUCCESS"));
        assert_eq!(scene.app.balance(scene.ada, "main").await, 2500);
    }

    #[tokio::test]
    async fn invalid_status_or_provider_id_is_reported() {
        let scene = Scene::new().await;
        assert_eq!(pointers(&scene.rejected(&json!({"status": "PAID"})).await), ["/status"]);
        let body = json!({"status": "PENDING", "providerTransactionId": "a b"});
        assert_eq!(pointers(&scene.rejected(&body).await), ["/providerTransactionId"]);
        assert!(scene.app.engine.round_trips().is_empty(), "nothing was changed");
    }
}
