"""The environment variables of the functions for `sam local`, as the file that its option --env-vars takes."""

import json
from pathlib import Path

import boto3
from samcli.yamlhelper import yaml_parse
from settings import STATE, Cloud

# Written by make run.
SAM_ENVIRONMENT = STATE / "sam-environment.json"


def sam_environment(cloud: Cloud, session: boto3.Session, template: Path, resources: dict[str, str]) -> str:
    """The variables of each function as deployed, with the URLs by which containers reach the cloud."""
    functions = session.client("lambda", endpoint_url=cloud.endpoint)
    variables = {
        name: functions.get_function_configuration(FunctionName=resources[name])["Environment"]["Variables"]
        for name, resource in yaml_parse(template.read_text())["Resources"].items()
        if resource["Type"] == "AWS::Serverless::Function"
    }
    text = json.dumps(variables, indent=2).replace(cloud.endpoint, cloud.container_endpoint)
    return text.replace(cloud.api_url, f"http://{cloud.container_host or 'localhost'}:{cloud.api_port}")
