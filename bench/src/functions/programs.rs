//! The programs that are measured, as a deploy makes them.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::lambda::Variables;
use super::template::{self, Deployed};

/// The function that does nothing, beside which the others are measured.
const HELLO: &str = "hello";

/// What cargo tells a test of its own package. Build scripts that look at it would take it for a change.
const OF_THIS_PACKAGE: [&str; 7] = [
    "CARGO_MANIFEST_DIR",
    "CARGO_MANIFEST_LINKS",
    "CARGO_PKG_NAME",
    "CARGO_PKG_VERSION_MAJOR",
    "CARGO_PKG_VERSION_MINOR",
    "CARGO_PKG_VERSION_PATCH",
    "CARGO_PKG_VERSION_PRE",
];

/// A program, and how it is deployed.
#[derive(Debug, Clone)]
pub struct Program {
    /// As the template names it.
    pub name: String,
    /// Where cargo has put it.
    pub path: PathBuf,
    deployed: Deployed,
}

impl Program {
    /// The environment in which it runs, and finds AWS at this URL.
    pub fn environment(&self, url: &str) -> Variables {
        let mut variables = self.deployed.variables.clone();
        for (name, value) in [
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_ENDPOINT_URL", url),
        ] {
            variables.insert(name.to_owned(), value.to_owned());
        }
        variables
    }
}

/// Builds a function that reads one item as the guides write it: `bench/usual`, in a workspace and a folder of its own.
pub fn build_usual() -> PathBuf {
    let folder = template::root().join("bench/usual");
    let target = template::root().join("target/usual");
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--release", "--locked"]).current_dir(folder).env("CARGO_TARGET_DIR", &target);
    for variable in OF_THIS_PACKAGE {
        cargo.env_remove(variable);
    }
    assert!(cargo.status().expect("cargo on the PATH").success(), "bench/usual does not compile: see above");
    target.join("release/usual")
}

/// Builds the functions with the release profile, and the hello with them, which comes first.
pub fn build() -> Vec<Program> {
    let mut cargo = Command::new("cargo");
    cargo
        .args(["build", "--release", "--bins", "--message-format=json-render-diagnostics"])
        .args(["account", "docs", HELLO, "payment", "simulator"].map(|name| format!("--package={name}")))
        .current_dir(template::root())
        .stderr(Stdio::inherit());
    for variable in OF_THIS_PACKAGE {
        cargo.env_remove(variable);
    }
    let built = cargo.output().expect("cargo on the PATH");
    assert!(built.status.success(), "the functions do not compile: see cargo's message above");
    let messages = built.stdout.split(|byte| *byte == b'\n');
    let messages: Vec<Value> = messages.filter_map(|line| serde_json::from_slice(line).ok()).collect();
    let path = |name: &str| {
        let built =
            messages.iter().find(|message| message["target"]["name"] == name && !message["executable"].is_null());
        let built = built.unwrap_or_else(|| panic!("template.yaml names the program {name}, which no crate has"));
        PathBuf::from(built["executable"].as_str().expect("a path"))
    };
    let hello = Deployed { binary: HELLO.to_owned(), variables: Variables::new() };
    let functions = std::iter::once(hello).chain(template::functions());
    functions
        .map(|deployed| Program { name: deployed.binary.clone(), path: path(&deployed.binary), deployed })
        .collect()
}
