"""A file is replaced whole, or not at all."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kernels import files


def test_text_and_bytes_arrive_as_they_are(tmp_path: Path) -> None:
    files.replace(tmp_path / "new" / "a.txt", "ä\r\n")
    files.replace_bytes(tmp_path / "b", b"\r\n\xff")
    assert (tmp_path / "new" / "a.txt").read_bytes() == "ä\r\n".encode()
    assert (tmp_path / "b").read_bytes() == b"\r\n\xff"


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_who_may_read_it_is_as_of_any_new_file(umask: int, mode: int, tmp_path: Path) -> None:
    before = os.umask(umask)
    try:
        files.replace_bytes(tmp_path / "a", b"")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == mode


def test_a_link_stays_and_what_it_points_to_is_replaced(tmp_path: Path) -> None:
    there, link = tmp_path / "there" / "a", tmp_path / "link"
    there.parent.mkdir()
    link.symlink_to(there)
    for text in ("new", "newer"):
        files.replace(link, text)
        assert link.is_symlink()
        assert there.read_text() == text
    assert sorted(tmp_path.iterdir()) == [link, there.parent]
    assert list(there.parent.iterdir()) == [there]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_what_is_no_file_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as reader:
        read = reader.submit(pipe.read_bytes)
        files.replace(pipe, "through")
        assert read.result(timeout=20) == b"through"
    assert pipe.is_fifo()


def test_a_name_may_be_as_long_as_the_disk_allows(tmp_path: Path) -> None:
    most = os.pathconf(tmp_path, "PC_NAME_MAX")
    path = tmp_path / ("😀" * (most // 4) + "n" * (most % 4))
    files.replace(path, "long")
    assert path.read_text() == "long"


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
