"""A file is replaced whole, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from kernels import files


def test_text_and_bytes_arrive_as_they_are(tmp_path: Path) -> None:
    files.replace(tmp_path / "new" / "a.txt", "ä\r\n")
    files.replace_bytes(tmp_path / "b", b"\r\n\xff")
    assert (tmp_path / "new" / "a.txt").read_bytes() == "ä\r\n".encode()
    assert (tmp_path / "b").read_bytes() == b"\r\n\xff"
    assert (tmp_path / "b").stat().st_mode & 0o777 == 0o644


def test_what_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with pytest.raises(TypeError):
        files.replace_bytes(path, "no bytes")  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_one_who_reads_has_the_old_file_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with path.open("rb") as file:
        files.replace_bytes(path, b"new and longer")
        assert file.read() == b"old"
    assert path.read_bytes() == b"new and longer"
