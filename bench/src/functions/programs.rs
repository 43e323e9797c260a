//! The measured programs.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::lambda::Variables;
use super::template::{self, Deployed};

/// The function that does nothing, with which the others are compared.
const NOOP: &str = "noop";

/// Variables that cargo sets for a test. Build scripts that read them would be rerun.
const OF_THIS_PACKAGE: [&str; 7] = [
    "CARGO_MANIFEST_DIR",
    "CARGO_MANIFEST_LINKS",
    "CARGO_PKG_NAME",
    "CARGO_PKG_VERSION_MAJOR",
    "CARGO_PKG_VERSION_MINOR",
    "CARGO_PKG_VERSION_PATCH",
    "CARGO_PKG_VERSION_PRE",
];

/// A program and its deployment.
#[derive(Debug, Clone)]
pub struct Program {
    /// The name in the template.
    pub name: String,
    pub path: PathBuf,
    deployed: Deployed,
}

impl Program {
    /// Whether API Gateway invokes it.
    pub const fn is_behind_the_api(&self) -> bool {
        self.deployed.is_behind_the_api
    }

    /// Its environment, with AWS at this URL.
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

/// Whether aws-lc, the baseline's cryptography library, collects jitter entropy before its first random number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JitterEntropy {
    /// It does, by default.
    Default,
    Off,
}

/// Builds `bench/baseline`, in a workspace and a target folder of its own.
pub fn build_baseline(entropy: JitterEntropy) -> PathBuf {
    let folder = template::root().join("bench/baseline");
    let mut cargo = Command::new("cargo");
    let target = template::root().join(match entropy {
        JitterEntropy::Default => "target/baseline",
        JitterEntropy::Off => "target/baseline-without-jitter",
    });
    if entropy == JitterEntropy::Off {
        cargo.env("AWS_LC_SYS_NO_JITTER_ENTROPY", "1");
    }
    cargo.args(["build", "--release", "--locked"]).current_dir(folder).env("CARGO_TARGET_DIR", &target);
    for variable in OF_THIS_PACKAGE {
        cargo.env_remove(variable);
    }
    assert!(
        cargo.status().expect("cargo on the PATH").success(),
        "bench/baseline does not compile: see cargo's messages above"
    );
    target.join("release/baseline")
}

/// Builds the no-op function, which comes first, and all functions with the release profile.
pub fn build() -> Vec<Program> {
    let mut cargo = Command::new("cargo");
    cargo
        .args(["build", "--release", "--bins", "--message-format=json-render-diagnostics"])
        .args(["account", "docs", NOOP, "payment", "simulator"].map(|name| format!("--package={name}")))
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
        let built = built.unwrap_or_else(|| panic!("template.yaml names the program {name}, which no crate contains"));
        PathBuf::from(built["executable"].as_str().expect("a path"))
    };
    let noop = Deployed { binary: NOOP.to_owned(), variables: Variables::new(), is_behind_the_api: false };
    let functions = std::iter::once(noop).chain(template::functions());
    functions
        .map(|deployed| Program { name: deployed.binary.clone(), path: path(&deployed.binary), deployed })
        .collect()
}
