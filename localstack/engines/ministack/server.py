"""The MiniStack process, which also serves the HTTP API at the root of an origin of its own.

server.py API_PORT API_FILE ADDRESS...: binds GATEWAY_PORT and API_PORT on each address. API_FILE contains the path
below which MiniStack serves the API; before it exists, the API responds with 503.

Below a path, browsers would not send the cookie of the refresh token, whose Path is that of the endpoint at AWS.
"""

import asyncio
import json
import logging
import os
import resource
import sys
from pathlib import Path

from hypercorn.asyncio import serve
from hypercorn.config import Config
from ministack.app import app

# MiniStack's own setting.
KEEP_ALIVE_SECONDS = 75


class ApiOrigin:
    """An ASGI application that adds the path of the API to requests to its port."""

    def __init__(self, app, port: int, path: Path) -> None:
        self.app = app
        self.port = port
        self.path = path

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] == "http" and scope["server"][1] == self.port:
            if not self.path.exists():
                await unavailable(send)
                return
            prefix = self.path.read_text()
            scope = scope | {
                "path": prefix + scope["path"],
                "raw_path": prefix.encode() + scope["raw_path"],
            }
        await self.app(scope, receive, send)


async def unavailable(send) -> None:
    body = json.dumps({"message": "The API is not deployed yet."}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def script(api_port: str, api_file: str, *addresses: str) -> None:
    # Without it, bursts of connections exhaust the usual limit of 1024 open files.
    _, limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    # The polls that wait for the start would fill the log.
    logging.getLogger("hypercorn.access").addFilter(lambda record: "/_ministack/health" not in record.getMessage())
    config = Config()
    config.bind = [f"{address}:{port}" for address in addresses for port in (os.environ["GATEWAY_PORT"], api_port)]
    config.keep_alive_timeout = KEEP_ALIVE_SECONDS
    asyncio.run(serve(ApiOrigin(app, int(api_port), Path(api_file)), config))


if __name__ == "__main__":
    script(*sys.argv[1:])
