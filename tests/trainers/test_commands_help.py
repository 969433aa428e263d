"""What `--help` shows of the lower floors' commands on a screen of 80 columns."""

from __future__ import annotations

from itertools import pairwise

import pytest

from kernels import __main__ as kernels
from kernels.commands import PROFILE, TIME
from search_spaces import __main__ as search_spaces
from trainers import __main__ as trainers
from trainers.data import __main__ as data

COMMANDS = {
    "kernels": (kernels.main, ("bench", "info", "profile", "show", "run", "time")),
    "search_spaces": (search_spaces.main, ("show", "ops", "bench")),
    "trainers": (trainers.main, ("recipes", "train", "supernet", "evaluate", "export", "bench")),
    "trainers.data": (data.main, ("list", "show", "fetch")),
}
EVERY = [(name, part) for name, (_, parts) in COMMANDS.items() for part in ("", *parts)]
WRITTEN = [kernels.BENCH, PROFILE, TIME, search_spaces.EXAMPLES, trainers.EXAMPLES, data.EXAMPLES]


@pytest.mark.parametrize(("name", "part"), EVERY)
def test_help_fits_the_screen_and_names_a_command_that_can_be_typed(
    name: str, part: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        COMMANDS[name][0]([*part.split(), "--help"])
    shown = capsys.readouterr().out
    assert shown.startswith(f"usage: python -m {name} {part}".rstrip())
    assert [line for line in shown.splitlines() if len(line) > 79] == []


@pytest.mark.parametrize("text", WRITTEN)
def test_prose_of_help_fills_its_lines(text: str) -> None:
    for paragraph in text.strip().split("\n\n"):
        lines = paragraph.splitlines()
        if not any(line.startswith("  ") for line in lines):
            ends = pairwise(lines)
            assert all(len(line) + 1 + len(after.split()[0]) > 79 for line, after in ends)
