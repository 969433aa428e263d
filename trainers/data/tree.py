"""Folders and files by name, on disk or in a .zip: one way to list and to read them.

Names are relative, with slashes, and come sorted. What is hidden (`.name`, `__MACOSX`) is left out.
"""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol


class Tree(Protocol):
    def folders(self, folder: str) -> list[str]:
        """The names of the folders in a folder; none where there is no such folder."""
        ...

    def files(self, folder: str) -> list[str]:
        """All files in and below a folder, by their names from the top."""
        ...

    def checksum(self, file: str) -> str:
        """Of all that is in a file: its length and CRC-32, as a .zip has them of each."""
        ...

    def read(self, file: str) -> bytes: ...

    def place(self, file: str) -> str:
        """The name of a file as an error should say it."""
        ...


def open_tree(folder: Path) -> Tree:
    """A folder; a .zip; or a folder in which lies one .zip and no train/."""
    if not folder.exists():
        raise FileNotFoundError(f"{folder}: no such folder or .zip")
    if folder.is_file():
        return _archive(folder)
    zips = sorted(folder.glob("*.zip"))
    if len(zips) == 1 and not (folder / "train").is_dir():
        return _archive(zips[0])
    return OnDisk(folder)


@dataclass(frozen=True, slots=True)
class OnDisk:
    root: Path

    def folders(self, folder: str) -> list[str]:
        at = self.root / folder
        if not at.is_dir():
            return []
        return sorted(p.name for p in at.iterdir() if p.is_dir() and _shown(p.name))

    def files(self, folder: str) -> list[str]:
        found = []
        for here, folders, names in os.walk(self.root / folder):
            folders[:] = filter(_shown, folders)
            at = Path(here).relative_to(self.root)
            found += [(at / name).as_posix() for name in names if _shown(name)]
        return sorted(found)

    def checksum(self, file: str) -> str:
        data = self.read(file)
        return _checksum(len(data), zlib.crc32(data))

    def read(self, file: str) -> bytes:
        return (self.root / file).read_bytes()

    def place(self, file: str) -> str:
        return str(self.root / file)

    def __str__(self) -> str:
        return str(self.root)


@dataclass(frozen=True, slots=True, eq=False)
class Archive:
    """`top`: the folder in the archive that holds train/, with its slash; often none."""

    zip: Path
    top: str
    checksums: Mapping[str, str]
    modified: int

    def folders(self, folder: str) -> list[str]:
        start = f"{folder}/"
        below = (name[len(start) :] for name in self.checksums if name.startswith(start))
        return sorted({rest.split("/")[0] for rest in below if "/" in rest})

    def files(self, folder: str) -> list[str]:
        return sorted(name for name in self.checksums if name.startswith(f"{folder}/"))

    def checksum(self, file: str) -> str:
        return self.checksums[file]

    def read(self, file: str) -> bytes:
        try:
            return _handle(self.zip, self.modified, os.getpid()).read(self.top + file)
        except (FileNotFoundError, PermissionError):
            raise
        except Exception as error:  # torn, encrypted, packed in an unknown way: many kinds
            raise ValueError(f"{self.place(file)}: cannot be unpacked: {error}") from error

    def place(self, file: str) -> str:
        return f"{self.zip}: {self.top}{file}"

    def __str__(self) -> str:
        return str(self.zip)


def _archive(file: Path) -> Archive:
    modified = file.stat().st_mtime_ns
    try:
        infos = _handle(file, modified, os.getpid()).infolist()
    except zipfile.BadZipFile as error:
        raise ValueError(f"{file}: not a whole .zip: {error}") from error
    checksums = {
        info.filename: _checksum(info.file_size, info.CRC)
        for info in infos
        if not info.is_dir() and all(map(_shown, info.filename.split("/")))
    }
    heads = [f"/{name}".partition("/train/") for name in checksums]
    top = min((f"{head}/"[1:] for head, found, _ in heads if found), key=len, default="")
    inside = {n.removeprefix(top): c for n, c in checksums.items() if n.startswith(top)}
    return Archive(file, top, inside, modified)


@lru_cache(maxsize=8)
def _handle(file: Path, modified: int, process: int) -> zipfile.ZipFile:
    """An open archive. Threads may share one; forked processes would share its position."""
    return zipfile.ZipFile(file)


def _checksum(length: int, crc: int) -> str:
    return f"{length} {crc:08x}"


def _shown(name: str) -> bool:
    return not name.startswith(".") and name != "__MACOSX"
