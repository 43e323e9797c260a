"""Paths, names and credentials shared by the scripts in this folder."""

import os
import platform
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ROOT / ".venv" / "bin"
STATE = ROOT / ".state"

STACK_NAME = "payment-platform"
REGION = "us-east-1"

# The administrator of the local cloud, which listens on this machine only: these are not secret.
ADMINISTRATOR = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}

# The architecture of this machine, as a value of the template's Architecture parameter.
ARCHITECTURE = "arm64" if platform.machine().lower() in ("arm64", "aarch64") else "x86_64"


def is_address(host: str | None) -> bool:
    """Whether it is an IPv4 address, not a name."""
    return host is not None and host.replace(".", "").isdigit()


# Requests to this machine never go through a proxy.
for _name in ("no_proxy", "NO_PROXY"):
    os.environ[_name] = ",".join(filter(None, [os.environ.get(_name), "127.0.0.1,localhost"]))


@dataclass(frozen=True)
class Cloud:
    """A local cloud: its folder, and the ports of the AWS services and of the HTTP API."""

    folder: Path
    port: int
    api_port: int
    # The host name or address by which containers reach it, if they do.
    container_host: str | None = None

    @property
    def endpoint(self) -> str:
        """The endpoint of the AWS services."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def api_url(self) -> str:
        """The base URL of the HTTP API. Most browsers accept Secure cookies from localhost without TLS."""
        return f"http://localhost:{self.api_port}"

    @property
    def container_endpoint(self) -> str:
        """The endpoint of the AWS services in containers."""
        return f"http://{self.container_host or '127.0.0.1'}:{self.port}"

    @property
    def addresses(self) -> list[str]:
        """The addresses that it listens on."""
        return ["127.0.0.1", *([self.container_host] if is_address(self.container_host) else [])]

    @property
    def log(self) -> Path:
        return self.folder / "cloud.log"

    def environment(self) -> dict[str, str]:
        """The environment of a program that uses this cloud as its administrator.

        The user's own AWS settings are removed, so that no profile and no credentials direct a local command to a real
        account.
        """
        own = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
        return (
            own
            | ADMINISTRATOR
            | {
                # No profile: it could name other endpoints, or have AWS_ENDPOINT_URL ignored.
                "AWS_CONFIG_FILE": os.devnull,
                "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
                "AWS_EC2_METADATA_DISABLED": "true",
                "AWS_ENDPOINT_URL": self.endpoint,
                "AWS_REGION": REGION,
                "AWS_DEFAULT_REGION": REGION,
                "SAM_CLI_TELEMETRY": "0",
            }
        )
