"""Conversion of timestamps: RFC 3339 with milliseconds in the API and the tables."""

from datetime import UTC, datetime


def to_rfc3339(seconds):
    """Formats seconds since the Unix epoch."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def to_seconds(text):
    """Parses a timestamp into seconds since the Unix epoch."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
