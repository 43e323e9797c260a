//! Delivery of verification codes by SMS and e-mail.

mod email;
mod sms;

use std::future::Future;
use std::sync::LazyLock;

use aws_sdk_sns::error::{ProvideErrorMetadata, SdkError};
use aws_types::SdkConfig;
use config::{ConfigError, Env};
use email::EmailSender;
use sms::SmsSender;

use crate::domain::verification_code::{CODE_LIFETIME, Code};
use crate::domain::{Identifier, IdentifierKind};

/// Sends codes.
pub trait SendCode {
    /// Sends the code to the address or the number. MUST NOT reveal it to anyone else, including the log.
    fn send_code(&self, to: &Identifier, code: &Code) -> impl Future<Output = Result<(), DeliveryError>> + Send;
}

/// The code may not have been sent. The message is for the log and contains neither the code nor the address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("sending the code failed: {0}")]
pub struct DeliveryError(String);

impl DeliveryError {
    pub fn because(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

/// The text of a message.
struct Message {
    /// The subject, for e-mails.
    subject: &'static str,
    text: String,
}

impl Message {
    /// Fits into one SMS.
    fn new(code: &Code) -> Self {
        let minutes = CODE_LIFETIME.as_secs() / 60;
        let text = format!("{} is your code, valid for {minutes} minutes. Do not share it.", code.expose());
        Self { subject: "Your code", text }
    }
}

/// A client that is created on first use, since a function rarely needs more than one of them.
type LazyClient<C> = LazyLock<C, Box<dyn FnOnce() -> C + Send + Sync>>;

fn lazy_client<C: 'static>(config: SdkConfig, create: fn(&SdkConfig) -> C) -> LazyClient<C> {
    LazyLock::new(Box::new(move || create(&config)))
}

fn sns_client(config: &SdkConfig) -> aws_sdk_sns::Client {
    let config = aws_sdk_sns::config::Builder::from(config).interceptor(aws::ObserveDeadline).build();
    aws_sdk_sns::Client::from_conf(config)
}

/// Sends with AWS services.
#[derive(Debug)]
pub struct Delivery {
    sms: SmsSender,
    email: EmailSender,
}

impl Delivery {
    /// Reads `VERIFICATION_SENDER`, the sender address of e-mails, or else `VERIFICATION_TOPIC_ARN`, and optionally
    /// `SMS_SENDER_ID`. `AWS_ENDPOINT_URL_SNS` and `AWS_ENDPOINT_URL_SESV2` override the endpoints.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if a setting is missing.
    pub fn from_env(env: &Env, config: &SdkConfig) -> Result<Self, ConfigError> {
        Ok(Self { sms: SmsSender::from_env(env, config), email: EmailSender::from_env(env, config)? })
    }
}

impl SendCode for Delivery {
    async fn send_code(&self, to: &Identifier, code: &Code) -> Result<(), DeliveryError> {
        let message = Message::new(code);
        match to.kind() {
            IdentifierKind::Email => self.email.send(to.as_str(), message).await,
            IdentifierKind::Phone => self.sms.send(to.as_str(), message).await,
        }
    }
}

/// Omits the service's message, which may contain the address.
fn delivery_error<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> DeliveryError {
    DeliveryError(match error {
        SdkError::ServiceError(rejected) => rejected.err().code().unwrap_or("unknown error").to_owned(),
        SdkError::TimeoutError(_) => "timeout".to_owned(),
        SdkError::DispatchFailure(_) => "connection failed".to_owned(),
        _ => "unreadable response".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use contact::{Email, Phone};
    use testkit::http::serve_once;

    use super::*;

    const TOPIC: (&str, &str) = ("VERIFICATION_TOPIC_ARN", "arn:aws:sns:eu-west-1:123456789012:mails");
    const SENDER: (&str, &str) = ("VERIFICATION_SENDER", "codes@example.com");

    fn delivery(url: &str, settings: &[(&str, &str)]) -> Result<Delivery, ConfigError> {
        let base = [
            ("AWS_REGION", "eu-west-1"),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_ENDPOINT_URL", url),
        ];
        let env: Env = base.iter().chain(settings).copied().collect();
        Delivery::from_env(&env, &aws::sdk_config(&env)?)
    }

    fn code() -> Code {
        Code::parse("012345").unwrap()
    }

    fn phone() -> Identifier {
        Identifier::Phone(Phone::parse("+33612345678").unwrap())
    }

    fn email() -> Identifier {
        Identifier::Email(Email::parse("ada@example.com").unwrap())
    }

    /// Sends a code. Returns the request to the service.
    async fn request(to: &Identifier, settings: &[(&str, &str)], response: &str) -> String {
        let (url, request) = serve_once(200, response).await;
        assert_eq!(delivery(&url, settings).unwrap().send_code(to, &code()).await, Ok(()));
        request.await.unwrap()
    }

    #[tokio::test]
    async fn sms_is_sent_to_the_number_and_fits_one_message() {
        let sender = [TOPIC, ("SMS_SENDER_ID", "PAYMENTS")];
        let response = "<PublishResponse><PublishResult/></PublishResponse>";
        for (settings, has_sender_id) in [(&sender[..1], false), (&sender[..], true)] {
            let request = request(&phone(), settings, response).await;
            assert!(request.contains("PhoneNumber=%2B33612345678") && !request.contains("TopicArn"), "{request}");
            assert!(request.contains("Message=012345+is") || request.contains("Message=012345%20is"), "{request}");
            assert!(request.contains("AWS.SNS.SMS.SMSType") && request.contains("Transactional"), "{request}");
            assert_eq!(
                request.contains("AWS.SNS.SMS.SenderID") && request.contains("PAYMENTS"),
                has_sender_id,
                "{request}"
            );
        }
        let text = Message::new(&code()).text;
        assert!(text.len() <= 160 && text.is_ascii() && text.starts_with("012345 ") && text.contains("10 minutes"));
    }

    #[tokio::test]
    async fn email_is_sent_from_the_sender_with_the_code() {
        let request = request(&email(), &[SENDER], r#"{"MessageId": "m"}"#).await;
        assert!(request.starts_with("POST /v2/email/outbound-emails "), "{request}");
        let (_, body) = request.split_once("\r\n\r\n").unwrap();
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["FromEmailAddress"], "codes@example.com");
        assert_eq!(body["Destination"]["ToAddresses"], serde_json::json!(["ada@example.com"]));
        let simple = &body["Content"]["Simple"];
        assert!(simple["Body"]["Text"]["Data"].as_str().unwrap().starts_with("012345 "), "{body}");
        assert!(!simple["Subject"]["Data"].as_str().unwrap().contains("012345"), "a subject is shown on lock screens");
    }

    #[tokio::test]
    async fn email_is_sent_to_a_domain_in_ascii() {
        let to = Identifier::Email(Email::parse("ada@m\u{fc}nchen.example").unwrap());
        let request = request(&to, &[SENDER], r#"{"MessageId": "m"}"#).await;
        assert!(request.contains(r#""ToAddresses":["ada@xn--mnchen-3ya.example"]"#), "{request}");
    }

    #[tokio::test]
    async fn email_without_a_sender_goes_to_the_topic() {
        let request = request(&email(), &[TOPIC], "<PublishResponse><PublishResult/></PublishResponse>").await;
        assert!(request.contains("TopicArn=arn%3Aaws%3Asns%3Aeu-west-1%3A123456789012%3Amails"), "{request}");
        assert!(request.contains("%22to%22%3A%22ada%40example.com%22") && request.contains("012345"), "{request}");
    }

    #[tokio::test]
    async fn delivery_error_omits_the_address() {
        let rejection = "<ErrorResponse><Error><Code>InvalidParameter</Code><Message>Invalid parameter: PhoneNumber \
                       +33612345678</Message></Error></ErrorResponse>";
        let (url, _request) = serve_once(400, rejection).await;
        let outcome = delivery(&url, &[TOPIC]).unwrap().send_code(&phone(), &code()).await;
        assert_eq!(outcome, Err(DeliveryError("InvalidParameter".to_owned())));
        let nowhere = delivery("http://127.0.0.1:1", &[SENDER]).unwrap();
        assert_eq!(nowhere.send_code(&email(), &code()).await, Err(DeliveryError("connection failed".to_owned())));
    }

    #[test]
    fn missing_sender_and_topic_is_a_config_error() {
        let missing = delivery("http://127.0.0.1:1", &[]).unwrap_err();
        assert_eq!(missing, ConfigError::Missing("VERIFICATION_TOPIC_ARN"));
    }
}
