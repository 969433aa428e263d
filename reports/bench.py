"""How large the page of many candidates is, how soon it opens, how soon it answers a click.

In a headless Chromium, of a made-up run; medians over several openings. Time on a busy machine is
time on a busy machine: the load is said.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from reports.data import page_data
from reports.made_up import MadeUp, write
from reports.page import page
from reports.run import read

MOST_BYTES, MOST_SECONDS = 8e6, 1.0
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")


class Opening(NamedTuple):
    """Seconds from the start of loading until the page is painted, its front sketched, and until
    that is Plotly's; and from a click on a point until its card is painted: `early` the longest
    of several while Plotly is read and drawn, `click` when all is there."""

    painted: float
    drawn: float
    early: float
    click: float


# Clicks come so many seconds after a page is painted: while Plotly is compiled, run, and draws.
_MOMENTS = (0.1, 0.35, 0.7, 1.0, 1.3)
# Notes when a page is painted, what its sketch has, and how long the browser says that the click
# took until it was seen.
_WATCH = """
  const later = (done) => requestAnimationFrame(() => setTimeout(done));
  const pressing = ['pointerdown', 'mousedown', 'pointerup', 'mouseup', 'click'];
  new PerformanceObserver((list) => {
    const found = list.getEntries().filter((one) => pressing.includes(one.name));
    window.took = Math.max(window.took || 0, ...found.map((one) => one.duration));
  }).observe({type: 'event', durationThreshold: 16});
  new MutationObserver((_, self) => {
    const sketch = document.querySelector('#front .sketch');
    if (!window.sketched && document.documentElement?.dataset.ready && sketch) {
      const box = sketch.getBoundingClientRect();
      const high = sketch.marks.filter((one) => one.top < box.height / 3);
      const mark = high.reduce((a, b) => (b.left > a.left ? b : a));
      window.sketched = [box.left + mark.left, box.top + mark.top];
      requestAnimationFrame(() => window.painted = performance.now());
      new MutationObserver(() => later(() => window.answered = true))
        .observe(document.querySelector('#architecture .body'), {childList: true, subtree: true});
    }
    if (!document.querySelector('#front .main-svg')) return;
    self.disconnect();
    later(() => window.drawn = performance.now());
  }).observe(document, {childList: true, subtree: true, attributes: true});
"""
# Where the point of the front is that is farthest right.
_PLACE = """() => {
  const plot = document.querySelector('#front .plot'), box = plot.getBoundingClientRect();
  const trace = plot.data.find(t => t.name === 'front'), n = trace.x.length - 1;
  const {xaxis, yaxis} = plot._fullLayout;
  return [box.left + xaxis._offset + xaxis.d2p(trace.x[n]),
          box.top + yaxis._offset + yaxis.d2p(trace.y[n])];
}"""


def opening(browser: Any, file: Path) -> Opening:
    painted, drawn, place, click = _opened(browser, file, None)
    early = max(_opened(browser, file, (painted / 1e3 + at, place))[-1] for at in _MOMENTS)
    return Opening(painted / 1e3, drawn / 1e3, early / 1e3, click / 1e3)


def _opened(browser: Any, file: Path, press: tuple[float, Any] | None) -> tuple[Any, ...]:
    """Milliseconds until it is painted and drawn, where its sketch has a mark, and what a click
    took: after so many seconds, at a place; else when all is there."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    shown = context.new_page()
    shown.add_init_script(_WATCH)
    shown.goto(file.as_uri(), wait_until="commit")
    if press is not None:
        time.sleep(press[0])
        shown.mouse.click(*press[1])
    _wait(shown, "drawn")
    if press is None:
        shown.wait_for_timeout(300)
        shown.mouse.move(5, 5)
        shown.mouse.click(*shown.evaluate(_PLACE))
    _wait(shown, "answered")
    shown.wait_for_timeout(300)  # what the browser says comes after what it shows
    _wait(shown, "took")
    found = shown.evaluate("[window.painted, window.drawn, window.sketched, window.took]")
    context.close()
    return tuple(found)


def _wait(shown: Any, name: str) -> None:
    while not shown.evaluate(f"Boolean(window.{name})"):
        shown.wait_for_timeout(20)


def openings(file: Path, rounds: int) -> list[Opening]:
    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if path is None:
        raise ValueError(f"to open the page one of {', '.join(_BROWSERS)} is wanted; none is there")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        return [opening(browser, file) for _ in range(rounds)]


def main(argv: Sequence[str] | None = None) -> int:
    args = _parser().parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        run = write(MadeUp(trials=args.trials, picks=3, fidelity=True, failing=0.01), Path(folder))
        begun = time.monotonic()
        text = page(page_data([read(run)]), "A benchmark")
        made = time.monotonic() - begun
        file = Path(folder) / "report.html"
        file.write_text(text, encoding="utf-8")
        size = file.stat().st_size
        said = [f"{args.trials:,} candidates: page made in {made:.1f} s"]
        said.append(f"size {size / 1e6:.2f} MB{_bar(size <= MOST_BYTES, '8 MB')}")
        try:
            found = openings(file, args.rounds)
        except (ModuleNotFoundError, ValueError) as lacking:
            _print([*said, f"not opened: {lacking}"])
            return 1
    painted, drawn, early, click = (statistics.median(one) for one in zip(*found, strict=True))
    for what, took in (
        ("painted, the front sketched", painted),
        ("the slowest click on a mark answered, before all is there", early),
        ("a click on a mark answered, when all is there", click),
    ):
        said.append(f"{what} after {took:.2f} s{_bar(took <= MOST_SECONDS, '1 s')}")
    said.append(f"the front drawn by Plotly after {drawn:.2f} s")
    load, cores = os.getloadavg()[0], os.cpu_count()
    said.append(f"medians of {args.rounds} openings; load {load:.1f} on {cores} cores")
    _print(said)
    return 0


def _print(lines: Sequence[str]) -> None:
    sys.stdout.write("\n".join(lines) + "\n")


def _bar(met: bool, bar: str) -> str:
    return f" (bar: {bar}, {'met' if met else 'NOT MET'})"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m reports.bench", description=__doc__)
    parser.add_argument("--trials", type=int, default=5000, help="candidates (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="openings (%(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
