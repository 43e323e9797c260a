"""Lambda's filter of a function's log, as its documentation describes it. The local cloud does not filter.

With the JSON format, a line below ApplicationLogLevel is dropped. A line without a valid level and a valid RFC 3339
timestamp counts as INFO: https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html
"""

import json
import re

LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


def record_of(line):
    """The JSON object of a line, or an empty one."""
    try:
        record = json.loads(line)
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}


def level_of(line):
    record = record_of(line)
    level = str(record.get("level")).upper()
    return level if level in LEVELS and RFC_3339.fullmatch(str(record.get("timestamp"))) else "INFO"


def is_delivered(line, application_log_level):
    return LEVELS.index(level_of(line)) >= LEVELS.index(application_log_level)
