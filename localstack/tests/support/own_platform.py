"""A platform that a test may overload, stop and start again. It is on MiniStack, the engine that keeps its state."""

import tempfile
from contextlib import contextmanager
from pathlib import Path

import server
from build import build
from deployment import deploy, session
from engines import engine_with
from settings import STACK_NAME, Cloud

from support.stack import Stack


class OwnPlatform:
    def __init__(self, folder):
        self._engine = engine_with("ministack")
        self._cloud = Cloud(folder, *server.free_ports())
        self._template = build()
        self._process = None

    @property
    def stack(self):
        environment = self._cloud.environment() | {"STACK_NAME": STACK_NAME, "API_URL": self._cloud.api_url}
        return Stack(environment, session())

    def start(self):
        """Starts the engine with the state that it was stopped with, as `make run` does."""
        self._process = server.start(self._engine, self._cloud)
        deploy(self._engine, self._cloud, self._template)

    def stop(self):
        """Stops the engine, as `make stop` does."""
        process, self._process = self._process, None
        if process:
            server.stop(self._engine, process)


@contextmanager
def own_platform():
    with tempfile.TemporaryDirectory(prefix="payment-platform-own-") as folder:
        platform = OwnPlatform(Path(folder))
        try:
            platform.start()
            yield platform
        finally:
            platform.stop()
