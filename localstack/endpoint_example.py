"""`make endpoint-example`: applies docs/adding-an-endpoint.md to a scratch copy and runs the checks of an endpoint.

It proves that the guide is current, and that an endpoint touches at most seven hand-written files. With E2E=1 the
end-to-end test of the example runs too, which compiles all functions of the copy.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from console import Failure, echo, main
from settings import ROOT

GUIDE = ROOT / "docs" / "adding-an-endpoint.md"
MAX_HAND_WRITTEN_FILES = 7
GENERATED = {"functions/docs/openapi.json", "docs/api.md", "events/limits.json"}
# A fenced block whose info string has the path of a file: its content, or a diff.
BLOCK = re.compile(r"^```(?P<language>\w+) (?P<path>\S+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
# Tests of every endpoint that need no running stack.
STATIC_TESTS = [
    "platform/test_template.py",
    "platform/test_documents.py",
    "platform/test_sample_events.py::test_every_function_has_one_sample_event",
    "platform/test_sample_events.py::test_http_samples_are_as_generated",
]


def copy_repository(folder: Path) -> None:
    """Copy the tracked and new files."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in filter(lambda name: (ROOT / name).exists(), listed.stdout.splitlines()):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target)


def apply_hunk(text: str, hunk: str, path: str) -> str:
    """Replace the context of a hunk, which must be unique, by its result."""
    lines = hunk.splitlines()
    before = "".join(f"{line[1:]}\n" for line in lines if line[:1] in (" ", "-"))
    after = "".join(f"{line[1:]}\n" for line in lines if line[:1] in (" ", "+"))
    if text.count(before) != 1:
        raise Failure(f"{GUIDE.name} is out of date: {path} has {text.count(before)} times\n{before}")
    return text.replace(before, after)


def apply_guide(folder: Path) -> set[str]:
    """Apply the blocks of the guide. Returns the paths of the files."""
    paths = set()
    for block in BLOCK.finditer(GUIDE.read_text()):
        file, text = folder / block["path"], block["text"]
        paths.add(block["path"])
        if block["language"] == "diff":
            result = file.read_text()
            for hunk in re.split(r"^@@\n", text, flags=re.MULTILINE):
                result = apply_hunk(result, hunk, block["path"])
            file.write_text(result)
        elif file.exists():
            raise Failure(f"{GUIDE.name} is out of date: {block['path']} exists")
        else:
            file.write_text(text)
    return paths


def changed_files(folder: Path) -> set[str]:
    """The files that differ from this repository."""
    files = {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}
    ours = {name for name in files if (ROOT / name).exists()}
    edited = {name for name in ours if (ROOT / name).read_bytes() != (folder / name).read_bytes()}
    caches = ("__pycache__", ".pytest_cache", ".venv")
    return {name for name in files - ours | edited if not any(cache in name for cache in caches)}


def script() -> None:
    with tempfile.TemporaryDirectory(prefix="endpoint-example-") as temporary:
        folder = Path(temporary)
        copy_repository(folder)
        hand_written = apply_guide(folder)
        (folder / ".venv").symlink_to(ROOT / ".venv")
        echo(f"{len(hand_written)} hand-written files:")
        for path in sorted(hand_written):
            echo(f"  {path}")
        if len(hand_written) > MAX_HAND_WRITTEN_FILES:
            raise Failure(f"an endpoint must touch at most {MAX_HAND_WRITTEN_FILES} hand-written files")
        # Dependencies are compiled already; the copy adds its own crates.
        environment = os.environ | {"CARGO_TARGET_DIR": str(ROOT / "target")}

        def run(*command: str, where: Path = folder, **variables: str) -> None:
            if subprocess.run(command, cwd=where, env=environment | variables).returncode != 0:
                raise Failure(f"in a copy with the example of {GUIDE.name}: {' '.join(command)}")

        run("cargo", "fmt", "--all", "--check")
        run("cargo", "test", "--quiet", "--package", "docs", "--test", "openapi", WRITE_OPENAPI="1")
        run(sys.executable, "localstack/sample_events.py")
        run("cargo", "test", "--quiet", "--package", "payment", "--lib", "http::limits")
        run("cargo", "test", "--quiet", "--package", "bench", "--test", "budgets")
        tests = folder / "localstack" / "tests"
        run(sys.executable, "-m", "pytest", "--quiet", "-k", "not runbook", *STATIC_TESTS, where=tests)
        if unexpected := changed_files(folder) - hand_written - GENERATED:
            raise Failure(f"files that the guide does not mention: {', '.join(sorted(unexpected))}")
        if os.environ.get("E2E"):
            run(sys.executable, "localstack/e2e.py", "-k", "limits or isolation or csrf or api_auth")
    echo("the example of docs/adding-an-endpoint.md passes its checks")


if __name__ == "__main__":
    main(script)
