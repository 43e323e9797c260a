"""The environment variables of the functions for `sam local`, as the file that its option --env-vars takes."""

import json
from functools import cache

import boto3
from samcli.yamlhelper import yaml_parse
from settings import ROOT, STATE, Cloud

# Written by make run.
SAM_ENVIRONMENT = STATE / "sam-environment.json"


@cache
def functions() -> dict[str, str]:
    """Logical id -> binary, for each function of the template."""
    return {
        name: resource["Metadata"]["BuildProperties"]["Binary"]
        for name, resource in yaml_parse((ROOT / "template.yaml").read_text())["Resources"].items()
        if resource["Type"] == "AWS::Serverless::Function"
    }


def sam_environment(cloud: Cloud, session: boto3.Session, resources: dict[str, str]) -> str:
    """The variables of each function as deployed, with the URLs by which containers reach the cloud."""
    client = session.client("lambda", endpoint_url=cloud.endpoint)
    variables = {
        name: client.get_function_configuration(FunctionName=resources[name])["Environment"]["Variables"]
        for name in functions()
    }
    text = json.dumps(variables, indent=2).replace(cloud.endpoint, cloud.container_endpoint)
    return text.replace(cloud.api_url, f"http://{cloud.container_host or 'localhost'}:{cloud.api_port}")
