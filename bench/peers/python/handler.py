"""A transfer with Powertools for AWS Lambda, as its guides write a function."""

import json
import os
import uuid
from datetime import datetime, timezone

import boto3
import jwt
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent_function,
)
from jwt.algorithms import OKPAlgorithm

LEDGER_TABLE = os.environ["LEDGER_TABLE"]

logger = Logger()
metrics = Metrics()
client = boto3.client("dynamodb")
key = OKPAlgorithm.from_jwk({"kty": "OKP", "crv": "Ed25519", "x": os.environ["TOKEN_KEY"]})
store = DynamoDBPersistenceLayer(table_name=os.environ["IDEMPOTENCY_TABLE"], boto3_client=client)
config = IdempotencyConfig(
    event_key_jmespath="[owner, key]", payload_validation_jmespath="body", raise_on_no_idempotency_key=True
)


def account(name: str) -> dict:
    return {"TableName": LEDGER_TABLE, "Key": {"pk": {"S": f"ACCOUNT#{name}"}}}


@idempotent_function(data_keyword_argument="request", persistence_store=store, config=config)
def send(*, request: dict) -> dict:
    body = json.loads(request["body"])
    payer, payee, amount = body["fromPaymentAccountId"], body["toPaymentAccountId"], body["amount"]
    if not isinstance(amount, int) or amount <= 0 or payer == payee:
        raise ValueError("invalid transfer")
    transfer = {
        "id": str(uuid.uuid4()),
        "from": payer,
        "to": payee,
        "amount": amount,
        "note": body.get("note", ""),
        "createdAt": datetime.now(timezone.utc).isoformat(),
    }
    item = {name: {"N": str(value)} if name == "amount" else {"S": value} for name, value in transfer.items()}
    client.transact_write_items(
        TransactItems=[
            {
                "Put": {
                    "TableName": LEDGER_TABLE,
                    "Item": {"pk": {"S": f"TRANSFER#{transfer['id']}"}, **item},
                    "ConditionExpression": "attribute_not_exists(pk)",
                }
            },
            {
                "Update": {
                    **account(payer),
                    "UpdateExpression": "SET balance = balance - :amount",
                    "ConditionExpression": "#owner = :owner AND balance >= :amount",
                    "ExpressionAttributeNames": {"#owner": "owner"},
                    "ExpressionAttributeValues": {":amount": {"N": str(amount)}, ":owner": {"S": request["owner"]}},
                }
            },
            {
                "Update": {
                    **account(payee),
                    "UpdateExpression": "SET balance = balance + :amount",
                    "ConditionExpression": "attribute_exists(pk)",
                    "ExpressionAttributeValues": {":amount": {"N": str(amount)}},
                }
            },
        ]
    )
    return transfer


def handler(event: dict, context: object) -> dict:
    config.register_lambda_context(context)
    headers = event["headers"]
    token = headers["authorization"].removeprefix("Bearer ")
    if jwt.get_unverified_header(token).get("typ") != os.environ["TOKEN_TYPE"]:
        raise jwt.InvalidTokenError("not an access token")
    claims = jwt.decode(
        token,
        key,
        algorithms=["EdDSA"],
        issuer=os.environ["TOKEN_ISSUER"],
        audience=os.environ["TOKEN_AUDIENCE"],
        options={"require": ["exp", "iat", "sub"]},
    )
    request = {"owner": claims["sub"], "key": headers["idempotency-key"], "body": event["body"]}
    transfer = send(request=request)
    metrics.add_metric(name="Transfers", unit=MetricUnit.Count, value=1)
    metrics.flush_metrics()
    logger.info("sent", route=event["routeKey"], transfer=transfer["id"])
    return {"statusCode": 201, "headers": {"content-type": "application/json"}, "body": json.dumps(transfer)}
