"""The integration tests in docs/local.md, which users copy, pass against this stack."""

import os
import subprocess
import sys

from support.template import ROOT

PYTHON = "localstack/examples/test_deposit.py"
RUST = "tests/tests/deposit.rs"


def run(*command):
    result = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_python_example_passes():
    assert "1 passed" in run(sys.executable, "-m", "pytest", PYTHON)


def test_rust_example_passes():
    # All crates are selected, so that the features of dependencies are those of `cargo test`.
    run_of = ["cargo", "test", "--workspace", "--features", "platform-tests/stack", "--test", "deposit"]
    assert "1 passed" in run(*run_of)


def test_documented_examples_are_the_tested_ones():
    document = (ROOT / "docs" / "local.md").read_text()
    for path, language in ((PYTHON, "python"), (RUST, "rust")):
        assert f"```{language}\n{(ROOT / path).read_text()}```" in document, path
