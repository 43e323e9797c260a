"""The page at /docs in a browser. `make test-browser` runs these tests, which need Chromium."""

import json
import shutil
from urllib.parse import urlsplit

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait
from support.users import PASSWORD, unique_email

WAIT_SECONDS = 30


@pytest.fixture
def browser(tmp_path):
    """A browser with an empty profile that can reach only this machine."""
    options = webdriver.ChromeOptions()
    options.binary_location = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    for argument in (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--window-size=1200,1600",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost",
        f"--user-data-dir={tmp_path / 'profile'}",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    with webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver"))) as driver:
        yield driver


class Page:
    """The visible elements of the page."""

    def __init__(self, browser):
        self.browser = browser

    def find(self, selector, within=None):
        """Waits for an element that is displayed and enabled."""

        def usable(_):
            found = (within or self.browser).find_elements(By.CSS_SELECTOR, selector)
            return found[0] if found and found[0].is_displayed() and found[0].is_enabled() else None

        return WebDriverWait(self.browser, WAIT_SECONDS).until(usable, selector)

    def call(self, tag, operation, body=None):
        """Opens an operation, fills in its body and executes it. Returns the displayed status and response."""
        block = self.find(f"#operations-{tag}-{operation}")
        if "is-open" not in block.get_attribute("class"):
            self.find(".opblock-summary-control", block).click()
        if body is not None:
            field = self.find("textarea.body-param__text", block)
            field.send_keys(Keys.CONTROL, "a")
            field.send_keys(json.dumps(body))
        self.find("button.execute", block).click()
        status = self.find(".live-responses-table .response .response-col_status", block)
        return status.text.split()[0], self.find(
            ".live-responses-table .response .response-col_description", block
        ).text

    def requested(self):
        """The URL of every request since the browser was started."""
        entries = [json.loads(entry["message"])["message"] for entry in self.browser.get_log("performance")]
        sent = [entry["params"] for entry in entries if entry["method"] == "Network.requestWillBeSent"]
        return [each["request"]["url"] for each in sent]


def test_docs_page_signs_in_and_calls_the_api(browser, stack, anonymous):
    email = unique_email()
    assert anonymous.post("/auth/signup", {"email": email, "password": PASSWORD}).status_code == 201

    browser.get(f"{stack.api_url}/docs")
    page = Page(browser)
    assert page.call("Account", "getMe")[0] == "401"
    browser.refresh()
    status, shown = page.call("Account", "signIn", {"email": email, "password": PASSWORD})
    assert (status, email in shown) == ("200", True), shown
    status, shown = page.call("Account", "getMe")
    assert (status, email in shown) == ("200", True), shown

    requested = page.requested()
    assert f"{stack.api_url}/auth/me" in requested
    own = urlsplit(stack.api_url).netloc
    # `chrome:` is the initial empty tab, and `data:` the icons of the style sheet.
    foreign = [
        url for url in requested if urlsplit(url).netloc != own and urlsplit(url).scheme not in ("chrome", "data")
    ]
    assert not foreign
    # Violations of the content security policy would be logged here too.
    errors = [entry["message"] for entry in browser.get_log("browser") if "401 (Unauthorized)" not in entry["message"]]
    assert not errors


def test_browser_refreshes_by_cookie(browser, stack, new_user):
    user = new_user()
    browser.get(f"{stack.api_url}/docs")
    Page(browser).call("Account", "signIn", {"email": user.email, "password": user.password})
    # Without a body: the token is in an HttpOnly cookie, which the browser sends below its Path only.
    refresh = """
        const done = arguments[arguments.length - 1];
        fetch("/auth/refresh", {method: "POST"}).then(async response => done([response.status, await response.json()]));
    """
    status, tokens = browser.execute_async_script(refresh)
    assert (status, tokens.keys()) == (200, {"expires_in", "refresh_expires_in"}), tokens


def test_docs_page_violating_its_csp_is_blocked(browser, stack):
    # Control of the test above: the policy is enforced, and violations are logged.
    browser.get(f"{stack.api_url}/docs")
    Page(browser).find(".opblock")
    browser.execute_script("document.body.appendChild(Object.assign(document.createElement('script'), {text: 'hi()'}))")
    browser.execute_script("document.body.appendChild(new Image()).src = 'http://127.0.0.2/pixel'")
    errors = [entry["message"] for entry in browser.get_log("browser")]
    for directive in ("script-src", "img-src"):
        assert any("Content Security Policy" in each and directive in each for each in errors), errors
