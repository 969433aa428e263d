"""What can happen to the files of programs. As a script it goes on for long:

python tests/kernels/fuzz_model.py --seconds 600 --seed 1

Whatever was done to a file, it loads to a program that holds or is a ModelError: nothing else, in
little memory and at once.
"""

from __future__ import annotations

import argparse
import collections
import json
import re
import resource
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from model_files import put_together, resealed, shortened, take_apart
from programs import random_program, same

from kernels import model
from kernels.model import About, ModelError
from kernels.program import Program

ABOUT = About(arch="tiny", labels=None, accuracy=0.5, data="digits test", created="2026-11-21")
HEADROOM = 8 << 20  # bytes that reading may take in the child
SECONDS = 10  # that one file may take


# Files


def flipped(file: bytes, rng: Random) -> bytes:
    """One to three bits."""
    changed = bytearray(file)
    for _ in range(rng.randint(1, 3)):
        changed[rng.randrange(len(file))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def flipped_and_sealed(file: bytes, rng: Random) -> bytes:
    changed = bytearray(file)
    end = 8 + int.from_bytes(file[:8], "little")
    some = range(8, end) if rng.random() < 0.7 or end == len(file) else range(end, len(file))
    for _ in range(rng.randint(1, 2)):
        changed[rng.choice(some)] ^= 1 << rng.randrange(8)
    return resealed(bytes(changed))


ODD = (
    *(0, 1, 2, 3, 7, 8, 9, 64, 65, -1, 4096, 65536, 1 << 30, 1 << 31, 1 << 40, 1 << 64, 10**300),
    *(1.0, 0.5, 1e38, 1e39, -1e-50, True, False, None, "", "1", "max", "gate", "relu", "each"),
    *("F32", "Pack", "\ud800", "\x1b[2J", [], {}, [0, 0, 1], [[0, 0, 1]], [[0, 0, 1]] * 3, [-1]),
)


def told_otherwise(file: bytes, rng: Random) -> bytes:
    """One to three things in the header changed; checksums agree."""
    entries, told, data = take_apart(file)
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        rng.choice(
            (_one_changed, _one_changed, _one_less, _one_more, _moved, _later, _overlapping)
        )(entries, told, rng)
    if rng.random() < 0.1:
        return put_together(entries, _doubled(json.dumps(told, separators=(",", ":")), rng), data)
    if rng.random() < 0.1:
        data = data[: rng.randrange(len(data) + 1)] + bytes(rng.choice([0, 1, 4, 64]))
    return put_together(entries, told, data)


def _places(data: Any) -> Iterator[tuple[Any, Any]]:
    """Every container in it, with each key."""
    if isinstance(data, dict | list):
        for key in data if isinstance(data, dict) else range(len(data)):
            yield data, key
            yield from _places(data[key])


def _place(entries: Any, told: Any, rng: Random) -> tuple[Any, Any]:
    every = [at for at in _places(told if rng.random() < 0.7 else entries) if at[1] != "sha256"]
    return rng.choice(every) if every else ({"x": 0}, "x")


def _one_changed(entries: Any, told: Any, rng: Random) -> None:
    at, key = _place(entries, told, rng)
    if type(at[key]) is int and rng.random() < 0.5:
        at[key] += rng.choice([-2, -1, 1, 2])
    else:
        at[key] = rng.choice(ODD)


def _one_less(entries: Any, told: Any, rng: Random) -> None:
    at, key = _place(entries, told, rng)
    del at[key]


def _one_more(entries: Any, told: Any, rng: Random) -> None:
    at, key = _place(entries, told, rng)
    if isinstance(at, dict):
        at[rng.choice(["x", "0/sums", "0/x", "-1/weights", "op", "99/scale"])] = at[key]
    else:
        at.append(at[key])


def _moved(entries: Any, told: Any, rng: Random) -> None:
    nodes = told.get("nodes")
    if isinstance(nodes, list) and nodes:
        one, two = rng.randrange(len(nodes)), rng.randrange(len(nodes))
        nodes[one], nodes[two] = nodes[two], nodes[one]


def _later(entries: Any, told: Any, rng: Random) -> None:
    lists = [at for at, key in _places(told.get("nodes")) if key == 2]
    uses = [use for use in lists if {type(number) for number in use[:3]} == {int}]
    if uses:
        rng.choice(uses)[rng.randrange(3)] += rng.choice([-1, 1, 2, 1 << 20])


def _overlapping(entries: Any, told: Any, rng: Random) -> None:
    offsets = [at["data_offsets"] for at, key in _places(entries) if key == "data_offsets"]
    if offsets:
        one = rng.choice(offsets)
        if isinstance(one, list) and len(one) == 2:
            one[:] = rng.choice([[0, 0], one[::-1], [0, one[1]], [one[0], 1 << 62], [-4, 0]])


def _doubled(text: str, rng: Random) -> str:
    keys = list(re.finditer(r'"\w+":', text))
    if not keys:
        return text
    key = rng.choice(keys)
    return f"{text[: key.start()]}{key[0]}0,{text[key.start() :]}"


# The fuzzer


def attempt(path: Path, file: bytes) -> str:
    """What became of it: "loaded", or the error without its path and numbers."""
    path.write_bytes(file)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        program, about = model.load(path)
    except ModelError as error:
        text = str(error)
        assert text.startswith(f"{path} "), text
        said = text.removeprefix(f"{path} ")
        assert said.isprintable(), text
        return said
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    holds(program)
    assert model.describe(path).outline.nodes == program.nodes
    model.save(program, path, about)
    again, told = model.load(path)
    same(program, again)
    assert told == about
    return "loaded"


def holds(program: Program) -> None:
    """Asked of the program itself, without the words of `load`."""
    for node, given in zip(program.nodes, program.parameters, strict=True):
        for array in given.values():
            assert not array.flags.writeable
            assert array.flags.aligned
            if array.dtype == np.float32:
                assert np.isfinite(array).all()
            elif array.dtype == np.uint8:
                bits = np.unpackbits(array, axis=-1, bitorder="little")
                assert not bits[..., node.op.channels :].any()  # type: ignore[union-attr]
    Program(program.values, program.nodes, program.parameters, program.output, program.normal)


def mutations(file: bytes, rng: Random, many: int) -> Iterator[bytes]:
    yield from shortened(file)
    kinds = (flipped, flipped_and_sealed, told_otherwise, told_otherwise)
    for n in range(many):
        yield kinds[n % len(kinds)](file, rng)


def limit_memory() -> None:
    """An allocation much larger than a file of the tests fails from here on."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + HEADROOM
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    try:
        bytearray(2 * HEADROOM)
    except MemoryError:
        return
    raise AssertionError("the limit does not hold")


def too_long(*_: Any) -> None:
    raise AssertionError(f"a file took more than {SECONDS} s")


def main() -> None:
    parser = argparse.ArgumentParser(description="fuzz kernels.model")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--programs", type=int, help="stop after so many instead")
    parser.add_argument("--each", type=int, default=400, help="mutations of one program")
    args = parser.parse_args()
    signal.signal(signal.SIGALRM, too_long)
    until, said, programs = time.monotonic() + args.seconds, collections.Counter[str](), 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.bnn"
        model.save(random_program(Random(0)), path, ABOUT)
        attempt(path, path.read_bytes())  # all is imported before memory gets scarce
        limit_memory()
        while programs < args.programs if args.programs else time.monotonic() < until:
            rng = Random(f"{args.seed}/{programs}")
            model.save(random_program(rng), path, ABOUT)
            for file in mutations(path.read_bytes(), rng, args.each):
                try:
                    said[re.sub(r"[0-9]+", "N", attempt(path, file))[:48]] += 1
                except BaseException:
                    kept = Path(tempfile.gettempdir()) / "fuzz-found.bnn"
                    kept.write_bytes(file)
                    print(f"program {programs} of seed {args.seed}; the file is in {kept}")  # noqa: T201
                    raise
            programs += 1
    result = {"programs": programs, "files": sum(said.values()), "loaded": said["loaded"]}
    most = dict(said.most_common(12))
    print(json.dumps({**result, "ends": len(said), "most": most}))  # noqa: T201


if __name__ == "__main__":
    main()
