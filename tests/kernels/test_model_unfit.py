"""Files that are whole and wrong in themselves: checksums agree, and what is wrong is named."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from model_files import (
    ABOUT,
    begin_of_data,
    put_together,
    refused,
    resealed,
    sealed,
    sparing,
    take_apart,
)
from programs import drawn, small

from kernels import model
from kernels.flow import Use, Value
from kernels.model import About, ModelError
from kernels.ops import BinaryLinear, Epilogue, Pack
from kernels.program import Node, Program

Change = Callable[[Any, Any], Any]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "model.bnn"
    model.save(small(), path, ABOUT)
    return path


def put(value: Any, *keys: Any) -> Change:
    """A change of what the header tells."""

    def change(entries: Any, told: Any) -> None:
        at = told
        for key in keys[:-1]:
            at = at[key]
        at[keys[-1]] = value

    return change


def put_entry(value: Any, *keys: Any) -> Change:
    return lambda entries, told: put(value, *keys)(told, entries)


def drop(key: str) -> Change:
    return lambda entries, told: told.pop(key)


HUGE = 1 << 30
UNFIT = [
    (put(None, "nodes"), "nodes are a list of 1 to 65536; got None"),
    (put([], "nodes"), "nodes are a list of 1 to 65536"),
    (put(7, "nodes", 0), "node 0: it is an object with op, reads, residual, floats, bits; got 7"),
    (put({}, "nodes", 0), "node 0: it lacks its op"),
    (put(1, "nodes", 0, "more"), "node 0: it has no 'more'; it has op, reads, "),
    (put("Tanh", "nodes", 1, "op", "op"), "node 1: op is one of BinaryConv, .*; got 'Tanh'"),
    (put(2.0, "nodes", 1, "op", "bases"), "node 1: BinaryConv.bases is a whole number; got 2.0"),
    (put(None, "nodes", 1, "reads"), "node 1: reads are a list; got None"),
    (put([], "nodes", 1, "reads"), "node 1: it reads 1 sets; got 0"),
    (put([2, 0], "nodes", 1, "reads", 0), "node 1: a read is a list of 3 whole numbers"),
    (put(True, "nodes", 1, "reads", 0, 2), "node 1: a read takes whole numbers of 1 to .*True"),
    (put(0, "nodes", 1, "reads", 0, 2), "node 1: a read takes whole numbers of 1 to .*; got 0"),
    (put(-1, "nodes", 1, "reads", 0, 0), "node 1: a read takes whole numbers of 0 to .*; got -1"),
    (put(HUGE, "nodes", 1, "reads", 0, 1), "node 1: value 2 has 1 sets"),
    (put(4, "nodes", 1, "reads", 0, 0), "node 1: it reads value 4, which nothing wrote before"),
    (put(0, "nodes", 1, "reads", 0, 0), "node 1: maps like signs 5@4x4 are wanted"),
    (put(None, "nodes", 1, "residual"), "node 1: a residual where the op adds one"),
    (put([], "nodes", 1, "residual"), "node 1: residual is a list of 3 whole numbers"),
    (put(0, "nodes", 1, "floats"), "node 1: it writes 2 sets; value 0 is otherwise"),
    (put(1, "nodes", 1, "floats"), "node 1: it writes 2 sets; value 1 is otherwise"),
    (put(5, "nodes", 4, "floats"), "node 4: maps like .*"),
    (put(1, "nodes", 2, "floats"), "node 2: value 1 cannot be written there"),
    (put("3", "nodes", 1, "floats"), "node 1: floats takes whole numbers of 0 to 20; got '3'"),
    (put(21, "nodes", 1, "floats"), "node 1: floats takes whole numbers of 0 to 20; got 21"),
    (put(7, "nodes", 1, "bits"), "node 1: a value for what the op writes"),
    (put(None, "nodes", 1, "floats"), "node 1: it writes nothing"),
    (put(5, "output"), "5 classes have 3 labels"),
    (put(3, "output"), "the output is one float map"),
    (put(7, "output"), "value 7 is the output, and nothing writes it"),
    (put(6.0, "output"), "output takes whole numbers of 0 to .*; got 6.0"),
    (put([4, 4], "image"), "image is a list of 3 whole numbers"),
    (put([4, 4, 0], "image"), "image takes whole numbers of 1 to .*; got 0"),
    (put([4, 4, 3], "image"), "mean is a list of 3 numbers"),
    (put([4, 5, 2], "image"), "node 0: maps like float32 2@4x4 are wanted"),
    (put([], "normal"), "normal is an object with mean, std"),
    (put([0.5], "normal", "mean"), "mean is a list of 2 numbers"),
    (put([0, 0], "normal", "mean"), "mean takes numbers of float32; got 0"),
    (put([1e39, 0.5], "normal", "mean"), "mean takes numbers of float32; got 1e.39"),
    (put([1.0, 0.0], "normal", "std"), "std is above 0; got 0.0"),
    (put([1.0, 1e-46], "normal", "std"), "std is above 0; got 1e-46"),
    (drop("normal"), "a program lacks its normal"),
    (put(1, "values"), "a program has no 'values'"),
    (drop("about"), "about is an object with"),
    (put("?", "about", "more"), "about has no 'more'"),
    (put("abc", "about", "labels"), "labels are a tuple of texts; got 'abc'"),
    (put(["a", "b", 3], "about", "labels"), "a label is a text of printable characters; got 3"),
    (put(["a", "b"], "about", "labels"), "3 classes have 2 labels"),
    (put("\x1b[2J", "about", "arch"), r"arch is a text of printable characters; got '\\x1b"),
    (put("\ud800", "about", "key"), "key is a text of printable characters"),
    (put(1.5, "about", "accuracy"), "accuracy is a share, 0 to 1; got 1.5"),
    (put(True, "about", "accuracy"), "accuracy is a share"),
    (put("noon", "about", "created"), "created is a date .*: Invalid isoformat string: 'noon'"),
    (put_entry({}, "9/scale"), "no node carries '9/scale'"),
    (lambda entries, told: entries.pop("1/scale"), "1/scale is missing"),
    (put_entry([2, 5, 3, 3], "1/weights", "shape"), "1/weights is .*; got .*"),
    (put_entry([2.0, 5], "1/scale", "shape"), "1/scale is .*; got .*"),
    (put_entry([True, 5], "0/scale", "shape"), "0/scale is .*; got .*True"),
    (put_entry([-2, -5], "1/scale", "shape"), "1/scale is .*; got .*"),
    (put_entry([HUGE, HUGE], "1/scale", "shape"), "1/scale is .*; got .*"),
    (put_entry("F16", "1/scale", "dtype"), "1/scale is .*; got .*'F16'"),
    (put_entry([0, 40], "1/scale", "data_offsets"), "1/scale is .*; got .*"),
    (put_entry([[]], "1/scale", "data_offsets"), "1/scale is .*; got .*"),
    (put_entry([], "1/scale"), "1/scale is .*; got .*"),
]


@pytest.mark.parametrize(("change", "said"), UNFIT, ids=[said[:50] for _, said in UNFIT])
def test_an_error_says_what_is_wrong_with_it(path: Path, change: Change, said: str) -> None:
    entries, told, data = take_apart(path.read_bytes())
    change(entries, told)
    got = refused(path, put_together(entries, told, data))
    assert re.match(f"is no model: {said}", got), got


def test_a_key_that_is_there_twice_is_refused(path: Path) -> None:
    entries, told, data = take_apart(path.read_bytes())
    text = json.dumps(told, separators=(",", ":"))
    twice = text.replace('"output":6', '"output":5,"output":6')
    assert refused(path, put_together(entries, twice, data)).endswith("'output' is there twice")
    header = json.dumps({**entries, "__metadata__": {"bnn": text}}, separators=(",", ":"))
    header = header.replace('"1/scale":', '"1/scale":{},"1/scale":')
    assert refused(path, sealed(header.encode(), data)).endswith("'1/scale' is there twice")


def with_entry(file: bytes, text: str) -> bytes:
    """The file with this text for the entry of a tensor."""
    end = begin_of_data(file)
    header = re.sub(rb'"1/scale":{.*?}', lambda _: f'"1/scale":{text}'.encode(), file[8:end])
    return sealed(header.rstrip(), file[end:])


@pytest.mark.parametrize("depth", [*range(150, 1000, 10), 100_000])
def test_endless_nesting_is_an_error(path: Path, depth: int) -> None:
    file = path.read_bytes()
    nested = "[" * depth + "]" * depth
    assert refused(path, with_entry(file, nested)).startswith("is no model: ")
    entries, told, data = take_apart(file)
    text = json.dumps(told, separators=(",", ":")).replace('"output":6', f'"output":{nested}')
    assert refused(path, put_together(entries, text, data)).startswith("is no model: ")


@pytest.mark.parametrize("text", ["NaN", "Infinity", "1e999", "9" * 5000, r'"\ud800"', "{}"])
def test_odd_numbers_and_texts_are_errors(path: Path, text: str) -> None:
    assert refused(path, with_entry(path.read_bytes(), text)).startswith("is no model: ")


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_neither_read_nor_written(
    path: Path, number: float
) -> None:
    file = path.read_bytes()
    entries, _, data = take_apart(file)
    begin = entries["1/scale"]["data_offsets"][0] + 12
    changed = data[:begin] + np.float32(number).tobytes() + data[begin + 4 :]
    path.write_bytes(resealed(file[: begin_of_data(file)] + changed))
    assert refused(path) == "is no model: 1/scale holds a number that is not finite"
    program = small()
    program.parameters[1]["scale"][0, 3] = number
    path.write_bytes(file)
    with pytest.raises(ModelError) as raised:
        model.save(program, path, ABOUT)
    assert str(raised.value) == (
        f"{path} is not written: 1/scale holds a number that is not finite"
    )
    assert path.read_bytes() == file
    assert list(path.parent.iterdir()) == [path]


def test_spare_bits_are_clear(path: Path) -> None:
    file = path.read_bytes()
    entries, _, data = take_apart(file)
    first, end = entries["1/weights"]["data_offsets"]
    for place, bit in ((first, 5), (end - 1, 7), (first + 9, 6)):
        changed = bytearray(data)
        changed[place] |= 1 << bit
        path.write_bytes(resealed(file[: begin_of_data(file)] + bytes(changed)))
        assert refused(path) == "is no model: 1/weights has set bits past the last of 5 channels"


def test_spare_bits_are_those_of_the_last_byte(tmp_path: Path) -> None:
    maps = Value(False, 1, 1, 1, 11)
    ops = (
        Pack(height=1, width=1, channels=11),
        BinaryLinear(channels=11, filters=2, after=Epilogue(floats=True)),
    )
    nodes = (
        Node(ops[0], (Use(0, 0, 1),), None, None, 1),
        Node(ops[1], (Use(1, 0, 1),), None, 2, None),
    )
    values, given = (maps, maps._replace(bits=True), maps._replace(channels=2)), map(drawn, ops)
    program = Program(values, nodes, tuple(given), 2)
    weights = program.parameters[1]["weights"]
    weights[..., 0] = 255
    model.save(program, tmp_path / "full.bnn", About())
    weights[0, 1, 1] |= 1 << 3
    with pytest.raises(ModelError, match="1/weights has set bits past the last of 11 channels"):
        model.save(program, tmp_path / "over.bnn", About())


def test_labels_of_maps_need_not_be_as_many_as_channels(tmp_path: Path) -> None:
    program = small()
    ends = Program(program.values, program.nodes, program.parameters, 4, program.normal)
    model.save(ends, tmp_path / "maps", ABOUT)
    assert model.load(tmp_path / "maps")[1] == ABOUT


def test_an_op_larger_than_the_file_is_an_error_and_no_allocation(path: Path) -> None:
    entries, told, data = take_apart(path.read_bytes())
    told["nodes"][4]["op"]["filters"] = 65_536
    told["nodes"][3]["op"]["channels"] = told["nodes"][4]["op"]["channels"] = 65_536
    for n in (0, 1):
        told["nodes"][n]["op"]["filters"] = 65_536
    told["nodes"][1]["op"]["channels"] = told["nodes"][2]["op"]["channels"] = 65_536
    told["about"]["labels"] = None
    path.write_bytes(put_together(entries, told, data))
    assert re.match(r"is no model: 0/weights is .*; got ", sparing(path))
