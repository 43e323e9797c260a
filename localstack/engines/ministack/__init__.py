"""MiniStack, the default engine. IAM is enforced, and the state is kept in the cloud's folder."""

import json
import os
import sys
from pathlib import Path

import boto3
from settings import ADMINISTRATOR, REGION, Cloud

from engines.ministack.boundary import set_boundary
from engines.ministack.routes import sync_routes


class MiniStack:
    key = "ministack"
    name = "MiniStack"
    serves_containers = True
    health_path = "/_ministack/health"

    def command(self, cloud: Cloud) -> list[str | Path]:
        program = Path(__file__).with_name("server.py")
        return [sys.executable, program, str(cloud.api_port), api_file(cloud), *cloud.addresses]

    def environment(self, cloud: Cloud) -> dict[str, str]:
        return ADMINISTRATOR | {
            "PATH": os.environ["PATH"],
            "HOME": str(cloud.folder),
            "TMPDIR": str(cloud.folder / "tmp"),
            # The host in the URLs that it returns. `localhost` may resolve to ::1, where it does not listen.
            "MINISTACK_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(cloud.port),
            "MINISTACK_REGION": REGION,
            "AUTH": "true",
            "PERSIST_STATE": "1",
            "STATE_DIR": str(cloud.folder / "state"),
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(cloud.folder / "objects"),
            # Listeners of unused services. The first would bind to every interface.
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
        }

    def prepare(self, cloud: Cloud) -> None:
        """Create the folders, and reset the positions of the event source mappings in their tables' streams.

        MiniStack saves the position of each mapping, but not the streams, which are empty after a start. A mapping
        would skip as many new records as it had read before.
        """
        for part in ("state", "objects", "tmp"):
            (cloud.folder / part).mkdir(parents=True, exist_ok=True)
        saved = cloud.folder / "state" / "lambda.json"
        if saved.exists():
            state = json.loads(saved.read_text())
            state["payload"]["dynamodb_stream_positions"]["data"] = {}
            saved.write_text(json.dumps(state))

    def complete(self, cloud: Cloud, session: boto3.Session, template: Path, resources: dict[str, str]) -> None:
        """Set what its CloudFormation leaves out: permissions boundaries and the routes of the API."""
        set_boundary(session.client("iam", endpoint_url=cloud.endpoint), template, resources)
        api_id = resources["HttpApi"]
        sync_routes(session.client("apigatewayv2", endpoint_url=cloud.endpoint), api_id, template, resources)
        # Atomically: the server reads it for each request.
        new = api_file(cloud).with_suffix(".new")
        new.write_text(f"/_aws/execute-api/{api_id}")
        new.replace(api_file(cloud))


def api_file(cloud: Cloud) -> Path:
    """The file in which the path of the API is stored for the server."""
    return cloud.folder / "api-path"
