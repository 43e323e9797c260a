"""The CloudFormation templates as data: functions, their contexts, tables and permissions.

What this module derives from template.yaml is never repeated in a test. A new function needs no change here.
"""

import os
from copy import deepcopy
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import yaml
from samtranslator.translator.transform import transform

ROOT = Path(__file__).resolve().parents[3]


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


@cache
def read(path):
    return yaml.load((ROOT / path).read_text(), Loader)


TEMPLATE = read("template.yaml")


@cache
def transformed(allowed_origins=""):
    """template.yaml after the SAM transform: what CloudFormation deploys."""
    template = deepcopy(TEMPLATE)
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = "s3://packages/package"
    # No policy is named without its ARN, so none needs to be looked up.
    no_names = SimpleNamespace(load=dict)
    # SAM asks the region for its partition.
    with mock.patch.dict(os.environ, {"AWS_DEFAULT_REGION": "us-east-1"}):
        return transform(template, {"AllowedOrigins": allowed_origins}, no_names)


def of_type(resource_type, template=TEMPLATE):
    """The properties of every resource of a type, by logical id."""
    return {
        name: resource["Properties"]
        for name, resource in template["Resources"].items()
        if resource["Type"] == resource_type
    }


def texts(value):
    """Every string in a value of a template: keys, names, references, substitutions, actions."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield str(key)
            yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)
    else:
        yield str(value)


def as_list(value):
    return value if isinstance(value, list) else [value]


# --- nested stacks ---

NESTED = {name: read(properties["TemplateURL"]) for name, properties in of_type("AWS::CloudFormation::Stack").items()}


def nested_resource(logical_id):
    """A resource of one of the nested stacks."""
    (found,) = (nested["Resources"][logical_id] for nested in NESTED.values() if logical_id in nested["Resources"])
    return found


def references_to(logical_id):
    """The outputs by which template.yaml can name a nested resource: `Stack.Outputs.X`.

    Includes resources whose id it begins: a table's encryption key is `<table>Key`.
    """
    for stack, nested in NESTED.items():
        for output, declared in nested["Outputs"].items():
            if any(text.startswith(logical_id) for text in texts(declared["Value"])):
                yield f"{stack}.Outputs.{output}"


# Logical id -> the context that owns the table: the name of its nested template, infra/<context>.yaml.
TABLES = {
    table: Path(properties["TemplateURL"]).stem
    for stack, properties in of_type("AWS::CloudFormation::Stack").items()
    for table in of_type("AWS::DynamoDB::Table", NESTED[stack])
}

# --- functions ---

FUNCTIONS = of_type("AWS::Serverless::Function")
MAPPINGS = of_type("AWS::Lambda::EventSourceMapping")


def context(function):
    """The crate that a function is built from: "account", "payment", "docs" or "simulator"."""
    return Path(FUNCTIONS[function]["CodeUri"]).name


def in_context(*names):
    return [function for function in FUNCTIONS if context(function) in names]


def binary(function):
    return TEMPLATE["Resources"][function]["Metadata"]["BuildProperties"]["Binary"]


def with_binary(name):
    (function,) = (function for function in FUNCTIONS if binary(function) == name)
    return function


def environment(function):
    return FUNCTIONS[function].get("Environment", {}).get("Variables", {})


def logging_config(function, **parameters):
    """The LoggingConfig of a function, with the values of parameters in place of references to them."""
    own = FUNCTIONS[function].get("LoggingConfig", {})
    merged = TEMPLATE["Globals"]["Function"]["LoggingConfig"] | own
    return {
        key: parameters.get(value["Ref"], value) if isinstance(value, dict) and "Ref" in value else value
        for key, value in merged.items()
    }


def mapping_to(function):
    """The event source mapping that invokes a function."""
    (mapping,) = (m for m in MAPPINGS.values() if m["FunctionName"] == {"Fn::GetAtt": f"{function}.Arn"})
    return mapping


def routes_of(function):
    """The routes of a function: method and path."""
    events = FUNCTIONS[function].get("Events", {}).values()
    return [(e["Properties"]["Method"], e["Properties"]["Path"]) for e in events if e["Type"] == "HttpApi"]


def routes():
    """Every route of the API: method and path."""
    return {route for function in FUNCTIONS for route in routes_of(function)}


def only_reads(function):
    """Whether every route of a function is a GET, which must not write."""
    methods = {method for method, _path in routes_of(function)}
    return methods == {"GET"}


def tables_of(function):
    """The tables that a function is configured with, by its environment variables."""
    names = set(texts(list(environment(function).values())))
    return {table for table in TABLES if names & set(references_to(table))}


def other_tables(function):
    return TABLES.keys() - tables_of(function)


def stream_of(function):
    """The table whose stream invokes a function, or None."""
    for mapping in MAPPINGS.values():
        if mapping["FunctionName"] == {"Fn::GetAtt": f"{function}.Arn"}:
            (source,) = texts(list(mapping["EventSourceArn"].values()))
            return next((table for table in TABLES if source in references_to(table)), None)
    return None


# --- permissions ---


def statements(function):
    """Every statement of a function's policies, including both branches of a conditional one."""
    for policy in FUNCTIONS[function].get("Policies", []):
        for statement in as_list(policy["Statement"]):
            yield from statement["Fn::If"][1:] if "Fn::If" in statement else [statement]


def actions_on(function, *logical_ids):
    """The actions that a function's policies allow on nested resources, not counting indexes of a table."""
    references = {str({"Fn::GetAtt": name}) for logical_id in logical_ids for name in references_to(logical_id)}
    return {
        action
        for statement in statements(function)
        if references & {str(resource) for resource in as_list(statement.get("Resource"))}
        for action in as_list(statement["Action"])
    }


# --- event filters ---


def matches(pattern, record):
    """Whether a filter pattern of an event source mapping matches a record.

    Covers literals, `prefix` and `exists`: https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html
    """
    for key, expected in pattern.items():
        if isinstance(expected, dict):
            if not matches(expected, record.get(key, {})):
                return False
        elif not any(matches_value(condition, record.get(key)) for condition in expected):
            return False
    return True


def matches_value(condition, value):
    if not isinstance(condition, dict):
        return value == condition
    ((operator, operand),) = condition.items()
    if operator == "prefix":
        return isinstance(value, str) and value.startswith(operand)
    if operator == "exists":
        return (value is not None) == operand
    raise ValueError(f"no such condition is known here: {operator}")
