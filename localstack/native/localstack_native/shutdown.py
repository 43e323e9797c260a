"""The end of LocalStack, with every process that it started."""

import os
import threading

from localstack_native.dynamodb import DynoxideServer
from localstack_native.lambda_.process import FunctionProcess

# LocalStack waits for its request threads, some of which wait for messages of a queue or for a function.
LIMIT_SECONDS = 5


def stop_processes() -> None:
    """Stop functions and DynamoDB, and end this process within LIMIT_SECONDS."""
    FunctionProcess.stop_all()
    DynoxideServer.stop_running()
    limit = threading.Timer(LIMIT_SECONDS, os._exit, [0])
    limit.daemon = True
    limit.start()
