//! Delivery of verification codes: SMS by SNS, e-mail by SES or by a subscriber of a topic.

use std::future::Future;
use std::sync::LazyLock;

use aws_sdk_sns::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sns::types::MessageAttributeValue;
use aws_types::SdkConfig;
use config::{ConfigError, Env};
use serde::Serialize;

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
    fn of(code: &Code) -> Self {
        let minutes = CODE_LIFETIME.as_secs() / 60;
        let text = format!("{} is your code, good for {minutes} minutes. Tell it to nobody.", code.expose());
        Self { subject: "Your code", text }
    }
}

/// The message as published to the topic.
#[derive(Serialize)]
struct Mail<'a> {
    to: &'a str,
    subject: &'a str,
    text: &'a str,
}

/// A client that is created on first use, since a function rarely needs more than one of them.
type Lazy<C> = LazyLock<C, Box<dyn FnOnce() -> C + Send + Sync>>;

fn lazy<C: 'static>(config: SdkConfig, make: fn(&SdkConfig) -> C) -> Lazy<C> {
    LazyLock::new(Box::new(move || make(&config)))
}

/// Sends with AWS services.
#[derive(Debug)]
pub struct Delivery {
    sns: Lazy<aws_sdk_sns::Client>,
    /// The sender id of SMS, in countries that require a registered one.
    sms_sender: Option<String>,
    mail: EmailSender,
}

/// How e-mails are sent.
#[derive(Debug)]
enum EmailSender {
    Ses { ses: Lazy<aws_sdk_sesv2::Client>, sender: String },
    Topic { arn: String },
}

impl Delivery {
    /// Reads `VERIFICATION_SENDER`, the sender address of e-mails, or else `VERIFICATION_TOPIC_ARN`, and optionally
    /// `SMS_SENDER_ID`. `AWS_ENDPOINT_URL_SNS` and `AWS_ENDPOINT_URL_SESV2` override the endpoints.
    /// # Errors
    /// [`ConfigError`] if a setting is missing.
    pub fn from_env(env: &Env, config: &SdkConfig) -> Result<Self, ConfigError> {
        let mail = match env.optional("VERIFICATION_SENDER") {
            Some(sender) => {
                let config = aws::for_service(config, env, "AWS_ENDPOINT_URL_SESV2");
                let ses = lazy(config, aws_sdk_sesv2::Client::new);
                EmailSender::Ses { ses, sender: sender.to_owned() }
            }
            None => EmailSender::Topic { arn: env.required("VERIFICATION_TOPIC_ARN")?.to_owned() },
        };
        let sns = aws::for_service(config, env, "AWS_ENDPOINT_URL_SNS");
        let sns = lazy(sns, aws_sdk_sns::Client::new);
        Ok(Self { sns, sms_sender: env.optional("SMS_SENDER_ID").map(str::to_owned), mail })
    }

    /// A transactional SMS, which is optimized for reliability rather than cost
    /// (<https://docs.aws.amazon.com/sns/latest/dg/sms_publish-to-phone.html>).
    async fn send_sms(&self, to: &str, message: Message) -> Result<(), DeliveryError> {
        let mut sms = self.sns.publish().phone_number(to).message(message.text);
        sms = sms.message_attributes("AWS.SNS.SMS.SMSType", text("Transactional")?);
        if let Some(sender) = &self.sms_sender {
            sms = sms.message_attributes("AWS.SNS.SMS.SenderID", text(sender)?);
        }
        sms.send().await.map(drop).map_err(|error| not_sent(&error))
    }

    async fn send_mail(&self, to: &str, message: Message) -> Result<(), DeliveryError> {
        match &self.mail {
            EmailSender::Ses { ses, sender } => {
                let mail = ses_message(&message).map_err(|error| DeliveryError::because(error.to_string()))?;
                let destination = aws_sdk_sesv2::types::Destination::builder().to_addresses(to).build();
                let send = ses.send_email().from_email_address(sender).destination(destination).content(mail);
                send.send().await.map(drop).map_err(|error| not_sent(&error))
            }
            EmailSender::Topic { arn } => {
                let mail = Mail { to, subject: message.subject, text: &message.text };
                let mail = serde_json::to_string(&mail).map_err(|error| DeliveryError::because(error.to_string()))?;
                self.sns.publish().topic_arn(arn).message(mail).send().await.map(drop).map_err(|error| not_sent(&error))
            }
        }
    }
}

impl SendCode for Delivery {
    async fn send_code(&self, to: &Identifier, code: &Code) -> Result<(), DeliveryError> {
        let message = Message::of(code);
        match to.kind() {
            IdentifierKind::Email => self.send_mail(to.as_str(), message).await,
            IdentifierKind::Phone => self.send_sms(to.as_str(), message).await,
        }
    }
}

fn text(value: &str) -> Result<MessageAttributeValue, DeliveryError> {
    let attribute = MessageAttributeValue::builder().data_type("String").string_value(value).build();
    attribute.map_err(|error| DeliveryError::because(error.to_string()))
}

fn ses_message(message: &Message) -> Result<aws_sdk_sesv2::types::EmailContent, aws_sdk_sesv2::error::BuildError> {
    use aws_sdk_sesv2::types::{Body, Content, EmailContent, Message as Simple};
    let utf8 = |data: &str| Content::builder().charset("UTF-8").data(data).build();
    let body = Body::builder().text(utf8(&message.text)?).build();
    let simple = Simple::builder().subject(utf8(message.subject)?).body(body).build();
    Ok(EmailContent::builder().simple(simple).build())
}

/// Omits the service's message, which may contain the address.
fn not_sent<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> DeliveryError {
    DeliveryError(match error {
        SdkError::ServiceError(refused) => refused.err().code().unwrap_or("unknown error").to_owned(),
        SdkError::TimeoutError(_) => "no answer in time".to_owned(),
        SdkError::DispatchFailure(_) => "no connection".to_owned(),
        _ => "no answer that can be read".to_owned(),
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

    /// The request that one sending makes.
    async fn request(to: &Identifier, settings: &[(&str, &str)], answer: &str) -> String {
        let (url, request) = serve_once(200, answer).await;
        assert_eq!(delivery(&url, settings).unwrap().send_code(to, &code()).await, Ok(()));
        request.await.unwrap()
    }

    #[tokio::test]
    async fn an_sms_goes_to_the_number_and_costs_one_message() {
        let sender = [TOPIC, ("SMS_SENDER_ID", "PAYMENTS")];
        let answer = "<PublishResponse><PublishResult/></PublishResponse>";
        for (settings, named) in [(&sender[..1], false), (&sender[..], true)] {
            let request = request(&phone(), settings, answer).await;
            assert!(request.contains("PhoneNumber=%2B33612345678") && !request.contains("TopicArn"), "{request}");
            assert!(request.contains("Message=012345+is") || request.contains("Message=012345%20is"), "{request}");
            assert!(request.contains("AWS.SNS.SMS.SMSType") && request.contains("Transactional"), "{request}");
            assert_eq!(request.contains("AWS.SNS.SMS.SenderID") && request.contains("PAYMENTS"), named, "{request}");
        }
        let text = Message::of(&code()).text;
        assert!(text.len() <= 160 && text.is_ascii() && text.starts_with("012345 ") && text.contains("10 minutes"));
    }

    #[tokio::test]
    async fn an_e_mail_comes_from_the_sender_and_holds_the_code() {
        let request = request(&email(), &[SENDER], r#"{"MessageId": "m"}"#).await;
        assert!(request.starts_with("POST /v2/email/outbound-emails "), "{request}");
        let (_, body) = request.split_once("\r\n\r\n").unwrap();
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["FromEmailAddress"], "codes@example.com");
        assert_eq!(body["Destination"]["ToAddresses"], serde_json::json!(["ada@example.com"]));
        let simple = &body["Content"]["Simple"];
        assert!(simple["Body"]["Text"]["Data"].as_str().unwrap().starts_with("012345 "), "{body}");
        assert!(!simple["Subject"]["Data"].as_str().unwrap().contains("012345"), "a subject is read over a shoulder");
    }

    #[tokio::test]
    async fn without_a_sender_an_e_mail_goes_to_the_topic() {
        let request = request(&email(), &[TOPIC], "<PublishResponse><PublishResult/></PublishResponse>").await;
        assert!(request.contains("TopicArn=arn%3Aaws%3Asns%3Aeu-west-1%3A123456789012%3Amails"), "{request}");
        assert!(request.contains("%22to%22%3A%22ada%40example.com%22") && request.contains("012345"), "{request}");
    }

    #[tokio::test]
    async fn why_a_code_was_not_sent_is_told_without_the_address() {
        let refused = "<ErrorResponse><Error><Code>InvalidParameter</Code><Message>Invalid parameter: PhoneNumber \
                       +33612345678</Message></Error></ErrorResponse>";
        let (url, _request) = serve_once(400, refused).await;
        let outcome = delivery(&url, &[TOPIC]).unwrap().send_code(&phone(), &code()).await;
        assert_eq!(outcome, Err(DeliveryError("InvalidParameter".to_owned())));
        let nowhere = delivery("http://127.0.0.1:1", &[SENDER]).unwrap();
        assert_eq!(nowhere.send_code(&email(), &code()).await, Err(DeliveryError("no connection".to_owned())));
    }

    #[test]
    fn without_a_sender_and_a_topic_the_function_does_not_start() {
        let missing = delivery("http://127.0.0.1:1", &[]).unwrap_err();
        assert_eq!(missing, ConfigError::Missing("VERIFICATION_TOPIC_ARN"));
    }
}
