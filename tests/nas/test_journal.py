"""A journal is whole batches, whatever happens to the process that writes it."""

from __future__ import annotations

import json
import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from nas.study.journal import MARK, Journal, append, repaired

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


def log(n: int) -> dict[str, Any]:
    return {"op_code": 5, "worker_id": "w", "n": n}


def mark(batch: int) -> dict[str, Any]:
    return {"op_code": 2, "worker_id": "w", "study_id": 0, "user_attr": {MARK: batch}}


def written(path: Path, batches: int = 3) -> list[bytes]:
    """The lines of a journal of so many batches, of 3 lines each."""
    journal = Journal(path)
    for batch in range(batches):
        journal.append_logs([log(2 * batch), log(2 * batch + 1)])
        journal.append_logs([mark(batch + 1)])
        journal.flush()
    return path.read_bytes().splitlines(keepends=True)


def test_nothing_is_on_the_disk_before_it_is_flushed(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal = Journal(path)
    journal.append_logs([log(0), mark(1)])
    assert not path.exists()
    assert [*journal.read_logs(0)] == [log(0), mark(1)]
    journal.flush()
    assert [json.loads(line) for line in path.read_text().splitlines()] == [log(0), mark(1)]
    journal.flush()
    assert len(path.read_text().splitlines()) == 2


def test_who_reads_a_log_cannot_change_it(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    journal.append_logs([log(0)])
    next(journal.read_logs(0))["n"] = 99
    assert next(journal.read_logs(0)) == log(0)
    assert [*journal.read_logs(1)] == []


def test_a_journal_that_ends_anywhere_is_cut_to_whole_batches(tmp_path: Path) -> None:
    """Every length that a file may have which was being appended to."""
    path = tmp_path / "journal"
    whole = b"".join(written(path))
    for length in range(len(whole) + 1):
        path.write_bytes(whole[:length])
        lines = repaired(path)
        kept = path.read_bytes()
        assert kept == "".join(line + "\n" for line in lines).encode()
        assert whole.startswith(kept)
        assert len(lines) % 3 == 0
        batches = sum(whole[:length].count(b"\n") >= 3 * n for n in (1, 2, 3))
        assert len(lines) == 3 * batches


def test_a_journal_is_gone_on_with_where_it_was_cut(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    whole = b"".join(written(path))
    path.write_bytes(whole[:-7])
    journal = Journal(path)
    journal.append_logs([log(4), log(5), mark(3)])
    journal.flush()
    assert path.read_bytes() == whole


@pytest.mark.parametrize(
    "damage", [b"", b"\n", b"x\n", b"5\n", b"[]\n", b"\0\0\0\n", b"\xff\n", b'{"a":\n', b"{}\r{}\n"]
)
@pytest.mark.parametrize("n", [0, 1, 4])
def test_damage_that_whole_batches_follow_is_an_error_and_nothing_is_cut(
    tmp_path: Path, damage: bytes, n: int
) -> None:
    path = tmp_path / "journal"
    lines = written(path)
    lines[n] = damage or lines[n][:-1]  # half of a line, or two lines in one
    path.write_bytes(b"".join(lines))
    before = path.read_bytes()
    with pytest.raises(
        ValueError, match=f"journal: line {n + 1} is damaged, and whole ones follow"
    ):
        repaired(path)
    assert path.read_bytes() == before


def test_a_damaged_last_batch_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    lines = written(path)
    for rest in ([b"x\n"], [lines[6], b"5\n"], [*lines[6:8], b"{}\n"], [*lines[6:8], b"\0\n"]):
        path.write_bytes(b"".join([*lines[:6], *rest]))
        assert len(repaired(path)) == 6
        assert path.read_bytes() == b"".join(lines[:6])


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """As on a disk that is full: no file grows beyond so many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("more", [0, 1, 40])
def test_what_does_not_fit_is_not_written_at_all_and_can_be_written_later(
    tmp_path: Path, more: int
) -> None:
    path = tmp_path / "journal"
    whole = b"".join(written(path))
    journal = Journal(path)
    journal.append_logs([log(6), mark(4)])
    with room_for(len(whole) + more), pytest.raises(OSError, match="File too large"):
        journal.flush()
    assert path.read_bytes() == whole
    journal.flush()
    assert [json.loads(line) for line in path.read_bytes().splitlines()[-2:]] == [log(6), mark(4)]


def append_many(path: Path, line: bytes) -> None:
    for _ in range(100):
        append(path, line)


def test_a_full_disk_is_an_error_and_leaves_what_was_there(tmp_path: Path) -> None:
    """A small file system of its own, which takes root."""
    mounted = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)]
    if os.getuid() != 0 or subprocess.run(mounted, capture_output=True).returncode != 0:
        pytest.skip("a file system cannot be mounted here")
    try:
        path, line = tmp_path / "lines", b"x" * 999 + b"\n"
        with pytest.raises(OSError, match=r"No space left.*lines"):
            append_many(path, line)
        assert path.stat().st_size % 1000 == 0
        assert 50_000 < path.stat().st_size <= 65_536
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_optuna_reads_it_as_a_file_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal = Journal(path)
    study = optuna.create_study(
        study_name="search", storage=JournalStorage(journal), directions=["minimize"] * 2
    )
    for n in range(5):
        trial = study.ask()
        x = trial.suggest_categorical("x", ["a", "b", 3])
        trial.set_user_attr("key", f"{n}{x}")
        study.tell(trial, [n, -n])
    study.set_user_attr(MARK, 1)
    journal.flush()
    for backend in (JournalFileBackend(str(path)), Journal(path)):
        again = optuna.load_study(study_name="search", storage=JournalStorage(backend))
        assert [(t.params, t.values, t.user_attrs) for t in again.get_trials()] == [
            (t.params, t.values, t.user_attrs) for t in study.get_trials()
        ]
        assert again.user_attrs == {MARK: 1}
