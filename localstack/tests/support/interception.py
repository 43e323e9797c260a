"""Requests of one function to AWS services, which a test can see, and the death of its process in between."""

import http.client
import os
import signal
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

# Of the connection, not of the message.
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


class Interception:
    """Forwards requests. Kills the sender once: at the n-th request of an action, before or after it is executed."""

    def __init__(self, endpoint):
        self.endpoint = urlsplit(endpoint)
        self.killed = False
        self._lock = threading.Lock()
        self._actions, self._left, self.executed = (), 0, False

    def kill_at(self, *actions, number=1, executed):
        self._actions, self._left, self.executed = actions, number, executed

    def is_last(self, action):
        """Whether the process is to be killed at this request."""
        with self._lock:
            self._left -= action in self._actions
            last = action in self._actions and self._left == 0 and not self.killed
            self.killed |= last
            return last

    def forward(self, request, body):
        """The status, the headers and the body of the response."""
        connection = http.client.HTTPConnection(self.endpoint.hostname, self.endpoint.port, timeout=30)
        try:
            connection.request(request.command, request.path, body, dict(request.headers))
            response = connection.getresponse()
            return response.status, response.getheaders(), response.read()
        finally:
            connection.close()


def action_of(request, body):
    """The action, of the JSON protocol or of the query protocol."""
    if target := request.headers.get("X-Amz-Target"):
        return target.rsplit(".", 1)[1]
    return parse_qs(body.decode()).get("Action", [""])[0]


def handler_of(interception):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            last = interception.is_last(action_of(self, body))
            if last and not interception.executed:
                self.kill_sender()
                return
            status, headers, content = interception.forward(self, body)
            if last:
                self.kill_sender()
                return
            self.send_response_only(status)
            for name, value in headers:
                if name.lower() not in HOP_BY_HOP:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def kill_sender(self):
            kill_processes_that_use(self.server.url)
            self.close_connection = True

        def log_message(self, *_):
            """Nothing: requests are not of interest."""

    return Handler


def kill_processes_that_use(endpoint):
    """Kills the processes of the function without a warning, as the loss of their machine does."""
    variable = f"AWS_ENDPOINT_URL={endpoint}".encode()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if variable in (process / "environ").read_bytes().split(b"\0"):
                os.kill(int(process.name), signal.SIGKILL)
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue


@contextmanager
def intercepted(stack, function):
    """The requests of a function until the end of the block."""
    variables = stack.environment(function)
    interception = Interception(stack.client("sts").meta.endpoint_url)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler_of(interception)) as proxy:
        proxy.url = f"http://127.0.0.1:{proxy.server_port}"
        thread = threading.Thread(target=proxy.serve_forever)
        thread.start()
        try:
            stack.set_environment(function, variables | {"AWS_ENDPOINT_URL": proxy.url})
            yield interception
        finally:
            stack.set_environment(function, variables)
            proxy.shutdown()
            thread.join()
