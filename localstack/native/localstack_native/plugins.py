"""The entry points of pyproject.toml. Modules are imported when LocalStack loads a plugin, to keep its start short."""

from localstack.runtime import hooks
from localstack.runtime.server.core import RuntimeServerPlugin
from localstack.services.cloudformation.resource_provider import CloudFormationResourceProviderPlugin
from localstack.services.lambda_.invocation.plugins import RuntimeExecutorPlugin
from localstack.services.plugins import Service, aws_provider

from localstack_native import settings


class LoopbackServerPlugin(RuntimeServerPlugin):
    name = "loopback"

    def load(self, *_args, **_kwargs):
        from localstack_native.server import LoopbackServer

        return LoopbackServer()


class NativeExecutorPlugin(RuntimeExecutorPlugin):
    name = "native"

    def load(self, *_args, **_kwargs):
        from localstack_native.lambda_.executor import NativeRuntimeExecutor

        return NativeRuntimeExecutor


@aws_provider(api="dynamodb", name="dynoxide")
def dynamodb():
    from localstack.aws.forwarder import HttpFallbackDispatcher

    from localstack_native.dynamodb import DynoxideProvider

    return Service.for_provider(
        DynoxideProvider(),
        dispatch_table_factory=lambda provider: HttpFallbackDispatcher(provider, provider.get_forward_url),
    )


@aws_provider(api="dynamodbstreams", name="dynoxide")
def dynamodbstreams():
    from localstack_native.dynamodb import DynoxideStreamsProvider

    return Service.for_provider(DynoxideStreamsProvider())


@aws_provider(api="sesv2")
def sesv2():
    from localstack_native.mail import sesv2_service

    return sesv2_service()


class HttpApiPlugin(CloudFormationResourceProviderPlugin):
    name = "AWS::ApiGatewayV2::Api"

    def load(self):
        from localstack_native.http_api.resources import HttpApiProvider

        self.factory = HttpApiProvider


class StagePlugin(CloudFormationResourceProviderPlugin):
    name = "AWS::ApiGatewayV2::Stage"

    def load(self):
        from localstack_native.http_api.resources import StageProvider

        self.factory = StageProvider


class CustomResourcePlugin(CloudFormationResourceProviderPlugin):
    name = "AWS::CloudFormation::CustomResource"

    def load(self):
        from localstack_native.custom_resource import CustomResourceProvider

        self.factory = CustomResourceProvider


@hooks.on_infra_start()
def on_start():
    from localstack_native.cloudformation import retain_except_on_create
    from localstack_native.http_api.gateway import add_api_routes
    from localstack_native.lambda_.logs import deliver_pending_logs, write_to_configured_log_group
    from localstack_native.ministack_alias import add_ministack_routes
    from localstack_native.table_policies import apply_table_policies_of_templates

    write_to_configured_log_group()
    deliver_pending_logs()
    retain_except_on_create()
    apply_table_policies_of_templates()
    add_api_routes()
    add_ministack_routes()
    if settings.enforces_iam():
        from localstack_native.iam.enforcement import enforce_roles

        enforce_roles()


@hooks.on_infra_ready()
def on_ready():
    from localstack_native.loopback import exit_unless_loopback_only

    exit_unless_loopback_only()


# Before the other hooks, which would wait for services that have nothing to save.
@hooks.on_infra_shutdown(priority=100)
def on_shutdown():
    from localstack_native.shutdown import exit_with_processes

    exit_with_processes()
