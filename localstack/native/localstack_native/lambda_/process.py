"""One process of a function: its program, connected to a Runtime API of its own."""

import os
import subprocess
import threading
from pathlib import Path

from localstack_native.lambda_.runtime_api import InitializationError, RuntimeApi, error

# As in AWS for functions without provisioned concurrency.
INIT_TIMEOUT_SECONDS = 10


class FunctionProcess:
    def __init__(self, program: Path, environment: dict[str, str], output: Path) -> None:
        """Start the program. Its output is appended to a file. Raises OSError if it cannot be executed."""
        self.api = RuntimeApi()
        try:
            with output.open("ab") as file:
                self._child = subprocess.Popen(
                    [program],
                    cwd=program.parent,
                    env=environment | {"AWS_LAMBDA_RUNTIME_API": self.api.address},
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                )
        except OSError as cause:
            self.api.close(error("Runtime.InvalidEntrypoint", str(cause)))
            raise
        threading.Thread(target=self._watch, daemon=True).start()

    def wait_until_initialized(self) -> None:
        """Raises InitializationError if the process ends or takes more than INIT_TIMEOUT_SECONDS."""
        try:
            self.api.initialized.result(INIT_TIMEOUT_SECONDS)
        except TimeoutError:
            self.kill()
            message = f"Init timed out after {INIT_TIMEOUT_SECONDS} seconds"
            raise InitializationError(error("Sandbox.Timedout", message)) from None
        except InitializationError:
            # It may have reported the error and not ended.
            self.kill()
            raise

    @property
    def alive(self) -> bool:
        return self._child.poll() is None

    def kill(self) -> None:
        """End the process without a warning, as in AWS: without an extension there is no shutdown phase."""
        self._child.kill()
        self._child.wait()

    def _watch(self) -> None:
        status = self._child.wait()
        reason = f"exit status {status}" if status >= 0 else f"signal {-status}"
        self.api.close(error("Runtime.ExitError", f"Runtime exited with error: {reason}"))


def inherited_environment() -> dict[str, str]:
    """What a process has of the environment of LocalStack: only what programs need to find others."""
    return {name: os.environ[name] for name in ("PATH",) if name in os.environ}
