"""POST /api/auth/register, POST /api/auth/login, GET /api/auth/validate: authentication of non-browser clients."""

import time

import pytest
from support import template
from support.problems import invalid, problem
from support.tokens import fresh, parts, platform_key, signed
from support.users import PASSWORD, set_cookies, unique_email, unique_phone

REGISTER = "/api/auth/register"
LOGIN = "/api/auth/login"
VALIDATE = "/api/auth/validate"

# Routes without authentication. Sign-out succeeds for everyone; test_sign_out.py covers both kinds of credential. A
# refresh is authenticated by its refresh token.
UNPROTECTED = {
    "POST /auth/signup",
    "POST /auth/signin",
    "POST /auth/signout",
    "POST /auth/refresh",
    "GET /.well-known/jwks.json",
    "POST /api/auth/register",
    "POST /api/auth/login",
    "GET /api/auth/validate",
    # Authenticated by its signature.
    "POST /api/payments/webhook/provider",
    "GET /health",
    "GET /",
    "GET /docs",
    "GET /docs/{file}",
    "GET /openapi.json",
}


ROUTES = {f"{method} {path}" for method, path in template.routes()}
PROTECTED = sorted(ROUTES - UNPROTECTED)


def registration(**changes):
    return {"phone": unique_phone(), "email": unique_email(), "password": PASSWORD} | changes


@pytest.fixture(scope="module")
def registered(anonymous):
    """The response body of a registration."""
    response = anonymous.post(REGISTER, registration())
    assert response.status_code == 201, response.text
    return response.json()


@pytest.fixture(scope="module")
def token(anonymous, registered):
    """The access token of the registered user."""
    response = anonymous.post(LOGIN, {"phone": registered["phone"], "password": PASSWORD})
    assert response.status_code == 200, response.text
    return response.json()["access_token"]


@pytest.fixture(params=["bearer", "cookie"])
def credential(request, token):
    """Headers with the token: as a bearer token and as a cookie."""
    return {"Authorization": f"Bearer {token}"} if request.param == "bearer" else {"Cookie": f"access_token={token}"}


def spaced(phone):
    """Formats a French number as `+33 (0)6 12-34-56-78`."""
    return f"+33 (0){phone[3]} {phone[4:6]}-{phone[6:8]}-{phone[8:10]}-{phone[10:]}"


def test_register_returns_phone_in_e164_format(anonymous):
    phone, email = unique_phone(), unique_email()
    response = anonymous.post(REGISTER, registration(phone=spaced(phone), email=email.upper()))
    assert response.status_code == 201, response.text
    body = response.json()
    assert body.keys() == {"id", "phone", "email"}
    assert (body["phone"], body["email"]) == (phone, email)


def test_register_sets_no_cookie(anonymous):
    assert not set_cookies(anonymous.post(REGISTER, registration()))


@pytest.mark.parametrize("field", ["phone", "email", "password"])
def test_register_with_missing_field_points_to_it(anonymous, field):
    body = registration()
    del body[field]
    invalid(anonymous.post(REGISTER, body), f"/{field}")


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        pytest.param({"phone": "0612345678"}, "/phone", id="a national number"),
        pytest.param({"phone": "33612345678"}, "/phone", id="without plus"),
        pytest.param({"phone": "+33 6 12 34"}, "/phone", id="too short"),
        pytest.param({"phone": "+33 6 12 34 56 78 90"}, "/phone", id="too long"),
        pytest.param({"phone": "+999 612 345 678"}, "/phone", id="unknown country code"),
        pytest.param({"phone": "+1-800-FLOWERS"}, "/phone", id="letters"),
        pytest.param({"phone": "+33612345678 ext. 7"}, "/phone", id="with an extension"),
        pytest.param({"phone": None}, "/phone", id="null"),
        pytest.param({"email": "not an e-mail"}, "/email", id="an invalid e-mail"),
        pytest.param({"password": "short"}, "/password", id="a short password"),
        pytest.param({"name": "Ada"}, "/name", id="an unknown field"),
    ],
)
def test_register_with_invalid_field_points_to_it(anonymous, change, pointer):
    invalid(anonymous.post(REGISTER, registration(**change)), pointer)


def test_register_with_phone_as_password_is_rejected(anonymous):
    phone = unique_phone()
    invalid(anonymous.post(REGISTER, registration(phone=phone, password=spaced(phone))), "/password")


@pytest.mark.parametrize("taken", ["phone", "email"])
def test_register_with_taken_identifier_returns_409(anonymous, taken):
    body = registration()
    assert anonymous.post("/auth/signup", body).status_code == 201
    again = registration(**{taken: spaced(body["phone"]) if taken == "phone" else body["email"].upper()})
    rejected = problem(anonymous.post(REGISTER, again), 409, "identifier_taken")
    assert [error["pointer"] for error in rejected["errors"]] == [f"/{taken}"]


def test_login_returns_bearer_token_and_sets_no_cookie(anonymous, registered):
    response = anonymous.post(LOGIN, {"email": registered["email"], "password": PASSWORD})
    assert response.status_code == 200, response.text
    body = response.json()
    assert body.keys() == {"access_token", "token_type", "expires_in", "refresh_token", "refresh_expires_in"}
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 15 * 60)
    assert parts(body["access_token"])[1]["sub"] == registered["id"]
    assert not set_cookies(response)
    assert "no-store" in response.headers["Cache-Control"]


@pytest.mark.parametrize("path", [LOGIN, "/auth/signin"])
@pytest.mark.parametrize(
    "spelling", [str, spaced, lambda phone: f"{phone[:3]} {phone[3:]}"], ids=["e164", "0", "space"]
)
def test_login_with_any_phone_format_finds_the_user(anonymous, registered, path, spelling):
    response = anonymous.post(path, {"phone": spelling(registered["phone"]), "password": PASSWORD})
    assert response.status_code == 200, response.text
    found = set_cookies(response)["access_token"].value if path != LOGIN else response.json()["access_token"]
    assert parts(found)[1]["sub"] == registered["id"]


def test_login_after_browser_sign_up_succeeds(anonymous, ada):
    response = anonymous.post(LOGIN, {"email": ada.email, "password": ada.password})
    assert response.status_code == 200, response.text
    assert parts(response.json()["access_token"])[1]["sub"] == ada.id


@pytest.mark.parametrize(
    "attempt",
    [
        pytest.param(lambda body: {"phone": body["phone"], "password": "not " + PASSWORD}, id="a wrong password"),
        pytest.param(lambda _: {"phone": unique_phone(), "password": PASSWORD}, id="an unknown phone"),
        pytest.param(lambda _: {"email": unique_email(), "password": PASSWORD}, id="an unknown e-mail"),
    ],
)
def test_login_with_wrong_credentials_returns_401(anonymous, registered, attempt):
    problem(anonymous.post(LOGIN, attempt(registered)), 401, "invalid_credentials")


@pytest.mark.parametrize(
    ("identifiers", "pointer"),
    [
        pytest.param({}, "/email", id="neither"),
        pytest.param({"email": "ada@example.com", "phone": "+33612345678"}, "/phone", id="both"),
        pytest.param({"phone": "0612345678"}, "/phone", id="a national number"),
    ],
)
def test_login_without_exactly_one_valid_identifier_is_rejected(anonymous, identifiers, pointer):
    invalid(anonymous.post(LOGIN, {"password": PASSWORD} | identifiers), pointer)


def test_validate_with_valid_token_returns_its_claims(anonymous, registered, token, credential):
    response = anonymous.get(VALIDATE, headers=credential)
    assert response.status_code == 200, response.text
    claims = parts(token)[1]
    payload = {"sub": registered["id"], "phone": registered["phone"], "email": registered["email"]}
    payload |= {"email_verified": False, "phone_verified": False, "iat": claims["iat"], "exp": claims["exp"]}
    assert response.json() == {"valid": True, "payload": payload}


def test_fresh_validation_rejects_a_revoked_token(new_user):
    user = new_user()
    other = user.on_new_device()
    fresh = user.get(VALIDATE, fresh="true").json()
    assert (fresh["valid"], fresh["active"], fresh["payload"]["sub"]) == (True, True, user.id)
    user.sign_out("global")
    for client in (user, other):
        response = client.get(VALIDATE, fresh="true")
        assert (response.status_code, response.json()) == (200, {"valid": False, "active": False})
        assert client.get(VALIDATE, fresh="false").json()["valid"] is True
    invalid(user.get(VALIDATE, fresh="yes"), "/fresh")


def test_access_tokens_carry_an_id_each_and_the_client(new_user):
    user = new_user()
    first = user.refresh_token
    tokens = [user.token, user.on_new_device().token]
    tokens += [user.try_refresh(first).json()["access_token"] for _ in range(2)]
    claims = [parts(token)[1] for token in tokens]
    assert {claim["client_id"] for claim in claims} == {"first-party"}
    ids = [claim["jti"] for claim in claims]
    assert len(set(ids[:3])) == 3
    assert tokens[2] == tokens[3], "a replayed refresh returns the same token"


def test_validate_for_user_without_phone_returns_null(anonymous, ada):
    payload = anonymous.get(VALIDATE, headers={"Authorization": f"Bearer {ada.token}"}).json()["payload"]
    assert (payload["phone"], payload["email"]) == (None, ada.email)


def test_validate_without_token_returns_not_valid(anonymous):
    response = anonymous.get(VALIDATE)
    assert (response.status_code, response.json()) == (200, {"valid": False})


@pytest.mark.parametrize("header", ["Authorization", "Cookie"])
def test_validate_with_bad_token_returns_401(anonymous, token, header):
    forged = token.rsplit(".", 1)[0] + "." + "A" * 86
    for bad in ("a.b.c", forged):
        value = f"Bearer {bad}" if header == "Authorization" else f"access_token={bad}"
        problem(anonymous.get(VALIDATE, headers={header: value}), 401, "unauthenticated")


def test_validate_with_expired_token_returns_401(anonymous, stack, token):
    header, claims = parts(token)
    an_hour_ago = int(time.time()) - 3600
    expired = signed(header, claims | {"exp": an_hour_ago}, platform_key(stack, header["kid"]))
    problem(anonymous.get(VALIDATE, headers={"Authorization": f"Bearer {expired}"}), 401, "unauthenticated")


def test_token_without_contact_claims_is_accepted(anonymous, stack, token):
    header, claims = parts(token)
    without_contact = {name: value for name, value in fresh(claims).items() if name not in ("email", "phone_number")}
    bearer = {"Authorization": f"Bearer {signed(header, without_contact, platform_key(stack, header['kid']))}"}
    payload = anonymous.get(VALIDATE, headers=bearer).json()["payload"]
    assert (payload["sub"], payload["phone"], payload["email"]) == (claims["sub"], None, None)
    assert anonymous.get("/auth/me", headers=bearer).status_code == 200


def test_unprotected_routes_exist_in_the_template():
    # Control of the tests below: a renamed route is not exempt under its old name.
    assert UNPROTECTED <= ROUTES


def request(anonymous, route, headers):
    """Sends a request with an empty body and path parameters that name nothing."""
    method, path = route.replace("{id}", "none").replace("{reference}", "none").split()
    body = {"json": {}} if method in ("POST", "PATCH") else {}
    return anonymous.request(method, path, headers=headers, **body)


@pytest.mark.parametrize("route", PROTECTED)
def test_protected_route_accepts_bearer_token_and_cookie(anonymous, route, credential):
    response = request(anonymous, route, credential)
    assert response.status_code in (200, 400, 404), response.text
    # A 404 of the gateway itself, for an unknown route, has no Request-Id.
    assert response.headers["Request-Id"]


@pytest.mark.parametrize("route", PROTECTED)
def test_protected_route_without_credentials_returns_401(anonymous, route):
    problem(request(anonymous, route, {}), 401, "unauthenticated")
