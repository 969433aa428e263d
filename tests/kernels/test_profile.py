"""A profile has a time for each op, is whole or refused, and goes on where it was left."""

from __future__ import annotations

import io
import json
import re
import resource
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from programs_command import call, ops_file

from kernels import choice, profile, timing
from kernels.__main__ import main
from kernels.case import case
from kernels.engine import choose
from kernels.isas import choices
from kernels.op_data import read_ops
from kernels.ops import BinaryConv, GlobalPool, Op
from kernels.profile import Asked, Entry, Part, Ready
from kernels.timing import Timing

ASKED = Asked(rounds=2)
NO_PART = json.dumps({
    "format": profile.FORMAT, "machine": {"name": "pi4"}, "core": "x", "clock_ghz": 1.5,
    "threads": 1, "isa": None, "made": "now", "entries": [], "part": {"ops": [], "groups": 0},
})  # fmt: skip


@pytest.fixture
def ops(tmp_path: Path) -> Path:
    return ops_file(tmp_path)


def test_every_op_has_a_time(ops: Path, tmp_path: Path) -> None:
    out = tmp_path / "here.json"
    assert call("profile", ops, "-o", out, "--rounds", 2).returncode == 0
    found = profile.load(out)
    wanted = read_ops(ops)
    assert list(found.entries) == list(dict.fromkeys(wanted))
    assert all(found.time_ns(op) > 0 for op in wanted)
    assert 0.2 < found.clock_ghz < 10
    assert found.threads == 1


def test_what_is_there_is_kept_and_the_rest_is_measured(ops: Path, tmp_path: Path) -> None:
    out = tmp_path / "here.json"
    some = tmp_path / "some.json"
    content = json.loads(ops.read_text())
    some.write_text(json.dumps({**content, "ops": content["ops"][:3]}))
    call("profile", some, "-o", out, "--rounds", 2)
    before = profile.load(out).entries
    said = call("profile", ops, "-o", out, "--rounds", 2)
    assert f"3 of {len(set(read_ops(ops)))} ops are in" in said.stderr
    after = profile.load(out).entries
    assert {op: after[op] for op in before} == before
    assert len(after) > len(before)


class Stops:
    """In place of the timing of a group: a time each, and Ctrl-C at one of the calls."""

    def __init__(self, at: int | None = None) -> None:
        self.at, self.groups = at, list[tuple[Op, ...]]()

    def __call__(self, ready: Sequence[Ready], asked: Asked) -> list[Entry]:
        if len(self.groups) == self.at:
            raise KeyboardInterrupt
        self.groups.append(tuple(one.op for one, _ in ready))
        took = Timing(1000.0 - len(self.groups), 1.0, 100.0, rounds=2, disturbed=0.0)
        return [Entry(one.op, kernel, took) for one, kernel in ready]


def profiled(ops: Path, out: Path, monkeypatch: pytest.MonkeyPatch, at: int | None = None) -> Stops:
    stops = Stops(at)
    monkeypatch.setattr(profile, "_group", stops)
    monkeypatch.setattr(choice, "chosen", partial(choose, measured=False))
    assert main(["profile", str(ops), "-o", str(out)]) == (0 if at is None else 130)
    return stops


@pytest.mark.parametrize("at", [1, 3, 4, 8])
def test_stopped_in_any_pass_the_same_command_goes_on_to_the_same_end(
    ops: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    count = len(set(read_ops(ops)))
    monkeypatch.setattr(profile, "GROUP", -(-count // 3))
    whole = profiled(ops, tmp_path / "whole.json", monkeypatch)
    assert len(whole.groups) == profile.groups(count) == 9
    out = tmp_path / "stopped.json"
    first = profiled(ops, out, monkeypatch, at)
    part = profile.load(out).part
    assert part is not None
    assert part.groups == at
    assert profile.timed(count, at) == sum(map(len, first.groups))
    then = profiled(ops, out, monkeypatch)
    assert first.groups + then.groups == whole.groups
    assert profile.load(out).part is None
    assert not profiled(ops, out, monkeypatch).groups


def test_stopped_before_anything_was_measured_it_says_so(
    ops: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "here.json"
    profiled(ops, out, monkeypatch, 0)
    shown = capsys.readouterr()
    assert shown.out == ""
    said = f"kernels: stopped before anything was measured; there is no {out} yet"
    assert shown.err.splitlines()[-1] == said
    assert not out.exists()


def test_ctrl_c_before_it_begins_is_no_traceback(
    ops: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(asked: Asked) -> profile.Profile:
        raise KeyboardInterrupt

    monkeypatch.setattr(profile, "empty", stopped)
    assert main(["profile", str(ops), "-o", str(tmp_path / "here.json")]) == 130
    assert capsys.readouterr().err == "kernels: stopped\n"


def test_while_it_measures_it_says_in_which_pass(
    ops: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    def passes(at: int | None = None) -> list[str]:
        monkeypatch.setattr(sys, "stderr", screen := Screen())
        profiled(ops, tmp_path / "here.json", monkeypatch, at)
        return [*dict.fromkeys(re.findall(r"pass (\d of \d), measured", screen.getvalue()))]

    monkeypatch.setattr(profile, "GROUP", -(-len(set(read_ops(ops))) // 3))
    assert passes(4) == ["1 of 3", "2 of 3"]
    assert passes() == ["2 of 3", "3 of 3"]


def test_a_list_without_ops_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    none, out = tmp_path / "none.json", tmp_path / "here.json"
    none.write_text('{"ops": []}')
    assert main(["profile", str(none), "-o", str(out)]) == 2
    said = f"kernels: error: {none} has no ops: a profile is of one at least\n"
    assert capsys.readouterr().err == said
    assert not out.exists()


def test_a_file_whose_folder_is_not_there_is_refused_before_anything_is_measured(
    ops: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "nowhere" / "here.json"
    with pytest.raises(SystemExit, match="2"):
        main(["profile", str(ops), "-o", str(out)])
    assert f"{str(out)!r} is not a file in a folder that is there" in capsys.readouterr().err
    assert not out.parent.exists()


def test_a_disk_that_is_full_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    out, (soft, hard) = tmp_path / "here.json", resource.getrlimit(resource.RLIMIT_FSIZE)
    made = profile.empty(ASKED)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16, hard))
    try:
        with pytest.raises(OSError, match=r"File too large: .*/here\.json'"):
            profile.save(made, out)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_what_was_stopped_is_finished_before_other_ops_are_begun(
    ops: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    some, out = tmp_path / "some.json", tmp_path / "here.json"
    content = json.loads(ops.read_text())
    some.write_text(json.dumps({**content, "ops": content["ops"][:3]}))
    wanted = read_ops(some)
    profiled(some, out, monkeypatch, 1)
    then = profiled(ops, out, monkeypatch)
    assert [set(group) == set(wanted) for group in then.groups] == [True] * 2 + [False] * 3
    assert profile.load(out).part is None


def test_times_of_another_machine_or_build_are_not_mixed(ops: Path, tmp_path: Path) -> None:
    out = tmp_path / "there.json"
    call("profile", ops, "-o", out, "--rounds", 2)
    content = json.loads(out.read_text())
    for change, differs in (
        ({"core": "other"}, "core other, "),
        ({"threads": 2}, ", threads 2; "),
        ({"isa": "avx2"}, ", threads 1, avx2 alone; "),
        ({"machine": {"name": "pi4"}}, " is of pi4, core "),
    ):
        out.write_text(json.dumps({**content, **change}))
        said = call("profile", ops, "-o", out)
        assert said.returncode == 2
        assert differs in said.stderr
        assert "name another file, or delete that one" in said.stderr


def test_of_all_passes_the_fastest_counts() -> None:
    op = GlobalPool(height=4, width=4, channels=8)
    made = profile.empty(ASKED)
    every = [entry for entries in profile.measure([op], ASKED) for entry in entries]
    made = made.with_entries(every[:1]).with_entries(every[1:])
    assert made.time_ns(op) == min(entry.timing.median_ns for entry in every)
    assert len(every) == profile.PASSES
    with pytest.raises(KeyError, match="the profile has no GlobalPool"):
        made.time_ns(GlobalPool(height=5, width=4, channels=8))


@pytest.mark.parametrize(("threads", "budgets"), [(1, [10, 4, -2]), (2, [0, 0, 0])])
def test_all_groups_together_wait_so_long_for_others_to_leave_the_core(
    threads: int, budgets: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []

    def waited(seconds: float, *within: timing.Clock) -> float:
        if within:  # the rounds of a measurement ask too, with its clock
            return 0.0
        asked.append(seconds)
        return 6.0 if seconds > 0 else 0.0

    monkeypatch.setattr(profile, "PATIENCE_S", 10.0)
    monkeypatch.setattr(timing, "waited", waited)
    op = GlobalPool(height=4, width=4, channels=8)
    assert len(list(profile.measure([op], replace(ASKED, threads=threads)))) == profile.PASSES
    assert asked == budgets


def test_a_saved_profile_is_the_profile(tmp_path: Path) -> None:
    op = GlobalPool(height=4, width=4, channels=8)
    took = Timing(130.0, 7.0, 123.0, rounds=5, disturbed=0.25, crowded=0.5)
    made = profile.empty(ASKED).with_entries([Entry(op, "amx", took)])
    file = tmp_path / "p.json"
    profile.save(made, file)
    assert profile.load(file) == made
    stopped = replace(made, part=Part((op,), 2))
    profile.save(stopped, file)
    assert profile.load(file) == stopped
    content = json.loads(file.read_text())
    del content["entries"][0]["crowded"]  # as files of an earlier version are
    file.write_text(json.dumps(content))
    assert profile.load(file).entries[op].timing == replace(took, crowded=0.0)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "is no profile: it is not JSON"),
        pytest.param("[" * 200_000, "is no profile: it is not JSON .*too deeply", id="deep"),
        ("[]", "is no profile: it does not say"),
        ('{"format": "binary-nas profile 2"}', "is no profile: it does not say"),
        ('{"format": "binary-nas profile 1"}', "is no whole profile: KeyError"),
        (NO_PART, "is no whole profile: .*a part is 0 groups of 0 ops"),
    ],
)
def test_another_file_is_refused_by_name(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "p.json"
    file.write_text(text)
    with pytest.raises(ValueError, match=f"{file} {says}"):
        profile.load(file)


def test_a_case_is_the_op_and_nothing_else() -> None:
    op = BinaryConv(height=6, width=5, channels=24, filters=16, padding=1)
    timed = case(GlobalPool(height=4, width=4, channels=8), None)
    assert len(timed.runs(3)) == 3
    with pytest.raises(ValueError, match="raw dot products"):
        case(op, choices(op)[0]).runs(1)
