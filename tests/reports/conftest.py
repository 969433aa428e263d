"""A real browser, and pages to open in it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from nas.report import report
from reports.made_up import MadeUp, write

NAMES = ("chromium", "chromium-browser", "google-chrome")


def _lacking(what: str) -> None:
    """On a machine that checks everything, a browser that is not there is a failure."""
    if os.environ.get("CI"):
        pytest.fail(f"the page's tests want {what}")
    pytest.skip(f"the page was not opened: {what} is not installed")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        _lacking("playwright")
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        _lacking("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@dataclass
class Opened:
    """A page, and what it did that it should not have: errors, dialogs, requests elsewhere."""

    page: Any
    complaints: list[str] = field(default_factory=list)

    def until(self, expression: str) -> None:
        """Until it is true. (The page forbids evaluating text, so playwright's own cannot ask.)"""
        for _ in range(600):
            if self.page.evaluate(expression):
                return
            self.page.wait_for_timeout(50)
        raise TimeoutError(f"it never was true: {expression}")

    def look(self) -> None:
        """Down to its end and up again, so that every plot is drawn."""
        self.until("Boolean(window.Plotly)")
        height = self.page.evaluate("document.documentElement.scrollHeight")
        for top in range(0, height, 700):
            self.page.evaluate(f"scrollTo({{top: {top}, behavior: 'instant'}})")
            self.page.wait_for_timeout(20)
        self.until(
            "[...document.querySelectorAll('.plot')].every(p => p.querySelector('.main-svg'))"
        )
        self.page.evaluate("scrollTo({top: 0, behavior: 'instant'})")


Open = Callable[..., Opened]


def _open(chromium: Any, file: Path, asked: dict[str, Any]) -> Opened:
    size = {"width": 1280, "height": 900}
    context = chromium.new_context(**{"viewport": size, "accept_downloads": True, **asked})
    opened = Opened(context.new_page())
    page, said = opened.page, opened.complaints

    def dialog(shown: Any) -> None:
        said.append(f"dialog: {shown.message}")
        shown.dismiss()

    page.on("console", lambda m: said.append(m.text) if m.type in ("error", "warning") else 0)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", dialog)
    page.on("request", lambda r: said.append(r.url) if not _ours(r.url, file) else 0)
    page.goto(file.as_uri())
    page.wait_for_selector("html[data-ready]", timeout=60_000)
    return opened


@pytest.fixture(scope="module")
def browse(chromium: Any) -> Iterator[Open]:
    """Opens a file; keyword arguments are the browser's. What a page complains of is an error.

    A page that was opened the same way before is given again, as it was left.
    """
    every: dict[str, Opened] = {}

    def open_(file: Path, **asked: Any) -> Opened:
        name = f"{file} {asked}"
        if name not in every:
            every[name] = _open(chromium, file, asked)
        assert every[name].complaints == []
        return every[name]

    yield open_
    for opened in every.values():
        opened.page.context.close()
    assert {name: o.complaints for name, o in every.items() if o.complaints} == {}


def _ours(url: str, file: Path) -> bool:
    return url == file.as_uri() or url.startswith(("data:", "blob:"))


Pages = Callable[..., Path]


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Pages:
    """The page of made-up runs, made once for each that is asked for."""
    made: dict[tuple[MadeUp, ...], Path] = {}

    def of(*runs: MadeUp) -> Path:
        if runs not in made:
            folder = tmp_path_factory.mktemp("runs")
            folders = [write(run, folder / f"run{n}") for n, run in enumerate(runs)]
            made[runs] = report(folders, folder / "report.html")
        return made[runs]

    return of
