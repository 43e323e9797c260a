//! Logs and metrics, as lines of JSON on standard error, from where Lambda takes them to CloudWatch.
//!
//! Each request leaves one line that is at once its access log and its metrics, in the Embedded Metric Format
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>).
//! Nothing here may print a token, a password, an e-mail address or a phone number; types that hold one do not print it.

use std::io::Write;

use kernel::Timestamp;
use serde_json::json;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::Env;

/// The CloudWatch namespace of every metric.
pub const METRICS_NAMESPACE: &str = "Payments";

/// The crates that are ours: they log nothing that must not be read.
const OURS: [&str; 7] = ["account", "auth", "docs", "outbox", "payment", "runtime", "simulator"];

/// Starts logging at the level that `LOG_LEVEL` names (`info` unless it names one). The libraries stay at `info`: below
/// it they log whole requests and answers, with the passwords, tokens and keys in them.
pub fn init(env: &Env) {
    let level = env.optional("LOG_LEVEL").and_then(|level| level.parse().ok()).unwrap_or(LevelFilter::INFO);
    let targets =
        Targets::new().with_default(level.min(LevelFilter::INFO)).with_targets(OURS.map(|name| (name, level)));
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_target(false)
        .with_writer(std::io::stderr);
    tracing_subscriber::registry().with(lines).with(targets).init();
}

/// One request, as its log line and its metrics tell it.
#[derive(Debug)]
pub struct RequestRecord<'a> {
    /// When it began.
    pub at: Timestamp,
    /// The function's name.
    pub function: &'a str,
    /// Lambda's id of the invocation.
    pub request_id: &'a str,
    /// API Gateway's id of the request.
    pub correlation_id: &'a str,
    /// The route it came by.
    pub route: &'a str,
    /// The status of the answer.
    pub status: u16,
    /// The problem's code, where the answer is one.
    pub code: Option<&'a str>,
    /// How long it took, in milliseconds.
    pub duration_ms: i64,
}

impl RequestRecord<'_> {
    /// Writes the line.
    pub fn write(&self) {
        let line = format!("{}\n", self.line());
        if let Err(error) = std::io::stderr().lock().write_all(line.as_bytes()) {
            tracing::error!(%error, "the request could not be recorded");
        }
    }

    fn line(&self) -> serde_json::Value {
        json!({
            "_aws": {
                "Timestamp": self.at.unix_millis(),
                "CloudWatchMetrics": [{
                    "Namespace": METRICS_NAMESPACE,
                    "Dimensions": [["Function"]],
                    "Metrics": [
                        {"Name": "Duration", "Unit": "Milliseconds"},
                        {"Name": "Refused", "Unit": "Count"},
                        {"Name": "Failed", "Unit": "Count"},
                    ],
                }],
            },
            "timestamp": self.at,
            "level": "INFO",
            "message": "request",
            "Function": self.function,
            "requestId": self.request_id,
            "correlationId": self.correlation_id,
            "route": self.route,
            "status": self.status,
            "code": self.code,
            "Duration": self.duration_ms,
            "Refused": u8::from((400..500).contains(&self.status)),
            "Failed": u8::from(self.status >= 500),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_one_line_whose_metrics_stand_at_its_root() {
        let record = RequestRecord {
            at: Timestamp::from_unix_seconds(1_769_860_800).unwrap(),
            function: "send",
            request_id: "r",
            correlation_id: "c",
            route: "POST /payments/send",
            status: 422,
            code: Some("insufficient_funds"),
            duration_ms: 12,
        };
        let line = record.line();
        for metric in line["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().unwrap() {
            assert!(line[metric["Name"].as_str().unwrap()].is_u64() || metric["Name"] == "Duration");
        }
        assert_eq!(line["_aws"]["Timestamp"], 1_769_860_800_000_i64);
        assert_eq!((&line["Refused"], &line["Failed"]), (&json!(1), &json!(0)));
        assert!(!line.to_string().contains('\n'));
    }
}
