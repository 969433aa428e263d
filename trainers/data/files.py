"""Where the files of a data set lie, and what is said when they do not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from trainers.data.official import OFFICIAL


def home(name: str, folder: Path | None) -> Path:
    """The files of a data set lie in a folder of its name in the one given, or in that itself."""
    if folder is None:
        raise ValueError(
            f"{name} is read from files: name the folder they are in, --data-dir DIR"
            + _how_to_fetch(name, Path("DIR"))
        )
    if not folder.exists():
        raise FileNotFoundError(f"{folder}: no such folder{_how_to_fetch(name, folder)}")
    own = folder / name
    return own if own.is_dir() else folder


def missing(name: str, folder: Path, files: Sequence[str]) -> FileNotFoundError:
    what = ", ".join(files)
    at = folder.parent if folder.name == name else folder
    return FileNotFoundError(f"{name} wants {what} in {folder}{_how_to_fetch(name, at)}")


def _how_to_fetch(name: str, folder: Path) -> str:
    if name not in OFFICIAL:
        return ""
    return f"; to fetch it: python -m trainers.data fetch {name} --data-dir {folder}"
