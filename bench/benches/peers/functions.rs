//! The compared functions: ours and those of `bench/peers`, which `make bench-peers` has installed in `target/peers`.

use std::path::{Path, PathBuf};
use std::process::Command;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use bench::functions::deployment::{Deployment, User, event};
use bench::functions::lambda::{Function, Variables};
use bench::functions::package;
use bench::functions::programs::Program;
use bench::functions::template;
use serde_json::{Value, json};

const LEDGER: &str = "PeerLedger";
const IDEMPOTENCY: &str = "PeerIdempotency";

/// What Lambda's runtime of Python brings, and what only installs packages.
const NOT_PACKAGED: [&str; 11] = [
    "_distutils_hack",
    "boto3",
    "botocore",
    "dateutil",
    "distutils-precedence.pth",
    "jmespath",
    "pip",
    "s3transfer",
    "setuptools",
    "six",
    "urllib3",
];

/// A function that sends money.
pub(crate) struct Sender {
    pub(crate) name: &'static str,
    /// Versions, for the report.
    pub(crate) made_of: String,
    pub(crate) package_bytes: u64,
    program: PathBuf,
    wrapper: Vec<String>,
    variables: Variables,
}

impl Sender {
    /// Starts the function, with AWS at this URL, trusting this certificate if there is one.
    pub(crate) async fn start(&self, url: &str, trusted: Option<&Path>) -> Function {
        let mut variables = self.variables.clone();
        variables.insert("AWS_ENDPOINT_URL".to_owned(), url.to_owned());
        for name in ["AWS_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"] {
            if let Some(trusted) = trusted {
                variables.insert(name.to_owned(), trusted.display().to_string());
            }
        }
        Function::start(&self.program, &variables, &self.wrapper).await
    }
}

/// Ours first.
pub(crate) fn senders(deployment: &Deployment, programs: &[Program]) -> Vec<Sender> {
    let send = programs.iter().find(|program| program.name == "send").expect("send is a function");
    let ours = Sender {
        name: "send (ours)",
        made_of: format!("{}, release build", output("rustc", &["--version"])),
        package_bytes: package::zip_bytes(&send.path),
        program: send.path.clone(),
        wrapper: Vec::new(),
        variables: send.environment(""),
    };
    vec![ours, typescript(deployment), python(deployment)]
}

fn typescript(deployment: &Deployment) -> Sender {
    let program = template::root().join("target/peers/typescript/bundle.js");
    let manifest = std::fs::read_to_string(template::root().join("bench/peers/typescript/package.json"));
    let manifest: Value = serde_json::from_str(&manifest.expect("the manifest of the peer")).expect("JSON");
    let packages = ["dependencies", "devDependencies"].iter().filter_map(|kind| manifest[kind].as_object()).flatten();
    let packages: Vec<_> =
        packages.map(|(name, version)| format!("{name} {}", version.as_str().unwrap_or_default())).collect();
    Sender {
        name: "TypeScript",
        made_of: format!("Node.js {}, {}", output("node", &["--version"]), packages.join(", ")),
        package_bytes: package::zip_bytes_of([("index.js".to_owned(), program.clone())]),
        program,
        wrapper: vec![output("node", &["-p", "process.execPath"])],
        variables: variables(deployment),
    }
}

fn python(deployment: &Deployment) -> Sender {
    let folder = template::root().join("bench/peers/python");
    let python = template::root().join("target/peers/python/bin/python");
    let python = python.display().to_string();
    let site = output(&python, &["-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]);
    let mut files = Vec::new();
    collect(Path::new(&site), "", &mut files);
    files.retain(|(name, _)| {
        let first = name.split('/').next().unwrap_or_default().trim_end_matches(".py");
        let first = first.split_once('-').map_or(first, |(package, _)| package).replace("python_", "");
        !NOT_PACKAGED.contains(&first.as_str()) && !name.starts_with("distutils-precedence")
    });
    files.extend(["handler.py", "runtime.py"].map(|name| (name.to_owned(), folder.join(name))));
    let packages = std::fs::read_to_string(folder.join("requirements.in")).expect("the packages of the peer");
    let packages: Vec<_> = packages.lines().map(|line| line.replace("==", " ")).collect();
    Sender {
        name: "Python",
        made_of: format!("{}, {}", output(&python, &["--version"]), packages.join(", ")),
        package_bytes: package::zip_bytes_of(files),
        program: folder.join("runtime.py"),
        wrapper: vec![python],
        variables: variables(deployment),
    }
}

/// The files of a folder, with their names in a package.
fn collect(folder: &Path, prefix: &str, files: &mut Vec<(String, PathBuf)>) {
    for entry in std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name == "__pycache__" {
            continue;
        }
        let name = format!("{prefix}{name}");
        if path.is_dir() { collect(&path, &format!("{name}/"), files) } else { files.push((name, path)) }
    }
}

fn variables(deployment: &Deployment) -> Variables {
    let (key, issuer, audience) = deployment.verification();
    let variables = [
        ("AWS_REGION", "us-east-1"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        // The SDK of JavaScript warns about Node.js 20 at each start.
        ("AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED", "true"),
        ("POWERTOOLS_SERVICE_NAME", "payment"),
        ("POWERTOOLS_METRICS_NAMESPACE", "Payments"),
        ("LEDGER_TABLE", LEDGER),
        ("IDEMPOTENCY_TABLE", IDEMPOTENCY),
        ("TOKEN_KEY", &key),
        ("TOKEN_TYPE", auth::TOKEN_TYPE),
        ("TOKEN_ISSUER", issuer),
        ("TOKEN_AUDIENCE", audience),
    ];
    variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

/// Creates the tables of the peers, on demand as ours.
pub(crate) async fn create_tables(deployment: &Deployment) {
    for (table, key) in [(LEDGER, "pk"), (IDEMPOTENCY, "id")] {
        let element = KeySchemaElement::builder().attribute_name(key).key_type(KeyType::Hash);
        let attribute = AttributeDefinition::builder().attribute_name(key).attribute_type(ScalarAttributeType::S);
        let request = deployment.engine.client.create_table().table_name(table);
        request
            .billing_mode(BillingMode::PayPerRequest)
            .key_schema(element.build().expect("a key"))
            .attribute_definitions(attribute.build().expect("an attribute"))
            .send()
            .await
            .expect("a table");
    }
}

/// Creates a user with an account in our table and in that of the peers.
pub(crate) async fn user(deployment: &Deployment) -> User {
    const BALANCE: i64 = 1_000_000_000;
    let user = deployment.user(BALANCE).await;
    let owner = user.account.trim_start_matches("account-").to_owned();
    let request = deployment.engine.client.put_item().table_name(LEDGER);
    request
        .item("pk", AttributeValue::S(format!("ACCOUNT#{}", user.account)))
        .item("owner", AttributeValue::S(owner))
        .item("balance", AttributeValue::N(BALANCE.to_string()))
        .send()
        .await
        .expect("an account");
    user
}

/// A new request of this user, with a key of its own.
pub(crate) fn request(user: &User, payee: &User) -> Value {
    let mut event = event("send", user, payee);
    event["headers"]["idempotency-key"] = json!(uuid::Uuid::new_v4().to_string());
    event
}

/// Sends money. Returns the body of the response.
pub(crate) async fn send(function: &Function, event: &Value) -> String {
    let response = function.invoke(event).await.unwrap_or_else(|error| panic!("a function reported {error}"));
    assert_eq!(response["statusCode"], 201, "a function returned {response}");
    response["body"].as_str().expect("a body").to_owned()
}

/// The output of a command.
fn output(command: &str, arguments: &[&str]) -> String {
    let output = Command::new(command).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("{command}: {error}: use `make bench-peers`"));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
