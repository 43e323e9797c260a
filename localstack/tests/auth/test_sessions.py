"""GET /auth/sessions and DELETE /auth/sessions/{id}."""

import time
import uuid

import pytest
from support import audit_log
from support.problems import problem
from support.users import set_cookies


@pytest.fixture
def user(new_user):
    """A user that only this test uses."""
    return new_user()


def test_list_sessions_marks_the_current_session(user):
    device = user.on_new_device()
    sessions = user.sessions()
    assert sessions.keys() == {user.session_id, device.session_id}
    assert [sessions[each]["current"] for each in (user.session_id, device.session_id)] == [True, False]
    members = {"id", "createdAt", "lastUsedAt", "expiresAt", "userAgent", "current"}
    for session in sessions.values():
        assert session.keys() == members
        assert session["createdAt"] <= session["lastUsedAt"]
        assert "requests" in session["userAgent"]


def test_list_sessions_omits_ended_and_foreign_sessions(stack, user, ada):
    gone, idle = user.on_new_device(), user.on_new_device()
    gone.sign_out()
    stack.tables.update_session(idle, expiresAt=int(time.time()) - 1)
    assert user.sessions().keys() == {user.session_id}
    assert ada.session_id not in user.sessions()


def test_sign_in_beyond_the_maximum_ends_the_idle_session(stack, user):
    maximum = int(stack.environment("SigninFunction")["MAX_SESSIONS_PER_USER"])
    devices = [user.on_new_device() for _ in range(maximum)]
    assert not user.is_signed_in(), "the first session was idle for longest"
    assert devices[-1].sessions().keys() == {device.session_id for device in devices}
    (ended,) = audit_log.events_of(stack, user.id, "SESSION_ENDED")
    assert (ended["sessionId"], ended["detail"]) == (user.session_id, "too many sessions")


def test_list_sessions_returns_pages(user):
    sessions = [user.session_id] + [user.on_new_device().session_id for _ in range(4)]
    listed, query = [], {"limit": 2}
    while True:
        page = user.get("/auth/sessions", **query).json()
        listed += [session["id"] for session in page["data"]]
        assert len(page["data"]) <= 2
        if page["nextCursor"] is None:
            break
        query["cursor"] = page["nextCursor"]
    assert listed == sessions[::-1], "the last started first"


@pytest.mark.parametrize("query", [{"limit": "0"}, {"limit": "101"}, {"limit": "1.5"}, {"cursor": "x"}, {"cursor": ""}])
def test_list_sessions_with_invalid_page_returns_400(user, query):
    problem(user.get("/auth/sessions", **query), 400, "invalid_request")


def test_end_session_revokes_its_tokens(stack, user):
    stolen = user.on_new_device()
    assert user.end_session(stolen.session_id).status_code == 204
    assert not stolen.is_signed_in()
    problem(stolen.try_refresh(), 401, "invalid_refresh_token")
    assert user.is_signed_in()
    assert user.sessions().keys() == {user.session_id}
    (ended,) = audit_log.events_of(stack, user.id, "SESSION_ENDED")
    assert ended["sessionId"] == stolen.session_id


def test_end_session_of_another_user_returns_404(user, ada):
    problem(user.end_session(ada.session_id), 404, "session_not_found")
    assert ada.is_signed_in()


def test_end_session_twice_returns_204_and_records_one_event(stack, user):
    gone = user.on_new_device()
    for _ in range(2):
        response = user.end_session(gone.session_id)
        assert (response.status_code, response.content) == (204, b"")
    assert len(audit_log.events_of(stack, user.id, "SESSION_ENDED")) == 1


def test_end_current_session_clears_cookies(user):
    response = user.end_session(user.session_id)
    assert response.status_code == 204, response.text
    assert {cookie["max-age"] for cookie in set_cookies(response).values()} == {"0"}
    assert not user.is_signed_in()
    problem(user.end_session(user.session_id), 401, "unauthenticated")


@pytest.mark.parametrize("session_id", ["1", "0190A1B2-5C3D-4E6F-8A7B-9C0D1E2F3A4B", str(uuid.uuid4())])
def test_end_session_with_unknown_id_returns_404(user, session_id):
    problem(user.end_session(session_id), 404, "session_not_found")


def test_session_endpoints_without_valid_token_return_401(anonymous, user):
    problem(anonymous.get("/auth/sessions"), 401, "unauthenticated")
    problem(anonymous.end_session(user.session_id), 401, "unauthenticated")
    user.sign_out()
    problem(user.get("/auth/sessions"), 401, "unauthenticated")
