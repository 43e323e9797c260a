"""Routes of the local HTTP API.

SAM turns the `HttpApi` events of the functions into an OpenAPI body, which AWS imports and MiniStack does not. This
module creates the same routes one by one.
"""

from pathlib import Path

from samcli.yamlhelper import yaml_parse


def expected_routes(template: Path) -> dict[str, str]:
    """Route key -> logical id of its function, from the events of the template."""
    found = {}
    for name, resource in yaml_parse(template.read_text())["Resources"].items():
        for event in resource.get("Properties", {}).get("Events", {}).values():
            if event["Type"] == "HttpApi":
                route = event["Properties"]
                found[f"{route['Method'].upper()} {route['Path']}"] = name
    return found


def sync_routes(apigateway, api_id: str, template: Path, resources: dict[str, str]) -> None:
    """Create missing routes and delete others. `resources` is logical id -> function name."""
    integrations = {
        item["IntegrationId"]: item["IntegrationUri"] for item in items(apigateway.get_integrations, api_id)
    }
    missing = {key: function_arn(apigateway, resources[name]) for key, name in expected_routes(template).items()}
    for route in items(apigateway.get_routes, api_id):
        served_by = integrations.get(route.get("Target", "").removeprefix("integrations/"))
        if missing.get(route["RouteKey"]) == served_by:
            del missing[route["RouteKey"]]
        else:
            apigateway.delete_route(ApiId=api_id, RouteId=route["RouteId"])
    for key, arn in missing.items():
        integration = apigateway.create_integration(
            ApiId=api_id, IntegrationType="AWS_PROXY", IntegrationUri=arn, PayloadFormatVersion="2.0"
        )
        apigateway.create_route(ApiId=api_id, RouteKey=key, Target=f"integrations/{integration['IntegrationId']}")


def items(call, api_id: str) -> list[dict]:
    return [item for page in [call(ApiId=api_id)] for item in page["Items"]]


def function_arn(apigateway, name: str) -> str:
    return f"arn:aws:lambda:{apigateway.meta.region_name}:000000000000:function:{name}"
