"""Verification codes, read from the local cloud's outgoing e-mails and SMS."""

import re

import pytest
import requests

CODE = re.compile(r"\b[0-9]{6}\b")


def read(stack, service, **query):
    endpoint = stack.client("sns").meta.endpoint_url
    response = requests.get(f"{endpoint}/_ministack/{service}", params=query, timeout=5)
    if response.status_code == 404:
        pytest.skip("this engine does not expose sent messages; MiniStack does")
    return response.json()


def mails_to(stack, address):
    """The e-mails sent to an address, oldest first."""
    accounts = read(stack, "ses/messages")["messages"].values()
    return [mail for account in accounts for mail in account if address in mail["To"]]


def sms_to(stack, phone):
    """The SMS sent to a number, oldest first."""
    return read(stack, "sns/sms-messages", phoneNumber=phone)["sms_messages"].get(phone, [])


def texts_to(stack, receiver):
    if receiver.startswith("+"):
        return [sms["Message"] for sms in sms_to(stack, receiver)]
    return [mail["BodyText"] for mail in mails_to(stack, receiver)]


def codes_to(stack, receiver):
    """The codes sent to an e-mail address or a phone number, oldest first."""
    found = [CODE.findall(text) for text in texts_to(stack, receiver)]
    assert all(len(codes) == 1 for codes in found), found
    return [code for (code,) in found]


def lines_with_code(stack, receiver):
    """The lines of the sent messages that contain a code."""
    return [line for text in texts_to(stack, receiver) for line in text.splitlines() if CODE.search(line)]


def different_code(code):
    return f"{(int(code) + 1) % 1_000_000:06}"
