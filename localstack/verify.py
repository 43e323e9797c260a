"""`make test`: everything that must hold before a change is merged, and how many tests said so."""

import os
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree
from pathlib import Path

import e2e
from console import Failure, main, say
from settings import REGION, ROOT, TOOLS


def step(title: str, *command: str | Path, **environment: str) -> None:
    """Run one command; its own output explains a failure."""
    say(f"\n== {title}")
    if subprocess.run(command, cwd=ROOT, env=os.environ | environment).returncode != 0:
        raise Failure(f"{title}: see above ({' '.join(map(str, command))})")


def rust_tests() -> int:
    """Run cargo's tests; how many passed."""
    say("\n== Rust tests")
    passed = 0
    cargo = subprocess.Popen(["cargo", "test", "--workspace"], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    for line in cargo.stdout:
        print(line, end="", flush=True)
        if result := re.match(r"test result: ok\. (\d+) passed", line):
            passed += int(result[1])
    if cargo.wait() != 0:
        raise Failure("Rust tests: see above (cargo test --workspace)")
    return passed


def end_to_end_tests() -> int:
    """Run the end-to-end tests; how many passed."""
    say("\n== End-to-end tests")
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        if e2e.run([f"--junit-xml={report}"]) != 0:
            raise Failure("End-to-end tests: see above (make e2e)")
        [suite] = xml.etree.ElementTree.parse(report).getroot()
        if suite.get("skipped") != "0":
            raise Failure(f"{suite.get('skipped')} end-to-end tests were skipped: a test that does not run shows nothing")
        return int(suite.get("tests"))


def script() -> None:
    step("Format", "cargo", "fmt", "--all", "--check")
    step("Lints", "cargo", "clippy", "--workspace", "--all-targets", "--", "-D", "warnings")
    step("Template", TOOLS / "sam", "validate", "--lint", SAM_CLI_TELEMETRY="0", AWS_DEFAULT_REGION=REGION)
    # Their sizes and starts are held to bench/budgets.toml by one of the tests, which compiles them too, but shows nothing.
    step("Release builds", "cargo", "build", "--release", "--bins")
    passed = rust_tests() + end_to_end_tests()
    say(f"\n{passed} passed, 0 failed")


if __name__ == "__main__":
    main(script)
