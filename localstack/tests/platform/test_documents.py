"""What the documents state about the code: files, tests, parameters, endpoints, audit events and runbook commands."""

import json
import re
from functools import cache

import pytest
from support.stack import SET_USER_STATUS
from support.template import ROOT, TEMPLATE, routes


def markdown_files():
    """Every Markdown file of the project."""
    sources = [path for path in ROOT.iterdir() if path.name != "target" and not path.name.startswith(".")]
    folders = [path for path in sources if path.is_dir()]
    found = [path for path in sources if path.suffix == ".md"] + [path for f in folders for path in f.rglob("*.md")]
    return sorted(str(path.relative_to(ROOT)) for path in found)


DOCUMENTS = markdown_files()
SECURITY_DOCUMENTS = [document for document in DOCUMENTS if document.startswith("docs/security")]
LINK = re.compile(r"\[(?P<text>[^\]]*)\]\((?P<target>[^)\s]+)\)")
HEADING = re.compile(r"^(?P<level>#+) (?P<title>.*)$", re.MULTILINE)
TABLE = re.compile(r"^\|.*\n\|[-:| ]+\|\n((?:\|.*(?:\n|\Z))+)", re.MULTILINE)
# A function in Rust or Python: what a link with its name must find in the file.
DEFINITION = re.compile(r"^\s*(?:pub )?(?:async )?(?:fn|def) (?P<name>\w+)\(", re.MULTILINE)
SHELL = re.compile(r"^```(?:sh|bash|shell|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# A row of an ASVS table: number, requirement, level and verdict.
REQUIREMENT = re.compile(
    r"^\| (?P<number>\d+\.\d+\.\d+) \| (?P<text>[^|]+) \| (?P<level>[123]) \| (?P<verdict>[^|]+) \|.*$", re.MULTILINE
)
VERDICTS = {"met", "partly", "not met", "out of scope"}
# The number of requirements in each section (OWASP ASVS 5.0.0).
SECTIONS = {
    "6.1": 3, "6.2": 12, "6.3": 8, "6.4": 6, "6.5": 8, "6.6": 4, "6.7": 2, "6.8": 4,
    "7.1": 3, "7.2": 4, "7.3": 2, "7.4": 5, "7.5": 3, "7.6": 2,
    "9.1": 3, "9.2": 4,
}  # fmt: skip
RISKS = [f"API{number}:2023" for number in range(1, 11)]


def read(document):
    return (ROOT / document).read_text()


def headings(text):
    """The headings of a Markdown text, without comments in its code blocks."""
    blanked = re.sub(r"^```.*?^```", lambda block: " " * len(block[0]), text, flags=re.MULTILINE | re.DOTALL)
    return list(HEADING.finditer(blanked))


def security():
    """The text of all security documents."""
    return "\n".join(map(read, SECURITY_DOCUMENTS))


@cache
def defined(path):
    """The names of the functions that a source file defines."""
    return set(DEFINITION.findall(path.read_text()))


@cache
def anchors(path):
    """The anchors of a Markdown file's headings, as GitHub generates them."""
    titles = [heading["title"].lower() for heading in headings(path.read_text())]
    return {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in titles}


def sections(title):
    """The text below each heading with this title in the security documents, down to the next one of its level."""
    for text in map(read, SECURITY_DOCUMENTS):
        found = headings(text)
        for heading in found:
            if heading["title"] == title:
                later = [h for h in found if h.start() > heading.start() and len(h["level"]) <= len(heading["level"])]
                yield text[heading.end() : later[0].start() if later else None]


def table(title):
    """The cells of the first table in the section with this title."""
    (rows,) = filter(None, (TABLE.search(section) for section in sections(title)))
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in rows[1].splitlines()]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_to_existing_files_and_tests(document):
    folder = (ROOT / document).parent
    for link in LINK.finditer(read(document)):
        target, _, anchor = link["target"].partition("#")
        if "://" in target:
            continue
        path = (folder / target).resolve() if target else ROOT / document
        assert path.exists(), link[0]
        if anchor and path.suffix == ".md":
            assert anchor in anchors(path), f"{link[0]}: no such heading"
        if path.suffix in (".rs", ".py") and (name := re.fullmatch(r"`(\w+)`", link["text"])):
            assert name[1] in defined(path), f"{target} has no {name[1]}"


def test_every_asvs_requirement_has_one_row_with_a_verdict():
    found = [(row["number"], row["verdict"].strip()) for row in REQUIREMENT.finditer(security())]
    assert [number for number, _ in found] == [
        f"{section}.{number}" for section, count in SECTIONS.items() for number in range(1, count + 1)
    ]
    assert {verdict for _, verdict in found} == VERDICTS


def test_met_asvs_requirements_link_to_evidence():
    for row in REQUIREMENT.finditer(security()):
        if row["verdict"].strip() == "met":
            assert LINK.search(row[0]), f"{row['number']} is met, but nothing is linked that shows it"


def test_every_owasp_api_risk_has_a_row():
    assert re.findall(r"^\| (API\d+:2023) ", security(), re.MULTILINE) == RISKS


def test_documented_parameter_defaults_match_the_template():
    for name, default, _ in table("Configuration"):
        parameter = TEMPLATE["Parameters"][name.strip("`")]
        assert default.strip("`") == (str(parameter["Default"]) or "none"), name


def test_every_audit_event_kind_is_documented():
    source = (ROOT / "functions/account/src/domain/audit.rs").read_text()
    (variants,) = re.findall(r"pub enum AuditEventKind \{\n(.*?)\n\}", source, re.DOTALL)
    explicit = dict(re.findall(r'serialize = "(\w+)"\)\]\n\s+(\w+),', variants))
    derived = [name for name in re.findall(r"^    (\w+),", variants, re.MULTILINE) if name not in explicit.values()]
    kinds = explicit.keys() | {re.sub(r"(?<!^)(?=[A-Z])", "_", name).upper() for name in derived}
    documented = {kind for names, _ in table("Audit log") for kind in re.findall(r"`(\w+)`", names)}
    assert kinds == documented


def test_documented_number_of_common_passwords_is_correct():
    lines = (ROOT / "functions/account/src/domain/common_passwords.txt").read_text().splitlines()
    paragraphs = [text for text in re.split(r"\n\n|\n(?=\|)", security()) if re.search(r"\bcommon\b", text)]
    documented = {number for text in paragraphs for number in re.findall(r"\b[0-9]+,[0-9]{3}\b", text)}
    # ASVS 6.2.4 itself asks for the 3,000 most common ones.
    assert documented - {"3,000"} == {f"{len(lines):,}"}


def test_every_endpoint_is_documented():
    text = read("docs/api.md")
    for method, path in routes():
        assert f"`{method} {path}`" in text, f"docs/api.md does not mention {method} {path}"


def test_runbook_payloads_suspend_and_reactivate_a_user(stack, new_user):
    user = new_user()
    documented = re.findall(r"--payload '(\{[^']*\"status\"[^']*\})'", security())
    values = {"EMAIL": user.email, "USER_ID": user.id}
    payloads = [json.loads(re.sub("|".join(values), lambda word: values[word[0]], text)) for text in documented]
    for payload, status in zip(payloads, ("SUSPENDED", "ACTIVE"), strict=True):
        response = stack.invoke(SET_USER_STATUS, payload)
        assert (response["userId"], response["status"], response["changed"]) == (user.id, status, True)


def test_documented_sam_commands_use_the_local_cloud():
    # `sam local` uses the credentials and the endpoint of AWS unless it is given others.
    blocks = [block for text in map(read, DOCUMENTS) for block in SHELL.findall(text)]
    commands = [block for block in blocks if "sam local" in block]
    assert commands
    for block in commands:
        assert "export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test" in block, block
        assert "unset AWS_SESSION_TOKEN AWS_PROFILE" in block, block
        for command in block.replace("\\\n", "").splitlines():
            if "sam local" in command and not command.startswith("#"):
                assert "--env-vars .state/sam-environment.json" in command, command


def test_make_targets_use_sam_local_by_their_script_only():
    # Which uses the credentials of the local cloud.
    assert "sam local" not in re.sub(r"##.*", "", (ROOT / "Makefile").read_text())


def test_documented_versions_of_engines_are_the_pinned_ones():
    pinned = {
        "MiniStack": r"^ministack==(.*)$",
        "SAM CLI": r"^aws-sam-cli==(.*)$",
        "localstack-core": r"^localstack-core\[runtime\]==(.*)$",
        "localstack-pro": r"image: localstack/localstack-pro:(.*)$",
    }
    files = ("localstack/requirements.in", "localstack/native/requirements.in", "localstack/compose.yaml")
    text = "\n".join(map(read, files))
    for name, pattern in pinned.items():
        [version] = re.findall(pattern, text, re.MULTILINE)
        assert f"{name} {version} |" in read("docs/local.md"), name
