"""The project's CloudFormation templates, read as data."""

from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]


class Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms: `!Ref X` reads as {"Ref": "X"}, `!Sub ...` as {"Fn::Sub": ...}."""


def short_form(loader, suffix, node):
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


Loader.add_multi_constructor("!", short_form)


def read(path):
    return yaml.load((ROOT / path).read_text(), Loader)


def of_type(template, resource_type):
    """The properties of every resource of a type, by logical id."""
    return {
        name: resource["Properties"]
        for name, resource in template["Resources"].items()
        if resource["Type"] == resource_type
    }


def routes(template):
    """Every route of the API: its method and its path."""
    functions = of_type(template, "AWS::Serverless::Function").values()
    events = [event for function in functions for event in function.get("Events", {}).values()]
    served = [event["Properties"] for event in events if event["Type"] == "HttpApi"]
    return {(route["Method"], route["Path"]) for route in served}


def texts(value):
    """Every piece of text in a template's value, keys included: names, references, substitutions, actions."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield str(key)
            yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)
    else:
        yield str(value)


def statements(policies):
    """Every statement of a SAM function's Policies, those too that stand there under a condition."""
    for policy in policies:
        found = policy["Statement"]
        for statement in found if isinstance(found, list) else [found]:
            yield from statement["Fn::If"][1:] if "Fn::If" in statement else [statement]


def as_list(value):
    return value if isinstance(value, list) else [value]
