"""The routes of an HTTP API, from the OpenAPI document that SAM generates."""

import re
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import unquote

ANY = "x-amazon-apigateway-any-method"
METHODS = {"get", "put", "post", "delete", "options", "head", "patch", ANY}
DEFAULT_PATH = "/$default"
FUNCTION_ARN = re.compile(r"/functions/(arn:[^/]+)/invocations$")


@dataclass(frozen=True)
class Route:
    """A route of one function. `path` may have variables: `/users/{id}`, `/files/{path+}`."""

    method: str
    path: str
    function_arn: str

    @property
    def key(self) -> str:
        return "$default" if self.path == DEFAULT_PATH else f"{self.method} {self.path}"

    @cached_property
    def _pattern(self) -> re.Pattern:
        if self.path == DEFAULT_PATH:
            return re.compile(".*")
        parts = re.split(r"\{(\w+)(\+?)\}", self.path)
        pattern = re.escape(parts[0])
        for name, greedy, literal in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
            pattern += f"(?P<{name}>{'.+' if greedy else '[^/]+'}){re.escape(literal)}"
        return re.compile(pattern)

    @property
    def precedence(self) -> tuple[bool, bool, int, bool]:
        """Routes with a lower value are tried first: literal paths, variables, greedy variables, the default."""
        return self.path == DEFAULT_PATH, "+}" in self.path, self.path.count("{"), self.method == "ANY"

    def match(self, method: str, raw_path: str) -> dict[str, str] | None:
        """The decoded path variables of a request, or None if it is not one for this route."""
        if self.method not in (method, "ANY"):
            return None
        found = self._pattern.fullmatch(raw_path)
        return None if found is None else {name: unquote(value) for name, value in found.groupdict().items()}


def routes_of(document: dict) -> list[Route]:
    """The routes of an OpenAPI document in the order in which they are tried."""
    found = []
    for path, operations in document.get("paths", {}).items():
        for method in operations.keys() & METHODS:
            uri = operations[method].get("x-amazon-apigateway-integration", {}).get("uri", "")
            if function := FUNCTION_ARN.search(uri):
                found.append(Route("ANY" if method == ANY else method.upper(), path, function[1]))
    return sorted(found, key=lambda route: route.precedence)
