"""`make build`: compiles the functions for this machine and packages them, like `sam build` with one call of cargo.

`sam build` calls cargo once per function and for an explicit target. That compiles every dependency again, separately
from `cargo test`, and produces Linux binaries. The local cloud runs functions as plain processes, so the binaries of a
normal build suffice. The template is used as it is, except for the paths of the packages.
"""

import json
import os
import shutil
import subprocess
import tempfile
import zipfile
from pathlib import Path

from console import Failure, echo, main
from samcli.yamlhelper import yaml_dump, yaml_parse
from settings import ROOT

BUILT = ROOT / ".aws-sam" / "local"
# The earliest time of a zip entry: equal programs make equal packages, and an unchanged function is not redeployed.
EPOCH = (1980, 1, 1, 0, 0, 0)


def compile_functions() -> dict[str, Path]:
    """Build every binary of the workspace but the local DynamoDB, which compiles SQLite. Returns name -> program."""
    try:
        cargo = subprocess.run(
            [
                "cargo",
                "build",
                "--workspace",
                "--exclude=dynoxided",
                "--bins",
                "--message-format=json-render-diagnostics",
            ],
            cwd=ROOT,
            stdout=subprocess.PIPE,
        )
    except FileNotFoundError:
        raise Failure("cargo is not on the PATH: install Rust from https://rustup.rs") from None
    if cargo.returncode != 0:
        raise Failure("the functions do not compile: see cargo's message above")
    messages = map(json.loads, cargo.stdout.splitlines())
    return {
        message["target"]["name"]: Path(message["executable"])
        for message in messages
        if message["reason"] == "compiler-artifact" and "bin" in message["target"]["kind"]
    }


def package(template: Path, programs: dict[str, Path], output: Path) -> Path:
    """Zip the program of each function and write a template that points to the packages. Returns its path."""
    output.mkdir(parents=True, exist_ok=True)
    document = yaml_parse(template.read_text())
    shared = document["Globals"]["Function"]
    for name, resource in document["Resources"].items():
        properties = resource["Properties"]
        if resource["Type"] == "AWS::CloudFormation::Stack":
            properties["TemplateURL"] = str(template.parent / properties["TemplateURL"])
        if resource["Type"] == "AWS::Serverless::Function":
            binary = resource["Metadata"]["BuildProperties"]["Binary"]
            if binary not in programs:
                raise Failure(f"{name} in template.yaml names the binary {binary}, which no crate has")
            program = programs[binary]
            bundle = output / f"{name}.zip"
            if not is_current(bundle, program):
                zip_program(program, shared["Handler"], bundle)
            properties["CodeUri"] = str(bundle)
            grant_publish_batch(properties.get("Policies", []))
    built = output / "template.yaml"
    built.write_text(yaml_dump(document))
    return built


def grant_publish_batch(policies: list[dict]) -> None:
    """Add sns:PublishBatch to each sns:Publish: MiniStack requires both, where AWS has one action."""
    for statement in (statement for policy in policies for statement in policy["Statement"]):
        if statement.get("Action") == "sns:Publish":
            statement["Action"] = ["sns:Publish", "sns:PublishBatch"]


def is_current(bundle: Path, program: Path) -> bool:
    """Whether the package was made from this program: they have the same modification time."""
    return bundle.exists() and bundle.stat().st_mtime_ns == program.stat().st_mtime_ns


def zip_program(program: Path, handler: str, bundle: Path) -> None:
    """Write a deployment package: the program without symbols, under the file name that Lambda starts."""
    made = program.stat()
    with tempfile.TemporaryDirectory(dir=bundle.parent) as folder:
        stripped, package = Path(folder, "program"), Path(folder, "package")
        shutil.copyfile(program, stripped)
        # A debug build is mostly symbols. Without binutils the package is just larger.
        if shutil.which("strip"):
            subprocess.run(["strip", stripped], check=True)
        entry = zipfile.ZipInfo(handler, EPOCH)
        entry.external_attr = 0o100755 << 16
        entry.compress_type = zipfile.ZIP_DEFLATED
        with zipfile.ZipFile(package, "w") as archive:
            archive.writestr(entry, stripped.read_bytes(), compresslevel=1)
        os.utime(package, ns=(made.st_atime_ns, made.st_mtime_ns))
        # Atomically: the deploy of another make may be reading it.
        package.replace(bundle)


def build() -> Path:
    """Compile and package. Returns the path of the built template."""
    programs = compile_functions()
    return package(ROOT / "template.yaml", programs, BUILT)


def script() -> None:
    echo(f"built: {build().relative_to(ROOT)}")


if __name__ == "__main__":
    main(script)
