"""GET /auth/me."""


def shown_to(somebody, **headers):
    answer = somebody.get("/auth/me", headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_me_shows_the_person_whom_the_bearer_token_names(ada):
    me = shown_to(ada)
    assert me.keys() == {"id", "email", "emailVerified", "phone", "phoneVerified", "createdAt", "updatedAt"}
    assert (me["id"], me["email"]) == (ada.id, ada.email)


def test_me_by_cookie_is_me_by_bearer(ada):
    by_cookie = shown_to(ada, Authorization=None, Cookie=f"theme=dark; access_token={ada.token}; lang=fr")
    assert by_cookie == shown_to(ada)


def test_the_authorization_scheme_is_read_in_any_letter_case(ada):
    assert shown_to(ada, Authorization=f"bearer {ada.token}") == shown_to(ada)
