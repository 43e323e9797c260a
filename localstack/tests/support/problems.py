"""Assertions about error responses: RFC 9457 problems with this API's extension members."""

MEMBERS = {"type", "title", "status", "detail", "instance", "code", "retryable", "requestId"}


def problem(response, status, code):
    """Asserts that a response is the documented problem, and returns its body."""
    assert response.status_code == status, f"{response.status_code} instead of {status}: {response.text}"
    assert response.headers["Content-Type"].split(";")[0] == "application/problem+json"
    body = response.json()
    assert body.keys() >= MEMBERS, f"missing {MEMBERS - body.keys()}: {body}"
    assert body["status"] == status
    assert body["code"] == code, body
    assert isinstance(body["retryable"], bool)
    assert body["title"]
    assert body["detail"]
    assert body["requestId"] == response.headers["Request-Id"]
    if status == 401:
        assert response.headers["WWW-Authenticate"]
    return body


def invalid(response, *pointers):
    """Asserts a 400 whose errors name exactly these fields, each with a detail."""
    body = problem(response, 400, "invalid_request")
    errors = body.get("errors", [])
    assert {error["pointer"] for error in errors} == set(pointers), body
    assert all(error["detail"] for error in errors)
    return body
