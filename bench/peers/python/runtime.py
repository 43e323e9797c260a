"""A loop of the Runtime API, instead of the native client in Lambda's managed runtime."""

import json
import os
import time
from http.client import HTTPConnection

from handler import handler

PATH = "/2018-06-01/runtime/invocation"


class Context:
    def __init__(self, deadline_ms: str) -> None:
        self.deadline_ms = int(deadline_ms)

    def get_remaining_time_in_millis(self) -> int:
        return self.deadline_ms - int(time.time() * 1000)


def run() -> None:
    api = HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    while True:
        api.request("GET", f"{PATH}/next")
        response = api.getresponse()
        invocation = f"{PATH}/{response.headers['lambda-runtime-aws-request-id']}"
        context = Context(response.headers["lambda-runtime-deadline-ms"])
        event = json.loads(response.read())
        try:
            api.request("POST", f"{invocation}/response", json.dumps(handler(event, context)))
        except Exception as error:
            api.request("POST", f"{invocation}/error", repr(error))
        api.getresponse().read()


if __name__ == "__main__":
    run()
