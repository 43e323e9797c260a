//! The functions of both contexts, as instances with caches and clocks of their own.

use std::collections::HashMap;
use std::time::Duration;

use account::domain::Lifetimes;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryPartition;
use aws_types::SdkConfig;
use config::Env;
use http_api::{Problem, Request, Response};
use kernel::Clock;
use lambda_http::RequestExt;
use payment::domain::WriteShards;
use platform_tests::functions::{
    AccountFunctions, NoDelivery, PaymentFunctions, Services, Settings, gateway_request, webhook_secret,
};
use serde_json::Value;

use crate::clock::SkewedClock;
use crate::network::Network;
use crate::random::{Dice, TaskRandom};
use crate::tables::PAYMENT_TABLE;

/// Sessions that outlast a run.
const LIFETIMES: Lifetimes = Lifetimes {
    access_token: Duration::from_mins(15),
    idle: Duration::from_hours(24),
    absolute: Duration::from_hours(24 * 7),
};

/// A request to an endpoint.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ask {
    /// The route of an endpoint, or the name of a function without one.
    pub(crate) route: &'static str,
    pub(crate) token: Option<String>,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) query: Vec<(&'static str, String)>,
    pub(crate) path: Option<(&'static str, String)>,
    pub(crate) body: Option<Value>,
}

impl Ask {
    pub(crate) fn new(route: &'static str) -> Self {
        Self { route, ..Self::default() }
    }

    pub(crate) fn body(self, body: Value) -> Self {
        Self { body: Some(body), ..self }
    }

    pub(crate) fn token(self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self }
    }

    pub(crate) fn key(self, key: Option<&str>) -> Self {
        Self { idempotency_key: key.map(str::to_owned), ..self }
    }

    pub(crate) fn path(self, name: &'static str, value: &str) -> Self {
        Self { path: Some((name, value.to_owned())), ..self }
    }

    pub(crate) fn query(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    /// The request as API Gateway sends it.
    pub(crate) fn request(&self) -> Request {
        let mut request = gateway_request("simulation", self.body.as_ref());
        let mut insert = |name: &'static str, value: &str| {
            request.headers_mut().insert(name, value.parse().expect("a valid header"));
        };
        if let Some(token) = &self.token {
            insert("authorization", &format!("Bearer {token}"));
        }
        if let Some(key) = &self.idempotency_key {
            insert("idempotency-key", key);
        }
        for (name, value) in &self.headers {
            insert(name, value);
        }
        let query: HashMap<String, String> =
            self.query.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let path: HashMap<String, String> =
            self.path.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        request.with_query_string_parameters(query).with_path_parameters(path)
    }
}

/// The answer to a request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The code of a problem.
    pub(crate) code: Option<&'static str>,
    /// Why the problem arose, for the trace.
    pub(crate) cause: Option<String>,
    pub(crate) is_replay: bool,
    pub(crate) body: Value,
}

impl From<Result<Response, Problem>> for Answer {
    fn from(outcome: Result<Response, Problem>) -> Self {
        match outcome {
            Ok(response) => Self {
                status: response.status.as_u16(),
                code: None,
                cause: None,
                is_replay: response.headers.iter().any(|(name, _)| *name == "idempotent-replayed"),
                body: serde_json::from_str(&response.body).unwrap_or_default(),
            },
            Err(problem) => Self {
                status: problem.problem_type.status,
                code: Some(problem.problem_type.code),
                cause: problem.cause().map(str::to_owned),
                is_replay: problem.headers.iter().any(|(name, _)| *name == "idempotent-replayed"),
                body: Value::Null,
            },
        }
    }
}

impl Answer {
    /// The status with the code of a problem.
    pub(crate) fn summary(&self) -> String {
        let replayed = if self.is_replay { " (replayed)" } else { "" };
        match self.code {
            Some(code) => format!("{} {code}{replayed}", self.status),
            None => format!("{}{replayed}", self.status),
        }
    }
}

/// Makes clients of the tables. Each has retries of its own, as each instance of a function has.
pub(crate) struct Clients {
    config: SdkConfig,
    env: Env,
}

impl Clients {
    pub(crate) fn new(network: &Network) -> Self {
        let env = Env::from_iter([
            ("AWS_REGION", "eu-west-1"),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_ENDPOINT_URL", "http://simulation"),
        ]);
        let config = aws::sdk_config(&env).expect("a complete environment");
        let config = config.to_builder().http_client(network.http_client()).build();
        Self { config, env }
    }

    /// A client whose idempotency tokens follow from the seed.
    pub(crate) fn client(&self, seed: u64) -> Client {
        fastrand::seed(seed);
        let config = aws::dynamodb_client_from(&self.config, &self.env).config().to_builder();
        let partition = RetryPartition::custom(format!("instance-{seed}")).build();
        Client::from_conf(config.retry_partition(partition).build())
    }
}

/// The functions of both contexts, as one process has them.
pub(crate) struct Functions {
    pub(crate) account: AccountFunctions<NoDelivery>,
    pub(crate) payment: PaymentFunctions,
}

impl Functions {
    pub(crate) fn new(clients: &Clients, dice: &Dice, clock: &SkewedClock) -> Self {
        let services = || Services { client: clients.client(dice.seed()), clock: clock.clone(), random: TaskRandom };
        let settings = Settings {
            lifetimes: LIFETIMES,
            signing_key_days: "1",
            max_accounts: "4",
            auto_shards: WriteShards::new(2).ok(),
            payment_keys: PAYMENT_TABLE,
            ..Settings::DEFAULT
        };
        let account = AccountFunctions::new(&services(), NoDelivery, settings);
        let payment = PaymentFunctions::new(&services(), settings);
        Self { account, payment }
    }
}

/// The headers of a webhook that the provider signs.
pub(crate) fn webhook_headers(id: &str, body: &Value, clock: &impl Clock) -> Vec<(&'static str, String)> {
    let now = clock.now();
    let signature = webhook_secret().sign(id, now, body.to_string().as_bytes());
    vec![
        (webhook::ID, id.to_owned()),
        (webhook::TIMESTAMP, now.unix_seconds().to_string()),
        (webhook::SIGNATURE, signature),
    ]
}
