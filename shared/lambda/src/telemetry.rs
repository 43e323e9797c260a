//! Structured logging: one JSON object per line on standard error, which Lambda forwards to CloudWatch Logs.
//!
//! `LOG_LEVEL` is the only filter: Lambda forwards every line (`ApplicationLogLevel` in template.yaml).
//!
//! No log line may contain a token, a password, an e-mail address or a phone number. Types that hold one redact it in
//! their `Debug` output.

use config::Env;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// The crates of this workspace, as prefixes of `tracing` targets. The separator keeps `aws::` from matching `aws_sigv4`.
const WORKSPACE_TARGETS: [&str; 10] = [
    "account::",
    "auth::",
    "aws::",
    "docs::",
    "dynamo::",
    "http_api::",
    "lambda::",
    "outbox::",
    "payment::",
    "simulator::",
];

/// The `tracing` target of lines that an alarm counts. They are written at every `LOG_LEVEL`.
pub const COUNTED: &str = "counted";

/// Starts logging at the level in `LOG_LEVEL` (default `info`). Dependencies never log below `info`: at `debug` the SDK
/// logs whole requests and responses, including passwords, tokens and keys.
pub fn init(env: &Env) {
    let level = env.optional("LOG_LEVEL").and_then(|level| level.parse().ok()).unwrap_or(LevelFilter::INFO);
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_target(false)
        .with_writer(std::io::stderr);
    tracing_subscriber::registry().with(lines).with(targets(level)).init();
}

fn targets(level: LevelFilter) -> Targets {
    Targets::new()
        .with_default(level.min(LevelFilter::INFO))
        .with_targets(WORKSPACE_TARGETS.map(|target| (target, level)))
        .with_target(COUNTED, LevelFilter::INFO)
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::filter::LevelFilter;

    use super::*;

    #[test]
    fn lines_that_alarms_count_are_written_at_every_level() {
        for level in [LevelFilter::DEBUG, LevelFilter::INFO, LevelFilter::WARN, LevelFilter::ERROR] {
            assert!(targets(level).would_enable(COUNTED, &tracing::Level::INFO), "{level}");
        }
        assert!(!targets(LevelFilter::ERROR).would_enable("payment::ops", &tracing::Level::INFO));
    }

    #[test]
    fn debug_level_applies_to_workspace_crates_only() {
        let targets = targets(LevelFilter::DEBUG);
        for target in ["payment::store::ledger", "aws::clients", "lambda::start"] {
            assert!(targets.would_enable(target, &tracing::Level::DEBUG), "{target}");
        }
        for target in ["aws_smithy_runtime::client", "aws_sigv4", "lambda_runtime", "hyper::proto"] {
            assert!(!targets.would_enable(target, &tracing::Level::DEBUG), "{target}");
            assert!(targets.would_enable(target, &tracing::Level::INFO), "{target}");
        }
    }
}
