//! `POST /api/payments/webhook/provider`: the provider says what became of a payment.
//!
//! Authenticated by its signature over the body as it came, byte by byte: the body is read only after that.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http_api::{FieldErrors, Problem, Request, Response, deadline, json_body};
use kernel::{Clock, SystemClock, Timestamp};
use lambda_http::http::StatusCode;
use ring::digest::{SHA256, digest};
use serde::Deserialize;
use utoipa::ToSchema;
use webhook::Headers;

use super::problems;
use super::wire::PaymentBody;
use crate::domain::{PaymentReference, PaymentStatus, ProviderTransactionId};
use crate::secrets::{LoadSecrets, Secrets};
use crate::store::webhooks::{ApplyWebhook, Webhook, WebhookOutcome};

/// What became of a payment.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = ProviderWebhook)]
pub(super) struct Body {
    #[schema(value_type = PaymentReference)]
    reference: String,
    /// Anything but INITIATED.
    status: PaymentStatus,
    #[schema(value_type = Option<ProviderTransactionId>)]
    provider_transaction_id: Option<String>,
    /// When it happened.
    #[schema(value_type = Option<Timestamp>)]
    timestamp: Option<String>,
    /// The webhook's id, where it is not that of the header.
    #[schema(min_length = 1, max_length = 255, pattern = "^[!-~]+$")]
    webhook_id: Option<String>,
}

/// What the endpoint depends on.
#[derive(Debug)]
pub struct WebhookDesk<S, L, C = SystemClock> {
    /// Where webhooks are applied.
    pub store: S,
    /// What the provider signs with.
    pub secrets: Secrets<L, C>,
    /// The time.
    pub clock: C,
}

/// Answers the request.
///
/// # Errors
///
/// A [`Problem`]: it is not authentic, not readable, or does not fit the payment.
pub async fn handle<S: ApplyWebhook, L: LoadSecrets, C: Clock>(
    desk: &WebhookDesk<S, L, C>,
    request: &Request,
) -> Result<Response, Problem> {
    let now = desk.clock.now();
    let header_id = desk.authenticate(request, now).await?;
    let body: Body = json_body(request)?;
    let webhook = read(&body, header_id, request, now)?;
    let (payment, outcome) = desk.store.apply(webhook).await.map_err(|error| {
        // Money may have been collected: what is refused must leave a trace.
        tracing::error!(reference = body.reference, told = %body.status, %error, "an authentic webhook was refused");
        problems::webhook(&error)
    })?;
    if outcome == WebhookOutcome::Contradicted {
        tracing::error!(
            reference = %payment.reference,
            stands = %payment.status,
            told = %body.status,
            "a webhook contradicts a payment that has come to its end; it was recorded for reconciliation"
        );
    }
    Response::json(StatusCode::OK, &PaymentBody::from(&payment))
}

impl<S, L: LoadSecrets, C: Clock> WebhookDesk<S, L, C> {
    /// The message's id, if it is authentic by the secrets we know or by those that have come since.
    async fn authenticate<'a>(&self, request: &'a Request, now: Timestamp) -> Result<&'a str, Problem> {
        let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
        let headers = Headers {
            id: header(webhook::ID),
            timestamp: header(webhook::TIMESTAMP),
            signature: header(webhook::SIGNATURE),
        };
        let body: &[u8] = request.body();
        let verify = |secrets: &[webhook::WebhookSecret]| webhook::verify(secrets, headers, body, now);
        let known = self.secrets.known().await.map_err(|error| problems::secrets_unavailable(&error))?;
        let rejection = match verify(&known) {
            Ok(id) => return Ok(id),
            Err(rejection) => rejection,
        };
        // A secret may have been rotated in since we looked.
        let newer = match rejection {
            webhook::Rejection::WrongSignature => self.secrets.newer().await,
            _ => Ok(None),
        };
        match newer.map_err(|error| problems::secrets_unavailable(&error))? {
            Some(secrets) => verify(&secrets).map_err(problems::invalid_signature),
            None => Err(problems::invalid_signature(rejection)),
        }
    }
}

fn read(body: &Body, header_id: &str, request: &Request, now: Timestamp) -> Result<Webhook, Problem> {
    let mut fields = FieldErrors::default();
    let reference = fields.read("reference", PaymentReference::parse(&body.reference));
    let id = body.provider_transaction_id.as_deref().map(ProviderTransactionId::parse);
    let provider_transaction_id = fields.read_optional("providerTransactionId", id);
    let timestamp = fields.read_optional("timestamp", body.timestamp.as_deref().map(Timestamp::parse));
    let id = fields.read("webhookId", read_id(body.webhook_id.as_deref().unwrap_or(header_id)));
    if body.status == PaymentStatus::Initiated {
        fields.push("status", "must be PENDING, SUCCESS or FAILED");
    }
    let (Some(reference), Some(provider_transaction_id), Some(_), Some(id), true) =
        (reference, provider_transaction_id, timestamp, id, fields.is_empty())
    else {
        return Err(fields.problem());
    };
    let raw: &[u8] = request.body();
    Ok(Webhook {
        id,
        body_hash: URL_SAFE_NO_PAD.encode(digest(&SHA256, raw)),
        reference,
        status: body.status,
        provider_transaction_id,
        received_at: now,
        deadline: deadline(request),
    })
}

fn read_id(text: &str) -> Result<String, &'static str> {
    let legal = (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    if legal { Ok(text.to_owned()) } else { Err("must be 1 to 255 printable ASCII characters") }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use kernel::testing::FixedClock;
    use lambda_http::Body as LambdaBody;
    use serde_json::{Value, json};
    use webhook::WebhookSecret;

    use super::super::testing::{now, pointers, request};
    use super::*;
    use crate::domain::Payment;
    use crate::secrets::{LoadSecretsError, RELOAD_INTERVAL};
    use crate::store::payments::AdvanceError;
    use crate::store::webhooks::WebhookError;

    const CURRENT: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const NEXT: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

    #[derive(Default)]
    struct Recorder(Mutex<Vec<Webhook>>);

    impl ApplyWebhook for Recorder {
        async fn apply(&self, webhook: Webhook) -> Result<(Payment, WebhookOutcome), WebhookError> {
            self.0.lock().unwrap().push(webhook);
            Err(AdvanceError::NotFound.into())
        }
    }

    /// Secrets that a test may rotate.
    struct Vault(Mutex<(Vec<&'static str>, usize)>);

    impl LoadSecrets for Vault {
        async fn load_secrets(&self) -> Result<Vec<WebhookSecret>, LoadSecretsError> {
            let mut vault = self.0.lock().unwrap();
            vault.1 += 1;
            Ok(vault.0.iter().map(|text| WebhookSecret::parse(text).unwrap()).collect())
        }
    }

    type Desk = WebhookDesk<Recorder, Vault, FixedClock>;

    fn desk(secrets: &[&'static str]) -> Desk {
        let vault = Vault(Mutex::new((secrets.to_vec(), 0)));
        let clock = FixedClock(now());
        WebhookDesk { store: Recorder::default(), secrets: Secrets::new(vault, clock), clock }
    }

    fn body() -> Value {
        json!({
            "reference": "PAY-01JZ8QK3Y5T8W2N4V6X8Z0A2C4", "status": "SUCCESS", "providerTransactionId": "momo-1",
            "timestamp": "2026-01-31T11:59:58Z",
        })
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

    fn signed(body: &Value) -> Request {
        signed_at(body, CURRENT, now())
    }

    async fn refused(desk: &Desk, request: &Request) -> Problem {
        handle(desk, request).await.unwrap_err()
    }

    #[tokio::test]
    async fn an_authentic_webhook_is_applied_under_its_id() {
        let desk = desk(&[CURRENT]);
        assert_eq!(refused(&desk, &signed(&body())).await.problem_type.code, "payment_not_found");
        let mut own_id = body();
        own_id["webhookId"] = json!("evt-7");
        refused(&desk, &signed(&own_id)).await;
        let applied = desk.store.0.lock().unwrap();
        assert_eq!(applied.iter().map(|webhook| webhook.id.as_str()).collect::<Vec<_>>(), ["msg_1", "evt-7"]);
        assert_ne!(applied[0].body_hash, applied[1].body_hash);
        assert_eq!(applied[0].status, PaymentStatus::Success);
    }

    #[tokio::test]
    async fn a_body_that_came_in_base64_is_verified_as_it_was_signed() {
        let desk = desk(&[CURRENT]);
        let mut request = signed(&body());
        // API Gateway encodes it and lambda_http decodes it: what arrives here are the bytes.
        *request.body_mut() = LambdaBody::Binary(body().to_string().into_bytes());
        assert_eq!(refused(&desk, &request).await.problem_type.code, "payment_not_found");
    }

    #[tokio::test]
    async fn what_is_not_authentic_is_refused_with_one_answer_and_not_even_read() {
        let tampered = {
            let mut request = signed(&body());
            *request.body_mut() = LambdaBody::Text(body().to_string().replace("SUCCESS", "FAILED"));
            request
        };
        let without = |header: &str| {
            let mut request = signed(&body());
            request.headers_mut().remove(header);
            request
        };
        let minutes = Duration::from_mins(5) + Duration::from_secs(1);
        let past = Timestamp::from_unix_seconds(now().unix_seconds() - 301).unwrap();
        let mut details = Vec::new();
        for (what, request) in [
            ("tampered body", tampered),
            ("old", signed_at(&body(), CURRENT, past)),
            ("from the future", signed_at(&body(), CURRENT, now().plus(minutes))),
            ("another secret", signed_at(&body(), NEXT, now())),
            ("no id", without(webhook::ID)),
            ("no timestamp", without(webhook::TIMESTAMP)),
            ("no signature", without(webhook::SIGNATURE)),
        ] {
            let desk = desk(&[CURRENT]);
            let problem = refused(&desk, &request).await;
            assert_eq!((problem.problem_type.status, problem.problem_type.code), (401, "invalid_signature"), "{what}");
            assert!(desk.store.0.lock().unwrap().is_empty(), "{what}");
            details.push(problem.detail);
        }
        details.dedup();
        assert_eq!(details.len(), 1);
    }

    #[tokio::test]
    async fn a_secret_that_was_rotated_in_is_found_and_forgeries_do_not_hammer_the_vault() {
        let desk = desk(&[CURRENT]);
        let with_next = signed_at(&body(), NEXT, now());
        for _ in 0..20 {
            assert_eq!(refused(&desk, &with_next).await.problem_type.status, 401);
        }
        assert_eq!(desk.secrets.source().0.lock().unwrap().1, 1);

        desk.secrets.source().0.lock().unwrap().0 = vec![CURRENT, NEXT];
        let later = now().plus(RELOAD_INTERVAL);
        let secrets = desk.secrets.at(FixedClock(later));
        let desk = WebhookDesk { secrets, clock: FixedClock(later), store: desk.store };
        for secret in [NEXT, CURRENT] {
            assert_eq!(refused(&desk, &signed_at(&body(), secret, later)).await.problem_type.code, "payment_not_found");
        }
        assert_eq!(desk.secrets.source().0.lock().unwrap().1, 2);
    }

    #[tokio::test]
    async fn what_an_authentic_webhook_gets_wrong_is_pointed_at() {
        let desk = desk(&[CURRENT]);
        let wrong = json!({
            "reference": "x", "status": "INITIATED", "providerTransactionId": "", "timestamp": "now", "webhookId": "",
        });
        let problem = refused(&desk, &signed(&wrong)).await;
        let expected = ["/reference", "/providerTransactionId", "/timestamp", "/webhookId", "/status"];
        assert_eq!((problem.problem_type.status, pointers(&problem)), (400, expected.to_vec()));
    }
}
