"""The codes that were sent, read from the local cloud as a person reads their mail and their phone."""

import re

import pytest
import requests

CODE = re.compile(r"\b[0-9]{6}\b")


def read(stack, service, **query):
    endpoint = stack.client("sns").meta.endpoint_url
    answer = requests.get(f"{endpoint}/_ministack/{service}", params=query, timeout=5)
    if answer.status_code == 404:
        pytest.skip("this engine does not show what was sent; MiniStack does")
    return answer.json()


def mails_to(stack, address):
    """Every e-mail that was sent to an address, the oldest first."""
    accounts = read(stack, "ses/messages")["messages"].values()
    return [mail for account in accounts for mail in account if address in mail["To"]]


def sms_to(stack, phone):
    """Every SMS that was sent to a number, the oldest first."""
    return read(stack, "sns/sms-messages", phoneNumber=phone)["sms_messages"].get(phone, [])


def texts_to(stack, receiver):
    if receiver.startswith("+"):
        return [sms["Message"] for sms in sms_to(stack, receiver)]
    return [mail["BodyText"] for mail in mails_to(stack, receiver)]


def codes_to(stack, receiver):
    """The codes that an e-mail address or a phone number was sent, the oldest first."""
    found = [CODE.findall(text) for text in texts_to(stack, receiver)]
    assert all(len(codes) == 1 for codes in found), found
    return [code for (code,) in found]


def another(code):
    """Six digits that are not these."""
    return f"{(int(code) + 1) % 1_000_000:06}"
