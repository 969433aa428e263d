"""Files that are torn, altered or not ours: which of it, and after how many bytes."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from model_files import (
    ABOUT,
    begin_of_data,
    put_together,
    refused,
    sealed,
    shortened,
    sparing,
    take_apart,
)
from programs import small

from kernels import model
from kernels.model import ModelError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "model.bnn"
    model.save(small(), path, ABOUT)
    return path


def test_a_file_that_ends_early_says_after_how_many_bytes(path: Path) -> None:
    file = path.read_bytes()
    for cut in shortened(file):
        said = refused(path, cut)
        if begin_of_data(file) <= len(cut) < len(file):
            assert said == f"ends after {len(cut)} of {len(file)} bytes"
        elif len(cut) < len(file):
            assert said.startswith(f"ends after {len(cut)} of ")
        else:
            assert said == "is no model: 1 bytes follow its end"


def test_a_file_that_shrinks_while_it_is_read_is_torn(path: Path) -> None:
    file = path.read_bytes()
    with pytest.raises(ModelError, match=f"ends after {len(file) - 5} of {len(file)} bytes"):
        model._unpacked(io.BytesIO(file[:-5]), len(file), None)


def test_every_altered_byte_is_noticed_and_told_apart(path: Path) -> None:
    file, begin = path.read_bytes(), begin_of_data(path.read_bytes())
    for place in [*range(0, begin, 13), *range(begin, len(file), 29)]:
        changed = bytearray(file)
        changed[place] ^= 1 << place % 8
        said = refused(path, bytes(changed))
        if place >= begin:
            assert said == "is altered: its data is not what was written"
        else:
            assert not said.startswith("is altered: its data")


@pytest.mark.parametrize(
    ("old", "new"),
    [(b"digits test", b"digits Test"), (b"0.912", b"0.999"), (b'"F32"', b'"F16"')],
)
def test_a_header_that_is_still_json_is_altered(path: Path, old: bytes, new: bytes) -> None:
    file = path.read_bytes()
    assert old in file
    said = refused(path, file.replace(old, new, 1))
    assert said == "is altered: its header is not what was written"


@pytest.mark.parametrize("told", [7, None, {}, ["{}"]])
def test_what_the_metadata_tells_is_a_text(path: Path, told: Any) -> None:
    entries, _, data = take_apart(path.read_bytes())
    header = json.dumps({**entries, "__metadata__": {"bnn": told}}).encode()
    assert refused(path, sealed(header, data)).startswith("is no model: bnn is a text; got ")


def test_checksums_that_are_none_are_refused(path: Path) -> None:
    """An empty one, replaced wherever it stands, would make 64 bytes of each byte."""
    entries, told, data = take_apart(path.read_bytes())
    for digits in ("", "0" * 63, "G" * 64, "A" * 64, "0" * 64 + "\n", 7, None):
        told["sha256"]["header"] = digits
        said = refused(path, put_together(entries, told, data))
        assert said.startswith("is no model: a checksum is 64 hexadecimal digits"), digits


def test_another_form_is_told_before_all_else(path: Path) -> None:
    entries, _, data = take_apart(path.read_bytes())
    for form in (2, 0, 1.0, True, "1", None):
        file = put_together(entries, {"form": form, "else": "another"}, data)
        said = refused(path, file)
        assert said == f"is of form {form!r}; this version reads form 1"


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (b"", "ends after 0 of 8 bytes"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "is no model: it begins with a header of 727905341"),
        (b"#!/bin/sh\necho model\n", "is no model: it begins with a header of "),
        ((2).to_bytes(8, "little") + b"[]", "is no model: its header is an object; got []"),
        ((2).to_bytes(8, "little") + b"{}", "is no model: __metadata__ is an object with bnn"),
        ((2).to_bytes(8, "little") + b"\xff\xff", "is no model: its header is not JSON"),
        ((6).to_bytes(8, "little") + "{}".encode("utf-16"), "is no model: its header is not JSON"),
    ],
    ids=["empty", "png", "script", "list", "bare", "bytes", "utf-16"],
)
def test_what_is_not_ours_is_said_to_be_none(path: Path, file: bytes, said: str) -> None:
    assert refused(path, file).startswith(said)


def test_weights_of_another_program_are_no_model(path: Path) -> None:
    safetensors.numpy.save_file({"weight": np.zeros(3, np.float32)}, path)
    assert refused(path).startswith("is no model: __metadata__ is an object with bnn; got None")
    safetensors.numpy.save_file({"weight": np.zeros(3, np.float32)}, path, {"format": "pt"})
    assert refused(path) == "is no model: __metadata__ lacks its bnn"


def test_what_the_system_says_passes_through(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        model.load(tmp_path / "none")
    assert refused(tmp_path) == "is no model: it is not a file"


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert refused(tmp_path / "pipe") == "is no model: it is not a file"


def test_a_long_header_is_not_read(path: Path) -> None:
    with path.open("wb") as file:
        file.write(((16 << 20) + 1).to_bytes(8, "little"))
        file.truncate(20 << 20)
    said = "is no model: it begins with a header of 16777217 bytes; 16777216 are the most"
    assert sparing(path) == said


def test_a_header_that_is_not_there_gets_no_room(path: Path) -> None:
    path.write_bytes((16 << 20).to_bytes(8, "little") + b"{" * 100)
    assert sparing(path) == "ends after 108 of 16777224 bytes"
