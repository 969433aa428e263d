"""A run's folder: one process at a time, and only what it was begun with."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from nas.phases.showing import front_table, next_command
from nas.phases.work import of_space
from nas.picks.chosen import _ends
from nas.runs.run import FORMAT, Run, opened
from nas.runs.settings import Settings
from reports.data import front_of, knee_of, within
from reports.run import read
from search_spaces.arch import Arch
from search_spaces.backbones import find_backbone
from search_spaces.group import layers
from search_spaces.space import Axis, Space

SPACE = {"name": "groupnet", "backbone": "digits", "digest": "abcd"}
DATA = {"name": "digits", "digest": "1234"}
FACTS: dict[str, Any] = {"metric": "accuracy", "data": DATA, "space": SPACE}


def asked(home: Path, **more: Any) -> Settings:
    return Settings(run=home, **more)


def test_a_new_run_says_what_was_asked_and_where(tmp_path: Path) -> None:
    now = asked(tmp_path / "runs" / "r", max_latency=2.0, data_dir=Path("data"), trials=6)
    with opened(now, FACTS) as run:
        assert run.asked == now
        about = run.about
    assert about["format"] == FORMAT
    assert about["metric"] == "accuracy"
    assert about["batch"] == 6
    assert {"made", "command", "machine", "versions", "commit"} <= about.keys()
    assert {"binary-nas", "torch", "ray", "optuna"} <= about["versions"].keys()
    assert about["machine"]["name"]
    assert not [*run.home.glob(".*")]


def test_another_process_is_refused_while_one_works_on_it(tmp_path: Path) -> None:
    other = (
        "import sys; from pathlib import Path; from nas.runs.run import opened\n"
        "from nas.runs.settings import Settings\n"
        f"with opened(Settings(run=Path(sys.argv[1])), {FACTS}): print('in')\n"
    )

    def tried() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", other, str(tmp_path / "r")]
        return subprocess.run(command, capture_output=True, text=True)

    with opened(asked(tmp_path / "r"), FACTS) as run:
        assert "r is being worked on by another process" in tried().stderr
        with (
            pytest.raises(ValueError, match="worked on by another process"),
            opened(asked(run.home), FACTS),
        ):
            pass
    assert tried().stdout == "in\n"


def test_the_same_options_go_on_and_others_are_an_error_that_lists_them(tmp_path: Path) -> None:
    with opened(asked(tmp_path / "r", seed=1), FACTS) as run:
        before = run.about
    with opened(asked(tmp_path / "r", seed=1, workers=2, until="plan"), FACTS) as run:
        assert run.about == before
    with (
        pytest.raises(ValueError, match=r"--seed was 1, is 2; --sampler was nsga2, is tpe\."),
        opened(asked(tmp_path / "r", seed=2, sampler="tpe"), FACTS),
    ):
        pass
    assert run.about == before


def test_trials_may_be_raised_and_batches_stay_as_large_as_they_were(tmp_path: Path) -> None:
    for trials, kept in ((6, 6), (40, 40), (10, 40)):
        with opened(asked(tmp_path / "r", trials=trials), FACTS) as run:
            assert run.asked.trials == kept
            assert run.about["batch"] == 6


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        ({"format": "binary-nas run 0"}, "is of another version: 'binary-nas run 0'"),
        ({"format": "binary-nas run 2", "asked": {}}, "is of another version"),
        ({"format": "something"}, "is no run"),
        ({}, "is no run"),
        ([], "is no run"),
    ],
)
def test_a_run_of_another_version_is_left_as_it_is(
    tmp_path: Path, content: object, wanted: str
) -> None:
    (tmp_path / "run.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=wanted), opened(asked(tmp_path), FACTS):
        pass
    assert [file.name for file in tmp_path.iterdir()] == ["run.json"]


def test_a_torn_run_json_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"format": ')
    with pytest.raises(ValueError, match=r"run\.json is damaged"), opened(asked(tmp_path), FACTS):
        pass


def test_a_folder_with_something_else_in_it_is_no_run(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("important")
    with (
        pytest.raises(ValueError, match="is not empty and is no run"),
        opened(asked(tmp_path), FACTS),
    ):
        pass
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_plan_of_more_trials_leaves_a_run_as_it_is(tmp_path: Path) -> None:
    with opened(asked(tmp_path / "r", trials=6), FACTS) as run:
        before = run.about
    with opened(asked(tmp_path / "r", trials=5000), FACTS, plan=True) as run:
        pass
    assert run.about == before


def test_other_images_under_the_same_name_are_an_error(tmp_path: Path) -> None:
    def of(digest: str) -> dict[str, Any]:
        return {**FACTS, "data": {"name": "mine:digits", "digest": digest}}

    with opened(asked(tmp_path / "r"), of("1234")) as run:
        before = run.about
    with (
        pytest.raises(ValueError, match=r"mine:digits .* digest was 1234, is 5678\. Another --run"),
        opened(asked(tmp_path / "r"), of("5678")),
    ):
        pass
    with opened(asked(tmp_path / "r"), of("1234")) as run:
        assert run.about == before


@pytest.mark.parametrize("left", [["run.lock"], ["run.lock", ".run.json.x1y2.new"], []])
def test_what_a_process_left_that_was_killed_at_once_is_begun_anew(
    tmp_path: Path, left: list[str]
) -> None:
    for name in left:
        (tmp_path / name).touch()
    with opened(asked(tmp_path), FACTS) as run:
        assert run.asked == asked(tmp_path)


def test_seconds_of_a_phase_are_summed_over_calls(tmp_path: Path) -> None:
    run = Run(tmp_path)
    assert run.phase("explore") == {"phase": "explore", "seconds": 0.0, "done": False}
    run.note_phase("profile", 2.0, done=True)
    run.note_phase("explore", 1.5, done=False)
    run.note_phase("explore", 2.25, done=True)
    assert run.get("phases.json") == [
        {"phase": "profile", "seconds": 2.0, "done": True},
        {"phase": "explore", "seconds": 3.75, "done": True},
    ]
    with pytest.raises(RuntimeError, match="stop"), run.clocked("measure"):
        raise RuntimeError("stop")
    assert not run.phase("measure")["done"]
    with run.clocked("measure"):
        pass
    assert run.phase("measure")["done"]


def test_a_phase_that_fails_says_why_even_where_nothing_can_be_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*given: object, **more: object) -> None:
        raise OSError("no room for phases.json either")

    monkeypatch.setattr(Run, "note_phase", full)
    with pytest.raises(RuntimeError, match="the first"), Run(tmp_path).clocked("measure"):
        raise RuntimeError("the first")
    with pytest.raises(OSError, match="no room"), Run(tmp_path).clocked("measure"):
        pass


def test_tables_come_back_and_one_without_rows_is_empty(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.put_rows("front.csv", [{"key": "a", "error": 0.5, "known": ""}])
    assert run.front["error"].tolist() == [0.5]
    run.put_rows("front.csv", [])
    assert run.front.empty
    assert len(run.front) == 0


def test_where_nothing_kept_the_limits_the_known_ones_are_shown(tmp_path: Path) -> None:
    with opened(asked(tmp_path / "r"), FACTS) as run:
        run.put_rows("front.csv", [])
        known = {"name": "real", "key": "k", "arch": "a", "error": None, "measured_ms": None}
        sizes = {"latency_ms": 2.0, "size_bytes": 3000.0, "memory_bytes": 4000.0}
        run.put_rows("known.csv", [{**known, **sizes}])
        table = front_table(run)
    assert table.row_count == 1
    assert next_command(run) is None
    assert [*table.columns[0].cells] == ["known"]
    assert [*table.columns[-1].cells] == ["k real"]


def test_the_table_says_what_each_row_is_and_what_is_next(tmp_path: Path) -> None:
    sizes = {"latency_ms": 1.0, "size_bytes": 1.0, "memory_bytes": 1.0}
    found = [(0.9, 1.0, True), (0.3, 2.0, True), (0.4, 2.5, False), (0.2, 9.0, True)]
    rows = [
        {"key": f"k{n}", "arch": f"a{n}", "error": error, "measured_ms": ms, "on_measured": stays}
        for n, (error, ms, stays) in enumerate(found)
    ]
    known = {"name": "real", "key": "k9", "arch": "a9", "error": None, "measured_ms": 10.0}
    with opened(asked(tmp_path / "a run"), FACTS) as run:
        run.put_rows("front.csv", [row | sizes for row in rows])
        run.put_rows("known.csv", [known | sizes])
        table = front_table(run)
        assert next_command(run) == f"python -m nas.retrain '{run.home}' --pick knee"
        run.put_rows("front.csv", [rows[0] | sizes])
        assert str(next_command(run)).endswith("--pick best")
    assert [*table.columns[0].cells] == ["front", "knee", "beaten", "front", "known"]
    assert [*table.columns[-1].cells] == ["k0 a0", "k1 a1", "k2 a2", "k3 a3", "k9 real"]


def test_what_is_too_slow_when_measured_is_said_and_not_recommended(tmp_path: Path) -> None:
    """The limit was kept by what was predicted. The row that would be the knee does not keep it."""
    sizes = {"latency_ms": 1.0, "size_bytes": 1.0, "memory_bytes": 1.0}
    found = [(0.9, 1.0), (0.5, 1.5), (0.1, 2.5), (0.35, 1.9), (0.12, 2.1)]
    rows = [
        {"key": f"k{n}", "arch": "digits | 3x1 mean", "error": error, "measured_ms": ms} | sizes
        for n, (error, ms) in enumerate(found)
    ]
    with opened(asked(tmp_path / "r", max_latency=2.0), FACTS) as run:
        run.put_rows("front.csv", rows)
        table, tables = front_table(run), read(run.home)
    marks = dict(zip(table.columns[-1].cells, table.columns[0].cells, strict=True))
    assert {key: mark for key, mark in marks.items() if mark == "too slow"} == {
        f"k{n} digits | 3x1 mean": "too slow" for n in (2, 4)
    }
    knee = knee_of(within(tables, front_of(tables)))
    assert knee == "k1" != knee_of(front_of(tables))
    assert _ends(tables, front_of(tables))["best"]()["key"] == "k3"
    assert _ends(tables, front_of(tables))["knee"]()["key"] == "k1"


def test_where_images_lie_now_is_noted(tmp_path: Path) -> None:
    for folder in (None, tmp_path / "here", tmp_path / "there"):
        with opened(asked(tmp_path / "r", data_dir=folder), FACTS) as run:
            assert run.asked.data_dir == folder


def test_a_profile_that_moved_is_the_same_profile(tmp_path: Path, op_times: Path) -> None:
    with opened(asked(tmp_path / "r", profile=op_times), FACTS) as run:
        shutil.copy(op_times, run.home / "profile.json")
    moved, other = tmp_path / "moved.json", tmp_path / "other.json"
    shutil.copy(op_times, moved)
    content = json.loads(op_times.read_text())
    content["entries"][0]["median_ns"] += 1
    other.write_text(json.dumps(content))
    with opened(asked(tmp_path / "r", profile=moved), FACTS):
        pass
    with (
        pytest.raises(ValueError, match="--profile was"),
        opened(asked(tmp_path / "r", profile=other), FACTS),
    ):
        pass


def test_a_space_that_means_otherwise_is_another_run(tmp_path: Path) -> None:
    with opened(asked(tmp_path / "r"), FACTS) as run:
        before = run.about
    other = {**FACTS, "space": {**SPACE, "digest": "other"}}
    with (
        pytest.raises(ValueError, match="groupnet on digits is no longer the space"),
        opened(asked(tmp_path / "r"), other),
    ):
        pass
    assert run.about == before
    axis = Axis("far", ("no", "yes"))

    def far(chosen: dict[str, str | int]) -> Arch:
        skips = ((0, 2),) if chosen["far"] == "yes" else ()
        return Arch("classify", "digits", (layers(1, 1),) * 3, skips)

    def never(chosen: dict[str, str | int]) -> Arch:
        return replace(far(chosen), skips=())

    every = [Space("own", find_backbone("digits"), (axis,), how) for how in (far, never, far)]
    assert len({of_space(space)["digest"] for space in every}) == 2


def test_what_was_only_planned_leaves_no_folder_above_it_either(tmp_path: Path) -> None:
    home = tmp_path / "there" / "runs" / "deep" / "r"
    (tmp_path / "there").mkdir()
    with pytest.raises(KeyboardInterrupt), opened(asked(home), FACTS, plan=True):
        raise KeyboardInterrupt
    assert [*(tmp_path / "there").iterdir()] == []
    (tmp_path / "there" / "runs").mkdir()
    (tmp_path / "there" / "runs" / "else").touch()
    with opened(asked(home), FACTS, plan=True):
        pass
    assert [*(tmp_path / "there" / "runs").iterdir()] == [tmp_path / "there" / "runs" / "else"]


def test_keys_that_look_like_numbers_are_text(tmp_path: Path) -> None:
    with opened(asked(tmp_path / "r"), FACTS) as run:
        for key in ("012345678901", "1234e5678901"):
            run.put_rows("front.csv", [{"key": key, "error": 0.5}])
            assert list(run.front["key"]) == [key]


def test_a_long_front_is_shown_with_its_knee(tmp_path: Path) -> None:
    sizes = {"latency_ms": 1.0, "size_bytes": 1.0, "memory_bytes": 1.0}
    rows = [
        {"key": f"k{n}", "arch": f"a{n}", "error": 0.9 if not n else 0.1 - n / 1e3}
        | sizes
        | {"measured_ms": n + 1.0}
        for n in range(75)
    ]
    with opened(asked(tmp_path / "r"), FACTS) as run:
        run.put_rows("front.csv", rows)
        table = front_table(run)
    assert [*table.columns[0].cells].count("knee") == 1
    assert table.row_count == 31
    assert table.caption == "44 more in front.csv"


def test_of_a_long_front_both_ends_are_shown_and_how_many_are_not(tmp_path: Path) -> None:
    rows = [
        {"key": f"k{n}", "arch": f"a{n}", "error": 1 - n / 100, "measured_ms": n + 1.0}
        | {"latency_ms": 1.0, "size_bytes": 1.0, "memory_bytes": 1.0}
        for n in range(75)
    ]
    with opened(asked(tmp_path / "r"), FACTS) as run:
        run.put_rows("front.csv", rows)
        table = front_table(run)
        shown = [int(cell.split()[0][1:]) for cell in table.columns[-1].cells]
        assert table.caption == "45 more in front.csv"
        run.put_rows("front.csv", rows[:30])
        assert front_table(run).caption is None
    assert len(shown) == 30
    assert (shown[0], shown[-1]) == (0, 74)
    assert {after - before for before, after in pairwise(shown)} == {2, 3}
