"""Killed wherever it is, a search ends as if nothing had been. `kills.py 20` does it for longer."""

from __future__ import annotations

from pathlib import Path
from random import Random

from kills import command, killed, left_alone, same


def test_a_search_that_was_killed_three_times_is_the_unbroken_one(
    op_times: Path, tmp_path: Path
) -> None:
    given = ("--profile", str(op_times), "--until", "measure")
    hit = killed(tmp_path / "killed", 3, Random(1), 20, *given)
    assert hit["ended before"] < 3
    left_alone(command(tmp_path / "whole", *given))
    same(tmp_path / "killed", tmp_path / "whole")
