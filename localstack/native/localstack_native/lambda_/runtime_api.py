"""The Lambda Runtime API: a listener on the loopback address for one process of a function.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

import json
import socket
import threading
import time
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from localstack_native.settings import LOOPBACK

VERSION = "/2018-06-01/runtime"


def error(error_type: str, message: str) -> bytes:
    """The payload of a failed invocation."""
    return json.dumps({"errorType": error_type, "errorMessage": message}).encode()


class Invocation:
    """An event, and the result that the function sends for it: a payload, and whether it is an error."""

    def __init__(self, request_id: str, payload: str, function_arn: str, trace_id: str, timeout: float) -> None:
        self.request_id = request_id
        self.body = payload.encode()
        self.headers = {
            "Lambda-Runtime-Aws-Request-Id": request_id,
            "Lambda-Runtime-Deadline-Ms": str(int((time.time() + timeout) * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": function_arn,
            "Lambda-Runtime-Trace-Id": trace_id,
        }
        self.result: Future[tuple[bytes, bool]] = Future()

    def finish(self, payload: bytes, is_error: bool) -> None:
        """Set the result, unless there is one already."""
        with suppress(InvalidStateError):
            self.result.set_result((payload, is_error))


class RuntimeApi:
    """What one process of a function is to do. It has at most one invocation at a time."""

    def __init__(self) -> None:
        # Completes with the first request for an event. An exception is a payload of `error`.
        self.initialized: Future[None] = Future()
        self._changed = threading.Condition()
        self._waiting: Invocation | None = None
        self._current: Invocation | None = None
        self._idle = False
        self._failure: bytes | None = None
        self._server = _Server(self)

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self._server.server_port}"

    def invoke(self, invocation: Invocation) -> None:
        """Pass an event to the process. The result of the invocation completes later."""
        with self._changed:
            if self._failure:
                invocation.finish(self._failure, True)
                return
            self._waiting, self._idle = invocation, False
            self._changed.notify_all()

    def wait_until_idle(self, timeout: float) -> None:
        """Wait until the process requests another event: its output for the last one is complete."""
        with self._changed:
            self._changed.wait_for(lambda: self._idle or self._failure, timeout)

    def next_invocation(self) -> Invocation | None:
        """Block until there is an event. None if the process has ended."""
        with self._changed:
            self._idle, self._current = True, None
            self._changed.notify_all()
            if not self.initialized.done():
                self.initialized.set_result(None)
            self._changed.wait_for(lambda: self._waiting or self._failure)
            if self._failure:
                return None
            self._current, self._waiting = self._waiting, None
            return self._current

    def finish(self, request_id: str, payload: bytes, is_error: bool) -> bool:
        """Set the result of the current invocation. False if it has another id."""
        with self._changed:
            invocation = self._current
        if invocation is None or invocation.request_id != request_id:
            return False
        invocation.finish(payload, is_error)
        return True

    def fail_initialization(self, payload: bytes) -> None:
        with suppress(InvalidStateError):
            self.initialized.set_exception(InitializationError(payload))

    def close(self, payload: bytes) -> None:
        """Stop listening, as the process has ended. `payload` is the error of invocations without a result."""
        self.fail_initialization(payload)
        with self._changed:
            self._failure = payload
            for invocation in (self._waiting, self._current):
                if invocation:
                    invocation.finish(payload, True)
            self._changed.notify_all()
        self._server.close()


class InitializationError(Exception):
    """A function's process did not become ready."""

    def __init__(self, payload: bytes) -> None:
        super().__init__(payload.decode(errors="replace"))
        self.payload = payload


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, api: RuntimeApi) -> None:
        super().__init__((LOOPBACK, 0), _Handler)
        self.api = api
        self._closed = False
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        # Not serve_forever, which would poll for its end in each of hundreds of processes.
        while not self._closed:
            self.handle_request()
        self.server_close()

    def close(self) -> None:
        self._closed = True
        # Ends a blocking handle_request.
        with suppress(OSError):
            socket.create_connection(self.server_address).close()

    def handle_error(self, _request, _client_address) -> None:
        """The process ended during a request: RuntimeApi.close reports it."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, *_args) -> None:
        """Requests are not logged."""

    def do_GET(self) -> None:
        if self.path != f"{VERSION}/invocation/next":
            self._respond(404)
        elif invocation := self.server.api.next_invocation():
            self._respond(200, invocation.body, invocation.headers)
        else:
            self._respond(410)

    def do_POST(self) -> None:
        body = self._read()
        match self.path.removeprefix(f"{VERSION}/").split("/"):
            case ["init", "error"]:
                self.server.api.fail_initialization(body)
                known = True
            case ["invocation", request_id, "response"]:
                # A streamed response reports a late error in a trailer, which it announces in this header.
                is_error = "Lambda-Runtime-Function-Error-Type" in self.headers
                known = self.server.api.finish(request_id, body, is_error)
            case ["invocation", request_id, "error"]:
                known = self.server.api.finish(request_id, body, True)
            case _:
                self._respond(404)
                return
        if known:
            self._respond(202, b'{"status":"OK"}')
        else:
            self._respond(400, error("InvalidRequestID", "not the current invocation"))

    def _read(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", "").lower():
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        chunks = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass  # Trailers.
        return b"".join(chunks)

    def _respond(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
