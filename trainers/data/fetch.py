"""Brings the official files of a data set. What is there already is kept, what is torn goes on.

A file is written beside (NAME.part), checked against its published MD5 and renamed: a file under
its own name is whole.
"""

from __future__ import annotations

import errno
import hashlib
import shutil
import tarfile
import tempfile
from collections.abc import Callable
from http.client import HTTPException, HTTPResponse
from pathlib import Path, PurePosixPath
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from search_spaces.names import unknown
from trainers.data.official import OFFICIAL, Remote

CHUNK = 1 << 18
PATIENCE_S = 30
Report = Callable[[str, int, int | None], None]  # a file, bytes so far, bytes in all if known


def fetch(name: str, folder: Path, base: str | None = None, report: Report | None = None) -> Path:
    """Bring what is missing of a data set into `folder`/`name`, and say where that is.

    `base`: the address to ask instead of the official one, for a mirror.
    """
    if name not in OFFICIAL:
        raise unknown("a data set that can be fetched:", name, OFFICIAL)
    official = OFFICIAL[name]
    home = folder / name
    home.mkdir(parents=True, exist_ok=True)
    for remote in official.files:
        if remote.holds and all((home / file).exists() for file in remote.holds):
            continue
        bring(remote, home, (base or official.base).rstrip("/") + "/", report)
    return home


def bring(remote: Remote, home: Path, base: str, report: Report | None = None) -> None:
    target = home / remote.name
    found = target.exists()
    if found:
        if _md5(target) != remote.md5:
            raise ValueError(f"{target}: is not the official file; remove it to fetch that")
    else:
        part = target.with_name(f"{target.name}.part")
        _download(base + remote.name, part, report or _nothing)
        came = _md5(part)
        if came != remote.md5:
            part.unlink()
            raise ValueError(
                f"{base}{remote.name}: MD5 {remote.md5} is wanted; "
                f"got {came}, which is removed: fetch again"
            )
        part.replace(target)
    if remote.holds:
        _unpack(target, remote.holds)
        if not found:  # an archive that somebody put there is theirs
            target.unlink()


def _download(url: str, part: Path, report: Report) -> None:
    """Go on where `part` ends, or start afresh where the server cannot."""
    have = part.stat().st_size if part.exists() else 0
    try:
        with _answer(url, have) as answer, part.open("ab") as file:
            if have and answer.status != 206:
                have = 0
                file.truncate(0)
            length = answer.headers.get("Content-Length")
            total = have + int(length) if length else None
            _has_room(part, total and total - have)
            report(part.stem, have, total)
            while piece := answer.read(CHUNK):
                file.write(piece)
                have += len(piece)
                report(part.stem, have, total)
    except HTTPError as error:
        if error.code == 416:  # nothing behind what we have: whole, or not of this file
            return
        raise ConnectionError(f"{url}: {error.code} {error.reason}") from error
    except (URLError, TimeoutError, ConnectionError, HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise ConnectionError(f"{url}: {reason}; is there a network?") from error
    except OSError as error:
        if error.filename is None:
            error.filename = str(part)
        raise
    if total is not None and have != total:
        raise ConnectionError(f"{url}: broke off after {have} of {total} bytes; fetch again")


def _answer(url: str, have: int) -> HTTPResponse:
    headers = {"Range": f"bytes={have}-"} if have else {}
    answer: HTTPResponse = urlopen(Request(url, headers=headers), timeout=PATIENCE_S)
    return answer


def _has_room(part: Path, wanted: int | None) -> None:
    free = shutil.disk_usage(part.parent).free
    if wanted and wanted > free:
        raise OSError(
            errno.ENOSPC, f"{wanted:,} bytes are to come and {free:,} are free", str(part)
        )


def _unpack(archive: Path, wanted: tuple[str, ...]) -> None:
    """The wanted files, whatever folder of the archive they are in, beside it."""
    try:
        with (
            tarfile.open(archive) as tar,
            tempfile.TemporaryDirectory(dir=archive.parent, prefix=".") as beside,
        ):
            members = {PurePosixPath(m.name).name: m for m in tar if m.isreg()}
            absent = [name for name in wanted if name not in members]
            if absent:
                raise ValueError(f"{archive}: has no {', '.join(absent)}")
            for name in wanted:
                tar.extract(members[name].replace(name=name), beside, filter="data")
            for name in wanted:
                (Path(beside) / name).replace(archive.parent / name)
    except (tarfile.TarError, EOFError) as error:
        raise ValueError(f"{archive}: cannot be unpacked: {error}") from error


def _md5(file: Path) -> str:
    with file.open("rb") as open_file:
        return hashlib.file_digest(
            open_file, lambda: hashlib.md5(usedforsecurity=False)
        ).hexdigest()


def _nothing(file: str, done: int, total: int | None) -> None:
    pass
