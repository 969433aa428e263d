"""A folder of a training: what was asked of it, who works there, how the loss went."""

from __future__ import annotations

from pathlib import Path

import pytest

from nas.runs.homes import Losses, alone, begun
from trainers.learning.train import Progress


def at(step: int, loss: float) -> Progress:
    return Progress(step, 6, loss, 0.5 / step, "binary", 1.0, 2.0 * step)


def test_losses_go_on_where_the_checkpoint_was(tmp_path: Path) -> None:
    whole, broken = Losses(tmp_path / "whole"), Losses(tmp_path / "broken")
    for step in range(1, 7):
        whole(at(step, step / 7))
    for step in range(1, 6):
        broken(at(step, step / 7 if step < 4 else 0.5))
    with (tmp_path / "broken" / "losses.csv").open("a") as file:
        file.write("1")  # half a line
    again = Losses(tmp_path / "broken")
    for step in range(4, 7):  # the checkpoint was of step 3
        again(at(step, step / 7))
    assert again.seconds == 12.0
    for losses in (whole, again):
        losses.by_epoch(2.5)
    files = [(tmp_path / name / "metrics.csv").read_text() for name in ("whole", "broken")]
    assert files[0] == files[1]
    lines = files[0].splitlines()
    assert lines[0] == "epoch,step,loss,rate,seconds"
    # Steps 1 to 3 begin in the first 2.5 steps, 4 and 5 in the second, 6 in the third.
    assert lines[1:] == [
        f"1,3,{2 / 7:.6g},0.1667,6.000",
        f"2,5,{4.5 / 7:.6g},0.1,10.000",
        f"3,6,{6 / 7:.6g},0.08333,12.000",
    ]


def test_what_was_begun_is_not_gone_on_with_otherwise(tmp_path: Path) -> None:
    begun(tmp_path, {"seed": 0, "epochs": None}, "do that")
    begun(tmp_path, {"seed": 1, "epochs": None}, "do that")  # nothing was learnt by then
    (tmp_path / "checkpoint.pt").touch()
    begun(tmp_path, {"seed": 1, "epochs": None}, "do that")
    with pytest.raises(
        ValueError, match=r"otherwise: seed was 1, is 0; epochs was not given, is 3\. do"
    ):
        begun(tmp_path, {"seed": 0, "epochs": 3}, "do that")


def test_one_works_in_a_folder_at_a_time(tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    with alone([a, b]), pytest.raises(ValueError, match="b is being worked on"), alone([b]):
        pass
    with alone([b]):
        pass
