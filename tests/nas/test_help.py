"""What `--help` shows on a screen of 80 columns."""

from __future__ import annotations

from itertools import pairwise

import pytest

from nas import command, evaluate, export, fidelity, retrain, search

COMMANDS = {
    "search": (search.main, command.HELP, command.EPILOG),
    **{
        one.__name__: (one.main, one.SAYS, one.EXAMPLES)
        for one in (retrain, evaluate, export, fidelity)
    },
}


@pytest.mark.parametrize("name", COMMANDS)
def test_examples_can_be_copied_and_prose_fills_its_lines(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    main, says, examples = COMMANDS[name]
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["--help"]) == 0
    shown = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert {line.strip() for line in examples.splitlines() if line.startswith("  ")} <= {*shown}
    first, *_ = says.split("\n\n")
    begins = shown.index(next(line for line in shown if line and first.startswith(line)))
    prose = shown[begins : shown.index("", begins)]
    assert " ".join(prose) == " ".join(first.split())
    ends = pairwise(prose)
    assert all(len(line) + 1 + len(after.split()[0]) > 77 for line, after in ends)
