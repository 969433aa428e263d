"""What candidates scored, a line for each, never lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from nas.study.records import Records, read
from nas.study.trial import Asked, Scored, Trial


def asked(number: int) -> Asked:
    return Asked(number=number, batch=number // 2, key=f"k{number}", arch="a", genome=(number, 1))


def filled(path: Path, *numbers: int) -> bytes:
    records = Records(path)
    for number in numbers:
        records.add(asked(number), Scored(values={"error": number / 8}, loss=1.0))
    return path.read_bytes()


def test_records_are_read_as_they_were_added_in_order_of_numbers(tmp_path: Path) -> None:
    path = tmp_path / "scores"
    filled(path, 2, 0, 1)
    records = Records(path)
    assert len(records) == 3
    assert [t.asked for t in records.trials] == [asked(0), asked(1), asked(2)]
    found = records.find("k2")
    assert found == Trial(asked(2), Scored(values={"error": 0.25}, loss=1.0))
    assert records.find("k3") is None
    assert [*records.by_key] == ["k2", "k0", "k1"]


def test_a_file_that_ends_anywhere_keeps_its_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "scores"
    whole = filled(path, 0, 1, 2)
    for length in range(len(whole) + 1):
        path.write_bytes(whole[:length])
        records = Records(path)
        lines = whole[:length].count(b"\n")
        assert [t.asked.number for t in records.trials] == [*range(lines)]
        assert path.read_bytes() == b"".join(whole.splitlines(keepends=True)[:lines])


def test_who_only_reads_changes_nothing(tmp_path: Path) -> None:
    """Another process may be writing the last line."""
    path = tmp_path / "scores"
    whole = filled(path, 1, 0)
    path.write_bytes(whole[:-5])
    assert [t.asked.number for t in read(path)] == [1]
    assert path.read_bytes() == whole[:-5]
    assert read(tmp_path / "nowhere") == []


def test_what_follows_a_torn_line_is_a_line_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "scores"
    whole = filled(path, 0, 1)
    path.write_bytes(whole[:-5])
    filled(path, 1)
    assert path.read_bytes() == whole


@pytest.mark.parametrize("damage", [b"x", b"5", b"null", b"{}", b'{"asked": 5}', b"\xff", b"\0"])
def test_damage_is_an_error_that_names_the_line(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "scores"
    first, _, last = filled(path, 0, 1, 2).splitlines(keepends=True)
    path.write_bytes(first + damage + b"\n" + last)
    with pytest.raises(ValueError, match="scores: line 2 is damaged"):
        Records(path)
    assert path.read_bytes() == first + damage + b"\n" + last


def test_a_failed_one_is_kept_with_its_note(tmp_path: Path) -> None:
    Records(tmp_path / "scores").add(asked(0), Scored(values={}, note='said "no"\nand died'))
    (trial,) = Records(tmp_path / "scores").trials
    assert trial.scored.note == 'said "no"\nand died'
    assert trial.status({}) == "failed"
