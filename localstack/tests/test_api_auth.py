"""POST /api/auth/register, POST /api/auth/login and GET /api/auth/validate: identity for clients that are no browsers."""

import time

import pytest
import templates
from person import PASSWORD, set_cookies, unique_email, unique_phone
from problems import invalid, problem
from tokens import fresh, parts, platform_key, signed

REGISTER = "/api/auth/register"
LOGIN = "/api/auth/login"
VALIDATE = "/api/auth/validate"

# What anyone may ask. Signing out answers everyone; test_sign_out.py shows that it ends the session of either credential.
# A refresh is authorised by its own token.
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
    "GET /docs",
    "GET /docs/{file}",
    "GET /openapi.json",
}


def routes():
    """Every route of the API, as its template has it."""
    return {f"{method} {path}" for method, path in templates.routes(templates.read("template.yaml"))}


PROTECTED = sorted(routes() - UNPROTECTED)


def newcomer(**changes):
    return {"phone": unique_phone(), "email": unique_email(), "password": PASSWORD} | changes


@pytest.fixture(scope="module")
def registered(anyone):
    """Somebody who has registered: their answer."""
    answer = anyone.post(REGISTER, newcomer())
    assert answer.status_code == 201, answer.text
    return answer.json()


@pytest.fixture(scope="module")
def token(anyone, registered):
    """Their access token, from the body of a login."""
    answer = anyone.post(LOGIN, {"phone": registered["phone"], "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    return answer.json()["access_token"]


@pytest.fixture(params=["bearer", "cookie"])
def credential(request, token):
    """Headers that authorise, one way and the other."""
    return {"Authorization": f"Bearer {token}"} if request.param == "bearer" else {"Cookie": f"access_token={token}"}


def spaced(phone):
    """Another spelling of a French number: `+33 (0)6 12-34-56-78`."""
    return f"+33 (0){phone[3]} {phone[4:6]}-{phone[6:8]}-{phone[8:10]}-{phone[10:]}"


def test_registering_answers_201_with_the_number_in_the_form_of_e164(anyone):
    phone, email = unique_phone(), unique_email()
    answer = anyone.post(REGISTER, newcomer(phone=spaced(phone), email=email.upper()))
    assert answer.status_code == 201, answer.text
    body = answer.json()
    assert body.keys() == {"id", "phone", "email"}
    assert (body["phone"], body["email"]) == (phone, email)


def test_registering_sets_no_cookie(anyone):
    assert not set_cookies(anyone.post(REGISTER, newcomer()))


@pytest.mark.parametrize("field", ["phone", "email", "password"])
def test_registering_takes_all_three_fields(anyone, field):
    body = newcomer()
    del body[field]
    invalid(anyone.post(REGISTER, body), f"/{field}")


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        pytest.param({"phone": "0612345678"}, "/phone", id="a national number"),
        pytest.param({"phone": "33612345678"}, "/phone", id="no plus"),
        pytest.param({"phone": "+33 6 12 34"}, "/phone", id="too short for its country"),
        pytest.param({"phone": "+33 6 12 34 56 78 90"}, "/phone", id="too long for its country"),
        pytest.param({"phone": "+999 612 345 678"}, "/phone", id="no such country"),
        pytest.param({"phone": "+1-800-FLOWERS"}, "/phone", id="letters"),
        pytest.param({"phone": "+33612345678 ext. 7"}, "/phone", id="an extension"),
        pytest.param({"phone": None}, "/phone", id="null"),
        pytest.param({"email": "not an e-mail"}, "/email", id="no e-mail"),
        pytest.param({"password": "short"}, "/password", id="a short password"),
        pytest.param({"name": "Ada"}, "/name", id="an unknown field"),
    ],
)
def test_a_400_names_the_field_that_is_wrong(anyone, change, pointer):
    invalid(anyone.post(REGISTER, newcomer(**change)), pointer)


def test_the_phone_itself_is_no_password_in_any_spelling(anyone):
    phone = unique_phone()
    invalid(anyone.post(REGISTER, newcomer(phone=phone, password=spaced(phone))), "/password")


@pytest.mark.parametrize("taken", ["phone", "email"])
def test_an_identifier_is_taken_in_any_spelling_and_by_either_way_to_sign_up(anyone, taken):
    body = newcomer()
    assert anyone.post("/auth/signup", body).status_code == 201
    again = newcomer(**{taken: spaced(body["phone"]) if taken == "phone" else body["email"].upper()})
    refused = problem(anyone.post(REGISTER, again), 409, "identifier_taken")
    assert [error["pointer"] for error in refused["errors"]] == [f"/{taken}"]


def test_logging_in_answers_with_a_bearer_token_and_sets_no_cookie(anyone, registered):
    answer = anyone.post(LOGIN, {"email": registered["email"], "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body.keys() == {"access_token", "token_type", "expires_in", "refresh_token", "refresh_expires_in"}
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 15 * 60)
    assert parts(body["access_token"])[1]["sub"] == registered["id"]
    assert not set_cookies(answer)
    assert "no-store" in answer.headers["Cache-Control"]


@pytest.mark.parametrize("path", [LOGIN, "/auth/signin"])
@pytest.mark.parametrize("spelling", [str, spaced, lambda phone: f"{phone[:3]} {phone[3:]}"], ids=["e164", "0", "space"])
def test_any_spelling_of_the_number_finds_the_same_person(anyone, registered, path, spelling):
    answer = anyone.post(path, {"phone": spelling(registered["phone"]), "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    found = set_cookies(answer)["access_token"].value if path != LOGIN else answer.json()["access_token"]
    assert parts(found)[1]["sub"] == registered["id"]


def test_who_signed_up_for_the_browser_may_log_in_too(anyone, ada):
    answer = anyone.post(LOGIN, {"email": ada.email, "password": ada.password})
    assert answer.status_code == 200, answer.text
    assert parts(answer.json()["access_token"])[1]["sub"] == ada.id


@pytest.mark.parametrize(
    "attempt",
    [
        pytest.param(lambda body: {"phone": body["phone"], "password": "not " + PASSWORD}, id="a wrong password"),
        pytest.param(lambda _: {"phone": unique_phone(), "password": PASSWORD}, id="an unknown phone"),
        pytest.param(lambda _: {"email": unique_email(), "password": PASSWORD}, id="an unknown e-mail"),
    ],
)
def test_wrong_credentials_are_a_401(anyone, registered, attempt):
    problem(anyone.post(LOGIN, attempt(registered)), 401, "invalid_credentials")


@pytest.mark.parametrize(
    ("identifiers", "pointer"),
    [
        pytest.param({}, "/email", id="neither"),
        pytest.param({"email": "ada@example.com", "phone": "+33612345678"}, "/phone", id="both"),
        pytest.param({"phone": "0612345678"}, "/phone", id="a national number"),
    ],
)
def test_logging_in_takes_one_identifier_that_can_be_one(anyone, identifiers, pointer):
    invalid(anyone.post(LOGIN, {"password": PASSWORD} | identifiers), pointer)


def test_a_good_token_is_validated_with_what_it_says(anyone, registered, token, credential):
    answer = anyone.get(VALIDATE, headers=credential)
    assert answer.status_code == 200, answer.text
    claims = parts(token)[1]
    payload = {"sub": registered["id"], "phone": registered["phone"], "email": registered["email"]}
    assert answer.json() == {"valid": True, "payload": payload | {"iat": claims["iat"], "exp": claims["exp"]}}


def test_a_token_of_one_without_a_phone_says_so(anyone, ada):
    payload = anyone.get(VALIDATE, headers={"Authorization": f"Bearer {ada.token}"}).json()["payload"]
    assert (payload["phone"], payload["email"]) == (None, ada.email)


def test_no_token_is_not_valid(anyone):
    answer = anyone.get(VALIDATE)
    assert (answer.status_code, answer.json()) == (200, {"valid": False})


@pytest.mark.parametrize("header", ["Authorization", "Cookie"])
def test_a_bad_token_is_a_401(anyone, token, header):
    forged = token.rsplit(".", 1)[0] + "." + "A" * 86
    for bad in ("a.b.c", forged):
        value = f"Bearer {bad}" if header == "Authorization" else f"access_token={bad}"
        problem(anyone.get(VALIDATE, headers={header: value}), 401, "unauthenticated")


def test_an_expired_token_is_a_401(anyone, stack, token):
    header, claims = parts(token)
    an_hour_ago = int(time.time()) - 3600
    expired = signed(header, claims | {"exp": an_hour_ago}, platform_key(stack, header["kid"]))
    problem(anyone.get(VALIDATE, headers={"Authorization": f"Bearer {expired}"}), 401, "unauthenticated")


def test_a_token_that_does_not_say_how_its_person_is_reached_is_good_all_the_same(anyone, stack, token):
    header, claims = parts(token)
    older = {name: value for name, value in fresh(claims).items() if name not in ("email", "phone_number")}
    bearer = {"Authorization": f"Bearer {signed(header, older, platform_key(stack, header['kid']))}"}
    payload = anyone.get(VALIDATE, headers=bearer).json()["payload"]
    assert (payload["sub"], payload["phone"], payload["email"]) == (claims["sub"], None, None)
    assert anyone.get("/auth/me", headers=bearer).status_code == 200


def test_every_unprotected_route_is_one():
    # The control of the tests below: a route that is renamed is not left out by its old name.
    assert UNPROTECTED <= routes()


def asked(anyone, route, headers):
    """The answer to a request for nothing in particular: what names a thing names one that there is not."""
    method, path = route.replace("{id}", "none").replace("{reference}", "none").split()
    body = {"json": {}} if method in ("POST", "PATCH") else {}
    return anyone.request(method, path, headers=headers, **body)


@pytest.mark.parametrize("route", PROTECTED)
def test_every_protected_endpoint_is_authorised_by_bearer_and_by_cookie(anyone, route, credential):
    answer = asked(anyone, route, credential)
    assert answer.status_code in (200, 400, 404), answer.text
    # The gateway's own 404, of a route that it does not know, has none.
    assert answer.headers["Request-Id"]


@pytest.mark.parametrize("route", PROTECTED)
def test_every_protected_endpoint_refuses_whoever_bears_neither(anyone, route):
    problem(asked(anyone, route, {}), 401, "unauthenticated")
