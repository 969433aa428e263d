"""Files that are whole or not there: written beside, then renamed."""

from __future__ import annotations

import os
from pathlib import Path


def replace(path: Path, text: str) -> None:
    """Write the text beside `path` and rename it there; who reads meanwhile sees old or new."""
    replace_bytes(path, text.encode("utf-8"))


def replace_bytes(path: Path, data: bytes) -> None:
    """The same for bytes. A link stays: what it points to is replaced.

    Errors name the file: a full disk names none.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    there = Path(os.path.realpath(path))
    if there.exists() and not there.is_file():  # a device, which is not to be replaced
        there.write_bytes(data)
        return
    beside = there.with_name(f".{there.name[:50]}.{os.urandom(8).hex()}.new")
    try:
        with beside.open("xb") as file:
            file.write(data)
        beside.replace(there)
    except BaseException as error:
        beside.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
