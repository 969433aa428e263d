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
    """Seconds from the start of loading until the page is painted with its tables and cards, until
    its front is drawn (what is clicked in between is answered then); and from pressing the mouse on
    a point until its card is painted."""

    painted: float
    drawn: float
    click: float


# Where the point of the front is that is farthest right, and a promise of what a click there takes.
_PREPARE = """() => {
  const plot = document.querySelector('#front .plot'), box = plot.getBoundingClientRect();
  const trace = plot.data.find(t => t.name === 'front'), n = trace.x.length - 1;
  const title = document.querySelector('#architecture .body'), {xaxis, yaxis} = plot._fullLayout;
  window.took = new Promise(done => {
    let begun = 0;
    addEventListener('mousedown', () => begun = performance.now(), {capture: true, once: true});
    new MutationObserver((_, self) => {
      self.disconnect();
      requestAnimationFrame(() => setTimeout(() => done(performance.now() - begun)));
    }).observe(title, {childList: true, subtree: true});
  });
  return [box.left + xaxis._offset + xaxis.d2p(trace.x[n]),
          box.top + yaxis._offset + yaxis.d2p(trace.y[n])];
}"""
_WATCH = """
  new MutationObserver((_, self) => {
    if (!window.painted && document.documentElement?.dataset.ready) {
      window.painted = 1;
      requestAnimationFrame(() => window.painted = performance.now());
    }
    if (!document.querySelector('#front .main-svg')) return;
    self.disconnect();
    requestAnimationFrame(() => setTimeout(() => window.drawn = performance.now()));
  }).observe(document, {childList: true, subtree: true, attributes: true});
"""


def opening(browser: Any, file: Path) -> Opening:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    shown = context.new_page()
    shown.add_init_script(_WATCH)
    shown.goto(file.as_uri())
    while not shown.evaluate("Boolean(window.drawn)"):
        shown.wait_for_timeout(20)
    painted, drawn = shown.evaluate("[window.painted, window.drawn]")
    shown.mouse.move(5, 5)
    x, y = shown.evaluate(_PREPARE)
    shown.mouse.move(x, y)
    shown.mouse.click(x, y)
    click = shown.evaluate("window.took")
    context.close()
    return Opening(painted / 1e3, drawn / 1e3, click / 1e3)


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
    painted, drawn, click = (statistics.median(one) for one in zip(*found, strict=True))
    said.append(f"painted after {painted:.2f} s{_bar(painted <= MOST_SECONDS, '1 s')}")
    said.append(f"front drawn after {drawn:.2f} s{_bar(drawn <= MOST_SECONDS, '1 s')}")
    said.append(
        f"a click on a point answered after {click:.2f} s{_bar(click <= MOST_SECONDS, '1 s')}"
    )
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
