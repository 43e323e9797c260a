"""The permissions boundary of the functions' roles, which MiniStack's CloudFormation leaves out."""

from pathlib import Path

from samcli.yamlhelper import yaml_parse


def set_boundary(iam, template: Path, resources: dict[str, str]) -> None:
    """Set the boundary that the template names for every function. `resources` is logical id -> physical id."""
    document = yaml_parse(template.read_text())
    boundary = resources[document["Globals"]["Function"]["PermissionsBoundary"]["Ref"]]
    for name, resource in document["Resources"].items():
        if resource["Type"] == "AWS::Serverless::Function" and name in resources:
            iam.put_role_permissions_boundary(RoleName=resources[f"{name}Role"], PermissionsBoundary=boundary)
