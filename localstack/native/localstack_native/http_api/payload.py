"""The events and responses of Lambda proxy integrations, payload format 2.0.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

import base64
import binascii
import json
import re
import time
import uuid
from urllib.parse import unquote, unquote_plus

from localstack.http import Request, Response

from localstack_native.http_api.routes import Route

# Bodies of other types are passed to the function in base64.
TEXT = re.compile(r"text/.*|application/(.*\+)?(json|xml|javascript)", re.IGNORECASE)
JSON = {"Content-Type": "application/json"}


def event(request: Request, api_id: str, route: Route, raw_path: str, variables: dict[str, str]) -> dict:
    """The event of a request. `raw_path` is its path as sent, still percent-encoded."""
    body = request.get_data()
    headers, cookies = headers_and_cookies(request)
    headers.setdefault("content-length", str(len(body)))
    host, now = request.host, time.time()
    source = request.remote_addr or ""
    # AWS leaves an escaped slash as it is.
    path = "%2F".join(unquote(part) for part in re.split("%2F", raw_path, flags=re.IGNORECASE))
    query = request.query_string.decode("latin-1")
    built = {
        "version": "2.0",
        "routeKey": route.key,
        "rawPath": path,
        "rawQueryString": query,
        "headers": headers,
        "requestContext": {
            "accountId": route.function_arn.split(":")[4],
            "apiId": api_id,
            "domainName": host,
            "domainPrefix": host.split(".")[0],
            "http": {
                "method": request.method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": source,
                "userAgent": headers.get("user-agent", ""),
            },
            "requestId": str(uuid.uuid4()),
            "routeKey": route.key,
            "stage": "$default",
            "time": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now)),
            "timeEpoch": int(now * 1000),
        },
        "isBase64Encoded": False,
    }
    if cookies:
        built["cookies"] = cookies
    if variables:
        built["pathParameters"] = variables
    if parameters := query_parameters(query):
        built["queryStringParameters"] = parameters
    if body:
        built["body"], built["isBase64Encoded"] = encode(body, headers.get("content-type"))
    return built


def headers_and_cookies(request: Request) -> tuple[dict[str, str], list[str]]:
    """Headers by lower-case name, values of repeated ones joined by commas, and the cookies, which are none of them."""
    headers: dict[str, str] = {}
    cookies: list[str] = []
    for name, value in request.headers.items():
        name = name.lower()
        if name == "cookie":
            cookies += [cookie.strip() for cookie in value.split(";") if cookie.strip()]
        else:
            headers[name] = f"{headers[name]},{value}" if name in headers else value
    return headers, cookies


def query_parameters(query: str) -> dict[str, str]:
    """Decoded parameters, values of repeated ones joined by commas."""
    found: dict[str, str] = {}
    for pair in filter(None, query.split("&")):
        name, _, value = (unquote_plus(part) for part in pair.partition("="))
        found[name] = f"{found[name]},{value}" if name in found else value
    return found


def encode(body: bytes, content_type: str | None) -> tuple[str, bool]:
    """A body as text, and whether the text is base64."""
    media_type = (content_type or "text/plain").split(";")[0].strip()
    if TEXT.fullmatch(media_type):
        try:
            return body.decode(), False
        except UnicodeDecodeError:
            pass
    return base64.b64encode(body).decode(), True


def response(payload: bytes) -> Response:
    """The HTTP response for what a function returned. Without a statusCode, that is the body of a response with 200."""
    try:
        result = json.loads(payload)
        if not isinstance(result, dict) or "statusCode" not in result:
            return Response(payload, 200, JSON)
        body = result.get("body") or ""
        built = Response(
            base64.b64decode(body, validate=True) if result.get("isBase64Encoded") else body, int(result["statusCode"])
        )
    except (ValueError, TypeError, binascii.Error):
        return problem(500, "Internal Server Error")
    built.headers.clear()
    for name, value in (result.get("headers") or {}).items():
        built.headers[name] = str(value)
    for cookie in result.get("cookies") or []:
        built.headers.add("Set-Cookie", cookie)
    built.headers.setdefault("Content-Type", "text/plain;charset=utf-8")
    return built


def problem(status: int, message: str) -> Response:
    """A response of API Gateway's own."""
    return Response(json.dumps({"message": message}), status, JSON)
