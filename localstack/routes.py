"""Gives the local API its routes.

SAM turns the `HttpApi` events of the functions into an OpenAPI body, which AWS imports and MiniStack does not. Here the same
routes are made one by one through the API's own calls.
"""

from pathlib import Path

from samcli.yamlhelper import yaml_parse


def wanted(template: Path) -> dict[str, str]:
    """Route key -> the function that serves it, from the template's events."""
    found = {}
    for name, resource in yaml_parse(template.read_text())["Resources"].items():
        for event in resource.get("Properties", {}).get("Events", {}).values():
            if event["Type"] == "HttpApi":
                route = event["Properties"]
                found[f"{route['Method'].upper()} {route['Path']}"] = name
    return found


def give(apigateway, api_id: str, template: Path, resources: dict[str, str]) -> None:
    """Make the API's routes those of the template, and no others. `resources` is logical id -> function name."""
    integrations = {item["IntegrationId"]: item["IntegrationUri"] for item in items(apigateway.get_integrations, api_id)}
    missing = {key: function_arn(apigateway, resources[name]) for key, name in wanted(template).items()}
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
