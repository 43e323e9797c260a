"""Sent e-mails and SMS at the paths and in the format of MiniStack, for tests that run on both engines."""

from localstack.http import Request
from localstack.services.edge import ROUTER
from localstack.services.sns.models import sns_stores

from localstack_native.mail import sent_mails


def mails(_request: Request) -> dict:
    return {"messages": sent_mails()}


def sms(request: Request) -> dict:
    """SMS by phone number, oldest first. The query parameter `phoneNumber` selects one."""
    wanted = request.args.get("phoneNumber")
    found: dict[str, list[dict]] = {}
    for _account, _region, store in sns_stores.iter_stores():
        for message in store.sms_messages:
            if wanted in (None, message["PhoneNumber"]):
                found.setdefault(message["PhoneNumber"], []).append(
                    {"Message": message["Message"], "MessageAttributes": message.get("MessageAttributes")}
                )
    return {"sms_messages": found}


def add_ministack_routes() -> None:
    ROUTER.add("/_ministack/ses/messages", mails, methods=["GET"])
    ROUTER.add("/_ministack/sns/sms-messages", sms, methods=["GET"])
