"""The fastest kernel: found once, remembered in a file, and never another than the one named."""

from __future__ import annotations

import fcntl
import json
import warnings
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kernels import choice, isas, machine, timing
from kernels.isas import Choice
from kernels.ops import BinaryConv, BinaryLinear, Epilogue
from kernels.timing import Runs, Timing

OP = BinaryConv(height=4, width=4, channels=64, filters=16, padding=1)
EVERY = isas.choices(OP)


def taking(ns: float, disturbed: float = 0.0) -> Timing:
    return Timing(ns, 1.0, ns, rounds=9, disturbed=disturbed)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Choice, ...]]:
    """What was measured, call by call; the last kernel is always the fastest."""
    asked: list[tuple[Choice, ...]] = []

    def measure(things: Mapping[Choice, Runs], *_: Any, **__: Any) -> dict[Choice, Timing]:
        asked.append(tuple(things))
        return {c: taking(1000.0 - place) for place, c in enumerate(things)}

    monkeypatch.setattr(timing, "measure", measure)
    return asked


def test_who_chooses_is_alone_on_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BNN_GATE", str(tmp_path))

    def measure(things: Mapping[Choice, Runs], *_: Any, **__: Any) -> dict[Choice, Timing]:
        for lock in ("gate.lock", "work.lock"):
            with (tmp_path / lock).open() as other, pytest.raises(BlockingIOError):
                fcntl.flock(other, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return dict.fromkeys(things, taking(1.0))

    monkeypatch.setattr(timing, "measure", measure)
    choice.fastest(OP, folder=tmp_path / "kernels")
    with (tmp_path / "work.lock").open() as other:
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_the_fastest_is_measured_once_and_remembered(
    measured: list[tuple[Choice, ...]], tmp_path: Path
) -> None:
    assert choice.fastest(OP, folder=tmp_path) == EVERY[0]
    assert choice.fastest(OP, folder=tmp_path) == EVERY[0]
    assert measured == [EVERY[::-1]]
    (file,) = tmp_path.iterdir()
    assert file.name == f"{machine.here().name}.json"
    assert json.loads(file.read_text())["machine"]["cpu"] == machine.here().cpu


@pytest.mark.parametrize(
    "other",
    [
        {"op": BinaryConv(height=4, width=4, channels=64, filters=16)},
        {
            "op": BinaryConv(
                height=4, width=4, channels=64, filters=16, padding=1, after=Epilogue(signs=1)
            )
        },
        {"batch": 2},
        {"threads": 2},
        {"isa": "portable"},
    ],
    ids=str,
)
def test_another_question_is_measured_anew(
    measured: list[tuple[Choice, ...]], tmp_path: Path, other: dict[str, Any]
) -> None:
    choice.fastest(OP, folder=tmp_path)
    choice.fastest(**{"op": OP, **other}, folder=tmp_path)
    assert len(measured) == 2
    assert len(choice.read(choice.path(tmp_path))) == 2


def test_a_new_build_of_the_core_measures_again(
    measured: list[tuple[Choice, ...]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choice.fastest(OP, folder=tmp_path)
    monkeypatch.setattr(choice.machine, "core", lambda: "another")
    choice.fastest(OP, folder=tmp_path)
    assert len(measured) == 2


def test_a_linear_map_is_the_convolution_it_is(
    measured: list[tuple[Choice, ...]], tmp_path: Path
) -> None:
    linear = BinaryLinear(channels=64, filters=8)
    choice.fastest(linear, folder=tmp_path)
    choice.fastest(linear.as_conv(), folder=tmp_path)
    assert len(measured) == 1


@pytest.mark.parametrize("named", EVERY, ids=str)
def test_a_named_kernel_is_that_one_without_measuring(
    measured: list[tuple[Choice, ...]], tmp_path: Path, named: Choice
) -> None:
    got = choice.fastest(OP, isa=named.isa, variant=named.variant, folder=tmp_path)
    assert got == named
    assert not measured
    assert not any(tmp_path.iterdir())


def test_a_named_instruction_set_is_chosen_within(
    measured: list[tuple[Choice, ...]], tmp_path: Path
) -> None:
    choice.fastest(OP, isa="portable", folder=tmp_path)
    assert {c.isa for among in measured for c in among} == {"portable"}


@pytest.mark.parametrize(
    "names",
    [{"isa": "mmx"}, {"variant": "mmx"}, {"isa": "portable", "variant": "mmx"}],
    ids=str,
)
def test_what_there_is_not_is_an_error_that_lists_what_there_is(names: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"mmx.*can run.*portable"):
        choice.fastest(OP, **names)  # type: ignore[arg-type]


def test_an_instruction_set_the_cpu_lacks_is_never_substituted(lacking: isas.Isa) -> None:
    assert lacking in isas.every()
    assert lacking not in isas.available()
    for row in isas.every():
        if not row.runs_here:
            with pytest.raises(
                ValueError, match=f"cannot run '{row.name}'; it can run: .*portable"
            ):
                choice.fastest(OP, isa=row.name)


def test_a_time_of_a_busy_machine_is_used_and_not_remembered(tmp_path: Path) -> None:
    times = {EVERY[0]: taking(5.0), EVERY[-1]: taking(4.0, disturbed=0.9)}
    assert choice.remember(OP, 1, 1, times, tmp_path) == EVERY[-1]
    assert not any(tmp_path.iterdir())


def test_a_time_on_a_shared_core_is_used_and_not_remembered(tmp_path: Path) -> None:
    times = {EVERY[0]: taking(5.0), EVERY[-1]: replace(taking(4.0), crowded=0.6)}
    assert choice.remember(OP, 1, 1, times, tmp_path) == EVERY[-1]
    assert not any(tmp_path.iterdir())
    times[EVERY[-1]] = replace(taking(4.0), crowded=0.5)
    assert choice.remember(OP, 1, 1, times, tmp_path) == EVERY[-1]
    assert any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("amx", "other", "wanted"),
    [(0.95, 1.0, "avx512"), (0.89, 1.0, "amx"), (1.0, 0.99, "avx512")],
)
def test_a_kernel_that_slows_the_others_of_a_program_has_to_be_much_faster(
    amx: float, other: float, wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = {Choice("amx", "bytes"): amx, Choice("avx512", "words-bands"): other}
    monkeypatch.setattr(choice, "medians", lambda *_, **__: times)
    choice.chosen.cache_clear()
    assert choice.chosen(OP).isa == wanted
    assert choice.fastest(OP).isa == ("amx" if amx < other else "avx512")
    choice.chosen.cache_clear()


@pytest.mark.parametrize(
    "content",
    [
        *("", '{"format": "binary-nas', "[]", "{}", '{"format": "other 1", "kernels": {}}'),
        *("\x00", "\udcff", "[" * 200_000),
    ],
    ids=lambda content: repr(content[:20]),
)
def test_a_torn_or_foreign_file_is_an_error_that_names_it_and_stays(
    tmp_path: Path, content: str, measured: list[tuple[Choice, ...]]
) -> None:
    file = choice.path(tmp_path)
    file.write_text(content, errors="surrogateescape")
    for act in (
        lambda: choice.fastest(OP, folder=tmp_path),
        lambda: choice.remember(OP, 1, 1, {c: taking(1.0) for c in EVERY}, tmp_path),
    ):
        with pytest.raises(ValueError, match=file.name):
            act()
    assert file.read_text(errors="surrogateescape") == content


def test_an_entry_that_is_not_ours_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    file = choice.path(tmp_path)
    file.write_text(json.dumps({"format": choice.FORMAT, "kernels": {"{}": {}}}))
    with pytest.raises(ValueError, match=file.name):
        choice.read(file)


@pytest.mark.parametrize(
    "change",
    [
        {"op": []},
        {"op": {}},
        {"op": {**json.loads(choice._key(OP, 1, 1, EVERY))["op"], "filters": "16"}},
        {"batch": None},
    ],
    ids=str,
)
def test_an_entry_whose_question_is_not_ours_is_an_error_too(
    change: dict[str, Any], tmp_path: Path
) -> None:
    choice.remember(OP, 1, 1, {c: taking(1.0) for c in EVERY}, tmp_path)
    file = choice.path(tmp_path)
    content = json.loads(file.read_text())
    ((key, entry),) = content["kernels"].items()
    content["kernels"] = {json.dumps({**json.loads(key), **change}): entry}
    file.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=f"{file.name}.*not as we write it"):
        choice.read(file)


def test_an_entry_without_the_time_of_a_kernel_is_an_error_too(tmp_path: Path) -> None:
    choice.remember(OP, 1, 1, {c: taking(1.0) for c in EVERY}, tmp_path)
    file = choice.path(tmp_path)
    content = json.loads(file.read_text())
    (entry,) = content["kernels"].values()
    del entry["times"][str(EVERY[0])]
    file.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=str(EVERY[0])):
        choice.fastest(OP, folder=tmp_path)


def test_an_entry_whose_kernel_was_not_measured_is_an_error_too(tmp_path: Path) -> None:
    choice.remember(OP, 1, 1, {c: taking(1.0) for c in EVERY}, tmp_path)
    file = choice.path(tmp_path)
    content = json.loads(file.read_text())
    (entry,) = content["kernels"].values()
    entry["isa"] = "mmx"
    file.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="mmx"):
        choice.read(file)


def test_a_writer_keeps_what_others_wrote_meanwhile_and_leaves_nothing_beside(
    tmp_path: Path,
) -> None:
    def write(batch: int) -> None:
        choice.remember(OP, batch, 1, {c: taking(1.0) for c in EVERY}, tmp_path)

    write(1)
    write(2)
    assert {found.batch for found in choice.read(choice.path(tmp_path)).values()} == {1, 2}
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(3, 30)))
    assert choice.read(choice.path(tmp_path))  # whole, whoever came last
    assert [file.suffix for file in tmp_path.iterdir()] == [".json"]


def test_choices_of_the_last_builds_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = {Choice("portable", "words-rows"): Timing(9.0, 1.0, 9.0, rounds=9, disturbed=0.0)}

    def chose(build: str) -> set[str]:
        monkeypatch.setattr(choice.machine, "core", lambda: build)
        choice.remember(OP, 1, 1, times, tmp_path)
        return {found.core for found in choice.read(choice.path(tmp_path)).values()}

    assert choice.BUILDS == 4
    for build in ("a", "b", "c", "d"):
        every = chose(build)
    assert every == {"a", "b", "c", "d"}
    assert chose("a") == {"a", "b", "c", "d"}
    assert chose("e") == {"a", "c", "d", "e"}


def test_a_file_is_parsed_once_until_it_changes(tmp_path: Path) -> None:
    times = {Choice("portable", "words-rows"): Timing(9.0, 1.0, 9.0, rounds=9, disturbed=0.0)}
    file = choice.path(tmp_path)
    for batch in (1, 2):
        choice.remember(OP, batch, 1, times, tmp_path)
        before = choice._parsed.cache_info().misses
        for _ in range(3):
            assert len(choice.read(file)) == batch
        assert choice._parsed.cache_info().misses == before + 1


@pytest.mark.parametrize("closed", ["folder", "file", "path"])
def test_without_a_place_to_remember_it_the_kernel_is_found_all_the_same(
    measured: list[tuple[Choice, ...]], tmp_path: Path, closed: str
) -> None:
    folder = tmp_path / "kernels"
    if closed == "path":
        folder.write_text("a file where a folder is wanted")
    elif closed == "folder":
        folder.symlink_to("/proc/kernels")  # where nobody may make one, whoever asks
    else:
        choice.path(folder).mkdir(parents=True)
    with pytest.warns(UserWarning, match=r"measured anew each time: .* cannot be kept \("):
        assert choice.fastest(OP, folder=folder) == EVERY[0]
    assert len(measured) == 1


def test_that_nothing_is_remembered_is_said_once(tmp_path: Path) -> None:
    (tmp_path / "kernels").write_text("")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("default")  # as outside of tests
        for batch in (1, 2, 3):
            choice.remember(OP, batch, 1, {c: taking(1.0) for c in EVERY}, tmp_path / "kernels")
    assert len(said) == 1


def test_the_folder_is_the_users_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert choice.path().parent == tmp_path / "binary-nas" / "kernels"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert choice.path().parent == tmp_path / ".cache" / "binary-nas" / "kernels"


def test_it_really_measures(tmp_path: Path) -> None:
    assert choice.fastest(OP, folder=tmp_path) in EVERY


def test_a_kernel_is_known_once_it_was_measured_or_where_it_is_the_only_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    op = BinaryLinear(channels=64, filters=16)
    among = choice.candidates(op.as_conv())
    assert choice.known(op) == (len(among) == 1)
    times = {kernel: Timing(9.0, 0.1, 8.9, rounds=9, disturbed=0.0) for kernel in among}
    choice.remember(op, 1, 1, times)
    assert choice.known(op)
    assert choice.known(op, threads=2) == (len(among) == 1)
    monkeypatch.setattr(choice, "candidates", lambda op: among[:1])
    assert choice.known(op, threads=2)


def test_a_process_waits_so_long_for_all_kernels_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where others never leave the core, hundreds of ops would each wait a while."""
    asked: list[float] = []
    monkeypatch.setattr(choice.patience, "left", 1.5 * choice.PATIENCE_S)
    monkeypatch.setattr(choice.timing, "waited", lambda s, *_: asked.append(s) or s)
    for filters in (8, 16, 24):
        op = BinaryLinear(channels=64, filters=filters)
        among = choice.candidates(op.as_conv())
        if len(among) == 1:
            pytest.skip("there is one kernel here")
        choice.medians(op, among, folder=tmp_path)
    assert [s for s in asked if s] == [choice.PATIENCE_S, 0.5 * choice.PATIENCE_S]
    assert choice.patience.left == 0
