"""`make test-browser`: opens the page at /docs in a headless Chromium and uses it, against a stack of its own."""

import shutil
import sys

import e2e
from console import Failure, main

# What the test drives, by the names that packages give it.
NEEDED = {
    "Chromium": ("chromium", "chromium-browser", "google-chrome"),
    "chromedriver": ("chromedriver",),
}
HOW = "apt install chromium chromium-driver (macOS: brew install --cask chromium chromedriver)"


def script() -> int:
    for title, names in NEEDED.items():
        if not any(map(shutil.which, names)):
            raise Failure(f"{title} is not installed: {HOW}")
    return e2e.run(["docs_page.py", *sys.argv[1:]])


if __name__ == "__main__":
    main(script)
