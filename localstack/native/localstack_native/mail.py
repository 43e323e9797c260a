"""SES v2, which the open edition lacks: moto, LocalStack's own backend for other services, implements it."""

from localstack.aws.skeleton import Skeleton
from localstack.aws.spec import load_service
from localstack.services.moto import call_moto
from localstack.services.plugins import Service
from moto.ses.models import ses_backends


def sesv2_service() -> Service:
    model = load_service("sesv2")
    return Service(
        "sesv2",
        skeleton=Skeleton(model, dict.fromkeys(model.operation_names, lambda context, _request: call_moto(context))),
    )


def sent_mails() -> dict[str, list[dict]]:
    """Account id -> the e-mails that it has sent, oldest first for each region."""
    return {
        account: [
            {
                "Source": message.source,
                "To": message.destinations["ToAddresses"],
                "Subject": message.subject,
                "BodyText": message.body,
            }
            for backend in regions.values()
            for message in backend.sent_messages
        ]
        for account, regions in ses_backends.items()
    }
