"""The HTTP API at the root of an origin, which MiniStack serves below a path.

Below a path, browsers would not send the cookie of the refresh token, whose Path is that of the endpoint at AWS.
"""

import json
from pathlib import Path


class ApiOrigin:
    """An ASGI application that adds the path of the API, which a file contains, to requests to one port."""

    def __init__(self, app, port: int, path: Path) -> None:
        self.app = app
        self.port = port
        self.path = path

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] not in ("http", "websocket") or scope["server"][1] != self.port:
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            # An HTTP API has none.
            await send({"type": "websocket.close"})
        elif not self.path.exists():
            await unavailable(send)
        else:
            prefix = self.path.read_text()
            paths = {"path": prefix + scope["path"], "raw_path": prefix.encode() + scope["raw_path"]}
            await self.app(scope | paths, receive, send)


async def unavailable(send) -> None:
    body = json.dumps({"message": "The API is not deployed yet."}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": body})
