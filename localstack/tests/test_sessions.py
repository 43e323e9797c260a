"""GET /auth/sessions and DELETE /auth/sessions/{id}: where a person is signed in."""

import time
import uuid

import pytest
from person import set_cookies
from problems import problem


@pytest.fixture
def somebody(person):
    """A person of the test's own, who has signed in."""
    return person()


def test_the_list_shows_each_session_and_which_one_this_is(somebody):
    device = somebody.elsewhere()
    sessions = somebody.sessions()
    assert sessions.keys() == {somebody.session_id, device.session_id}
    assert [sessions[each]["current"] for each in (somebody.session_id, device.session_id)] == [True, False]
    members = {"id", "createdAt", "lastUsedAt", "expiresAt", "userAgent", "current"}
    for session in sessions.values():
        assert session.keys() == members
        assert session["createdAt"] <= session["lastUsedAt"]
        assert "requests" in session["userAgent"]


def test_the_list_holds_no_session_that_is_over_and_none_of_anybody_else(stack, somebody, ada):
    gone, idle = somebody.elsewhere(), somebody.elsewhere()
    gone.sign_out()
    stack.change_session(idle, expiresAt=int(time.time()) - 1)
    assert somebody.sessions().keys() == {somebody.session_id}
    assert ada.session_id not in somebody.sessions()


def test_ending_a_session_of_the_list_ends_it_everywhere(stack, somebody):
    stolen = somebody.elsewhere()
    assert somebody.end_session(stolen.session_id).status_code == 204
    assert not stolen.is_signed_in()
    problem(stolen.try_refresh(), 401, "invalid_refresh_token")
    assert somebody.is_signed_in()
    assert somebody.sessions().keys() == {somebody.session_id}
    (ended,) = stack.audit_of(somebody.id, "SESSION_ENDED")
    assert ended["sessionId"] == stolen.session_id


def test_nobody_ends_a_session_of_somebody_else(somebody, ada):
    problem(somebody.end_session(ada.session_id), 404, "session_not_found")
    assert ada.is_signed_in()


def test_a_session_is_ended_once_and_to_end_it_again_is_no_mistake(stack, somebody):
    gone = somebody.elsewhere()
    for _ in range(2):
        answer = somebody.end_session(gone.session_id)
        assert (answer.status_code, answer.content) == (204, b"")
    assert len(stack.audit_of(somebody.id, "SESSION_ENDED")) == 1


def test_the_session_that_asks_may_be_ended_and_its_cookies_are_cleared(somebody):
    answer = somebody.end_session(somebody.session_id)
    assert answer.status_code == 204, answer.text
    assert {cookie["max-age"] for cookie in set_cookies(answer).values()} == {"0"}
    assert not somebody.is_signed_in()
    problem(somebody.end_session(somebody.session_id), 401, "unauthenticated")


@pytest.mark.parametrize("session_id", ["1", "0190A1B2-5C3D-4E6F-8A7B-9C0D1E2F3A4B", str(uuid.uuid4())])
def test_what_was_never_a_session_is_not_found(somebody, session_id):
    problem(somebody.end_session(session_id), 404, "session_not_found")


def test_the_list_is_for_whoever_is_signed_in(anyone, somebody):
    problem(anyone.get("/auth/sessions"), 401, "unauthenticated")
    problem(anyone.end_session(somebody.session_id), 401, "unauthenticated")
    somebody.sign_out()
    problem(somebody.get("/auth/sessions"), 401, "unauthenticated")
