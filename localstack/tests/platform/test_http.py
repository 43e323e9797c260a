"""Properties of every endpoint: request ids, caching, unknown routes."""

from urllib.parse import urljoin

from support.problems import problem


def test_health_returns_ok(anonymous):
    response = anonymous.get("/health")
    assert response.status_code == 200
    assert response.json()["status"] == "ok"


def test_base_url_leads_a_browser_to_the_page(anonymous):
    response = anonymous.get("/", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert response.status_code == 200, response.text
    assert response.url.endswith("/docs")
    assert response.headers["Content-Type"].startswith("text/html")


def test_base_url_links_other_clients_to_the_document(anonymous):
    response = anonymous.get("/", headers={"Accept": "application/json"})
    assert response.status_code == 200, response.text
    for name, link in response.json().items():
        if name not in ("title", "version"):
            path = urljoin(response.url, link).removeprefix(response.url.rstrip("/"))
            assert anonymous.get(path).status_code == 200, name


def test_unknown_route_returns_404(anonymous):
    assert anonymous.get("/no/such/route").status_code == 404


def test_known_path_with_other_method_returns_404(anonymous):
    assert anonymous.get("/auth/signup").status_code == 404


def test_responses_have_unique_request_ids(anonymous, ada):
    responses = [
        anonymous.get("/health"),
        ada.get("/auth/me"),
        anonymous.get("/auth/me"),
        ada.get("/payments/accounts"),
        anonymous.post("/auth/signup", {}),
    ]
    ids = {response.headers["Request-Id"] for response in responses}
    assert len(ids) == len(responses)


def test_responses_about_users_are_not_cacheable(ada, anonymous):
    for response in (ada.get("/auth/me"), ada.get("/payments/accounts"), anonymous.get("/auth/me")):
        assert "no-store" in response.headers["Cache-Control"]


def test_problem_instance_is_the_request_path(anonymous):
    assert problem(anonymous.get("/auth/me"), 401, "unauthenticated")["instance"].endswith("/auth/me")
