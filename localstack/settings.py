"""Names and places that the scripts of this folder share."""

import os
import platform
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ROOT / ".venv" / "bin"
STATE = ROOT / ".state"

STACK_NAME = "payment-platform"
REGION = "us-east-1"

# The local cloud's administrator. It listens on the loopback address alone, so these are no secret.
ADMINISTRATOR = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}

# What this machine runs, in the words of the template's Architecture parameter.
ARCHITECTURE = "arm64" if platform.machine().lower() in ("arm64", "aarch64") else "x86_64"


@dataclass(frozen=True)
class Cloud:
    """One local cloud: where it listens and where it keeps everything."""

    folder: Path
    port: int

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.folder / "ministack.log"

    def environment(self) -> dict[str, str]:
        """The environment of a program that talks to this cloud as its administrator.

        Nothing of the person's own AWS settings is passed on: neither a profile nor credentials can lead a local
        command to a real account.
        """
        own = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
        return own | ADMINISTRATOR | {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "SAM_CLI_TELEMETRY": "0",
        }
