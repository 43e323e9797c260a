//! The access log: one JSON line per request, written at every `LOG_LEVEL`, which also carries its metrics in the
//! CloudWatch Embedded Metric Format
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>).

use std::io::Write;

use kernel::Timestamp;
use serde::Serialize;

/// The CloudWatch namespace of every metric.
const METRICS_NAMESPACE: &str = "Payments";

/// One request, as it is logged.
#[derive(Debug)]
pub(crate) struct AccessLogEntry<'a> {
    /// The start of the request.
    pub(crate) at: Timestamp,
    pub(crate) function: &'a str,
    /// Lambda's id of the invocation.
    pub(crate) request_id: &'a str,
    /// API Gateway's id of the request.
    pub(crate) correlation_id: &'a str,
    pub(crate) route: &'a str,
    pub(crate) status: u16,
    /// The problem code, if the response is a problem.
    pub(crate) code: Option<&'a str>,
    pub(crate) duration_ms: i64,
}

/// More than the bytes of a usual line.
const LINE_BYTES: usize = 640;

impl AccessLogEntry<'_> {
    pub(crate) fn write(&self) {
        let written = self.line().and_then(|line| std::io::stderr().lock().write_all(&line));
        if let Err(error) = written {
            tracing::error!(%error, "access log line could not be written");
        }
    }

    fn line(&self) -> std::io::Result<Vec<u8>> {
        let line = Line {
            duration: self.duration_ms,
            failed: u8::from(self.status >= 500),
            function: self.function,
            refused: u8::from((400..500).contains(&self.status)),
            metadata: Metadata { metrics: &METRICS, timestamp: self.at.unix_millis() },
            code: self.code,
            correlation_id: self.correlation_id,
            level: "INFO",
            message: "request",
            request_id: self.request_id,
            route: self.route,
            status: self.status,
            timestamp: self.at,
        };
        let mut bytes = Vec::with_capacity(LINE_BYTES);
        serde_json::to_writer(&mut bytes, &line)?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

#[derive(Serialize)]
struct Line<'a> {
    #[serde(rename = "Duration")]
    duration: i64,
    #[serde(rename = "Failed")]
    failed: u8,
    #[serde(rename = "Function")]
    function: &'a str,
    #[serde(rename = "Refused")]
    refused: u8,
    #[serde(rename = "_aws")]
    metadata: Metadata,
    code: Option<&'a str>,
    #[serde(rename = "correlationId")]
    correlation_id: &'a str,
    level: &'static str,
    message: &'static str,
    #[serde(rename = "requestId")]
    request_id: &'a str,
    route: &'a str,
    status: u16,
    timestamp: Timestamp,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata {
    #[serde(rename = "CloudWatchMetrics")]
    metrics: &'static [MetricDirective; 1],
    timestamp: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct MetricDirective {
    dimensions: [[&'static str; 1]; 1],
    metrics: [Metric; 3],
    namespace: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metric {
    name: &'static str,
    unit: &'static str,
}

static METRICS: [MetricDirective; 1] = [MetricDirective {
    dimensions: [["Function"]],
    metrics: [
        Metric { name: "Duration", unit: "Milliseconds" },
        Metric { name: "Refused", unit: "Count" },
        Metric { name: "Failed", unit: "Count" },
    ],
    namespace: METRICS_NAMESPACE,
}];

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn entry(status: u16, code: Option<&'static str>) -> AccessLogEntry<'static> {
        AccessLogEntry {
            at: Timestamp::from_unix_seconds(1_769_860_800).unwrap(),
            function: "send",
            request_id: "r",
            correlation_id: "a\"b\n",
            route: "POST /payments/send",
            status,
            code,
            duration_ms: 12,
        }
    }

    fn written(entry: &AccessLogEntry<'_>) -> Value {
        let line = String::from_utf8(entry.line().unwrap()).unwrap();
        let (line, rest) = line.split_once('\n').unwrap();
        assert_eq!(rest, "");
        serde_json::from_str(line).unwrap()
    }

    #[test]
    fn access_log_line_has_request_and_metrics() {
        let expected = json!({
            "_aws": {
                "Timestamp": 1_769_860_800_000_i64,
                "CloudWatchMetrics": [{
                    "Namespace": "Payments",
                    "Dimensions": [["Function"]],
                    "Metrics": [
                        {"Name": "Duration", "Unit": "Milliseconds"},
                        {"Name": "Refused", "Unit": "Count"},
                        {"Name": "Failed", "Unit": "Count"},
                    ],
                }],
            },
            "timestamp": "2026-01-31T12:00:00.000Z",
            "level": "INFO",
            "message": "request",
            "Function": "send",
            "requestId": "r",
            "correlationId": "a\"b\n",
            "route": "POST /payments/send",
            "status": 422,
            "code": "insufficient_funds",
            "Duration": 12,
            "Refused": 1,
            "Failed": 0,
        });
        assert_eq!(written(&entry(422, Some("insufficient_funds"))), expected);
    }

    #[test]
    fn access_log_line_has_every_declared_metric() {
        for (status, refused, failed) in [(200, 0, 0), (499, 1, 0), (500, 0, 1)] {
            let line = written(&entry(status, None));
            for metric in line["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().unwrap() {
                assert!(line[metric["Name"].as_str().unwrap()].is_u64(), "{metric}");
            }
            assert_eq!((&line["Refused"], &line["Failed"]), (&json!(refused), &json!(failed)), "{status}");
            assert_eq!(line["code"], Value::Null);
        }
    }
}
