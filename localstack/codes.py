"""`make codes`: the last verification code that the running stack has sent to each receiver."""

import json
import urllib.request

from console import echo, main
from pidfile import require


def sent(cloud, service: str) -> list[dict]:
    """The messages that a service of the local cloud has sent, oldest first for each receiver."""
    with urllib.request.urlopen(f"{cloud.endpoint}/_ministack/{service}") as response:
        return json.load(response)


def codes() -> None:
    cloud = require().cloud
    mails = [mail for account in sent(cloud, "ses/messages")["messages"].values() for mail in account]
    texts = {address: mail["BodyText"] for mail in mails for address in mail["To"]}
    for phone, messages in sent(cloud, "sns/sms-messages")["sms_messages"].items():
        texts[phone] = messages[-1]["Message"]
    for receiver, text in texts.items():
        echo(f"{receiver}\t{text}")


if __name__ == "__main__":
    main(codes)
