"""Files that a training goes on from, and files of weights. Whole or not there.

A checkpoint is a line (what it is, and a hash of the rest), then what torch writes of plain values
and tensors. torch reads a file with wrong bytes in it without a word; the hash does not.
"""

from __future__ import annotations

import hashlib
import io
import os
import pickle
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as safetensors_bytes
from torch import Tensor, nn

FORMAT = "binary-nas checkpoint 1"


def save(path: Path, state: dict[str, Any]) -> None:
    """Who is killed meanwhile leaves the file that was there before."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    data = buffer.getbuffer()
    replace(path, [f"{FORMAT} {hashlib.sha256(data).hexdigest()}\n".encode(), data])


def load(path: Path) -> dict[str, Any]:
    """Tensors come to the CPU, wherever they were."""
    line, _, data = path.read_bytes().partition(b"\n")
    name, _, digest = line.rpartition(b" ")
    if name != FORMAT.encode():
        raise ValueError(f"{path}: a file that begins with {FORMAT!r} is wanted; got {line[:40]!r}")
    if hashlib.sha256(data).hexdigest().encode() != digest:
        raise ValueError(f"{path}: torn, or changed since it was written; delete it to start anew")
    try:
        state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError) as error:
        raise ValueError(f"{path}: {error}") from error
    assert isinstance(state, dict)
    return state


def refuse_others(path: Path, theirs: Mapping[str, str], ours: Mapping[str, str]) -> None:
    """An error that names the first thing in which the checkpoint is of another training."""
    for what in sorted({*theirs, *ours}):
        if theirs.get(what) != ours.get(what):
            raise ValueError(
                f"{path} is of another training: {what} is {theirs.get(what)} there, "
                f"{ours.get(what)} here"
            )


def save_weights(path: Path, module: nn.Module, notes: Mapping[str, str]) -> None:
    """Parameters and buffers by name, as safetensors; `notes` say what they are of."""
    tensors = {name: t.detach().cpu().contiguous() for name, t in module.state_dict().items()}
    replace(path, [safetensors_bytes(tensors, metadata=dict(notes))])


def load_weights(path: Path, module: nn.Module) -> dict[str, str]:
    """Into the module, if every name and shape fits, or else nothing is changed. The notes."""
    tensors, notes = read_weights(path)
    put(path, tensors, module)
    return notes


def put(path: Path, tensors: Mapping[str, Tensor], module: nn.Module) -> None:
    """What was read from the file, into the module; nothing is changed unless all of it fits."""
    mine = module.state_dict()
    for name in sorted({*tensors, *mine}):
        if name not in tensors or name not in mine:
            where = "the file" if name in tensors else "the network"
            raise ValueError(f"{path}: only {where} has {name!r}")
        there, here = tensors[name], mine[name]
        if there.shape != here.shape or there.dtype != here.dtype:
            raise ValueError(f"{path}: {name!r} is {_form(there)}; the network wants {_form(here)}")
    module.load_state_dict(tensors)


def read_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework="pt") as file:
            names = list(file.keys())
            return {name: file.get_tensor(name) for name in names}, file.metadata() or {}
    except SafetensorError as error:
        raise ValueError(f"{path}: not a whole safetensors file: {error}") from error


def replace(path: Path, parts: Iterable[bytes | memoryview]) -> None:
    """Written beside, brought to the disk, renamed. One process at a time writes a file, so what a
    killed one left is written over. Errors name the file: a full disk names none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.new")
    try:
        with beside.open("wb") as file:
            for part in parts:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from error


def _form(tensor: Tensor) -> str:
    return f"{tensor.dtype} {tuple(tensor.shape)}".removeprefix("torch.")
