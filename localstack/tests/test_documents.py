"""What the documents say of the code is there: the files and tests that they name, parameters, endpoints, records."""

import json
import re
from functools import cache

import pytest
import templates
from invoke import invoke
from templates import ROOT

DOCUMENTS = ["README.md", *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"\[(?P<text>[^\]]*)\]\((?P<target>[^)\s]+)\)")
# A test, in Rust or in Python: what a reader looks for in the file that the link leads to.
DEFINITION = re.compile(r"^\s*(?:pub )?(?:async )?(?:fn|def) (?P<name>\w+)\(", re.MULTILINE)
PARAMETERS = templates.read("template.yaml")["Parameters"]
# Of a requirement's row: its number, what it asks, its level, and what comes of it.
REQUIREMENT = re.compile(r"^\| (?P<number>\d+\.\d+\.\d+) \| (?P<text>[^|]+) \| (?P<level>[123]) \| (?P<verdict>[^|]+) \|", re.MULTILINE)
VERDICTS = {"met", "partly", "not met", "out of scope"}
# How many requirements each section has (OWASP ASVS 5.0.0).
SECTIONS = {
    "6.1": 3, "6.2": 12, "6.3": 8, "6.4": 6, "6.5": 8, "6.6": 4, "6.7": 2, "6.8": 4,
    "7.1": 3, "7.2": 4, "7.3": 2, "7.4": 5, "7.5": 3, "7.6": 2,
    "9.1": 3, "9.2": 4,
}  # fmt: skip
RISKS = [f"API{number}:2023" for number in range(1, 11)]


def read(document):
    return (ROOT / document).read_text()


@cache
def defined(path):
    """The names of the functions that a file of code defines."""
    return set(DEFINITION.findall(path.read_text()))


def rows(document, heading):
    """The cells of each row of the first table under a heading."""
    (section,) = re.findall(rf"^##+ {re.escape(heading)}\n(.*?)(?=^## |\Z)", read(document), re.MULTILINE | re.DOTALL)
    table = re.search(r"^\|.*?\n\|[-|]+\|\n((?:\|.*\n)+)", section, re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table[1].splitlines()]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_link_leads_to_a_file_and_one_that_names_a_test_to_the_file_that_has_it(document):
    folder = (ROOT / document).parent
    for link in LINK.finditer(read(document)):
        target = link["target"].partition("#")[0]
        if not target or "://" in target:
            continue
        path = (folder / target).resolve()
        assert path.exists(), link[0]
        if path.suffix in (".rs", ".py") and (name := re.fullmatch(r"`(\w+)`", link["text"])):
            assert name[1] in defined(path), f"{target} has no {name[1]}"


def test_every_requirement_of_the_three_chapters_has_one_row_with_a_verdict():
    found = [(row["number"], row["verdict"].strip()) for row in REQUIREMENT.finditer(read("docs/security.md"))]
    assert [number for number, _ in found] == [
        f"{section}.{number}" for section, count in SECTIONS.items() for number in range(1, count + 1)
    ]
    assert {verdict for _, verdict in found} == VERDICTS


def test_what_is_met_says_where_that_is_to_be_seen():
    text = read("docs/security.md")
    for row in REQUIREMENT.finditer(text):
        line = text[row.start() : text.index("\n", row.start())]
        if row["verdict"].strip() == "met":
            assert LINK.search(line), f"{row['number']} says met, and not where that is to be seen"


def test_every_risk_of_the_api_top_ten_has_a_row():
    text = read("docs/security.md")
    assert re.findall(r"^\| (API\d+:2023) ", text, re.MULTILINE) == RISKS


def test_the_parameters_that_security_hangs_on_are_told_with_the_templates_defaults():
    for name, default, _ in rows("docs/security.md", "What an operator sets"):
        parameter = PARAMETERS[name.strip("`")]
        assert default.strip("`") == (str(parameter["Default"]) or "none"), name


def test_every_kind_of_record_is_told():
    source = (ROOT / "functions/account/src/domain/audit.rs").read_text()
    kinds = set(re.findall(r'Self::\w+ => "(\w+)"', source))
    told = {kind for names, _ in rows("docs/security.md", "The audit trail") for kind in re.findall(r"`(\w+)`", names)}
    assert kinds == told


def test_the_number_of_common_passwords_is_the_one_that_is_told():
    lines = (ROOT / "functions/account/src/domain/common_passwords.txt").read_text().splitlines()
    assert set(re.findall(r"[0-9]+,[0-9]+(?= (?:common ones|of 8 characters))", read("docs/security.md"))) == {f"{len(lines):,}"}


def test_every_endpoint_is_told_in_the_api_and_in_the_readme():
    for document in ("docs/api.md", "README.md"):
        text = read(document)
        for method, path in templates.routes(templates.read("template.yaml")):
            if path.startswith("/docs/"):
                continue
            names = rf"`(?:{method} )?{re.escape(path)}[`?]"
            assert re.search(names, text), f"{document} does not tell of {method} {path}"


def test_a_person_is_suspended_and_reactivated_by_the_payloads_that_are_told(stack, person):
    somebody = person()
    found = re.findall(r'--function-name "\$set_status" .*?--payload \'(.*?)\'', read("docs/security.md"), re.DOTALL)
    words = {"EMAIL": somebody.email, "USER_ID": somebody.id}
    payloads = [json.loads(re.sub("|".join(words), lambda word: words[word[0]], payload)) for payload in found]
    for payload, status in zip(payloads, ("SUSPENDED", "ACTIVE"), strict=True):
        answer = invoke(stack, "SetPersonStatusFunction", payload)
        assert (answer["userId"], answer["status"], answer["changed"]) == (somebody.id, status, True)
