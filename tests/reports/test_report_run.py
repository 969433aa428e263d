"""A run's folder, read: whatever is absent, and whatever is wrong with what is there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reports.made_up import MadeUp, write
from reports.run import FORMAT, read, table

DIGITS = MadeUp(trials=30, backbone="digits", picks=1, fidelity=True)


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    (tmp_path / "run.json").write_text(json.dumps({"format": FORMAT, "asked": {}}))
    return tmp_path


def test_a_folder_with_nothing_but_what_was_asked_is_a_run(bare: Path) -> None:
    run = read(bare)
    assert (run.trials, run.front, run.known, run.ops, run.picks) == ([], None, [], [], [])
    assert run.fidelity is None


def test_all_that_a_search_leaves_is_read(tmp_path: Path) -> None:
    run = read(write(DIGITS, tmp_path / "full"))
    assert len(run.trials) == 30
    assert run.front
    assert {row["name"] for row in run.known} >= {"real", "bireal", "groupnet-k3"}
    assert len(run.picks) == 1
    assert run.fidelity is not None
    assert list(run.tables) == ["front.csv", "kernels.csv", "known.csv", "ops.csv", "trials.csv"]
    trial = run.trials[3]
    kinds = {name: type(trial[name]) for name in ("number", "error", "size_bytes", "key")}
    assert kinds == {"number": int, "error": float, "size_bytes": int, "key": str}
    assert trial["axis.bases0"] in ("1", "2", "3", "4", "5")
    assert run.front[0]["trusted"] in (True, False)


def test_a_cell_is_read_by_its_column(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(
        "number,key,error,trusted,size_bytes,same_path,loss\n7,0123,,True,12.0,false,inf\n"
    )
    assert table(path) == [
        {
            **{"number": 7, "key": "0123", "error": None, "trusted": True},
            **{"size_bytes": 12, "same_path": False, "loss": None},
        }
    ]


@pytest.mark.parametrize("text", ["", "\n", "number,key\n"])
def test_a_table_without_rows_is_empty(tmp_path: Path, text: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    assert table(tmp_path / "t.csv") == []


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("number,error\n1,x\n", "line 2: error must be a number; got 'x'"),
        ("number,error\n1\n", "line 2: it has not as many cells as the first line"),
        ("number,error\n1,2,3\n", "line 2: it has not as many cells as the first line"),
        ("number,trusted\n1,maybe\n", "line 2: trusted must be true or false; got 'maybe'"),
        ("number,error\n1.5,2\n", "line 2: number must be a number; got '1.5'"),
    ],
)
def test_a_broken_table_is_named(tmp_path: Path, text: str, wrong: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(ValueError, match=f"t.csv, {wrong}"):
        table(tmp_path / "t.csv")


def test_what_is_no_run_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"there is no .*nowhere"):
        read(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"it has no run\.json"):
        read(tmp_path)
    (tmp_path / "run.json").write_text('{"format": "other"}')
    with pytest.raises(ValueError, match=f"does not say '{FORMAT}'"):
        read(tmp_path)
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(ValueError, match=r"run\.json is not JSON"):
        read(tmp_path)
    (tmp_path / "run.json").write_text("[]")
    with pytest.raises(ValueError, match="must hold a JSON dict; got list"):
        read(tmp_path)
