"""The delivery of functions' logs when a function is updated."""

import threading
from concurrent.futures import ThreadPoolExecutor
from unittest.mock import MagicMock

from localstack.services.lambda_.invocation import logs
from localstack.services.lambda_.invocation.logs import LogHandler, LogItem
from waiting import until

from localstack_native.lambda_.logs import deliver_pending_logs


def test_stopped_handler_delivers_what_is_in_its_queue(monkeypatch):
    deliver_pending_logs()
    started, may_end, delivered = threading.Event(), threading.Event(), []

    def put_log_events(logGroupName, logStreamName, logEvents):
        started.set()
        may_end.wait()
        delivered.extend(event["message"] for event in logEvents)

    connect_to = MagicMock()
    connect_to.with_assumed_role.return_value.logs.put_log_events = put_log_events
    monkeypatch.setattr(logs, "connect_to", connect_to)
    handler = LogHandler("arn:aws:iam::000000000000:role/test", "us-east-1")
    handler.start_subscriber()
    for text in ("first", "second"):
        handler.add_logs(LogItem("/group", "stream", text))
    started.wait()
    with ThreadPoolExecutor(1) as pool:
        stopping = pool.submit(handler.stop)
        until(lambda: handler._shutdown_event.is_set() or logs.QUEUE_SHUTDOWN in handler.log_queue.queue)
        may_end.set()
        stopping.result()
    assert delivered == ["first\n", "second\n"]
