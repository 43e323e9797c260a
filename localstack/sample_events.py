"""`make events`: writes the sample events of the HTTP functions, from their routes and the API document's examples.

One file per function, named after its binary, in the format of API Gateway's HTTP APIs (payload version 2.0). The
events of functions without a route are written by hand.
"""

import json
import sys

from console import Failure, echo, main
from samcli.yamlhelper import yaml_parse
from settings import ROOT

EVENTS = ROOT / "events"
DOCUMENT = ROOT / "functions" / "docs" / "openapi.json"
HOST = "api.example.com"
USER_AGENT = "sam-local"
# Where the document has no example: a credential or a signature.
PLACEHOLDER = "PUT-A-VALUE-HERE"


def sample_events() -> dict[str, dict]:
    """Binary name -> event, for each function with a route that answers JSON or nothing."""
    document = json.loads(DOCUMENT.read_text())
    events = {}
    for resource in yaml_parse((ROOT / "template.yaml").read_text())["Resources"].values():
        if resource["Type"] != "AWS::Serverless::Function":
            continue
        for trigger in resource["Properties"].get("Events", {}).values():
            if trigger["Type"] == "HttpApi":
                method, path = trigger["Properties"]["Method"], trigger["Properties"]["Path"]
                operation = document["paths"][path][method.lower()]
                if answers_json(operation):
                    binary = resource["Metadata"]["BuildProperties"]["Binary"]
                    events.setdefault(binary, event(document, method, path, operation))
    return events


def answers_json(operation: dict) -> bool:
    (success,) = (response for status, response in operation["responses"].items() if status.startswith("2"))
    return all(media_type.endswith("json") for media_type in success.get("content", {}))


def event(document: dict, method: str, route: str, operation: dict) -> dict:
    """The event of one request: required parameters, the first example of a body, and a bearer token."""
    parameters = [resolved(document, parameter) for parameter in operation.get("parameters", [])]
    path_parameters = {p["name"]: example(document, p) for p in parameters if p["in"] == "path"}
    path = route.format(**path_parameters)
    headers = {"accept": "application/json", "host": HOST, "user-agent": USER_AGENT}
    examples = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("examples")
    if examples:
        headers["content-type"] = "application/json"
    for scheme in operation["security"][0] if operation["security"] else []:
        headers |= credential(document["components"]["securitySchemes"][scheme])
    for parameter in parameters:
        if parameter["in"] == "header":
            headers[parameter["name"].lower()] = str(example(document, parameter))
    made = {
        "version": "2.0",
        "routeKey": f"{method} {route}",
        "rawPath": path,
        "rawQueryString": "",
        "headers": headers,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "api-id",
            "domainName": HOST,
            "domainPrefix": "api",
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
                "userAgent": USER_AGENT,
            },
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": f"{method} {route}",
            "stage": "$default",
            "time": "31/Jan/2026:12:00:00 +0000",
            "timeEpoch": 1769860800000,
        },
        "isBase64Encoded": False,
    }
    if path_parameters:
        made["pathParameters"] = path_parameters
    if examples:
        made["body"] = json.dumps(next(iter(examples.values()))["value"])
    return made


def resolved(document: dict, value: dict) -> dict:
    """The value that a `$ref` leads to, or the value itself."""
    while "$ref" in value:
        _root, *keys = value["$ref"].split("/")
        value = document
        for key in keys:
            value = value[key]
    return value


def example(document: dict, parameter: dict) -> object:
    return parameter.get("example", resolved(document, parameter["schema"]).get("example", PLACEHOLDER))


def credential(scheme: dict) -> dict[str, str]:
    """The header of a security scheme."""
    if scheme["type"] == "http":
        return {"authorization": "Bearer PUT-AN-ACCESS-TOKEN-HERE"}
    return {scheme["name"].lower(): PLACEHOLDER}


def script() -> None:
    stale = []
    for binary, made in sample_events().items():
        path, text = EVENTS / f"{binary}.json", json.dumps(made, indent=2) + "\n"
        if not path.exists() or path.read_text() != text:
            stale.append(str(path.relative_to(ROOT)))
            if "--check" not in sys.argv:
                path.write_text(text)
    if "--check" in sys.argv and stale:
        raise Failure(f"not as generated: {', '.join(stale)}: run make events")
    echo(f"{len(stale)} files written" if stale else "the sample events are current")


if __name__ == "__main__":
    main(script)
