"""Delivery of the functions' logs to CloudWatch Logs, where LocalStack differs from AWS."""

from localstack.services.lambda_.invocation.execution_environment import ExecutionEnvironment
from localstack.services.lambda_.invocation.logs import QUEUE_SHUTDOWN, LogHandler
from localstack.utils.patch import patch

# LocalStack's own limit for the end of a log handler.
DRAIN_SECONDS = 2


def write_to_configured_log_group() -> None:
    """LocalStack stores the log group of a LoggingConfig and logs to /aws/lambda/<name>."""

    @patch(ExecutionEnvironment.get_log_group_name)
    def get_log_group_name(default, self: ExecutionEnvironment) -> str:
        return self.function_version.config.logging_config.get("LogGroup") or default(self)


def deliver_pending_logs() -> None:
    """When a function is updated, LocalStack drops logs of its last invocations that are still in the queue."""

    @patch(LogHandler.stop)
    def stop(fn, self: LogHandler) -> None:
        if self._thread:
            self.log_queue.put(QUEUE_SHUTDOWN)
            self._thread.join(DRAIN_SECONDS)
        fn(self)
