"""The header of a `model.bnn`, and all that is checked of it. `kernels.model` has the form.

Where every tensor lies, and so how long the file is, follows from the ops: the header has to agree.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import asdict
from reprlib import repr as brief
from typing import Any, NamedTuple

import numpy as np

from kernels import about, op_data, parameters, program_data
from kernels.about import About
from kernels.parameters import Wanted
from kernels.program import Node, Program
from kernels.program_data import Outline

FORM = 1
LINE = 64  # the data begins at a multiple of it
TYPES = {"float32": "F32", "int16": "I16", "uint8": "U8"}
UNSUMMED = "0" * 64  # stands for the header's checksum while it is taken


class ModelError(ValueError):
    """A file is torn, altered or no model, or cannot be one; the text begins with its path."""


class Contents(NamedTuple):
    """What a file says of itself. `tensors` has the parameters in the order of the data."""

    outline: Outline
    about: About
    tensors: dict[str, Wanted]

    @property
    def bytes(self) -> int:
        """Of all parameters."""
        return sum(want.bytes for want in self.tensors.values())


def tensors(nodes: Sequence[Node], given: Container[str]) -> dict[str, Wanted]:
    """What the ops want, and of what is optional that which is given; the widest numbers first."""
    every = {
        f"{n}/{name}": want
        for n, node in enumerate(nodes)
        for name, want in parameters.wanted(node.op).items()
        if not want.optional or f"{n}/{name}" in given
    }
    return dict(sorted(every.items(), key=lambda item: -np.dtype(item[1].dtype).itemsize))


def write(program: Program, made: About, placed: Mapping[str, Wanted], data_sum: str) -> bytes:
    """With the eight bytes before it."""
    told = {"form": FORM, "about": asdict(made), **program_data.to_data(program)}
    unsummed = _bytes(placed, {**told, "sha256": {"data": data_sum, "header": UNSUMMED}})
    own = hashlib.sha256(unsummed).hexdigest()
    return _bytes(placed, {**told, "sha256": {"data": data_sum, "header": own}})


def read(header: bytes) -> tuple[Contents, str]:
    """The contents and the checksum of the data, from a header with the eight bytes before it."""
    entries, told = _parsed(header)
    form = told.pop("form", None)  # first: of another form, nothing else is known
    if type(form) is not int or form != FORM:
        raise ModelError(f"is of form {brief(form)}; this version reads form {FORM}")
    data_sum = _unaltered(header, told.pop("sha256", None))
    made = about.from_data(told.pop("about", None))
    outline = program_data.from_data(told)
    placed = tensors(outline.nodes, entries)
    _check_entries(entries, _entries(placed))
    _check_labels(made, outline)
    return Contents(outline, made, placed), data_sum


def _bytes(placed: Mapping[str, Wanted], told: Mapping[str, Any]) -> bytes:
    entries = {**_entries(placed), "__metadata__": {"bnn": _json(told)}}
    text = _json(entries).encode("ascii")
    text += b" " * (-(8 + len(text)) % LINE)
    return len(text).to_bytes(8, "little") + text


def _json(data: Any) -> str:
    return json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _entries(placed: Mapping[str, Wanted]) -> dict[str, Any]:
    """Each begins where the one before it ends."""
    entries, begin = {}, 0
    for name, want in placed.items():
        end = begin + want.bytes
        dtype = TYPES[want.dtype]
        entries[name] = {"dtype": dtype, "shape": want.shape, "data_offsets": (begin, end)}
        begin = end
    return entries


def _parsed(header: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """The entries of the tensors, and what the metadata tells."""
    entries = _object(header[8:], "its header")
    metadata = op_data.exactly(entries.pop("__metadata__", None), ["bnn"], "__metadata__")
    if not isinstance(metadata["bnn"], str):
        raise ValueError(f"bnn is a text; got {brief(metadata['bnn'])}")
    return entries, _object(metadata["bnn"].encode("utf-8"), "bnn")


def _object(text: bytes, what: str) -> dict[str, Any]:
    try:
        found = op_data.parse(text.decode("utf-8"))
    except ValueError as wrong:
        raise ValueError(f"{what} is not JSON: {wrong}") from wrong
    if not isinstance(found, dict):
        raise ValueError(f"{what} is an object; got {brief(found)}")
    return found


def _unaltered(header: bytes, sums: Any) -> str:
    """The checksum of the data, once that of the header holds."""
    given = op_data.exactly(sums, ["data", "header"], "sha256")
    for text in given.values():
        if not isinstance(text, str) or not re.fullmatch("[0-9a-f]{64}", text):
            raise ValueError(f"a checksum is 64 hexadecimal digits; got {brief(text)}")
    unsummed = header.replace(given["header"].encode(), UNSUMMED.encode())
    if hashlib.sha256(unsummed).hexdigest() != given["header"]:
        raise ModelError("is altered: its header is not what was written")
    return str(given["data"])


def _check_entries(got: dict[str, Any], wanted: dict[str, Any]) -> None:
    for name in got:
        if name not in wanted:
            raise ValueError(f"no node carries {brief(name)}")
    for name, entry in wanted.items():
        if name not in got:
            raise ValueError(f"{name} is missing")
        if _json(got[name]) != _json(entry):  # as text: for Python 1, 1.0 and True are equal
            raise ValueError(f"{name} is {_json(entry)}; got {brief(got[name])}")


def _check_labels(made: About, outline: Outline) -> None:
    output = outline.values[outline.output]
    if made.labels is None or (output.height, output.width) != (1, 1):
        return
    if len(made.labels) != output.channels:
        raise ValueError(f"{output.channels} classes have {len(made.labels)} labels")
