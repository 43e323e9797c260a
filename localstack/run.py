"""`make run`: build, start, deploy, prove with one request that it answers, and serve until Ctrl-C."""

import json
import os
import signal
import sys
import urllib.request

import server
from build import build
from console import Failure, main, say
from deployment import deploy
from running import NOTE, Running, find, leave_note, local_cloud, remove_note
from settings import ROOT, Cloud


def prove(url: str, cloud: Cloud) -> None:
    """One real request, through the API and a function."""
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=30) as answer:
            json.load(answer)
    except (OSError, ValueError) as cause:
        raise Failure(f"{url}/health does not answer as it should ({cause}): see {cloud.log}") from None


def greeting(url: str, cloud: Cloud) -> str:
    return f"""
Running at  {url}
Try it:     curl -i {url}/auth/signup -H 'content-type: application/json' \\
                 -d '{{"email":"ada@example.com","password":"correct horse battery"}}'
A walk:     make demo
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
    # A closed terminal ends it as Ctrl-C does: in good order.
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, lambda *_: sys.exit(0))
    say("building ...")
    template = build()
    say("starting ...")
    with server.running(cloud) as process:
        say("deploying ...")
        url = deploy(cloud, template)
        prove(url, cloud)
        leave_note(Running(process.pid, cloud.port, url))
        say(greeting(url, cloud))
        try:
            process.wait()
            # make stop takes the note away before it ends MiniStack.
            if NOTE.exists():
                raise Failure(f"MiniStack ended by itself: see {cloud.log}")
        except KeyboardInterrupt:
            say("stopping ...")
        finally:
            remove_note()
    say("stopped")


if __name__ == "__main__":
    main(script)
