"""LocalStack's runtime executor without Docker, for functions with a runtime of `provided.*`.

LocalStack makes one executor per execution environment, and invokes it once at a time.
"""

import json
import logging
import shutil
import tempfile
from pathlib import Path

from localstack.services.lambda_.invocation.executor_endpoint import StatusErrorException
from localstack.services.lambda_.invocation.lambda_models import FunctionVersion, InvocationResult
from localstack.services.lambda_.invocation.runtime_executor import RuntimeExecutor

from localstack_native.lambda_.process import FunctionProcess, inherited_environment
from localstack_native.lambda_.runtime_api import InitializationError, Invocation, error
from localstack_native.settings import LOOPBACK

LOG = logging.getLogger(__name__)

# The wait after a response for the request of the next event. Later output counts as that of the next invocation.
IDLE_TIMEOUT_SECONDS = 0.2


class NativeRuntimeExecutor(RuntimeExecutor):
    def __init__(self, id: str, function_version: FunctionVersion) -> None:
        super().__init__(id, function_version)
        self._folder = Path(tempfile.mkdtemp(prefix="function-"))
        self._output = self._folder / "output"
        self._output.touch()
        self._output_read = 0
        self._environment: dict[str, str] = {}
        self._process: FunctionProcess | None = None

    def start(self, env_vars: dict[str, str]) -> None:
        self._environment = (
            inherited_environment()
            | {name: str(value) for name, value in env_vars.items()}
            | {"LAMBDA_TASK_ROOT": str(self._code), "TMPDIR": str(self._folder), "HOME": str(self._folder)}
        )
        self._start_process()

    def stop(self) -> None:
        if self._process:
            self._process.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def invoke(self, payload: dict[str, str]) -> InvocationResult:
        timeout = self.function_version.config.timeout
        # The last invocation, or the time after it, may have ended the process.
        if not self._process.alive:
            self._start_process()
        invocation = Invocation(
            payload["invoke-id"], payload["payload"], payload["invoked-function-arn"], payload["trace-id"], timeout
        )
        self._process.api.invoke(invocation)
        try:
            body, is_error = invocation.result.result(timeout)
            self._process.api.wait_until_idle(IDLE_TIMEOUT_SECONDS)
        except TimeoutError:
            self._process.kill()
            message = f"RequestId: {invocation.request_id} Error: Task timed out after {timeout:.2f} seconds"
            body, is_error = error("Sandbox.Timedout", message), True
        return InvocationResult(invocation.request_id, body, is_error=is_error, logs=self._logs(invocation.request_id))

    def get_address(self) -> str:
        return LOOPBACK

    def get_endpoint_from_executor(self) -> str:
        return LOOPBACK

    def get_runtime_endpoint(self) -> str:
        """An address for the init program of LocalStack's images. There is no such program here."""
        return f"http://{LOOPBACK}"

    def get_logs(self) -> str:
        return self._output.read_text(errors="replace") if self._output.exists() else ""

    @classmethod
    def prepare_version(cls, function_version: FunctionVersion) -> None:
        if code := function_version.config.code:
            code.prepare_for_execution()
            program = Path(code.get_unzipped_code_location()) / "bootstrap"
            # A package made on Windows has no mode bits.
            if program.exists():
                program.chmod(0o755)

    @classmethod
    def cleanup_version(cls, function_version: FunctionVersion) -> None:
        """LocalStack deletes the code of a version itself."""

    @property
    def _code(self) -> Path:
        return Path(self.function_version.config.code.get_unzipped_code_location())

    def _start_process(self) -> None:
        name = self.function_version.id.function_name
        try:
            self._process = FunctionProcess(self._code / "bootstrap", self._environment, self._output)
            self._process.wait_until_initialized()
        except OSError as cause:
            raise StatusErrorException(str(cause), error("Runtime.InvalidEntrypoint", str(cause))) from cause
        except InitializationError as cause:
            LOG.warning("Function %s did not start: %s\n%s", name, cause, self.get_logs())
            raise StatusErrorException(str(cause), cause.payload) from cause

    def _logs(self, request_id: str) -> str:
        """What the process has printed since the last call, with the lines that Lambda adds."""
        with self._output.open("rb") as file:
            file.seek(self._output_read)
            printed = file.read()
        self._output_read += len(printed)
        text = printed.decode(errors="replace")
        if text and not text.endswith("\n"):
            text += "\n"
        if self.function_version.config.logging_config.get("LogFormat") == "JSON":
            report = {"type": "platform.report", "record": {"requestId": request_id}}
            return f"{text}{json.dumps(report)}\n"
        return f"START RequestId: {request_id}\n{text}END RequestId: {request_id}\n"
