"""`make endpoint-example`: applies docs/adding-an-endpoint.md to a scratch copy and runs the checks of an endpoint.

It proves that the guide is current, and that an endpoint touches at most seven hand-written files. With E2E=1 the
end-to-end test of the example runs too, which compiles all functions of the copy.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

from console import Failure, echo, main
from settings import ROOT

GUIDE = ROOT / "docs" / "adding-an-endpoint.md"
MAX_HAND_WRITTEN_FILES = 7
GENERATED = {"functions/docs/openapi.json", "docs/api.md", "events/limits.json", "Cargo.lock"}
SCRATCH = ROOT / "target" / "endpoint-example"
UNTRACKED = {".venv", ".venv-localstack", ".state", ".pytest_cache", "__pycache__", ".hypothesis", ".ruff_cache"}
# A fenced block whose info string has the path of a file: its content, or a diff.
BLOCK = re.compile(r"^```(?P<language>\w+) (?P<path>\S+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
# Tests of every endpoint that need no running stack.
STATIC_TESTS = [
    "platform/test_template.py",
    "platform/test_documents.py",
    "platform/test_sample_events.py::test_every_function_has_one_sample_event",
    "platform/test_sample_events.py::test_http_samples_are_as_generated",
]


def repository_files() -> dict[str, bytes]:
    """The content of the tracked and new files."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return {name: (ROOT / name).read_bytes() for name in listed.stdout.splitlines() if (ROOT / name).exists()}


def apply_hunk(text: str, hunk: str, path: str) -> str:
    """Replace the context of a hunk, which must be unique, by its result."""
    lines = hunk.splitlines()
    before = "".join(f"{line[1:]}\n" for line in lines if line[:1] in (" ", "-"))
    after = "".join(f"{line[1:]}\n" for line in lines if line[:1] in (" ", "+"))
    if text.count(before) != 1:
        raise Failure(f"{GUIDE.name} is out of date: {path} has {text.count(before)} times\n{before}")
    return text.replace(before, after)


def apply_guide(files: dict[str, bytes]) -> set[str]:
    """Apply the blocks of the guide to the files. Returns the paths of those that it changes."""
    paths = set()
    for block in BLOCK.finditer(GUIDE.read_text()):
        path, text = block["path"], block["text"]
        paths.add(path)
        if block["language"] == "diff":
            result = files[path].decode()
            for hunk in re.split(r"^@@\n", text, flags=re.MULTILINE):
                result = apply_hunk(result, hunk, path)
            text = result
        elif path in files:
            raise Failure(f"{GUIDE.name} is out of date: {path} exists")
        files[path] = text.encode()
    return paths


def distinguish_crates(files: dict[str, bytes]) -> None:
    """Give the crates a version of their own: cargo would take equal crates of both workspaces for the same build."""
    manifest = files["Cargo.toml"].decode()
    files["Cargo.toml"] = re.sub(r'^version = ".*"$', 'version = "0.0.0"', manifest, count=1, flags=re.M).encode()


def write_scratch_copy(files: dict[str, bytes]) -> None:
    """Write what differs and delete the rest: cargo compiles again what has a new modification time."""
    for name in scratch_files() - files.keys():
        (SCRATCH / name).unlink()
    for name, content in files.items():
        file = SCRATCH / name
        if not file.exists() or file.read_bytes() != content:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
    if not (SCRATCH / ".venv").exists():
        (SCRATCH / ".venv").symlink_to(ROOT / ".venv")


def scratch_files() -> set[str]:
    """The files of the scratch copy, without caches and the state of the local cloud."""
    files = (file.relative_to(SCRATCH) for file in SCRATCH.rglob("*") if file.is_file())
    return {str(file) for file in files if not UNTRACKED.intersection(file.parts)}


def script() -> None:
    files = repository_files()
    hand_written = apply_guide(files)
    echo(f"{len(hand_written)} hand-written files:")
    for path in sorted(hand_written):
        echo(f"  {path}")
    if len(hand_written) > MAX_HAND_WRITTEN_FILES:
        raise Failure(f"an endpoint must touch at most {MAX_HAND_WRITTEN_FILES} hand-written files")
    distinguish_crates(files)
    write_scratch_copy(files)
    # Dependencies are compiled already; the copy adds its own crates.
    environment = os.environ | {"CARGO_TARGET_DIR": str(ROOT / "target")}

    def run(*command: str, where: Path = SCRATCH, **variables: str) -> None:
        if subprocess.run(command, cwd=where, env=environment | variables).returncode != 0:
            raise Failure(f"in a copy with the example of {GUIDE.name}: {' '.join(command)}")

    run("cargo", "fmt", "--all", "--check")
    run("cargo", "test", "--quiet", "--package", "docs", "--test", "openapi", WRITE_OPENAPI="1")
    run(sys.executable, "localstack/sample_events.py")
    run("cargo", "test", "--quiet", "--package", "payment", "--lib", "http::limits")
    run("cargo", "test", "--quiet", "--package", "bench", "--test", "budgets")
    tests = SCRATCH / "localstack" / "tests"
    run(sys.executable, "-m", "pytest", "-q", "-k", "not runbook", *STATIC_TESTS, where=tests)
    changed = {name for name in scratch_files() if files.get(name) != (SCRATCH / name).read_bytes()}
    if unexpected := changed - GENERATED:
        raise Failure(f"files that the guide does not mention: {', '.join(sorted(unexpected))}")
    if os.environ.get("E2E"):
        run(sys.executable, "localstack/e2e.py", "-k", "limits or isolation or csrf or api_auth")
    echo("the example of docs/adding-an-endpoint.md passes its checks")


if __name__ == "__main__":
    main(script)
