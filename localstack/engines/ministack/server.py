"""The MiniStack process, which also serves the HTTP API at the root of an origin of its own.

server.py API_PORT API_FILE ADDRESS...: binds GATEWAY_PORT and API_PORT on each address. API_FILE contains the path
below which MiniStack serves the API; before it exists, the API responds with 503.
"""

import asyncio
import logging
import os
import resource
import sys
from pathlib import Path

from api_origin import ApiOrigin
from hypercorn.asyncio import serve
from hypercorn.config import Config
from ministack.app import app

# MiniStack's own setting.
KEEP_ALIVE_SECONDS = 75


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
