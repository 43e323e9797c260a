"""Rules of the templates: isolation of the contexts, least privilege, and delivery of events.

Each rule is derived from what a function is: its context, routes and configured tables. The exceptions by name are in
support/access_policy.py. test_isolation.py checks that the deployed roles enforce the same.
"""

import base64
import json
import math
import re
import string

import pytest
from samcli.lib.config.samconfig import SamConfig
from support.access_policy import DELETERS, KEY_ROTATION, LEDGER_AUDIT, TOKEN_ISSUERS, WEBHOOK_SECRET_READERS
from support.tables import (
    ACCOUNT_EVENT_RECORDS,
    ACCOUNT_OTHER_RECORDS,
    PAYMENT_EVENT_RECORDS,
    PAYMENT_OTHER_RECORDS,
)
from support.template import (
    FUNCTIONS,
    ROOT,
    TABLES,
    TEMPLATE,
    actions_on,
    as_list,
    context,
    environment,
    in_context,
    mapping_to,
    matches,
    nested_resource,
    of_type,
    only_reads,
    references_to,
    statements,
    stream_of,
    tables_of,
    texts,
)

# Contexts that own tables, each named after its crate and its nested template; the others have none.
CONTEXTS = {"account", "payment"}
STATELESS_CONTEXTS = {"docs", "simulator"}

STREAM_READERS = [function for function in FUNCTIONS if stream_of(function)]
# Actions without resource-level permissions: IAM accepts only `*` with them.
WITHOUT_A_RESOURCE = {"dynamodb:ListStreams"}
WRITES = {"dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"}


def is_sms_only(statement):
    """Whether a statement allows publishing to phone numbers, which have no ARN, and to nothing that has one."""
    *_, excluded = texts(statement.get("NotResource"))
    return statement["Action"] == "sns:Publish" and excluded.endswith(":sns:*:*:*")


def is_mail_from_own_sender(statement):
    """Whether a statement allows sending e-mail from the configured address only. The receiver is any resource."""
    senders = statement.get("Condition", {}).get("StringEqualsIfExists", {})
    return statement["Action"] == "ses:SendEmail" and senders == {"ses:FromAddress": {"Ref": "VerificationSender"}}


def test_every_function_belongs_to_a_context():
    assert {context(function) for function in FUNCTIONS} == CONTEXTS | STATELESS_CONTEXTS


@pytest.mark.parametrize("function", FUNCTIONS)
def test_function_names_only_tables_of_its_context(function):
    own = tables_of(function)
    assert {TABLES[table] for table in own} <= {context(function)}
    if context(function) in CONTEXTS:
        assert own or stream_of(function), "it neither has a table nor reads a stream"
    used = list(texts(FUNCTIONS[function]))
    for table in TABLES.keys() - own:
        # A publisher names the stream of its context's table, and not the table.
        assert TABLES[table] == context(function) or stream_of(function) != table
        stream = {name for name in references_to(table) if name.endswith("StreamArn") and stream_of(function) == table}
        names = set(references_to(table)) - stream
        named = [text for text in used for name in names if name in text]
        assert not named, f"{function} names {table}: {named}"


def test_every_table_belongs_to_a_context_and_has_outputs():
    # Control of the test above, which looks for these names.
    assert set(TABLES.values()) == CONTEXTS
    for table in TABLES:
        assert list(references_to(table))


def test_globals_name_no_table_and_grant_nothing():
    used = list(texts(TEMPLATE.get("Globals", {})))
    assert not [text for text in used if "table" in text.lower()]
    assert not {"Policies", "Role"} & TEMPLATE["Globals"]["Function"].keys()


@pytest.mark.parametrize("function", FUNCTIONS)
def test_function_has_its_own_statements_and_no_shared_role(function):
    properties = FUNCTIONS[function]
    assert "Role" not in properties
    if context(function) == "docs":
        assert not properties.get("Policies"), "it needs no permission"
        return
    policies = properties["Policies"]
    assert policies
    assert all(isinstance(policy, dict) and "Statement" in policy for policy in policies), (
        "a managed policy or a SAM policy template grants more than the actions this function needs"
    )


@pytest.mark.parametrize("function", FUNCTIONS)
def test_policy_names_exact_actions_on_exact_resources(function):
    for statement in statements(function):
        assert statement["Effect"] == "Allow"
        actions = as_list(statement["Action"])
        assert "NotAction" not in statement
        assert not [action for action in actions if "*" in action], statement
        if function == "SendCodeFunction" and (is_sms_only(statement) or is_mail_from_own_sender(statement)):
            continue
        assert "NotResource" not in statement
        if not set(actions) <= WITHOUT_A_RESOURCE:
            assert not [text for text in texts(statement["Resource"]) if "*" in text], statement
    for table in TABLES:
        granted = {action for action in actions_on(function, table) if action.startswith("dynamodb:")}
        if stream_of(function) == table:
            assert granted == {"dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"}
            continue
        # No permission on a table that the function is not configured with, and none without a permission.
        assert bool(granted) == (table in tables_of(function)), table
        assert ("dynamodb:Scan" in granted) == (function == LEDGER_AUDIT and table == "PaymentTable")
        assert ("dynamodb:DeleteItem" in granted) == (DELETERS.get(function) == table), table
        if only_reads(function):
            assert not granted & WRITES, f"a GET writes to {table}"


@pytest.mark.parametrize("function", FUNCTIONS)
def test_function_has_no_event_with_a_sam_managed_policy(function):
    # For a queue or a stream among a function's events, SAM attaches a managed policy that reads all of the account.
    types = {event["Type"] for event in FUNCTIONS[function].get("Events", {}).values()}
    assert types <= ({"ScheduleV2"} if function in {KEY_ROTATION, LEDGER_AUDIT} else {"HttpApi"})


@pytest.mark.parametrize("function", in_context("payment"))
def test_payment_functions_name_nothing_of_the_account_context(function):
    assert not {"ACCOUNT_TABLE", "SIGNING_KEY_TABLE"} & environment(function).keys()
    assert not [text for text in texts(FUNCTIONS[function]) if "AccountEventsTopic" in text]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_webhook_secret_is_named_by_its_users_only(function):
    named = [text for text in texts(FUNCTIONS[function]) if "WebhookSecret" in text or "secretsmanager:" in text]
    assert bool(named) == (function in WEBHOOK_SECRET_READERS), named


def characters_by_type(generated):
    """Type -> the characters that a generated secret may have of it.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-secretsmanager-secret-generatesecretstring.html
    """
    types = {
        "ExcludeLowercase": string.ascii_lowercase,
        "ExcludeUppercase": string.ascii_uppercase,
        "ExcludeNumbers": string.digits,
        "ExcludePunctuation": string.punctuation,
    }
    included = {name: characters for name, characters in types.items() if not generated.get(name, False)}
    if generated.get("IncludeSpace", False):
        included["IncludeSpace"] = " "
    excluded = set(generated.get("ExcludeCharacters", ""))
    return {name: set(characters) - excluded for name, characters in included.items()}


def test_webhook_secret_is_generated_as_base64_of_33_bytes():
    generated = nested_resource("WebhookSecret")["Properties"]["GenerateSecretString"]
    types = characters_by_type(generated)
    # By default a secret must have a character of each included type, also of one whose characters are all excluded.
    assert all(types.values()) or generated.get("RequireEachIncludedType", True) is False, types
    characters = set().union(*types.values())
    assert characters == set(string.ascii_letters + string.digits)
    length = generated["PasswordLength"]
    assert len(base64.b64decode("A" * length, validate=True)) == 33
    assert length * math.log2(len(characters)) > 256, "bits of entropy"
    assert json.loads(generated["SecretStringTemplate"]) == {"previous": ""}
    assert generated["GenerateStringKey"] == "current"


@pytest.mark.parametrize("function", in_context("account"))
def test_private_keys_are_read_by_signers_only(function):
    granted = actions_on(function, "SigningKeyTable")
    if function == KEY_ROTATION:
        assert "kms:Encrypt" in granted
    else:
        reads = {"dynamodb:Query", "kms:Decrypt", "kms:DescribeKey"}
        assert granted == (reads if function in TOKEN_ISSUERS else set())
    configured = "SigningKeyTable" in tables_of(function)
    assert configured == (function in TOKEN_ISSUERS | {KEY_ROTATION})


@pytest.mark.parametrize("function", in_context("account"))
def test_private_key_encryption_is_used_through_dynamodb_only(function):
    for statement in statements(function):
        if any(action.startswith("kms:") for action in as_list(statement["Action"])):
            via = {"kms:ViaService": {"Fn::Sub": "dynamodb.${AWS::Region}.amazonaws.com"}}
            assert statement["Condition"] == {"StringEquals": via}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_only_account_writers_append_to_the_audit_log(function):
    # A function that changes credentials, sessions or keys records it; no other function may write to the audit log.
    audited = bool(actions_on(function, "AccountTable") & WRITES)
    granted = [
        (as_list(statement["Action"]), statement.get("Resource"))
        for statement in statements(function)
        if any("AuditTable" in text for text in texts(statement.get("Resource")))
    ]
    put = (["dynamodb:PutItem"], {"Fn::GetAtt": "AccountStack.Outputs.AuditTableArn"})
    assert granted == ([put] if audited else [])
    variables = {"AUDIT_TABLE", "AUDIT_RETENTION_DAYS", "SOURCE_PEPPER"}
    assert variables & environment(function).keys() == (variables if audited else set())


def test_audit_log_denies_updates_and_deletes():
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
    assert "StreamSpecification" not in properties, "audit events do not leave the table"
    assert properties["TimeToLiveSpecification"] == {"AttributeName": "expiresAt", "Enabled": True}


def alarms_of(function):
    """Metric -> the treatment of missing data, of the alarms on a function."""
    return {
        alarm["MetricName"]: alarm["TreatMissingData"]
        for alarm in of_type("AWS::CloudWatch::Alarm").values()
        if alarm.get("Dimensions") == [{"Name": "FunctionName", "Value": {"Ref": function}}]
        and alarm["AlarmActions"] == [{"Fn::GetAtt": "EventsStack.Outputs.AlarmTopicArn"}]
    }


def test_key_rotation_runs_daily_and_alarms_on_failure():
    (event,) = FUNCTIONS[KEY_ROTATION]["Events"].values()
    schedule = event["Properties"]
    assert (schedule["ScheduleExpression"], json.loads(schedule["Input"])) == ("rate(1 day)", {})
    assert schedule["RetryPolicy"]["MaximumRetryAttempts"] > 0
    assert schedule["OmitName"] is True, "the name that SAM chooses would be the same in every stack"
    assert alarms_of(KEY_ROTATION) == {"Errors": "notBreaching", "Invocations": "breaching"}


def test_ledger_audit_is_continued_and_alarmed():
    (event,) = FUNCTIONS[LEDGER_AUDIT]["Events"].values()
    schedule = event["Properties"]
    assert (schedule["ScheduleExpression"], json.loads(schedule["Input"])) == ("rate(15 minutes)", {})
    assert schedule["OmitName"] is True, "the name that SAM chooses would be the same in every stack"
    assert FUNCTIONS[LEDGER_AUDIT]["EventInvokeConfig"] == {"MaximumRetryAttempts": 0}, "the schedule repeats it"
    assert alarms_of(LEDGER_AUDIT) == {"Errors": "notBreaching"}
    alarms, filters = of_type("AWS::CloudWatch::Alarm"), of_type("AWS::Logs::MetricFilter")
    for alarm, pattern, missing in (
        ("LedgerFindingAlarm", '{ $.finding = "*" }', "notBreaching"),
        ("AuditLedgerSilenceAlarm", '{ $.audit = "COMPLETED" }', "breaching"),
    ):
        counted = [found for found in filters.values() if found["FilterPattern"] == pattern]
        metrics = [found["MetricTransformations"][0]["MetricName"] for found in counted]
        assert ([alarms[alarm]["MetricName"]], alarms[alarm]["TreatMissingData"]) == (metrics, missing)


def test_simulator_is_conditional():
    assert TEMPLATE["Conditions"]["HasProviderSimulator"] == {"Fn::Equals": [{"Ref": "ProviderSimulator"}, "enabled"]}
    simulates = {name: resource for name, resource in TEMPLATE["Resources"].items() if "Simulator" in name}
    assert simulates.keys() > set(in_context("simulator"))
    assert {resource.get("Condition") for resource in simulates.values()} == {"HasProviderSimulator"}


# What CloudFormation accepts in prod. Other stages have the same values by default.
REQUIRED_IN_PROD = {
    "SelfDeposit": "disabled",
    "SelfCredit": "disabled",
    "ProviderSimulator": "disabled",
    "CookiePrefixes": "enabled",
    "EndpointUrl": "",
}


@pytest.mark.parametrize(("parameter", "value"), REQUIRED_IN_PROD.items())
def test_setting_is_safe_by_default_and_enforced_in_prod(parameter, value):
    assert TEMPLATE["Parameters"][parameter]["Default"] == value
    conditions = [
        rule["RuleCondition"]
        for rule in TEMPLATE["Rules"].values()
        if [assertion["Assert"] for assertion in rule["Assertions"]] == [{"Fn::Equals": [{"Ref": parameter}, value]}]
    ]
    assert conditions == [{"Fn::Equals": [{"Ref": "Stage"}, "prod"]}]


def deployed_parameters(environment):
    """The parameters that samconfig.toml sets for an environment."""
    deploy = SamConfig(str(ROOT)).get_all(["deploy"], "parameters", environment)
    return dict(override.split("=", 1) for override in deploy["parameter_overrides"])


def test_credit_is_self_service_in_development_only():
    stages = {stage: deployed_parameters(stage) for stage in TEMPLATE["Parameters"]["Stage"]["AllowedValues"]}
    assert {stage: parameters["Stage"] for stage, parameters in stages.items()} == {stage: stage for stage in stages}
    assert {stage for stage, parameters in stages.items() if parameters["SelfCredit"] == "enabled"} == {"dev"}
    assert REQUIRED_IN_PROD.items() <= (REQUIRED_IN_PROD | stages["prod"]).items()


@pytest.mark.parametrize("function", FUNCTIONS)
def test_setting_named_as_a_parameter_has_its_value(function):
    parameters = {re.sub(r"(?<!^)(?=[A-Z])", "_", name).upper(): name for name in TEMPLATE["Parameters"]}
    for variable, value in environment(function).items():
        if variable in parameters:
            assert value == {"Ref": parameters[variable]}, variable


def test_simulator_is_subscribed_to_pending_payments_only():
    subscription = nested_resource("SimulatorSubscription")["Properties"]
    assert subscription["FilterPolicy"] == {"type": ["payment:pending"]}


def filtered(function, records):
    """The names of the records that pass the filters of a function's event source mapping."""
    filters = mapping_to(function)["FilterCriteria"]["Filters"]
    patterns = [json.loads(each["Pattern"]) for each in filters]
    return {name for name, record in records.items() if any(matches(pattern, record) for pattern in patterns)}


def test_payment_publisher_is_invoked_by_its_events_only():
    assert filtered("PaymentPublisherFunction", PAYMENT_EVENT_RECORDS) == PAYMENT_EVENT_RECORDS.keys()
    assert filtered("PaymentPublisherFunction", PAYMENT_OTHER_RECORDS) == set()


def test_account_publisher_is_invoked_by_its_events_only():
    assert filtered("PublisherFunction", ACCOUNT_EVENT_RECORDS) == ACCOUNT_EVENT_RECORDS.keys()
    assert filtered("PublisherFunction", ACCOUNT_OTHER_RECORDS) == set()


@pytest.mark.parametrize("publisher", STREAM_READERS)
def test_outbox_stream_is_retried_within_bounds(publisher):
    stream = mapping_to(publisher)
    assert stream["BisectBatchOnFunctionError"] is True
    assert 1 <= stream["MaximumRetryAttempts"] <= 1_000
    assert 60 <= stream["MaximumRecordAgeInSeconds"] <= 86_400
    assert stream["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert stream["DestinationConfig"]["OnFailure"]["Destination"]
    assert stream["StartingPosition"] == "TRIM_HORIZON", "records written before the mapping existed are published too"


@pytest.mark.parametrize(
    ("function", "queue"), [("SyncFunction", "SyncQueue"), ("ProviderSimulatorFunction", "SimulatorQueue")]
)
def test_queue_messages_are_retried_and_then_kept(function, queue):
    batch = mapping_to(function)
    assert batch["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    queue = nested_resource(queue)["Properties"]
    timeout = FUNCTIONS[function].get("Timeout", TEMPLATE["Globals"]["Function"].get("Timeout", 3))
    assert queue["VisibilityTimeout"] >= 6 * timeout, "AWS recommends six times the timeout of the reading function"
    redrive = queue["RedrivePolicy"]
    assert redrive["maxReceiveCount"] >= 5, "with fewer, throttling moves valid messages to the dead-letter queue"
    dead_letters = nested_resource(redrive["deadLetterTargetArn"]["Fn::GetAtt"].split(".")[0])
    assert dead_letters["Properties"]["MessageRetentionPeriod"] == 14 * 24 * 3600


@pytest.mark.parametrize("table", TABLES)
def test_table_is_protected_and_restorable(table):
    properties = nested_resource(table)["Properties"]
    assert properties["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True
    assert properties["SSESpecification"]["SSEEnabled"] is True
    assert properties["DeletionProtectionEnabled"]
