"""What every endpoint has in common."""

from problems import problem


def test_health_answers_ok(anyone):
    answer = anyone.get("/health")
    assert answer.status_code == 200
    assert answer.json()["status"] == "ok"


def test_an_unknown_route_is_a_404(anyone):
    assert anyone.get("/no/such/route").status_code == 404


def test_a_known_path_has_only_its_own_method(anyone):
    assert anyone.get("/auth/signup").status_code == 404


def test_every_answer_carries_a_request_id_of_its_own(anyone, ada):
    answers = [
        anyone.get("/health"),
        ada.get("/auth/me"),
        anyone.get("/auth/me"),
        ada.get("/payments/accounts"),
        anyone.post("/auth/signup", {}),
    ]
    ids = {answer.headers["Request-Id"] for answer in answers}
    assert len(ids) == len(answers)


def test_no_answer_about_a_person_may_be_cached(ada, anyone):
    for answer in (ada.get("/auth/me"), ada.get("/payments/accounts"), anyone.get("/auth/me")):
        assert "no-store" in answer.headers["Cache-Control"]


def test_a_problem_names_the_path_it_is_about(anyone):
    assert problem(anyone.get("/auth/me"), 401, "unauthenticated")["instance"].endswith("/auth/me")
