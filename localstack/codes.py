"""`make codes`: the codes that the running stack has sent, the last one of each person, as they would read it."""

import json
import urllib.request

from console import main, say
from running import local_cloud, require


def sent(cloud, service: str) -> list[dict]:
    """Everything that a service of the local cloud was given to send, oldest first for each receiver."""
    with urllib.request.urlopen(f"{cloud.endpoint}/_ministack/{service}") as answer:
        return json.load(answer)


def codes() -> None:
    cloud = local_cloud(require().port)
    mails = [mail for account in sent(cloud, "ses/messages")["messages"].values() for mail in account]
    texts = {address: mail["BodyText"] for mail in mails for address in mail["To"]}
    for phone, messages in sent(cloud, "sns/sms-messages")["sms_messages"].items():
        texts[phone] = messages[-1]["Message"]
    for receiver, text in texts.items():
        say(f"{receiver}\t{text}")


if __name__ == "__main__":
    main(codes)
