"""How containers on this machine reach the local cloud."""

import platform
import shutil
import socket
import subprocess

from console import Failure

# Docker Desktop runs containers in a virtual machine, and forwards this name to the loopback address of the host:
# https://docs.docker.com/desktop/features/networking/networking-how-tos/
DOCKER_DESKTOP_HOST = "host.docker.internal"


def require_docker() -> None:
    """Fail if no Docker engine responds."""
    docker("info")


def container_host() -> str:
    """The host name or address of this machine in containers."""
    if platform.system() != "Linux" or docker("info", "--format", "{{.OperatingSystem}}") == "Docker Desktop":
        return DOCKER_DESKTOP_HOST
    address = docker("network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}")
    with socket.socket() as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            raise Failure(
                f"containers cannot reach this machine: it does not have the address {address!r} of Docker's bridge, "
                "as with a rootless or a remote engine"
            ) from None
    return address


def docker(*arguments: str) -> str:
    """The output of a docker command."""
    if not shutil.which("docker"):
        raise Failure("docker is not installed")
    command = subprocess.run(["docker", *arguments], capture_output=True, text=True)
    if command.returncode != 0:
        raise Failure(f"docker {' '.join(arguments)}: {command.stderr.strip() or 'failed'}")
    return command.stdout.strip()
