"""Files of packed networks, taken apart and put together without the code that is tested."""

from __future__ import annotations

import hashlib
import json
import re
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kernels import model
from kernels.model import About, ModelError

ABOUT = About(
    arch="resnet8 | 3x2 mean",
    key="0123456789ab",
    labels=("Katze", "ねこ", "chat"),
    made_by="binary-nas 0.1.0",
    accuracy=0.912,
    data="digits test",
    created="2026-11-21T10:00:00+00:00",
)


def take_apart(file: bytes) -> tuple[dict[str, Any], dict[str, Any], bytes]:
    """The entries of the tensors, what the metadata tells, and the data."""
    end = 8 + int.from_bytes(file[:8], "little")
    entries = json.loads(file[8:end])
    told = json.loads(entries.pop("__metadata__")["bnn"])
    return entries, told, file[end:]


def put_together(entries: Any, told: Any, data: bytes) -> bytes:
    text = told if isinstance(told, str) else json.dumps(told, separators=(",", ":"))
    whole = {**entries, "__metadata__": {"bnn": text}}
    return sealed(json.dumps(whole, separators=(",", ":")).encode(), data)


def sealed(header: bytes, data: bytes) -> bytes:
    """With both checksums set right, wherever the header still has a place for them."""
    header += b" " * (-(8 + len(header)) % 64)
    header = _summed(header, b"data", hashlib.sha256(data).hexdigest().encode())
    blank = len(header).to_bytes(8, "little") + _summed(header, b"header", b"0" * 64)
    own = hashlib.sha256(blank).hexdigest().encode()
    return blank[:8] + _summed(blank[8:], b"header", own) + data


def _summed(header: bytes, name: bytes, digits: bytes) -> bytes:
    place = rb'(\\"' + name + rb'\\":\\")[0-9a-f]{64}'
    return re.sub(place, lambda found: found[1] + digits, header)


def resealed(file: bytes) -> bytes:
    """What was done to header and data stays; the checksums are made to agree with it."""
    end = 8 + int.from_bytes(file[:8], "little")
    return sealed(file[8:end], file[end:])


def shortened(file: bytes) -> Iterator[bytes]:
    entries, _, data = take_apart(file)
    begin = len(file) - len(data)
    edges = {0, 8, begin, len(file)} | {
        begin + offset for entry in entries.values() for offset in entry["data_offsets"]
    }
    cuts = set(range(0, len(file), 97)) | {edge + by for edge in edges for by in (-1, 0, 1)}
    yield from (file[:cut] for cut in sorted(cuts) if 0 <= cut < len(file))
    yield file + b"\0"


def begin_of_data(file: bytes) -> int:
    return 8 + int.from_bytes(file[:8], "little")


def refused(path: Path, file: bytes | None = None, **most: int) -> str:
    """What is said of the file, without its path."""
    if file is not None:
        path.write_bytes(file)
    with pytest.raises(ModelError) as raised:
        model.load(path, **most)
    text = str(raised.value)
    assert text.startswith(f"{path} ")
    said = text.removeprefix(f"{path} ")
    assert said.isprintable()
    assert len(said) < 500
    return said


def sparing(path: Path) -> str:
    """What is said of the file, in little memory."""
    tracemalloc.start()
    said = refused(path)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 1 << 20
    return said
