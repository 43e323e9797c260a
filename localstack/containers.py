"""How containers on this machine reach the local cloud."""

import shutil
import subprocess

from console import Failure


def bridge_address() -> str:
    """The address of this machine in the default network of the Docker engine."""
    if not shutil.which("docker"):
        raise Failure("CONTAINERS=1: docker is not installed")
    template = "{{(index .IPAM.Config 0).Gateway}}"
    inspect = subprocess.run(
        ["docker", "network", "inspect", "bridge", "--format", template], capture_output=True, text=True
    )
    if inspect.returncode != 0:
        raise Failure(f"CONTAINERS=1: no Docker engine responds: {inspect.stderr.strip()}")
    return inspect.stdout.strip()
