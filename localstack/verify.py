"""`make check`, `make unit`, `make test` and `make test-localstack`: the checks before a change is merged.

verify.py check          format, lints and the template
verify.py unit [CRATE]   Rust tests: of one crate, or of all
verify.py test           everything, with the budgets and the end-to-end tests
verify.py localstack     the tests of our plugins for LocalStack, and the end-to-end tests on LocalStack
"""

import os
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree
from pathlib import Path

import e2e
from console import Failure, echo, main
from engines import Engine, engine_with, localstack
from settings import REGION, ROOT, TOOLS


def step(title: str, *command: str | Path, **environment: str) -> None:
    """Run one command. Its own output explains a failure."""
    echo(f"\n== {title}")
    if subprocess.run(command, cwd=ROOT, env=os.environ | environment).returncode != 0:
        raise Failure(f"{title}: see above ({' '.join(map(str, command))})")


def check() -> None:
    step("Format", "cargo", "fmt", "--all", "--check")
    step("Python format", TOOLS / "ruff", "format", "--check", "--quiet")
    step("Python lints", TOOLS / "ruff", "check", "--quiet")
    step("Template", TOOLS / "sam", "validate", "--lint", SAM_CLI_TELEMETRY="0", AWS_DEFAULT_REGION=REGION)
    features = ("--features", "simulation/cli")
    step("Lints", "cargo", "clippy", "--workspace", "--all-targets", *features, "--", "-D", "warnings")


def rust_tests(*selection: str) -> int:
    """Run the tests of cargo packages. Returns how many passed."""
    echo("\n== Rust tests")
    passed, command = 0, ["cargo", "test", *selection]
    cargo = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    for line in cargo.stdout:
        print(line, end="", flush=True)
        if result := re.match(r"test result: ok\. (\d+) passed", line):
            passed += int(result[1])
    if cargo.wait() != 0:
        raise Failure(f"Rust tests: see above ({' '.join(command)})")
    return passed


def end_to_end_tests(engine: Engine) -> int:
    """Run the end-to-end tests. Returns how many passed."""
    echo(f"\n== End-to-end tests on {engine.name}")
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        if e2e.run([f"--junit-xml={report}"], engine) != 0:
            raise Failure(f"End-to-end tests: see above (make e2e ENGINE={engine.key})")
        [suite] = xml.etree.ElementTree.parse(report).getroot()
        # Tests that are expected to fail, and did, are reported as skipped too.
        left_out = suite.findall("testcase/skipped")
        skipped = [test for test in left_out if test.get("type") != "pytest.xfail"]
        if skipped:
            raise Failure(f"{len(skipped)} end-to-end tests were skipped: a skipped test verifies nothing")
        return int(suite.get("tests")) - len(left_out)


def script() -> None:
    command, *arguments = sys.argv[1:]
    passed = 0
    if command in ("check", "test"):
        check()
    if command == "test":
        step("Release builds", "cargo", "build", "--release", "--bins")
        passed = rust_tests("--workspace")
        # The budgets of release builds, which plain `cargo test` leaves out.
        passed += rust_tests("--package", "bench", "--test", "functions", "--test", "memory")
        step("Example of an endpoint", sys.executable, "localstack/endpoint_example.py")
        passed += end_to_end_tests(engine_with("ministack"))
    if command == "localstack":
        localstack.build_dynoxided()
        step("Plugins for LocalStack", localstack.PYTHON, "-m", "pytest", "localstack/native")
        passed = end_to_end_tests(engine_with("localstack"))
    if command == "unit":
        packages = [option for package in arguments for option in ("--package", package)]
        passed = rust_tests(*(packages or ("--workspace",)))
    if passed:
        echo(f"\n{passed} passed, 0 failed")


if __name__ == "__main__":
    main(script)
