//! The access log: one JSON line per request, written at every `LOG_LEVEL`, which also carries its metrics in the
//! CloudWatch Embedded Metric Format
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>).

use std::io::Write;

use kernel::Timestamp;
use serde_json::json;

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

impl AccessLogEntry<'_> {
    pub(crate) fn write(&self) {
        let line = format!("{}\n", self.line());
        if let Err(error) = std::io::stderr().lock().write_all(line.as_bytes()) {
            tracing::error!(%error, "access log line could not be written");
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
    fn access_log_line_has_metrics_at_its_root() {
        let entry = AccessLogEntry {
            at: Timestamp::from_unix_seconds(1_769_860_800).unwrap(),
            function: "send",
            request_id: "r",
            correlation_id: "c",
            route: "POST /payments/send",
            status: 422,
            code: Some("insufficient_funds"),
            duration_ms: 12,
        };
        let line = entry.line();
        for metric in line["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().unwrap() {
            assert!(line[metric["Name"].as_str().unwrap()].is_u64() || metric["Name"] == "Duration");
        }
        assert_eq!(line["_aws"]["Timestamp"], 1_769_860_800_000_i64);
        assert_eq!((&line["Refused"], &line["Failed"]), (&json!(1), &json!(0)));
        assert!(!line.to_string().contains('\n'));
    }
}
