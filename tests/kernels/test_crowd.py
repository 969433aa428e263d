"""Others on the core are told from a quiet one, also by a process that was never alone."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from kernels import crowd, machine
from kernels.crowd import Core


def answers(file: Path | None, looks: Iterable[float]) -> list[bool]:
    """Of a process that sees this."""
    every = [*looks]
    seen = iter(every)
    core = Core(lambda: next(seen), None if file is None else lambda: file)
    return [core.crowded() for _ in every]


def test_others_are_seen_beside_what_a_quiet_moment_shows() -> None:
    looks = [1.0] * 50 + [0.2] + [1.05, 1.2] * 10  # one of them wrong
    assert answers(None, looks) == [False] * 51 + [False, True] * 10


def test_a_process_that_was_never_alone_knows_it_from_one_before(tmp_path: Path) -> None:
    file = tmp_path / "new" / "quiet"
    assert not any(answers(None, [1.8] * 30)), "it has nothing to compare with"
    assert not any(answers(file, [1.0] * crowd.SURE))
    assert all(answers(file, [1.8] * 30))
    assert answers(file, [1.05, 1.2]) == [False, True]


def test_what_was_seen_now_and_then_is_not_remembered(tmp_path: Path) -> None:
    file = tmp_path / "quiet"
    answers(file, [0.5] * (crowd.SURE - 1))
    assert not file.exists()


def test_a_quieter_core_takes_the_place_of_the_one_remembered(tmp_path: Path) -> None:
    file = tmp_path / "quiet"
    assert not any(answers(file, [1.8] * crowd.SURE))  # a crowded one, and the first
    assert answers(file, [1.0] * crowd.SURE + [1.8]) == [False] * crowd.SURE + [True]
    assert all(answers(file, [1.8] * 3))


def test_what_no_look_is_like_any_more_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crowd, "MANY", 50)
    file = tmp_path / "quiet"
    answers(file, [0.5] * crowd.SURE)
    assert answers(file, [1.0] * 60) == [True] * 49 + [False] * 11
    assert not any(answers(file, [1.0] * 3))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"core": "another", "quiet": -99}'])
def test_another_build_or_a_torn_file_says_nothing(tmp_path: Path, text: str) -> None:
    file = tmp_path / "quiet"
    file.write_text(text)
    assert not any(answers(file, [1.0] * crowd.SURE))
    assert json.loads(file.read_text()) == {"core": machine.core(), "quiet": 0}


def test_where_nothing_can_be_kept_it_goes_on(tmp_path: Path) -> None:
    file = tmp_path / "file" / "quiet"
    file.parent.touch()
    assert not any(answers(file, [1.0] * 30))


def test_a_user_without_a_home_has_a_place(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", nobody)
    assert machine.cache().parent.is_dir()
