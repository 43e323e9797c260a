"""`make sam-invoke` and `make sam-api`: `sam local` against the running stack.

sam_local.py invoke FUNCTION [EVENT]   invoke one function, with its sample event by default
sam_local.py api PORT                  serve the API until Ctrl-C
"""

import os
import platform
import signal
import subprocess
import sys
from pathlib import Path

from build import build
from console import Failure, echo, main
from containers import docker, require_docker
from pidfile import require
from sam_environment import SAM_ENVIRONMENT, functions
from settings import ARCHITECTURE, ROOT, TOOLS, Cloud

IMAGE = "public.ecr.aws/lambda/provided:al2023"


def sam_command(command: str, *arguments: str | Path, template: Path, environment_file: Path) -> list[str | Path]:
    """The command line of `sam local invoke` or `sam local start-api`."""
    return [
        TOOLS / "sam",
        "local",
        command,
        *arguments,
        "--template",
        template,
        "--env-vars",
        environment_file,
        "--parameter-overrides",
        f"Architecture={ARCHITECTURE}",
        *(["--skip-pull-image"] if has_stand_in() else []),
    ]


def require_image(stand_in: bool = False) -> None:
    """Pull Lambda's image if it is missing. With `stand_in`, make a substitute if it cannot be pulled."""
    if docker("image", "ls", "--quiet", IMAGE):
        return
    if subprocess.run(["docker", "pull", "--quiet", IMAGE]).returncode == 0:
        return
    if not stand_in:
        raise Failure(f"{IMAGE} cannot be pulled: see docker's message above")
    echo(f"{IMAGE} cannot be pulled: making a stand-in")
    if subprocess.run([ROOT / "localstack" / "sam-base-image", sys.executable]).returncode != 0:
        raise Failure("the stand-in could not be made: see above")


def has_stand_in() -> bool:
    """Whether sam-base-image made the image, which cannot be compared with that of the registry."""
    return docker("image", "ls", "--quiet", "--filter", "label=stand-in", IMAGE) != ""


def template_for_containers(cloud: Cloud) -> Path:
    """The built template with functions that run in Lambda's image. On Linux they are those of `make run`."""
    if platform.system() == "Linux":
        return build()
    command = [TOOLS / "sam", "build", "--parameter-overrides", f"Architecture={ARCHITECTURE}"]
    # cargo-lambda is in the same folder.
    path = f"{TOOLS}{os.pathsep}{os.environ['PATH']}"
    environment = cloud.environment() | {"PATH": path, "SAM_BUILD_MODE": "debug"}
    if subprocess.run(command, cwd=ROOT, env=environment).returncode != 0:
        raise Failure("sam build failed: see above")
    return ROOT / ".aws-sam" / "build" / "template.yaml"


def logical_id(function: str) -> str:
    """The logical id of a function that is named by it or by its binary."""
    binaries = functions()
    ids = {binary: name for name, binary in binaries.items()} | {name: name for name in binaries}
    if function not in ids:
        raise Failure(f"FUNCTION={function}: name one of {', '.join(sorted(binaries.values()))}")
    return ids[function]


def event_file(function: str, event: str) -> Path:
    path = Path(event) if event else ROOT / "events" / f"{functions()[function]}.json"
    if not path.is_file():
        raise Failure(f"EVENT={path}: there is no such file")
    return path.resolve()


def reachable_cloud() -> Cloud:
    """The running cloud. Fails if containers do not reach it."""
    require_docker()
    cloud = require().cloud
    if not cloud.container_host:
        raise Failure("containers do not reach the running stack: start it with make run CONTAINERS=1")
    return cloud


def script() -> int:
    command, *arguments = sys.argv[1:]
    if command == "invoke":
        function, event = (*arguments, "")[:2]
        if not function:
            raise Failure("name a function: make sam-invoke FUNCTION=me")
        name = logical_id(function)
        own = ["invoke", name, "--event", event_file(name, event)]
    else:
        own = ["start-api", "--host", "127.0.0.1", "--port", *arguments, "--warm-containers", "LAZY"]
    cloud = reachable_cloud()
    require_image()
    template = template_for_containers(cloud)
    line = sam_command(*own, template=template, environment_file=SAM_ENVIRONMENT)
    echo(f"> {' '.join(map(str, line))}")
    process = subprocess.Popen(line, cwd=ROOT, env=cloud.environment())
    # Ctrl-C also reaches the SAM CLI, which then removes its containers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return process.wait()


if __name__ == "__main__":
    main(script)
