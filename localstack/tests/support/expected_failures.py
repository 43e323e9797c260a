"""A pytest plugin: the tests that an engine is known to fail, each with its cause. EXPECTED_FAILURES names the engine.

Each must fail: a listed test that passes, or a name that matches no test, fails the run.
"""

import os

import pytest

SETTINGS = "changes the settings of a deployed function, which the containers of the SAM CLI do not have"
LOGS = "reads the logs of a function, which the SAM CLI writes to its console"
ROUTES = "the SAM CLI responds to an unknown route with 403 Missing Authentication Token, API Gateway with 404"
COOKIES = "the SAM CLI passes on only one of several cookies with the same name"
ENCODING = "the SAM CLI responds to a body that is not UTF-8 with 502"

ROLLBACK = "LocalStack does not roll back a failed creation of a stack"

# Node id, without parameters if the test fails with all of them.
LOCALSTACK = {
    "platform/test_retention.py::test_failed_creation_leaves_no_queue": ROLLBACK,
}
SAM = {
    "auth/test_cookies.py::test_cookies_with_different_refresh_tokens_are_rejected": COOKIES,
    "auth/test_cookies.py::test_cookies_with_different_tokens_are_rejected": COOKIES,
    "auth/test_sign_up.py::test_body_that_is_not_a_json_object_returns_400[not UTF-8]": ENCODING,
    "auth/test_signing_keys.py::test_next_key_is_published_before_it_signs": SETTINGS,
    "auth/test_signing_keys.py::test_retired_key_is_removed_from_jwks_and_both_contexts": SETTINGS,
    "payments/test_provider_webhook.py::test_webhook_with_invalid_field_is_kept_to_reconcile": LOGS,
    "platform/test_http.py::test_known_path_with_other_method_returns_404": ROUTES,
    "platform/test_http.py::test_unknown_route_returns_404": ROUTES,
    "platform/test_log_levels.py::test_access_log_and_metrics_are_delivered_at_every_level": SETTINGS,
    "platform/test_log_levels.py::test_errors_with_their_request_are_delivered_at_every_level": SETTINGS,
    "platform/test_log_levels.py::test_other_lines_are_written_from_their_level_only": SETTINGS,
    "platform/test_logs.py::test_logs_contain_no_secret_and_no_contact_data": LOGS,
    "platform/test_openapi.py::test_api_conforms_to_its_document": ENCODING,
    "resilience/test_killed_functions.py::test_send_killed_in_mid_request_acts_once_by_its_key": SETTINGS,
    "wallet/test_credit.py::test_users_open_no_credit_where_self_credit_is_disabled": SETTINGS,
    "wallet/test_required_verification.py::test_unverified_user_may_read_but_not_move_money": SETTINGS,
}
EXPECTED_FAILURES = {"ministack": {}, "localstack": LOCALSTACK, "sam": SAM}[
    os.environ.get("EXPECTED_FAILURES", "ministack")
]


# Those of `assert` and of `pytest.raises`: another exception is not the expected failure.
FAILURES = (AssertionError, pytest.fail.Exception)


# Before the selection by -k.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    named = set()
    for item in items:
        for name in {item.nodeid, item.nodeid.partition("[")[0]} & EXPECTED_FAILURES.keys():
            named.add(name)
            item.add_marker(pytest.mark.xfail(reason=EXPECTED_FAILURES[name], strict=True, raises=FAILURES))
    # A selection of files leaves out some of them.
    if config.args_source != config.ArgsSource.ARGS and (unknown := EXPECTED_FAILURES.keys() - named):
        raise pytest.UsageError(f"no such tests: {', '.join(sorted(unknown))}")
