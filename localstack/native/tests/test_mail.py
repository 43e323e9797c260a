"""Sent e-mails and SMS, at the paths of MiniStack."""

import uuid

import pytest
import requests


@pytest.fixture
def receiver():
    return f"{uuid.uuid4().hex[:8]}@example.com"


def test_sent_mail_is_shown_with_its_text(client, localstack, receiver):
    ses = client("sesv2")
    ses.create_email_identity(EmailIdentity="sender@example.com")
    content = {"Simple": {"Subject": {"Data": "Your code"}, "Body": {"Text": {"Data": "It is 123456."}}}}
    ses.send_email(FromEmailAddress="sender@example.com", Destination={"ToAddresses": [receiver]}, Content=content)
    messages = requests.get(f"{localstack.endpoint}/_ministack/ses/messages").json()["messages"]
    [sent] = [message for message in messages["000000000000"] if receiver in message["To"]]
    assert sent == {
        "Source": "sender@example.com",
        "To": [receiver],
        "Subject": "Your code",
        "BodyText": "It is 123456.",
    }


def test_mail_from_an_unknown_sender_is_rejected(client, localstack, receiver):
    ses = client("sesv2")
    content = {"Simple": {"Subject": {"Data": "Your code"}, "Body": {"Text": {"Data": "It is 123456."}}}}
    with pytest.raises(ses.exceptions.MessageRejected):
        ses.send_email(FromEmailAddress="unknown@example.org", Destination={"ToAddresses": [receiver]}, Content=content)


def test_sent_sms_is_shown_for_its_number(client, localstack):
    sns = client("sns")
    for number, text in (("+15550001", "one"), ("+15550002", "two")):
        sns.publish(PhoneNumber=number, Message=text)
    path = f"{localstack.endpoint}/_ministack/sns/sms-messages"
    messages = requests.get(path, params={"phoneNumber": "+15550002"}).json()["sms_messages"]
    assert {number: [sms["Message"] for sms in found] for number, found in messages.items()} == {"+15550002": ["two"]}
    assert set(requests.get(path).json()["sms_messages"]) >= {"+15550001", "+15550002"}
