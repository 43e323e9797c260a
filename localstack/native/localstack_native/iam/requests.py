"""The permissions that a request to an AWS API needs.

https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

from collections.abc import Iterator, Mapping

from localstack_native.iam.policy import Permission

TRANSACTION_ACTIONS = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
    "Get": "GetItem",
}


def permissions(
    service: str, signing_name: str, operation: str, parameters: Mapping, region: str, account: str
) -> Iterator[Permission]:
    """The permissions for an operation. `service` and `signing_name` are botocore's names.

    Services that are not listed here need `<signing name>:<operation>` on `*`: a policy that names resources of them
    refuses too much.
    """

    def arn(prefix: str, name: str) -> str:
        """Parameters may have an ARN in place of a name. `prefix` is what comes before the name in the ARN."""
        service, _, kind = prefix.partition(":")
        return name if name.startswith("arn:") else f"arn:aws:{service}:{region}:{account}:{kind}{name}"

    def table(name: str) -> str:
        return arn("dynamodb:table/", name)

    match service, operation:
        case "sts", "GetCallerIdentity":
            return
        case "dynamodb", "TransactWriteItems" | "TransactGetItems":
            for item in parameters["TransactItems"]:
                for kind, request in item.items():
                    yield Permission(f"dynamodb:{TRANSACTION_ACTIONS[kind]}", table(request["TableName"]))
        case "dynamodb", "BatchGetItem" | "BatchWriteItem":
            for name in parameters["RequestItems"]:
                yield Permission(f"dynamodb:{operation}", table(name))
        case "dynamodb", _ if "TableName" in parameters:
            index = parameters.get("IndexName")
            resource = table(parameters["TableName"]) + (f"/index/{index}" if index else "")
            yield Permission(f"dynamodb:{operation}", resource)
        case "dynamodbstreams", _:
            yield Permission(f"dynamodb:{operation}", parameters.get("StreamArn", "*"))
        case "logs", _ if "logGroupName" in parameters:
            stream = parameters.get("logStreamName", "")
            yield Permission(
                f"logs:{operation}", arn("logs:log-group:", f"{parameters['logGroupName']}:log-stream:{stream}")
            )
        case "secretsmanager", _ if "SecretId" in parameters:
            yield Permission(f"secretsmanager:{operation}", arn("secretsmanager:secret:", parameters["SecretId"]))
        case "sesv2", "SendEmail":
            sender = parameters.get("FromEmailAddress", "")
            yield Permission("ses:SendEmail", arn("ses:identity/", sender), {"ses:fromaddress": sender})
        case "sns", "Publish" | "PublishBatch":
            topic = parameters.get("TopicArn") or parameters.get("TargetArn")
            # An SMS has no resource.
            yield Permission("sns:Publish", topic or "*")
        case "sqs", _ if "QueueUrl" in parameters:
            queue = parameters["QueueUrl"].rsplit("/", 1)[1]
            yield Permission(f"sqs:{operation.removesuffix('Batch')}", arn("sqs:", queue))
        case "lambda", _ if "FunctionName" in parameters:
            action = "InvokeFunction" if operation == "Invoke" else operation
            yield Permission(f"lambda:{action}", arn("lambda:function:", parameters["FunctionName"]))
        case "s3", "GetObject" | "HeadObject":
            yield Permission("s3:GetObject", f"arn:aws:s3:::{parameters['Bucket']}/{parameters['Key']}")
        case "s3", "PutObject" | "DeleteObject":
            yield Permission(f"s3:{operation}", f"arn:aws:s3:::{parameters['Bucket']}/{parameters['Key']}")
        case "s3", "ListObjectsV2" | "ListObjects":
            yield Permission("s3:ListBucket", f"arn:aws:s3:::{parameters['Bucket']}")
        case _:
            yield Permission(f"{signing_name}:{operation}", "*")
