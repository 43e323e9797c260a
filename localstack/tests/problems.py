"""What every refusal looks like: an RFC 9457 problem with this API's own members."""

MEMBERS = {"type", "title", "status", "detail", "instance", "code", "retryable", "requestId"}


def problem(answer, status, code):
    """Asserts that `answer` is the documented problem, and returns its body."""
    assert answer.status_code == status, f"{answer.status_code} instead of {status}: {answer.text}"
    assert answer.headers["Content-Type"].split(";")[0] == "application/problem+json"
    body = answer.json()
    assert MEMBERS <= body.keys(), f"missing {MEMBERS - body.keys()}: {body}"
    assert body["status"] == status
    assert body["code"] == code, body
    assert isinstance(body["retryable"], bool)
    assert body["title"] and body["detail"]
    assert body["requestId"] == answer.headers["Request-Id"]
    if status == 401:
        assert answer.headers["WWW-Authenticate"]
    return body


def invalid(answer, *pointers):
    """Asserts a 400 whose errors name exactly these fields, each with a sentence."""
    body = problem(answer, 400, "invalid_request")
    errors = body.get("errors", [])
    assert {error["pointer"] for error in errors} == set(pointers), body
    assert all(error["detail"] for error in errors)
    return body
