"""A real browser, Debian's chromium, for the things that people do with pages."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

# A browser in a sandbox of its own needs rights that root and containers lack; and it looks nothing up on its own.
_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass
class Browser:
    """A page, and what went wrong on it.

    Attributes:
        shots: the folder that screenshots go to.
        problems: errors of the console and answers of 500 and above, with their addresses.
    """

    page: Page
    shots: Path
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Listen for what a person would not see."""
        self.page.on("pageerror", lambda error: self.problems.append(f"{self.page.url}: {error}"))
        self.page.on(
            "response", lambda r: self.problems.append(f"{r.status} {r.url}") if r.status >= 500 else None
        )

    def shot(self, name: str) -> None:
        """Keep a picture of the page."""
        self.shots.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=self.shots / f"{name}.png")

    def log_in(self, url: str, username: str, password: str) -> None:
        """Log in to the Django admin."""
        self.page.goto(f"{url}/admin/login/?next=/admin/")
        self.page.locator("input[name=username]").fill(username)
        self.page.locator("input[name=password]").fill(password)
        self.page.locator("input[name=password]").press("Enter")
        self.page.wait_for_url(f"{url}/admin/")

    def move_alias(self, url: str, model: str, version: str, alias: str) -> float:
        """Give an alias to a version in MLflow's UI; return the moment of the last click, by the monotonic clock."""
        page = self.page
        page.goto(f"{url}/#/models/{model}/versions/{version}")
        button = page.get_by_title("Add aliases").or_(page.get_by_title("Edit aliases"))
        button.click()
        field = page.locator("input[role=combobox]").last
        field.fill(alias)
        field.press("Enter")
        save = page.get_by_role("button", name="Save aliases")
        save.wait_for()
        clicked = time.monotonic()
        save.click()
        page.get_by_text(f"@ {alias}").first.wait_for()
        self.shot(f"mlflow-{model}-{version}-{alias}")
        return clicked


def program() -> str | None:
    """Return the browser of this machine."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def missing() -> str | None:
    """Return why tests of pages do not run here; None when they do."""
    if os.environ.get("HOTCLUB_TEST_BROWSER") == "0":
        return "HOTCLUB_TEST_BROWSER=0"
    return (
        None if program() else "no chromium on the PATH: this page was NOT tested; apt-get install chromium"
    )


def required() -> bool:
    """Return whether a run without tests of pages must not begin: ``HOTCLUB_TEST_BROWSER=1``, as in CI."""
    return os.environ.get("HOTCLUB_TEST_BROWSER") == "1"


@contextmanager
def open_browser(shots: Path) -> Iterator[Browser]:
    """Start chromium and yield a page."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program(), args=_ARGUMENTS)
        page = started.new_page(viewport={"width": 1440, "height": 1000})
        page.set_default_timeout(30_000)
        yield Browser(page, shots)
        started.close()
