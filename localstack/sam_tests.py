"""`make test-sam`: tests with functions in the containers of `sam local`, against a new stack.

The commands of the README are run, every sample event is handled by `sam local invoke`, and the end-to-end tests send
their requests to `sam local start-api`. support/expected_failures.py names the tests that the SAM CLI is known to fail.
"""

import json
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import e2e
import server
from console import Failure, echo, main
from containers import container_host, require_docker
from deployment import deploy, session
from engines import engine_with
from sam_environment import SAM_ENVIRONMENT, sam_environment
from sam_local import has_stand_in, require_image, sam_command, template_for_containers
from settings import ROOT, STACK_NAME, Cloud

START_SECONDS = 60
STOP_SECONDS = 120


def run_commands_of_readme(cloud: Cloud, variables: Path) -> None:
    """Run the documented commands of the SAM CLI on this stack."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    [block] = [block for block in blocks if "sam build" in block]
    documented = str(SAM_ENVIRONMENT.relative_to(ROOT))
    if documented not in block:
        raise Failure(f"the commands of the README do not mention {documented}")
    commands = block.replace(documented, str(variables))
    environment = cloud.environment() | ({"SAM_SKIP_PULL_IMAGE": "true"} if has_stand_in() else {})
    result = subprocess.run(["sh", "-eu"], input=commands, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    if result.returncode != 0 or '"statusCode": 200' not in result.stdout:
        raise Failure(f"the commands of the README do not invoke the function: {result.stdout}")


@contextmanager
def started_api(cloud: Cloud, command: list[str | Path], url: str) -> Iterator[None]:
    """Run `sam local start-api` for the duration of a `with` block."""
    with (cloud.folder / "sam.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=cloud.environment(), stdout=log, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not responds(f"{url}/health"):
            if process.poll() is not None or time.monotonic() > deadline:
                echo(Path(log.name).read_text(errors="replace")[-4000:])
                raise Failure("sam local start-api does not respond: see its messages above")
            time.sleep(0.2)
        yield
    finally:
        # It removes its containers then.
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            raise Failure("sam local start-api did not stop: its containers may still run") from None


def responds(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=START_SECONDS):
            return True
    except OSError:
        return False


def script() -> int:
    require_docker()
    require_image(stand_in=True)
    engine = engine_with("ministack")
    with tempfile.TemporaryDirectory(prefix="payment-platform-sam-") as folder:
        cloud = Cloud(Path(folder), *server.free_ports(), container_host())
        template = template_for_containers(cloud)
        with server.running(engine, cloud):
            resources = deploy(engine, cloud, template)
            variables = cloud.folder / "sam-environment.json"
            variables.write_text(sam_environment(cloud, session(), resources))
            files = {"template": template, "environment_file": variables}
            environment = cloud.environment() | {"STACK_NAME": STACK_NAME, "API_URL": cloud.api_url}
            echo("\n== Commands of the README")
            run_commands_of_readme(cloud, variables)
            echo("\n== Sample events by sam local invoke")
            invoke = json.dumps([str(part) for part in sam_command("invoke", **files)])
            samples = ["-p", "support.sam_invoke", "platform/test_sample_events.py", "-k", "sample and not handles"]
            sam = {"SAM_INVOKE": invoke, "SAM_ENDPOINT": cloud.container_endpoint}
            failed = e2e.pytest(environment | sam, samples)
            echo("\n== End-to-end tests by sam local start-api")
            port = server.free_ports()[0]
            url = f"http://127.0.0.1:{port}"
            options = ["--host", "127.0.0.1", "--port", str(port), "--warm-containers", "LAZY"]
            with started_api(cloud, sam_command("start-api", *options, **files), url):
                # The samples, which invoke functions directly, exist in this stack already.
                samples = "--ignore=platform/test_sample_events.py"
                arguments = [samples, *sys.argv[1:]]
                failed |= e2e.pytest(environment | {"API_URL": url, "EXPECTED_FAILURES": "sam"}, arguments)
    return failed


if __name__ == "__main__":
    main(script)
