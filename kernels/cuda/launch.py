"""What is launched, as values: a kernel's text, how many blocks of it, and what it is given.

A kernel is the text of a few parts (`src/*.cu`) behind its shapes as macros, and takes one
argument: a struct of words of 64 bits, which is written here as well, so that it and what fills it
cannot disagree. Whoever implements `Device` runs the same list: a GPU, or, in tests, a CPU that
plays one.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib import resources
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from kernels.parameters import Array

MOST_WORDS = 500  # of an argument: every device takes 4 KB
ALIGN = 256
POINTERS = {
    "float32": "const float*",
    "int16": "const Int16*",
    "int32": "const int*",
    "uint8": "const Byte*",
    "uint32": "const Word*",
}


class Place(NamedTuple):
    """Bytes into the memory of a program, or into the images that it is given."""

    at: int
    images: bool = False


class Sets(NamedTuple):
    """Where each of several maps begins."""

    places: tuple[Place, ...]


Given = int | Array | Place | Sets


class Field(NamedTuple):
    """A field of the argument: its type in C++, and what it is."""

    kind: str
    given: Given


class Kernel(NamedTuple):
    """`text` wants the prelude of a device before it."""

    name: str
    text: str


class Launch(NamedTuple):
    kernel: Kernel
    grid: tuple[int, int, int]
    threads: int
    given: tuple[Given, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Bound:
    """A launch whose argument is filled in with addresses."""

    kernel: Kernel
    grid: tuple[int, int, int]
    threads: int
    argument: NDArray[np.int64]


class Room(Protocol):
    """Memory of a device, for as long as this is kept."""

    @property
    def address(self) -> int: ...


class Device(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def index(self) -> int:
        """Which of this machine's."""

    @property
    def capability(self) -> int:
        """As in sm_90: 90."""

    @property
    def processors(self) -> int: ...
    def load(self, kernels: Iterable[Kernel]) -> None:
        """Before they are launched. Those that are there already are not compiled again."""

    def room(self, size: int) -> Room:
        """So many new bytes, at a multiple of 256."""

    def shared(self, room: Room, at: int, shape: tuple[int, ...], dtype: str) -> Any:
        """That memory, not copied, for another library: it speaks DLPack."""

    def in_order(self) -> AbstractContextManager[None]:
        """What runs inside comes after what others did with shared memory, and before what they
        do with it next.
        """

    def write(self, room: Room, at: int, array: Array) -> None: ...
    def read(self, room: Room, at: int, shape: tuple[int, ...], dtype: str) -> Array: ...
    def recorded(self, launches: Sequence[Bound]) -> Callable[[], None]:
        """What runs them all in their order, as one call, and runs nothing before it is called. It
        need not wait for their end.
        """

    def clock(self, run: Callable[[], None], rounds: int) -> list[float]:
        """The nanoseconds of each of so many runs."""


def constant(array: Array) -> Field:
    array = np.ascontiguousarray(array)
    return Field(POINTERS[str(array.dtype)], array)


def floats(place: Place | None) -> dict[str, Field]:
    return {} if place is None else {"floats": Field("float*", place)}


def reads(kind: str, places: Sequence[Place]) -> dict[str, Field]:
    return {"reads": Field(kind, Sets(tuple(places)))}


def launch(
    parts: Sequence[str],
    macros: Mapping[str, int],
    fields: Mapping[str, Field],
    grid: tuple[int, int, int],
    threads: int,
) -> Launch:
    """The last part has the kernel and gives it its name."""
    given = tuple(field.given for field in fields.values())
    words = sum(len(of.places) if isinstance(of, Sets) else 1 for of in given)
    if words > MOST_WORDS:
        raise ValueError(f"a GPU kernel takes at most {MOST_WORDS} maps at once; got {words}")
    shapes = {**macros, "THREADS": threads}
    defined = [f"#define {name} {int(value)}" for name, value in shapes.items()]
    struct = ["struct Args {", *(_declared(*item) for item in fields.items()), "};"]
    text = "\n".join((*defined, *struct, *(source(part) for part in parts)))
    name = f"{parts[-1]}_{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    return Launch(Kernel(name, f"#define NAME {name}\n{text}"), grid, threads, given)


def _declared(name: str, field: Field) -> str:
    several = f"[{len(field.given.places)}]" if isinstance(field.given, Sets) else ""
    return f"  {field.kind} {name}{several};"


@functools.cache
def source(part: str) -> str:
    return (resources.files("kernels.cuda") / "src" / f"{part}.cu").read_text("utf-8")


def prelude() -> str:
    """What a GPU wants before a kernel's text."""
    return source("device")


def blocks(items: int, each: int) -> int:
    return -(-items // each)


class Constants:
    """All arrays of some launches in one stretch of a device's memory."""

    def __init__(self, device: Device, launches: Iterable[Launch]) -> None:
        arrays = {id(of): of for one in launches for of in one.given if isinstance(of, np.ndarray)}
        self._at, whole = dict[int, int](), bytearray()
        for key, array in arrays.items():
            self._at[key] = len(whole)
            whole += array.tobytes() + bytes(-array.nbytes % ALIGN)
        self.bytes = len(whole)
        self._room = device.room(max(len(whole), 1))
        if whole:
            device.write(self._room, 0, np.frombuffer(whole, np.uint8))

    def address(self, array: Array) -> int:
        return self._room.address + self._at[id(array)]


def bound(one: Launch, address: Callable[[Place], int], constants: Constants) -> Bound:
    def words(given: Given) -> list[int]:
        match given:
            case Place():
                return [address(given)]
            case Sets():
                return [address(place) for place in given.places]
            case int():
                return [given]
            case _:
                return [constants.address(given)]

    argument = np.array([word for given in one.given for word in words(given)], np.int64)
    return Bound(one.kernel, one.grid, one.threads, argument)
