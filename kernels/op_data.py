"""Ops as plain data for JSON, and back: strictly, for files come from elsewhere.

All fields are written and all are wanted, so a default that changes changes no file. What is wrong
is a ValueError that names the field.
"""

from __future__ import annotations

import enum
import functools
import json
import types
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from reprlib import repr as brief
from typing import Any, get_args, get_type_hints

from kernels.epilogue import Epilogue
from kernels.ops import Op

KINDS: dict[str, type[Op]] = {kind.__name__: kind for kind in get_args(Op)}


def to_data(op: Op) -> dict[str, Any]:
    """Its name and its fields; enough to make it again."""
    return {"op": type(op).__name__, **asdict(op)}


def from_data(data: Any) -> Op:
    if not isinstance(data, dict):
        raise ValueError(f"an op is its name and its fields; got {brief(data)}")
    name = data.get("op")
    if not isinstance(name, str) or name not in KINDS:
        raise ValueError(f"op is one of {', '.join(KINDS)}; got {brief(name)}")
    fields = {key: value for key, value in data.items() if key != "op"}
    op: Op = _made(KINDS[name], fields, name)
    return op


def read_ops(path: Path) -> list[Op]:
    """The ops of a file that `python -m search_spaces ops` wrote."""
    if not path.exists():
        raise FileNotFoundError(
            f"{path}: no such list of ops; `python -m search_spaces ops SPACE -o {path}` writes one"
        )
    try:
        content = parse(path.read_text(encoding="utf-8"))
    except ValueError as wrong:
        raise ValueError(f"{path} is not JSON: {wrong}") from wrong
    if not isinstance(content, dict) or not isinstance(content.get("ops"), list):
        raise ValueError(f"{path} has no list of ops")
    return [_entry(path, n, data) for n, data in enumerate(content["ops"])]


def parse(text: str) -> Any:
    """JSON, and only that: no NaN, no key twice, no endless nesting."""
    try:
        return json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def exactly(data: Any, names: Iterable[str], what: str) -> dict[str, Any]:
    """The data, if it is an object with these keys, all of them and no other."""
    if not isinstance(data, dict):
        raise ValueError(f"{what} is an object with {', '.join(names)}; got {brief(data)}")
    wanted = dict.fromkeys(names)
    for name in wanted:
        if name not in data:
            raise ValueError(f"{what} lacks its {name}")
    for name in data:
        if name not in wanted:
            raise ValueError(f"{what} has no {brief(name)}; it has {', '.join(wanted)}")
    return data


def _entry(path: Path, n: int, data: Any) -> Op:
    try:
        return from_data(data)
    except ValueError as wrong:
        raise ValueError(f"{path}: entry {n} of its ops: {wrong}") from wrong


def _made(kind: Any, data: Any, what: str) -> Any:
    hints = _hints(kind)
    given = exactly(data, hints, what)
    values = {name: _value(hints[name], given[name], f"{what}.{name}") for name in hints}
    try:
        return kind(**values)
    except ValueError as wrong:
        raise ValueError(f"{what}: {wrong}") from wrong


@functools.cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def _value(kind: Any, value: Any, what: str) -> Any:
    if isinstance(kind, types.UnionType):
        some, _ = get_args(kind)  # something, or None
        return None if value is None else _value(some, value, what)
    if kind is Epilogue:
        return _made(kind, value, what)
    if issubclass(kind, enum.StrEnum):
        names = [str(member) for member in kind]
        if value not in names:
            raise ValueError(f"{what} is one of {', '.join(names)}; got {brief(value)}")
        return kind(value)
    if type(value) is not kind:  # True is an int, and not meant
        wanted = {int: "a whole number", bool: "true or false"}[kind]
        raise ValueError(f"{what} is {wanted}; got {brief(value)}")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"{brief(key)} is there twice")
        found[key] = value
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")
