"""`make test-browser`: tests the page at /docs in a headless Chromium, against a new stack."""

import shutil
import sys

import e2e
from console import Failure, main
from engines import chosen_engine

# Program -> the names under which packages install it.
NEEDED = {
    "Chromium": ("chromium", "chromium-browser", "google-chrome"),
    "chromedriver": ("chromedriver",),
}
INSTALL = "apt install chromium chromium-driver (macOS: brew install --cask chromium chromedriver)"


def script() -> int:
    for title, names in NEEDED.items():
        if not any(map(shutil.which, names)):
            raise Failure(f"{title} is not installed: {INSTALL}")
    return e2e.run(["platform/docs_page.py", *sys.argv[1:]], chosen_engine())


if __name__ == "__main__":
    main(script)
