"""The log group of a function's LoggingConfig. LocalStack stores the setting and logs to /aws/lambda/<name>."""

from localstack.services.lambda_.invocation.execution_environment import ExecutionEnvironment
from localstack.utils.patch import patch


def write_to_configured_log_group() -> None:
    @patch(ExecutionEnvironment.get_log_group_name)
    def get_log_group_name(default, self: ExecutionEnvironment) -> str:
        return self.function_version.config.logging_config.get("LogGroup") or default(self)
