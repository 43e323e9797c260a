//! `POST /api/payments/webhook/provider`: the provider reports the status of a payment.
//!
//! The request is authenticated by its signature over the bytes of the body, which is parsed only afterwards.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use config::{ConfigError, Env};
use http_api::{FieldErrors, Problem, Request, Response, problem_types};
use kernel::{SystemClock, SystemRandom, Timestamp};
use lambda_http::http::StatusCode;
use openapi::Endpoint;
use ring::digest::{SHA256, digest};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use webhook::Headers;

use super::dto::PaymentBody;
use super::{PAYMENTS, examples, problems};
use crate::app::PaymentError;
use crate::app::apply_webhook::apply_webhook;
use crate::app::config::auto_shards;
use crate::app::webhook_secrets::{LoadSecrets, ManagedSecret, WebhookSecrets};
use crate::domain::{PaymentReference, PaymentStatus, ProviderTransactionId, Report, Webhook, WebhookOutcome};
use crate::store::Store;
use crate::store::webhooks::UnprocessableWebhook;

/// The status of a payment, as the provider reports it. Further fields are ignored.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ProviderWebhook)]
#[expect(dead_code, reason = "documents the body, which is read field by field")]
struct Body {
    reference: PaymentReference,
    /// PENDING, SUCCESS or FAILED.
    status: PaymentStatus,
    provider_transaction_id: Option<ProviderTransactionId>,
    /// The collected amount in minor units. A SUCCESS with another amount than the payment's is not applied.
    #[schema(minimum = 1)]
    amount: Option<i64>,
    /// The currency of the amount, ISO 4217. A SUCCESS with another currency than the payment's is not applied.
    #[schema(example = "USD")]
    currency: Option<String>,
    /// The webhook's id, if it differs from the header.
    #[schema(min_length = 1, max_length = 255, pattern = "^[!-~]+$")]
    webhook_id: Option<String>,
}

#[derive(Debug)]
pub struct State<L = ManagedSecret> {
    pub store: Store,
    pub secrets: WebhookSecrets<L>,
}

impl State {
    /// Loads the secrets while it builds the store's client.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if a setting is missing or invalid.
    pub async fn from_env(env: Env) -> Result<Self, ConfigError> {
        let config = aws::sdk_config(&env)?;
        let secrets = WebhookSecrets::new(ManagedSecret::from_env(&env, &config)?);
        let client = async { aws::dynamodb_client_from(&config, &env) };
        let (loaded, client) = tokio::join!(secrets.get(kernel::Clock::now(&SystemClock)), client);
        if let Err(error) = loaded {
            tracing::warn!(%error, "preloading the webhook secrets failed; the first request loads them");
        }
        let store = Store::new(client, env.required("PAYMENT_TABLE")?, SystemClock, SystemRandom);
        Ok(Self { store: store.with_auto_shards(auto_shards(&env)?), secrets })
    }
}

/// # Errors
///
/// A [`Problem`] if the webhook is not authentic, invalid, or not applicable to the payment.
pub async fn handle<L: LoadSecrets + Sync>(state: &State<L>, request: Request) -> Result<Response, Problem> {
    let now = state.store.now();
    let header_id = state.authenticate(&request, now).await?;
    let body: &[u8] = request.body();
    let body_hash = URL_SAFE_NO_PAD.encode(digest(&SHA256, body));
    let (id, report) = match parse(body, header_id, &body_hash) {
        Ok(parsed) => parsed,
        Err((id, fields)) => {
            let webhook = UnprocessableWebhook { id: &id, body_hash, body, received_at: now };
            state.store.record_unprocessable_webhook(&webhook).await.map_err(PaymentError::from)?;
            let problem = problems::unprocessable_webhook(fields);
            // The alarm of the template counts `reconciliation`.
            tracing::error!(id, errors = ?problem.errors, reconciliation = "OPEN", "unprocessable webhook");
            return Err(problem);
        }
    };
    let webhook = Webhook { id, body_hash, report, received_at: now };
    let Report { reference, status, .. } = webhook.report;
    let applied = apply_webhook(&state.store, &webhook).await.inspect_err(|error| {
        // The provider may have collected money.
        tracing::error!(%reference, reported_status = %status, %error, "authentic webhook rejected");
    });
    let (payment, outcome) = applied.map_err(|error| problems::problem_without_fields(&error))?;
    if let WebhookOutcome::Contradicted(contradiction) = outcome {
        tracing::error!(
            %reference,
            current_status = %payment.status,
            reported_status = %status,
            %contradiction,
            reconciliation = "OPEN",
            "webhook contradicts its payment"
        );
    }
    Response::json(StatusCode::OK, &PaymentBody::from(&payment))
}

impl<L: LoadSecrets> State<L> {
    /// Returns the webhook's id if its signature is valid by a cached secret or, after a reload, by a new one.
    async fn authenticate<'a>(&self, request: &'a Request, now: Timestamp) -> Result<&'a str, Problem> {
        let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
        let headers = Headers {
            id: header(webhook::ID),
            timestamp: header(webhook::TIMESTAMP),
            signature: header(webhook::SIGNATURE),
        };
        let body: &[u8] = request.body();
        let verify = |secrets: &[webhook::WebhookSecret]| webhook::verify(secrets, headers, body, now);
        let cached = self.secrets.get(now).await.map_err(|error| problems::secrets_unavailable(&error))?;
        let rejection = match verify(&cached) {
            Ok(id) => return Ok(id),
            Err(rejection) => rejection,
        };
        let reloaded = match rejection {
            webhook::Rejection::WrongSignature => self.secrets.refresh(now).await,
            _ => Ok(None),
        };
        match reloaded.map_err(|error| problems::secrets_unavailable(&error))? {
            Some(secrets) => verify(&secrets).map_err(problems::invalid_signature),
            None => Err(problems::invalid_signature(rejection)),
        }
    }
}

/// Reads the fields that are needed, and ignores all others: a provider may add fields and values at any time. Returns the
/// webhook's id too, which is that of the header unless the body has one, and the hash of the body if neither is valid.
fn parse(body: &[u8], header_id: &str, body_hash: &str) -> Result<(String, Report), (String, FieldErrors)> {
    let mut fields = FieldErrors::default();
    let body: Map<String, Value> = serde_json::from_slice(body).unwrap_or_default();
    let stated = |name| body.get(name).filter(|value| !value.is_null());
    let text = |name| stated(name).map(|value| value.as_str().ok_or("must be a string"));
    let required = |name| text(name).unwrap_or(Err("is required"));
    let reference = fields.read(
        "reference",
        required("reference")
            .and_then(|reference| PaymentReference::parse(reference).map_err(|_| "must be a payment's reference")),
    );
    let status = fields.read("status", required("status").and_then(parse_status));
    let id = text("providerTransactionId").map(|id| {
        id.and_then(|id| ProviderTransactionId::parse(id).map_err(|_| "must be 1 to 128 printable ASCII characters"))
    });
    let provider_transaction_id = fields.read_optional("providerTransactionId", id);
    let amount = stated("amount").map(|amount| amount.as_i64().ok_or("must be an integer, in minor units"));
    let amount = fields.read_optional("amount", amount);
    let currency = fields.read_optional("currency", text("currency").map(|code| code.map(str::to_owned)));
    let own_id = fields.read_optional("webhookId", text("webhookId").map(|id| id.and_then(parse_id))).flatten();
    let id = own_id.or_else(|| fields.read("webhookId", parse_id(header_id))).unwrap_or_else(|| body_hash.to_owned());
    match (reference, status, provider_transaction_id, amount, currency) {
        (Some(reference), Some(status), Some(provider_transaction_id), Some(amount), Some(currency))
            if fields.is_empty() =>
        {
            Ok((id, Report { reference, status, provider_transaction_id, amount, currency }))
        }
        _ => Err((id, fields)),
    }
}

fn parse_status(text: &str) -> Result<PaymentStatus, &'static str> {
    let status = text.parse().ok().filter(|status| *status != PaymentStatus::Initiated);
    status.ok_or("must be PENDING, SUCCESS or FAILED")
}

fn parse_id(text: &str) -> Result<String, &'static str> {
    let is_valid = (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    if is_valid { Ok(text.to_owned()) } else { Err("must be 1 to 255 printable ASCII characters") }
}

pub(super) fn describe() -> Endpoint {
    let success = json!({"reference": examples::REFERENCE, "status": "SUCCESS", "providerTransactionId": "MTN-884213"});
    let path = "/api/payments/webhook/provider";
    Endpoint::new("post", path, PAYMENTS, "providerWebhook", "Receive a provider webhook")
        .description(
            "Signed according to [Standard Webhooks](https://www.standardwebhooks.com), at most five minutes ago. A repeated \
             delivery with the same id and the same data changes nothing. A payment in a terminal state never changes. A \
             webhook that contradicts its payment is recorded for reconciliation and not applied: it reports the other \
             terminal state, a transaction other than the one that the payment names or one that has settled another \
             payment, or a SUCCESS with another amount or currency. Unknown fields are ignored.",
        )
        .secured_by("webhook")
        .header(webhook::ID, "The id of the message.", &json!({"type": "string"}))
        .header(webhook::TIMESTAMP, "The time of the delivery, in Unix seconds.", &json!({"type": "string"}))
        .request_body::<Body>(&[("success", success)])
        .response::<PaymentBody<'_>>(200, "The updated payment.", &examples::payment())
        .problems(problems::COLLECTION_PROBLEMS)
        .problems(&[
            &problems::INVALID_SIGNATURE,
            &problems::UNPROCESSABLE_WEBHOOK,
            &problems::PAYMENT_NOT_FOUND,
            &problems::WEBHOOK_ID_REUSED,
            &problems::INVALID_TRANSITION,
            &problems::HEADROOM_EXCEEDED,
            &problem_types::UNAVAILABLE,
        ])
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use dynamo::text;
    use lambda_http::Body as LambdaBody;
    use webhook::WebhookSecret;

    use super::*;
    use crate::app::webhook_secrets::{LoadSecretsError, RELOAD_INTERVAL};
    use crate::testing::{TestApp, body_of, pointers, request};

    const CURRENT: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const NEXT: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

    /// Secrets that a test can rotate, and the number of loads.
    struct FakeSecretSource(Mutex<(Vec<&'static str>, usize)>);

    impl LoadSecrets for FakeSecretSource {
        async fn load_secrets(&self) -> Result<Vec<WebhookSecret>, LoadSecretsError> {
            let mut state = self.0.lock().unwrap();
            state.1 += 1;
            Ok(state.0.iter().map(|text| WebhookSecret::parse(text).unwrap()).collect())
        }
    }

    struct Scene {
        app: TestApp,
        state: State<FakeSecretSource>,
        reference: PaymentReference,
    }

    impl Scene {
        /// A PENDING payment, at a fixed time.
        async fn new() -> Self {
            let app = TestApp::new().await;
            let ada = app.user().await;
            let reference = app.create_pending_payment(ada, None).await.reference;
            app.clock.stop();
            app.engine.round_trips();
            let secrets = WebhookSecrets::new(FakeSecretSource(Mutex::new((vec![CURRENT], 0))));
            let state = State { store: app.store.clone(), secrets };
            Self { app, state, reference }
        }

        fn now(&self) -> Timestamp {
            self.app.store.now()
        }

        fn body(&self) -> Value {
            json!({
                "reference": self.reference, "status": "SUCCESS", "providerTransactionId": "momo-1",
                "timestamp": "2026-01-31T11:59:58Z",
            })
        }

        fn signed(&self, body: &Value) -> Request {
            signed_at(body, CURRENT, self.now())
        }

        async fn rejected(&self, request: Request) -> Problem {
            handle(&self.state, request).await.unwrap_err()
        }

        async fn recorded(&self, id: &str) -> Option<dynamo::Item> {
            self.app.item(dynamo::key(format_args!("WEBHOOK#{id}"), "WEBHOOK")).await
        }
    }

    fn signed_at(body: &Value, secret: &str, at: Timestamp) -> Request {
        let mut request = request(body);
        let signature = WebhookSecret::parse(secret).unwrap().sign("msg_1", at, body.to_string().as_bytes());
        for (name, value) in [
            (webhook::ID, "msg_1".to_owned()),
            (webhook::TIMESTAMP, at.unix_seconds().to_string()),
            (webhook::SIGNATURE, signature),
        ] {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        request
    }

    #[tokio::test]
    async fn authentic_webhook_is_applied_under_its_id() {
        let scene = Scene::new().await;
        let response = handle(&scene.state, scene.signed(&scene.body())).await.unwrap();
        assert_eq!(body_of(&response)["status"], json!("SUCCESS"));
        let mut own_id = scene.body();
        own_id["webhookId"] = json!("evt-7");
        handle(&scene.state, scene.signed(&own_id)).await.unwrap();
        let (first, second) = (scene.recorded("msg_1").await.unwrap(), scene.recorded("evt-7").await.unwrap());
        assert_ne!(first["bodyHash"], second["bodyHash"]);
        assert_eq!(first["status"], dynamo::text("SUCCESS"));
    }

    #[tokio::test]
    async fn unknown_payment_is_not_found() {
        let scene = Scene::new().await;
        let mut body = scene.body();
        body["reference"] = json!(examples::REFERENCE);
        assert_eq!(scene.rejected(scene.signed(&body)).await.problem_type.code, "payment_not_found");
    }

    #[tokio::test]
    async fn base64_encoded_body_is_verified_by_its_bytes() {
        let scene = Scene::new().await;
        let mut request = scene.signed(&scene.body());
        // API Gateway encodes the body and lambda_http decodes it to bytes.
        *request.body_mut() = LambdaBody::Binary(scene.body().to_string().into_bytes());
        assert_eq!(handle(&scene.state, request).await.unwrap().status, 200);
    }

    #[tokio::test]
    async fn forged_webhook_is_rejected_before_it_is_parsed() {
        let scene = Scene::new().await;
        let tampered = {
            let mut request = scene.signed(&scene.body());
            *request.body_mut() = LambdaBody::Text(scene.body().to_string().replace("SUCCESS", "FAILED"));
            request
        };
        let without = |header: &str| {
            let mut request = scene.signed(&scene.body());
            request.headers_mut().remove(header);
            request
        };
        let now = scene.now();
        let future = now.plus(Duration::from_mins(5) + Duration::from_secs(1));
        let past = Timestamp::from_unix_seconds(now.unix_seconds() - 301).unwrap();
        let mut details = Vec::new();
        for (what, request) in [
            ("tampered body", tampered),
            ("old", signed_at(&scene.body(), CURRENT, past)),
            ("from the future", signed_at(&scene.body(), CURRENT, future)),
            ("another secret", signed_at(&scene.body(), NEXT, now)),
            ("no id", without(webhook::ID)),
            ("no timestamp", without(webhook::TIMESTAMP)),
            ("no signature", without(webhook::SIGNATURE)),
        ] {
            let problem = scene.rejected(request).await;
            assert_eq!((problem.problem_type.status, problem.problem_type.code), (401, "invalid_signature"), "{what}");
            assert!(scene.app.engine.round_trips().is_empty(), "{what}");
            details.push(problem.detail);
        }
        details.dedup();
        assert_eq!(details.len(), 1);
    }

    #[tokio::test]
    async fn new_secret_is_loaded_at_most_once_per_interval() {
        let scene = Scene::new().await;
        let next = signed_at(&scene.body(), NEXT, scene.now());
        for _ in 0..20 {
            assert_eq!(scene.rejected(next.clone()).await.problem_type.status, 401);
        }
        assert_eq!(scene.state.secrets.source().0.lock().unwrap().1, 1);

        scene.state.secrets.source().0.lock().unwrap().0 = vec![CURRENT, NEXT];
        scene.app.clock.advance(RELOAD_INTERVAL);
        for secret in [NEXT, CURRENT] {
            let request = signed_at(&scene.body(), secret, scene.now());
            assert_eq!(handle(&scene.state, request).await.unwrap().status, 200);
        }
        assert_eq!(scene.state.secrets.source().0.lock().unwrap().1, 2);
    }

    #[tokio::test]
    async fn unprocessable_webhook_is_reported_and_recorded() {
        let scene = Scene::new().await;
        let invalid = json!({
            "reference": "x", "status": "INITIATED", "providerTransactionId": "", "amount": "25.00", "currency": 840,
            "webhookId": "",
        });
        let all = ["/reference", "/status", "/providerTransactionId", "/amount", "/currency", "/webhookId"];
        for (body, expected) in [
            (json!({}), &["/reference", "/status"][..]),
            (json!([]), &["/reference", "/status"]),
            (json!({"reference": scene.reference}), &["/status"]),
            (json!({"reference": scene.reference, "status": "SETTLED"}), &["/status"]),
            (invalid, &all),
        ] {
            let problem = scene.rejected(scene.signed(&body)).await;
            assert_eq!((problem.problem_type.status, problem.problem_type.code), (422, "unprocessable_webhook"));
            assert_eq!(pointers(&problem), expected);
        }
        let recorded = scene.recorded("msg_1").await.unwrap();
        assert_eq!((&recorded["outcome"], &recorded["reconciliation"]), (&text("UNPROCESSABLE"), &text("OPEN")));
        assert_eq!(recorded["body"], text(json!({}).to_string()), "the first delivery is kept");
    }

    #[tokio::test]
    async fn corrected_delivery_of_an_unprocessable_webhook_is_applied() {
        let scene = Scene::new().await;
        scene.rejected(scene.signed(&json!({"status": "SUCCESS"}))).await;
        let response = handle(&scene.state, scene.signed(&scene.body())).await.unwrap();
        assert_eq!(body_of(&response)["status"], json!("SUCCESS"));
        assert_eq!(scene.recorded("msg_1").await.unwrap()["outcome"], text("APPLIED"));
        // A processed webhook is not replaced.
        scene.rejected(scene.signed(&json!({}))).await;
        assert_eq!(scene.recorded("msg_1").await.unwrap()["outcome"], text("APPLIED"));
    }

    #[tokio::test]
    async fn unprocessable_webhook_is_recorded_under_its_own_id() {
        let scene = Scene::new().await;
        scene.rejected(scene.signed(&json!({"webhookId": "evt-7"}))).await;
        assert!(scene.recorded("msg_1").await.is_none());
        let mut corrected = scene.body();
        corrected["webhookId"] = json!("evt-7");
        handle(&scene.state, scene.signed(&corrected)).await.unwrap();
        let recorded = scene.recorded("evt-7").await.unwrap();
        assert_eq!((&recorded["outcome"], recorded.get("reconciliation")), (&text("APPLIED"), None));
    }

    #[tokio::test]
    async fn unknown_fields_and_values_are_ignored() {
        let scene = Scene::new().await;
        let mut body = scene.body();
        body["fees"] = json!({"amount": 12});
        body["timestamp"] = json!("yesterday");
        body["channel"] = json!("A_NEW_ONE");
        body["currency"] = json!(null);
        let mut request = scene.signed(&body);
        request.headers_mut().insert("content-type", "application/vnd.provider+json".parse().unwrap());
        assert_eq!(body_of(&handle(&scene.state, request).await.unwrap())["status"], json!("SUCCESS"));
    }

    #[tokio::test]
    async fn redelivery_with_different_body_is_a_duplicate() {
        let scene = Scene::new().await;
        handle(&scene.state, scene.signed(&scene.body())).await.unwrap();
        let mut again = scene.body();
        again["timestamp"] = json!("2026-01-31T12:00:07Z");
        again["attempt"] = json!(2);
        assert_eq!(handle(&scene.state, scene.signed(&again)).await.unwrap().status, 200);
        let mut other = scene.body();
        other["status"] = json!("FAILED");
        assert_eq!(scene.rejected(scene.signed(&other)).await.problem_type.code, "webhook_id_reused");
    }
}
