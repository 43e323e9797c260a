"""`python -m localstack_native`: runs LocalStack with the plugins in the foreground, until SIGINT or SIGTERM."""

import argparse
import os
import shutil
import socket
import sys
from pathlib import Path

from localstack_native import settings
from localstack_native.settings import LOOPBACK

# Of the user's environment, LocalStack and the functions see nothing else: no AWS profile, no credentials.
INHERITED = ("PATH", "LANG", "LC_ALL")


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m localstack_native", description=__doc__)
    parser.add_argument("--port", type=int, default=4566, help="the port of the AWS APIs (default: 4566)")
    parser.add_argument("--api-port", type=int, default=4567, help="the port of the HTTP API (default: 4567)")
    parser.add_argument(
        "--state",
        type=Path,
        default=Path(".localstack"),
        metavar="FOLDER",
        help="the folder for files of LocalStack and of functions; nothing in it outlives a run (default: .localstack)",
    )
    parser.add_argument(
        "--dynoxided",
        type=Path,
        default=shutil.which("dynoxided"),
        metavar="PROGRAM",
        help="the program that serves DynamoDB (default: dynoxided on the PATH)",
    )
    parser.add_argument("--no-iam", dest="iam", action="store_false", help="let every role do everything")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="set an environment variable of LocalStack, such as DEBUG=1; may be repeated",
    )
    options = parser.parse_args(arguments)
    if options.dynoxided is None or not os.access(options.dynoxided, os.X_OK):
        parser.error(f"{options.dynoxided or 'dynoxided'} is not an executable file: build it and name it: --dynoxided")
    for assignment in options.set:
        if "=" not in assignment:
            parser.error(f"--set {assignment}: not NAME=VALUE")
    for port in (options.port, options.api_port):
        if not port_is_free(port):
            parser.error(f"port {port} of {LOOPBACK} is in use")
    return options


def port_is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: a port in TIME_WAIT counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def environment(options: argparse.Namespace) -> dict[str, str]:
    """The whole environment of LocalStack."""
    state = options.state.resolve()
    address = f"{LOOPBACK}:{options.port}"
    return (
        {name: os.environ[name] for name in INHERITED if name in os.environ}
        | {
            "HOME": str(state),
            # For Python. LocalStack has another use for TMPDIR.
            "TEMP": str(temporary_folder(state)),
            settings.API_PORT: str(options.api_port),
            settings.DYNOXIDED: str(options.dynoxided.resolve()),
            settings.ENFORCE_IAM: str(int(options.iam)),
            # Folders and addresses of this machine, not of LocalStack's container.
            "OVERRIDE_IN_DOCKER": "0",
            "FILESYSTEM_ROOT": str(state),
            "GATEWAY_LISTEN": address,
            "LOCALSTACK_HOST": address,
            "HOSTNAME_FROM_LAMBDA": LOOPBACK,
            # By path: host names of queues would have to be resolved.
            "SQS_ENDPOINT_STRATEGY": "path",
            "DNS_ADDRESS": "0",
            # The plugins.
            "GATEWAY_SERVER": "loopback",
            "LAMBDA_RUNTIME_EXECUTOR": "native",
            "PROVIDER_OVERRIDE_DYNAMODB": "dynoxide",
            "PROVIDER_OVERRIDE_DYNAMODBSTREAMS": "dynoxide",
            "DYNAMODB_IN_MEMORY": "1",
            # CloudFormation polls functions that are created asynchronously every 5 seconds.
            "LAMBDA_SYNCHRONOUS_CREATE": "1",
            # A process costs little while it is idle.
            "LAMBDA_KEEPALIVE_MS": "600000",
            # The defaults are 1 and up to 10 seconds.
            "LAMBDA_EVENT_SOURCE_MAPPING_POLL_INTERVAL_SEC": "0.2",
            "LAMBDA_EVENT_SOURCE_MAPPING_MAX_BACKOFF_ON_EMPTY_POLL_SEC": "0.5",
            # Responses of an API have the CORS headers of that API only.
            "DISABLE_CORS_CHECKS": "1",
            "DISABLE_CORS_HEADERS": "1",
            "CFN_VERBOSE_ERRORS": "1",
            # A request to a service that is not there fails instead of succeeding without effect.
            "STRICT_SERVICE_LOADING": "1",
            # No telemetry, no downloads.
            "DISABLE_EVENTS": "1",
            "SKIP_SSL_CERT_DOWNLOAD": "1",
        }
        | dict(assignment.split("=", 1) for assignment in options.set)
    )


def temporary_folder(state: Path) -> Path:
    return state / "tmp" / "localstack-native"


def prepare(state: Path) -> None:
    """Remove files of an earlier run, and LocalStack's cache of plugins, which is not updated with this package."""
    for folder in (temporary_folder(state), state / ".cache" / "plux", state / "Library" / "Caches" / "plux"):
        shutil.rmtree(folder, ignore_errors=True)
    temporary_folder(state).mkdir(parents=True)


def main() -> None:
    options = parse(sys.argv[1:])
    prepare(options.state)
    # Replaces this process, so that LocalStack receives its signals.
    os.execve(sys.executable, [sys.executable, "-m", "localstack.runtime.main"], environment(options))


if __name__ == "__main__":
    main()
