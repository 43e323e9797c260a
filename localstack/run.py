"""`make run`: builds, starts, deploys and smoke-tests the platform, and serves it until Ctrl-C."""

import json
import os
import signal
import sys
import urllib.request

import server
from build import build
from console import Failure, echo, main
from containers import container_host
from deployment import deploy, session
from engines import Engine, chosen_engine
from pidfile import PIDFILE, Running, find, local_cloud, remove_pidfile, write_pidfile
from sam_environment import SAM_ENVIRONMENT, sam_environment
from settings import ROOT, Cloud


def smoke_test(cloud: Cloud) -> None:
    """Send one request through the API to a function."""
    url = f"{cloud.api_url}/health"
    try:
        with urllib.request.urlopen(url, timeout=30) as response:
            json.load(response)
    except (OSError, ValueError) as cause:
        raise Failure(f"{url} does not respond with JSON ({cause}): see {cloud.log}") from None


def greeting(engine: Engine, cloud: Cloud) -> str:
    url = cloud.api_url
    lines = [
        "",
        f"Running at  {url}",
        f"AWS at      {cloud.endpoint}",
        f"Try it:     curl -i {url}/auth/signup -H 'content-type: application/json' \\",
        """                 -d '{"email":"ada@example.com","password":"correct horse battery"}'""",
        "Demo:       make demo",
        f"Logs:       {cloud.log.relative_to(ROOT)}",
    ]
    if engine.serves_containers:
        hint = "" if cloud.container_host else " (containers reach the stack with make run CONTAINERS=1 only)"
        lines.append(f"SAM:        sam local --env-vars {SAM_ENVIRONMENT.relative_to(ROOT)}{hint}")
    return "\n".join([*lines, "Stop:       Ctrl-C, or make stop", ""])


def chosen_port() -> int:
    port = os.environ.get("PORT", "4566")
    # The next one is that of the API.
    if not (port.isascii() and port.isdigit() and 1 <= int(port) <= 65534):
        raise Failure(f"PORT={port}: use a number from 1 to 65534")
    return int(port)


def chosen_cloud(engine: Engine) -> Cloud:
    """The cloud at PORT and the port after it. With CONTAINERS=1 containers reach it too."""
    port = chosen_port()
    containers = os.environ.get("CONTAINERS") == "1"
    if containers and not engine.serves_containers:
        raise Failure(f"CONTAINERS=1: {engine.name} listens on the loopback address only; use make run")
    return local_cloud(engine, port, port + 1, container_host() if containers else None)


def script() -> None:
    engine = chosen_engine()
    cloud = chosen_cloud(engine)
    running = find()
    if running is not None:
        raise Failure(f"already running at {running.cloud.api_url}: stop it with make stop")
    server.require_free_ports(cloud)
    # A closed terminal stops it like Ctrl-C, with an orderly shutdown.
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, lambda *_: sys.exit(0))
    echo("building ...")
    template = build()
    echo(f"starting {engine.name} ...")
    with server.running(engine, cloud) as process:
        echo("deploying ...")
        resources = deploy(engine, cloud, template)
        smoke_test(cloud)
        if engine.serves_containers:
            SAM_ENVIRONMENT.write_text(sam_environment(cloud, session(), resources))
        write_pidfile(Running(process.pid, engine.key, cloud.port, cloud.api_port, cloud.container_host))
        echo(greeting(engine, cloud))
        try:
            process.wait()
            # make stop removes the file before it stops the engine.
            if PIDFILE.exists():
                raise Failure(f"{engine.name} exited unexpectedly: see {cloud.log}")
        except KeyboardInterrupt:
            echo("stopping ...")
        finally:
            remove_pidfile()
    echo("stopped")


if __name__ == "__main__":
    main(script)
