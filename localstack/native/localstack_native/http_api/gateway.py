"""Serves the deployed HTTP APIs: the only one at the root of an origin of its own, and each one below /_http/<api id>/.

At the origin, paths are as in AWS: browsers send cookies with a Path, and links lead where they should.
"""

import json
import logging
from functools import cache

from localstack.aws.connect import connect_to
from localstack.http import Request, Response
from localstack.services.edge import ROUTER
from rolo.gateway import Gateway, HandlerChain, RequestContext
from rolo.request import get_raw_path

from localstack_native.http_api.payload import event, problem, response
from localstack_native.http_api.routes import Route

LOG = logging.getLogger(__name__)

PREFIX = "/_http"

# API id -> its routes in the order in which they are tried.
APIS: dict[str, list[Route]] = {}


def api_gateway() -> Gateway:
    """The gateway of the origin."""

    def serve_only_api(chain: HandlerChain, context: RequestContext, http_response: Response) -> None:
        http_response.update_from(serve_origin(context.request))
        chain.stop()

    def fail(_chain: HandlerChain, cause: Exception, _context: RequestContext, http_response: Response) -> None:
        LOG.error("A request to the HTTP API failed", exc_info=cause)
        http_response.update_from(problem(500, "Internal Server Error"))

    return Gateway(request_handlers=[serve_only_api], exception_handlers=[fail])


def serve_origin(request: Request) -> Response:
    apis = list(APIS)
    if not apis:
        return problem(503, "No HTTP API is deployed yet")
    if len(apis) > 1:
        paths = ", ".join(f"{PREFIX}/{api_id}/" for api_id in apis)
        return problem(503, f"Several HTTP APIs are deployed: use the port of the AWS APIs, with {paths}")
    return serve(request, apis[0], get_raw_path(request))


def serve_below_prefix(request: Request, api_id: str, **_path) -> Response:
    return serve(request, api_id, get_raw_path(request).removeprefix(f"{PREFIX}/{api_id}") or "/")


def serve(request: Request, api_id: str, raw_path: str) -> Response:
    """Invoke the function of the route that matches a request."""
    for route in APIS.get(api_id, []):
        variables = route.match(request.method, raw_path)
        if variables is not None:
            payload = event(request, api_id, route, raw_path, variables)
            region = route.function_arn.split(":")[3]
            result = lambda_client(region).invoke(FunctionName=route.function_arn, Payload=json.dumps(payload).encode())
            if "FunctionError" in result:
                return problem(500, "Internal Server Error")
            return response(result["Payload"].read())
    return problem(404, "Not Found")


@cache
def lambda_client(region: str):
    return connect_to(region_name=region).lambda_


def add_api_routes() -> None:
    ROUTER.add(f"{PREFIX}/<api_id>/", serve_below_prefix)
    ROUTER.add(f"{PREFIX}/<api_id>/<path:path>", serve_below_prefix)
