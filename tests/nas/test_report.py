"""The command that makes the page."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nas.report import main, report
from reports.made_up import MadeUp, write


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write(MadeUp(trials=12, backbone="digits"), tmp_path / "runs" / "one")


def test_a_run_has_its_page_its_twin_and_its_picture(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(run)]) == 0
    assert capsys.readouterr().out.strip() == str(run / "report.html")
    page = (run / "report.html").read_text()
    assert page.startswith("<!doctype html>")
    assert "<title>Binary networks for made-up on digits</title>" in page
    assert "Content-Security-Policy\" content=\"default-src 'none';" in page
    assert "@" not in page.split('<script type="application/json"')[0].split("<body>")[1]
    assert (run / "report.md").read_text().startswith("# Binary networks for made-up on digits\n")
    assert (run / "front.svg").read_text().startswith("<svg")


def test_several_runs_have_a_page_beside_them(run: Path) -> None:
    other = write(MadeUp(trials=9, backbone="digits", seed=4), run.parent / "two")
    made = report([run, other])
    assert made == run.parent / "report.html"
    assert "<title>2 searches for made-up on digits</title>" in made.read_text()
    assert not (run / "report.html").exists()


def test_a_page_goes_where_it_is_told(run: Path, tmp_path: Path) -> None:
    assert report([run], tmp_path / "mail" / "look.html") == tmp_path / "mail" / "look.html"
    assert {file.name for file in (tmp_path / "mail").iterdir()} == {
        *("look.html", "look.md", "front.svg")
    }


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "there is no nowhere"),
        (["."], "it has no run.json"),
        (["RUN", "-o", "page.md"], "the page is an HTML file, as in page.html; got 'page.md'"),
    ],
)
def test_mistakes_are_said_in_a_line(
    run: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(run.parent)
    assert main([str(run) if word == "RUN" else word for word in arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("nas.report: error: ")
    assert said in error
    assert error.count("\n") == 1


def test_a_page_needs_no_search_packages(run: Path) -> None:
    """A run can be looked at where neither torch nor ray is."""
    import subprocess
    import sys

    code = (
        "import sys; sys.modules['torch'] = sys.modules['ray'] = None\n"
        "from nas.report import main; sys.exit(main(sys.argv[1:]))"
    )
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", code, str(run)],
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
