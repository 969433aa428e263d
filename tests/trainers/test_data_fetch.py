"""Fetching, against a server of our own: what arrives is whole and right, or it is not there."""

from __future__ import annotations

import gzip
import hashlib
import io
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from trainers.data.__main__ import main
from trainers.data.fetch import bring, fetch
from trainers.data.official import OFFICIAL, Remote
from trainers.data.sets import load, load_test

CONTENT = bytes(range(256)) * 4000  # several pieces of the size that is read at once


@dataclass
class Server:
    """What it has, how it misbehaves, and what it was asked: (path, the range asked for)."""

    base: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    ranges: bool = True
    breaks_off_after: int | None = None
    length: int | None = None
    asked: list[tuple[str, str | None]] = field(default_factory=list)


def handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name, wanted = self.path.rsplit("/", 1)[-1], self.headers.get("Range")
            server.asked.append((name, wanted))
            if name not in server.files:
                self.send_error(404)
                return
            data, start = server.files[name], 0
            if wanted and server.ranges:
                start = int(wanted.removeprefix("bytes=").removesuffix("-"))
                if start >= len(data):
                    self.send_error(416)
                    return
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(server.length or len(data) - start))
            self.end_headers()
            self.wfile.write(data[start : server.breaks_off_after])

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    state = Server(files={"x.bin": CONTENT})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler(state)) as http:
        state.base = f"http://127.0.0.1:{http.server_port}/some/place/"
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        yield state
        http.shutdown()
        thread.join()


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


WHOLE = Remote("x.bin", md5(CONTENT))


def test_a_file_arrives_whole_and_nothing_else_is_left(server: Server, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int | None]] = []
    bring(WHOLE, tmp_path, server.base, lambda *told: seen.append(told))
    assert [p.name for p in tmp_path.iterdir()] == ["x.bin"]
    assert (tmp_path / "x.bin").read_bytes() == CONTENT
    assert seen[0] == ("x.bin", 0, len(CONTENT))
    assert seen[-1] == ("x.bin", len(CONTENT), len(CONTENT))
    assert len(seen) > 3


def test_what_is_there_is_not_asked_for_again(server: Server, tmp_path: Path) -> None:
    for _ in range(2):
        bring(WHOLE, tmp_path, server.base)
    assert len(server.asked) == 1


def test_a_torn_download_goes_on_where_it_broke_off(server: Server, tmp_path: Path) -> None:
    server.breaks_off_after = 300_000
    with pytest.raises(ConnectionError, match=r"x\.bin: broke off after 300000 of 1024000 bytes"):
        bring(WHOLE, tmp_path, server.base)
    assert [p.name for p in tmp_path.iterdir()] == ["x.bin.part"]
    server.breaks_off_after = None
    seen: list[int] = []
    bring(WHOLE, tmp_path, server.base, lambda file, done, total: seen.append(done))
    assert server.asked == [("x.bin", None), ("x.bin", "bytes=300000-")]
    assert seen[0] == 300_000
    assert (tmp_path / "x.bin").read_bytes() == CONTENT


def test_it_starts_afresh_where_the_server_cannot_go_on(server: Server, tmp_path: Path) -> None:
    server.ranges = False
    (tmp_path / "x.bin.part").write_bytes(b"something else" * 1000)
    bring(WHOLE, tmp_path, server.base)
    assert (tmp_path / "x.bin").read_bytes() == CONTENT


def test_a_part_that_is_whole_already_is_taken(server: Server, tmp_path: Path) -> None:
    (tmp_path / "x.bin.part").write_bytes(CONTENT)
    bring(WHOLE, tmp_path, server.base)
    assert (tmp_path / "x.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("start", [b"", b"not how it begins", b"x" * 2_000_000])
def test_wrong_content_is_removed_and_the_next_try_succeeds(
    server: Server, tmp_path: Path, start: bytes
) -> None:
    if start:
        (tmp_path / "x.bin.part").write_bytes(start)
    else:
        server.files["x.bin"] = CONTENT[1:]
    with pytest.raises(ValueError, match=f"MD5 {WHOLE.md5} is wanted; got [0-9a-f]{{32}}, which"):
        bring(WHOLE, tmp_path, server.base)
    assert not list(tmp_path.iterdir())
    server.files["x.bin"] = CONTENT
    bring(WHOLE, tmp_path, server.base)


def test_a_file_of_that_name_that_is_another_is_not_overwritten(
    server: Server, tmp_path: Path
) -> None:
    (tmp_path / "x.bin").write_bytes(b"mine")
    with pytest.raises(ValueError, match=r"x\.bin: is not the official file; remove it"):
        bring(WHOLE, tmp_path, server.base)
    assert (tmp_path / "x.bin").read_bytes() == b"mine"


def test_what_the_server_lacks_is_said(server: Server, tmp_path: Path) -> None:
    with pytest.raises(ConnectionError, match=r"/some/place/y\.bin: 404 Not Found"):
        bring(Remote("y.bin", "0"), tmp_path, server.base)


def test_no_server_is_said(server: Server, tmp_path: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler(server)) as closed:
        port = closed.server_port
    with pytest.raises(ConnectionError, match=r"x\.bin: .*refused.*; is there a network\?"):
        bring(WHOLE, tmp_path, f"http://127.0.0.1:{port}/")


def test_more_than_the_disk_holds_is_refused_before_it_comes(
    server: Server, tmp_path: Path
) -> None:
    server.length = 10**18
    with pytest.raises(OSError, match=r"1,000,000,000,000,000,000 bytes are to come and .* free"):
        bring(WHOLE, tmp_path, server.base)


def test_a_disk_that_fills_up_is_said_with_the_file(server: Server, tmp_path: Path) -> None:
    code = f"""
import resource
from pathlib import Path
from trainers.data.fetch import bring
from trainers.data.official import Remote
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
bring(Remote("x.bin", {WHOLE.md5!r}), Path({str(tmp_path)!r}), {server.base!r})
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stderr.endswith(f"File too large: '{tmp_path / 'x.bin.part'}'\n")
    bring(WHOLE, tmp_path, server.base)  # goes on from what was written
    assert server.asked[-1][1] is not None


def tarred(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def archive(server: Server, data: bytes, *holds: str) -> Remote:
    server.files["x.tar.gz"] = data
    return Remote("x.tar.gz", md5(data), holds)


def test_of_an_archive_the_wanted_files_remain(server: Server, tmp_path: Path) -> None:
    data = tarred({"top/a.bin": b"a", "top/b.bin": b"b", "top/readme.html": b"r"})
    bring(archive(server, data, "a.bin", "b.bin"), tmp_path, server.base)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"a.bin": b"a", "b.bin": b"b"}


def test_an_archive_that_was_there_is_unpacked_and_left(server: Server, tmp_path: Path) -> None:
    data = tarred({"top/a.bin": b"a"})
    (tmp_path / "x.tar.gz").write_bytes(data)
    bring(archive(server, data, "a.bin"), tmp_path, server.base)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.bin", "x.tar.gz"]
    assert server.asked == []


def test_nothing_of_an_archive_leaves_its_folder(server: Server, tmp_path: Path) -> None:
    home = tmp_path / "in" / "here"
    home.mkdir(parents=True)
    data = tarred({"../../a.bin": b"a", "/tmp/../b.bin": b"b"})
    bring(archive(server, data, "a.bin", "b.bin"), home, server.base)
    assert sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*.bin")) == [
        "in/here/a.bin",
        "in/here/b.bin",
    ]


def test_a_link_in_an_archive_is_no_file(server: Server, tmp_path: Path) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        link = tarfile.TarInfo("top/a.bin")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
        tar.addfile(link)
    with pytest.raises(ValueError, match=r"x\.tar\.gz: has no a\.bin"):
        bring(archive(server, out.getvalue(), "a.bin"), tmp_path, server.base)


def test_an_archive_that_is_none_leaves_nothing_half_unpacked(
    server: Server, tmp_path: Path
) -> None:
    import random

    noise = random.Random(0).randbytes(100_000)
    torn = tarred({"top/a.bin": b"a", "top/b.bin": noise})[:-50_000]
    for data in (torn, gzip.compress(noise), noise):
        with pytest.raises(ValueError, match=r"x\.tar\.gz: (cannot be unpacked|has no b)"):
            bring(archive(server, data, "a.bin", "b.bin"), tmp_path, server.base)
        assert [p.name for p in tmp_path.iterdir()] == ["x.tar.gz"]
        (tmp_path / "x.tar.gz").unlink()


def test_a_set_is_asked_for_under_the_names_it_has(server: Server, tmp_path: Path) -> None:
    for name, official in OFFICIAL.items():
        assert official.base.startswith("https://")
        for remote in official.files:
            server.files[remote.name] = b"another"
        with pytest.raises(ValueError, match=f"{official.files[0].md5} is wanted; got"):
            fetch(name, tmp_path, server.base)
        assert server.asked[-1][0] == official.files[0].name


def test_a_set_whose_files_are_unpacked_is_left_in_peace(server: Server, tmp_path: Path) -> None:
    (home := tmp_path / "cifar100").mkdir()
    for name in OFFICIAL["cifar100"].files[0].holds:
        (home / name).touch()
    assert fetch("cifar100", tmp_path, server.base) == home
    assert server.asked == []


def test_what_a_fetch_brings_is_what_reading_wants(tmp_path: Path) -> None:
    for name, official in OFFICIAL.items():
        (home := tmp_path / name).mkdir()
        for remote in official.files:
            for file in remote.holds or (remote.name,):
                (home / file).touch()
        for read in (load, load_test):
            with pytest.raises(ValueError, match=str(home)):  # empty files, but none missing
                read(name, tmp_path)


def test_the_command_says_what_can_be_fetched_and_what_went_wrong(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(tmp_path)
    assert main(["fetch", "cifar", "--data-dir", folder]) == 2
    assert "is not one of fashion-mnist, mnist, cifar10, cifar100; did" in capsys.readouterr().err
    assert main(["fetch", "mnist", "--data-dir", folder, "--base", server.base.rstrip("/")]) == 2
    assert "/some/place/train-images-idx3-ubyte.gz: 404 Not Found" in capsys.readouterr().err
    assert main(["fetch", "mnist", "--data-dir", folder, "--base", "nonsense"]) == 2
