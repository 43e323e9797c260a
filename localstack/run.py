"""`make run`: builds, starts, deploys and smoke-tests the platform, and serves it until Ctrl-C."""

import json
import os
import signal
import sys
import urllib.request

import server
from build import build
from console import Failure, echo, main
from deployment import deploy
from pidfile import PIDFILE, Running, find, local_cloud, remove_pidfile, write_pidfile
from settings import ROOT, Cloud


def smoke_test(url: str, cloud: Cloud) -> None:
    """Send one request through the API to a function."""
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=30) as response:
            json.load(response)
    except (OSError, ValueError) as cause:
        raise Failure(f"{url}/health does not respond with JSON ({cause}): see {cloud.log}") from None


def greeting(url: str, cloud: Cloud) -> str:
    return f"""
Running at  {url}
Try it:     curl -i {url}/auth/signup -H 'content-type: application/json' \\
                 -d '{{"email":"ada@example.com","password":"correct horse battery"}}'
Demo:       make demo
Logs:       {cloud.log.relative_to(ROOT)}
Stop:       Ctrl-C, or make stop
"""


def script() -> None:
    cloud = local_cloud(int(os.environ.get("PORT", "4566")))
    running = find()
    if running is not None:
        raise Failure(f"already running at {running.url}: stop it with make stop")
    if not server.port_is_free(cloud.port):
        raise server.port_in_use(cloud)
    # A closed terminal stops it like Ctrl-C, with an orderly shutdown.
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, lambda *_: sys.exit(0))
    echo("building ...")
    template = build()
    echo("starting ...")
    with server.running(cloud) as process:
        echo("deploying ...")
        url = deploy(cloud, template)
        smoke_test(url, cloud)
        write_pidfile(Running(process.pid, cloud.port, url))
        echo(greeting(url, cloud))
        try:
            process.wait()
            # make stop removes the file before it stops MiniStack.
            if PIDFILE.exists():
                raise Failure(f"MiniStack exited unexpectedly: see {cloud.log}")
        except KeyboardInterrupt:
            echo("stopping ...")
        finally:
            remove_pidfile()
    echo("stopped")


if __name__ == "__main__":
    main(script)
