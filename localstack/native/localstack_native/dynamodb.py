"""DynamoDB and its streams: LocalStack's providers for DynamoDB Local, with the program dynoxided instead of its jar.

dynoxide differs from DynamoDB Local: its ARNs have another region, its shard iterators are not ARNs, and it has one set
of tables for all accounts and regions.
"""

import re
from functools import cache
from pathlib import Path

from localstack import config
from localstack.aws.api import RequestContext, handler
from localstack.aws.api.dynamodb import (
    DeleteResourcePolicyInput,
    DeleteResourcePolicyOutput,
    DeleteTableOutput,
    GetResourcePolicyInput,
    GetResourcePolicyOutput,
    PolicyNotFoundException,
    PutResourcePolicyInput,
    PutResourcePolicyOutput,
    TableName,
    TimeToLiveSpecification,
    UpdateTimeToLiveOutput,
)
from localstack.aws.api.dynamodbstreams import GetRecordsInput, GetRecordsOutput
from localstack.aws.forwarder import AwsRequestProxy
from localstack.services.dynamodb.server import DynamodbServer
from localstack.services.dynamodb.v2.provider import DynamoDBProvider
from localstack.services.dynamodbstreams.v2.provider import DynamoDBStreamsProvider
from localstack.utils.aws.arns import dynamodb_table_arn
from localstack.utils.common import TMP_THREADS, ShellCommandThread
from localstack.utils.threads import FuncThread

from localstack_native import settings, table_policies
from localstack_native.settings import LOOPBACK

# AWS capitalizes the members of a record's userIdentity.
USER_IDENTITY = re.compile(rb'"userIdentity":\{"type":("[^"]*"),"principalId":("[^"]*")\}')


class DynoxideProxy(AwsRequestProxy):
    """Forwards requests to dynoxide, and makes its responses like those of DynamoDB Local, which LocalStack adapts."""

    def __init__(self, endpoint_url: str) -> None:
        super().__init__(endpoint_url)
        forward = self.proxy.forward

        def forward_and_adapt(*args, **kwargs):
            response = forward(*args, **kwargs)
            body = response.data.replace(b":dynamodb:dynoxide:", b":dynamodb:ddblocal:")
            response.data = USER_IDENTITY.sub(rb'"userIdentity":{"Type":\1,"PrincipalId":\2}', body)
            return response

        self.proxy.forward = forward_and_adapt


class DynoxideServer(DynamodbServer):
    """The process of dynoxided, which LocalStack restarts if it fails."""

    def __init__(self) -> None:
        super().__init__(host=LOOPBACK)
        self.proxy = DynoxideProxy(self.url)

    @staticmethod
    @cache
    def get() -> "DynoxideServer":
        return DynoxideServer()

    def do_start_thread(self) -> FuncThread:
        thread = ShellCommandThread(
            [str(settings.dynoxided()), str(self.port)],
            outfile=str(Path(config.dirs.tmp) / "dynoxided.log"),
            auto_restart=True,
            name="dynoxided",
        )
        TMP_THREADS.append(thread)
        thread.start()
        return thread


class DynoxideProvider(DynamoDBProvider):
    @staticmethod
    def _new_dynamodb_server() -> DynamodbServer:
        return DynoxideServer.get()

    def update_time_to_live(
        self,
        context: RequestContext,
        table_name: TableName,
        time_to_live_specification: TimeToLiveSpecification,
        **kwargs,
    ) -> UpdateTimeToLiveOutput:
        """LocalStack only stores the setting. dynoxide deletes expired items, with a record in the stream."""
        output = super().update_time_to_live(context, table_name, time_to_live_specification, **kwargs)
        self.forward_request(context)
        return output

    def delete_table(self, context: RequestContext, table_name: TableName, **kwargs) -> DeleteTableOutput:
        output = super().delete_table(context, table_name, **kwargs)
        table_policies.delete(dynamodb_table_arn(table_name, context.account_id, context.region))
        return output

    @handler("PutResourcePolicy", expand=False)
    def put_resource_policy(self, context: RequestContext, payload: PutResourcePolicyInput) -> PutResourcePolicyOutput:
        return PutResourcePolicyOutput(RevisionId=table_policies.put(payload["ResourceArn"], payload["Policy"]))

    @handler("GetResourcePolicy", expand=False)
    def get_resource_policy(self, context: RequestContext, payload: GetResourcePolicyInput) -> GetResourcePolicyOutput:
        policy = table_policies.get(payload["ResourceArn"])
        if policy is None:
            raise PolicyNotFoundException(f"Resource-based policy not found for {payload['ResourceArn']}")
        return GetResourcePolicyOutput(Policy=policy.document, RevisionId=policy.revision)

    @handler("DeleteResourcePolicy", expand=False)
    def delete_resource_policy(
        self, context: RequestContext, payload: DeleteResourcePolicyInput
    ) -> DeleteResourcePolicyOutput:
        return DeleteResourcePolicyOutput(RevisionId=table_policies.delete(payload["ResourceArn"]))


class DynoxideStreamsProvider(DynamoDBStreamsProvider):
    def __init__(self) -> None:
        super().__init__()
        self.server = DynoxideServer.get()

    @handler("GetRecords", expand=False)
    def get_records(self, context: RequestContext, payload: GetRecordsInput) -> GetRecordsOutput:
        return self.forward_request(context)
