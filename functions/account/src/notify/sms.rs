//! SMS by SNS.

use aws_sdk_sns::Client;
use aws_sdk_sns::types::MessageAttributeValue;
use aws_types::SdkConfig;
use config::Env;

use super::{DeliveryError, LazyClient, Message, delivery_error, lazy_client, sns_client};

#[derive(Debug)]
pub(super) struct SmsSender {
    sns: LazyClient<Client>,
    /// The sender id, in countries that require a registered one.
    sender_id: Option<String>,
}

impl SmsSender {
    pub(super) fn from_env(env: &Env, config: &SdkConfig) -> Self {
        let config = aws::for_service(config, env, "AWS_ENDPOINT_URL_SNS");
        let sender_id = env.optional("SMS_SENDER_ID").map(str::to_owned);
        Self { sns: lazy_client(config, sns_client), sender_id }
    }

    /// Sends a transactional SMS, which is optimized for reliability rather than cost
    /// (<https://docs.aws.amazon.com/sns/latest/dg/sms_publish-to-phone.html>).
    pub(super) async fn send(&self, to: &str, message: Message) -> Result<(), DeliveryError> {
        let mut sms = self.sns.publish().phone_number(to).message(message.text);
        sms = sms.message_attributes("AWS.SNS.SMS.SMSType", text("Transactional")?);
        if let Some(sender) = &self.sender_id {
            sms = sms.message_attributes("AWS.SNS.SMS.SenderID", text(sender)?);
        }
        sms.send().await.map(drop).map_err(|error| delivery_error(&error))
    }
}

fn text(value: &str) -> Result<MessageAttributeValue, DeliveryError> {
    let attribute = MessageAttributeValue::builder().data_type("String").string_value(value).build();
    attribute.map_err(|error| DeliveryError::because(error.to_string()))
}
