"""What the templates promise about the wall between the contexts, and about events that fail."""

import json

import pytest
import templates
from contexts import (
    ACCOUNT,
    AUDITED,
    DOCS,
    EVERY_FUNCTION,
    KNOW_THE_WEBHOOK_SECRET,
    PAYMENT,
    SCHEDULED,
    SIGNERS,
    SIMULATOR,
    STREAMS,
    TABLES,
    other_tables,
)
from templates import as_list, of_type, statements, texts

TEMPLATE = templates.read("template.yaml")
FUNCTIONS = of_type(TEMPLATE, "AWS::Serverless::Function")
NESTED = {
    name: templates.read(properties["TemplateURL"])
    for name, properties in of_type(TEMPLATE, "AWS::CloudFormation::Stack").items()
}
MAPPINGS = of_type(TEMPLATE, "AWS::Lambda::EventSourceMapping")
# Actions that AWS defines for no resource in particular: IAM accepts only `*` with them.
WITHOUT_A_RESOURCE = {"dynamodb:ListStreams"}
# What sends a code may send it to any phone, which has no ARN; and to any address, from one of its own.
TO_A_PHONE = {
    "Effect": "Allow",
    "Action": "sns:Publish",
    "NotResource": {"Fn::Sub": "arn:${AWS::Partition}:sns:*:*:*"},
}
BY_MAIL = {
    "Effect": "Allow",
    "Action": "ses:SendEmail",
    "Resource": "*",
    "Condition": {"StringEqualsIfExists": {"ses:FromAddress": {"Ref": "VerificationSender"}}},
}


def nested_resource(logical_id):
    """A resource of one of the nested stacks, wherever it stands."""
    (found,) = (nested["Resources"][logical_id] for nested in NESTED.values() if logical_id in nested["Resources"])
    return found


def names_of(table):
    """The outputs by which template.yaml can name a table, its key or its stream: `Stack.Outputs.X`."""
    for stack, nested in NESTED.items():
        for output, declared in nested["Outputs"].items():
            if any(text.startswith(table) for text in texts(declared["Value"])):
                yield f"{stack}.Outputs.{output}"


def mapping_to(function):
    """The event source mapping that feeds a function."""
    (mapping,) = (m for m in MAPPINGS.values() if m["FunctionName"] == {"Fn::GetAtt": f"{function}.Arn"})
    return mapping


def test_every_function_belongs_to_a_context():
    assert FUNCTIONS.keys() == set(EVERY_FUNCTION)


@pytest.mark.parametrize("function", EVERY_FUNCTION)
def test_a_function_names_no_table_of_the_other_context(function):
    said = list(texts(FUNCTIONS[function]))
    for table in other_tables(function):
        # A publisher reads its table's stream, and so names that; it may not name the table.
        stream = {name for name in names_of(table) if name.endswith("StreamArn") and STREAMS.get(function) == table}
        names = set(names_of(table)) - stream
        named = [text for text in said for name in names if name in text]
        assert not named, f"{function} names {table}: {named}"


def test_every_table_can_be_named():
    # The control of the test above: it looks for these names.
    for table in TABLES:
        assert list(names_of(table))


def test_globals_name_no_table_and_grant_nothing():
    said = list(texts(TEMPLATE.get("Globals", {})))
    assert not [text for text in said if "table" in text.lower()]
    assert not {"Policies", "Role"} & TEMPLATE["Globals"]["Function"].keys()


@pytest.mark.parametrize("function", EVERY_FUNCTION)
def test_a_function_has_statements_of_its_own_and_no_shared_role(function):
    properties = FUNCTIONS[function]
    assert "Role" not in properties
    if function in DOCS:
        assert not properties.get("Policies"), "it needs nothing"
        return
    policies = properties["Policies"]
    assert policies
    assert all(isinstance(policy, dict) and "Statement" in policy for policy in policies), (
        "a managed policy or a SAM policy template grants more than the actions this function needs"
    )


@pytest.mark.parametrize("function", EVERY_FUNCTION)
def test_a_policy_names_exact_actions_on_exact_resources(function):
    for statement in statements(FUNCTIONS[function].get("Policies", [])):
        if function == "SendCodeFunction" and statement in (TO_A_PHONE, BY_MAIL):
            continue
        assert statement["Effect"] == "Allow"
        assert not {"NotAction", "NotResource"} & statement.keys()
        assert not [action for action in as_list(statement["Action"]) if "*" in action], statement
        if not set(as_list(statement["Action"])) <= WITHOUT_A_RESOURCE:
            assert not [text for text in texts(statement["Resource"]) if "*" in text], statement


@pytest.mark.parametrize("function", EVERY_FUNCTION)
def test_a_function_has_no_events_for_which_sam_would_add_a_policy_of_its_own(function):
    # For a queue or stream among a function's events SAM attaches a managed policy that reads all of the account's.
    allowed = {"ScheduleV2"} if function in SCHEDULED else {"HttpApi"}
    assert {event["Type"] for event in FUNCTIONS[function].get("Events", {}).values()} <= allowed


@pytest.mark.parametrize("function", PAYMENT)
def test_the_payment_side_takes_part_in_nothing_of_the_account_side_but_its_events(function):
    environment = FUNCTIONS[function].get("Environment", {}).get("Variables", {})
    assert not {"ACCOUNT_TABLE", "SIGNING_KEY_TABLE"} & environment.keys()
    assert not [text for text in texts(FUNCTIONS[function]) if "AccountEventsTopic" in text]


@pytest.mark.parametrize("function", EVERY_FUNCTION)
def test_only_who_signs_or_verifies_webhooks_may_read_their_secret(function):
    knows = [text for text in texts(FUNCTIONS[function]) if "WebhookSecret" in text or "secretsmanager:" in text]
    assert bool(knows) == (function in KNOW_THE_WEBHOOK_SECRET), knows


@pytest.mark.parametrize("function", ACCOUNT)
def test_only_who_signs_may_read_a_private_key_and_only_who_rotates_may_write_one(function):
    key = {"Fn::GetAtt": "AccountStack.Outputs.SigningKeyTableKeyArn"}
    table = {"Fn::GetAtt": "AccountStack.Outputs.SigningKeyTableArn"}
    granted = {
        action
        for statement in statements(FUNCTIONS[function].get("Policies", []))
        if {str(key), str(table)} & {str(resource) for resource in as_list(statement.get("Resource"))}
        for action in as_list(statement["Action"])
    }
    if function == "RotateKeysFunction":
        assert "kms:Encrypt" in granted
    else:
        assert granted == ({"dynamodb:Query", "kms:Decrypt", "kms:DescribeKey"} if function in SIGNERS else set())


@pytest.mark.parametrize("function", ACCOUNT)
def test_the_key_of_the_private_keys_is_used_through_dynamodb_alone(function):
    for statement in statements(FUNCTIONS[function].get("Policies", [])):
        if any(action.startswith("kms:") for action in as_list(statement["Action"])):
            via = {"kms:ViaService": {"Fn::Sub": "dynamodb.${AWS::Region}.amazonaws.com"}}
            assert statement["Condition"] == {"StringEquals": via}


@pytest.mark.parametrize("function", EVERY_FUNCTION)
def test_a_function_may_add_to_the_audit_trail_and_nothing_else(function):
    granted = [
        (as_list(statement["Action"]), statement.get("Resource"))
        for statement in statements(FUNCTIONS[function].get("Policies", []))
        if any("AuditTable" in text for text in texts(statement.get("Resource")))
    ]
    put = (["dynamodb:PutItem"], {"Fn::GetAtt": "AccountStack.Outputs.AuditTableArn"})
    assert granted == ([put] if function in AUDITED else [])
    variables = FUNCTIONS[function].get("Environment", {}).get("Variables", {})
    told = {"AUDIT_TABLE", "AUDIT_RETENTION_DAYS", "SOURCE_PEPPER"}
    assert told & variables.keys() == (told if function in AUDITED else set())


def test_nobody_changes_or_deletes_a_record_of_the_audit_trail():
    properties = nested_resource("AuditTable")["Properties"]
    (denial,) = properties["ResourcePolicy"]["PolicyDocument"]["Statement"]
    assert (denial["Effect"], denial["Principal"]) == ("Deny", "*")
    assert {
        "dynamodb:BatchWriteItem",
        "dynamodb:DeleteItem",
        "dynamodb:PartiQLDelete",
        "dynamodb:PartiQLInsert",
        "dynamodb:PartiQLUpdate",
        "dynamodb:UpdateItem",
    } == set(denial["Action"])
    assert "StreamSpecification" not in properties, "nobody outside hears of it"
    assert properties["TimeToLiveSpecification"] == {"AttributeName": "expiresAt", "Enabled": True}


def test_the_signing_keys_are_looked_after_every_day_and_somebody_hears_when_they_are_not():
    (event,) = FUNCTIONS["RotateKeysFunction"]["Events"].values()
    schedule = event["Properties"]
    assert (schedule["ScheduleExpression"], json.loads(schedule["Input"])) == ("rate(1 day)", {})
    assert schedule["RetryPolicy"]["MaximumRetryAttempts"] > 0
    assert schedule["OmitName"] is True, "the name that SAM chooses would be the same in every stack"
    alarms = {
        alarm["MetricName"]: alarm["TreatMissingData"]
        for alarm in of_type(TEMPLATE, "AWS::CloudWatch::Alarm").values()
        if alarm["Dimensions"] == [{"Name": "FunctionName", "Value": {"Ref": "RotateKeysFunction"}}]
        and alarm["AlarmActions"] == [{"Fn::GetAtt": "EventsStack.Outputs.AlarmTopicArn"}]
    }
    assert alarms == {"Errors": "notBreaching", "Invocations": "breaching"}


def test_all_that_simulates_exists_only_where_the_simulator_is_enabled_and_prod_refuses_that():
    assert TEMPLATE["Conditions"]["HasProviderSimulator"] == {"Fn::Equals": [{"Ref": "ProviderSimulator"}, "enabled"]}
    simulates = {name: resource for name, resource in TEMPLATE["Resources"].items() if "Simulator" in name}
    assert simulates.keys() > set(SIMULATOR)
    assert {resource.get("Condition") for resource in simulates.values()} == {"HasProviderSimulator"}
    rule = TEMPLATE["Rules"]["ProductionHasARealProvider"]
    assert rule["RuleCondition"] == {"Fn::Equals": [{"Ref": "Stage"}, "prod"]}
    (assertion,) = rule["Assertions"]
    assert assertion["Assert"] == {"Fn::Equals": [{"Ref": "ProviderSimulator"}, "disabled"]}
    assert TEMPLATE["Parameters"]["ProviderSimulator"]["Default"] == "disabled"


def test_the_simulator_hears_only_of_pending_payments():
    subscription = nested_resource("SimulatorSubscription")["Properties"]
    assert subscription["FilterPolicy"] == {"type": ["payment:pending"]}


def test_the_payment_publisher_is_woken_only_by_what_is_published():
    filters = mapping_to("PaymentPublisherFunction")["FilterCriteria"]["Filters"]
    assert [json.loads(each["Pattern"]) for each in filters] == [
        {
            "eventName": ["INSERT", "MODIFY"],
            "dynamodb": {
                "Keys": {"sk": {"S": ["PAYMENT"]}},
                "NewImage": {"status": {"S": ["PENDING", "SUCCESS", "FAILED"]}},
            },
        },
        {
            "eventName": ["INSERT"],
            "dynamodb": {"Keys": {"sk": {"S": ["TRANSFER"]}}, "NewImage": {"status": {"S": ["COMPLETED"]}}},
        },
    ]


def test_the_publisher_is_woken_only_by_what_is_published():
    patterns = [json.loads(each["Pattern"]) for each in mapping_to("PublisherFunction")["FilterCriteria"]["Filters"]]
    assert patterns == [
        {"eventName": ["INSERT", "MODIFY"], "dynamodb": {"Keys": {"sk": {"S": ["PROFILE"]}}}},
        {"eventName": ["INSERT", "MODIFY"], "dynamodb": {"Keys": {"pk": {"S": ["SIGNING_KEYS"]}}}},
        {
            "eventName": ["MODIFY"],
            "dynamodb": {
                "Keys": {"sk": {"S": [{"prefix": "SESSION#"}]}},
                "NewImage": {"endedAt": {"S": [{"exists": True}]}},
            },
        },
    ]


@pytest.mark.parametrize("publisher", STREAMS)
def test_an_outbox_stream_is_bisected_retried_within_bounds_and_never_dropped(publisher):
    stream = mapping_to(publisher)
    assert stream["BisectBatchOnFunctionError"] is True
    assert 1 <= stream["MaximumRetryAttempts"] <= 1_000
    assert 60 <= stream["MaximumRecordAgeInSeconds"] <= 86_400
    assert stream["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert stream["DestinationConfig"]["OnFailure"]["Destination"]
    assert stream["StartingPosition"] == "TRIM_HORIZON", "what was written before the mapping existed counts too"


@pytest.mark.parametrize(
    ("function", "queue"), [("SyncFunction", "SyncQueue"), ("ProviderSimulatorFunction", "SimulatorQueue")]
)
def test_a_queue_reports_partial_failures_and_its_messages_are_retried_then_kept(function, queue):
    batch = mapping_to(function)
    assert batch["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    queue = nested_resource(queue)["Properties"]
    timeout = FUNCTIONS[function].get("Timeout", TEMPLATE["Globals"]["Function"].get("Timeout", 3))
    assert queue["VisibilityTimeout"] >= 6 * timeout, "AWS asks for six times the timeout of the function that reads"
    redrive = queue["RedrivePolicy"]
    assert redrive["maxReceiveCount"] >= 5, "fewer, and a throttled function loses good messages to the dead letters"
    dead_letters = nested_resource(redrive["deadLetterTargetArn"]["Fn::GetAtt"].split(".")[0])
    assert dead_letters["Properties"]["MessageRetentionPeriod"] == 14 * 24 * 3600


@pytest.mark.parametrize("table", TABLES)
def test_a_table_outlives_its_stack_and_can_be_restored(table):
    resource = nested_resource(table)
    assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("Retain", "Retain")
    properties = resource["Properties"]
    assert properties["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True
    assert properties["SSESpecification"]["SSEEnabled"] is True
    assert properties["DeletionProtectionEnabled"]
