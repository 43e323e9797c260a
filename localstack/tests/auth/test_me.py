"""GET /auth/me."""


def get_me(user, **headers):
    response = user.get("/auth/me", headers=headers)
    assert response.status_code == 200, response.text
    return response.json()


def test_me_returns_the_user_of_the_bearer_token(ada):
    me = get_me(ada)
    assert me.keys() == {"id", "email", "emailVerified", "phone", "phoneVerified", "createdAt", "updatedAt"}
    assert (me["id"], me["email"]) == (ada.id, ada.email)


def test_me_by_cookie_equals_me_by_bearer(ada):
    by_cookie = get_me(ada, Authorization=None, Cookie=f"theme=dark; access_token={ada.token}; lang=fr")
    assert by_cookie == get_me(ada)


def test_authorization_scheme_is_case_insensitive(ada):
    assert get_me(ada, Authorization=f"bearer {ada.token}") == get_me(ada)
