//! E-mails by SES, or by a subscriber of a topic.

use aws_sdk_sesv2::error::BuildError;
use aws_sdk_sesv2::types::{Body, Content, Destination, EmailContent, Message as SimpleMessage};
use aws_types::SdkConfig;
use config::{ConfigError, Env};
use serde::Serialize;

use super::{DeliveryError, LazyClient, Message, delivery_error, lazy_client, sns_client};

#[derive(Debug)]
pub(super) enum EmailSender {
    Ses { ses: LazyClient<aws_sdk_sesv2::Client>, sender: String },
    Topic { sns: LazyClient<aws_sdk_sns::Client>, arn: String },
}

/// The message as published to the topic.
#[derive(Serialize)]
struct TopicMessage<'a> {
    to: &'a str,
    subject: &'a str,
    text: &'a str,
}

impl EmailSender {
    pub(super) fn from_env(env: &Env, config: &SdkConfig) -> Result<Self, ConfigError> {
        Ok(if let Some(sender) = env.optional("VERIFICATION_SENDER") {
            let config = aws::for_service(config, env, "AWS_ENDPOINT_URL_SESV2");
            Self::Ses { ses: lazy_client(config, ses_client), sender: sender.to_owned() }
        } else {
            let arn = env.required("VERIFICATION_TOPIC_ARN")?.to_owned();
            let config = aws::for_service(config, env, "AWS_ENDPOINT_URL_SNS");
            Self::Topic { sns: lazy_client(config, sns_client), arn }
        })
    }

    pub(super) async fn send(&self, to: &str, message: Message) -> Result<(), DeliveryError> {
        match self {
            Self::Ses { ses, sender } => {
                let content = content(&message).map_err(|error| DeliveryError::because(error.to_string()))?;
                let destination = Destination::builder().to_addresses(to).build();
                let send = ses.send_email().from_email_address(sender).destination(destination).content(content);
                send.send().await.map(drop).map_err(|error| delivery_error(&error))
            }
            Self::Topic { sns, arn } => {
                let message = TopicMessage { to, subject: message.subject, text: &message.text };
                let message =
                    serde_json::to_string(&message).map_err(|error| DeliveryError::because(error.to_string()))?;
                let publish = sns.publish().topic_arn(arn).message(message);
                publish.send().await.map(drop).map_err(|error| delivery_error(&error))
            }
        }
    }
}

fn ses_client(config: &SdkConfig) -> aws_sdk_sesv2::Client {
    let config = aws_sdk_sesv2::config::Builder::from(config).interceptor(aws::ObserveDeadline).build();
    aws_sdk_sesv2::Client::from_conf(config)
}

fn content(message: &Message) -> Result<EmailContent, BuildError> {
    let utf8 = |data: &str| Content::builder().charset("UTF-8").data(data).build();
    let body = Body::builder().text(utf8(&message.text)?).build();
    let simple = SimpleMessage::builder().subject(utf8(message.subject)?).body(body).build();
    Ok(EmailContent::builder().simple(simple).build())
}
