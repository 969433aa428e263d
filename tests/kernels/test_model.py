"""The file of a packed network: what is in it, and how much memory it may ask for."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from model_files import (
    ABOUT,
    begin_of_data,
    refused,
    take_apart,
)
from programs import alone, drawn, same, small

from kernels import model
from kernels.flow import Use, Value, flow
from kernels.model import About, ModelError
from kernels.ops import (
    Affine,
    BinaryConv,
    Blend,
    Epilogue,
    Linear,
    Mix,
    Op,
    Pack,
    RealConv,
    Resize,
)
from kernels.program import Node, Normal, Program

GOLDEN = "cf1594dbbb1519538d4eb15765aa15ecb5395359cc01d78144dbf2b713e99cfd"  # of a file


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "model.bnn"
    model.save(small(), path, ABOUT)
    return path


def test_any_reader_of_safetensors_opens_it(path: Path) -> None:
    program = small()
    tensors = safetensors.numpy.load_file(path)
    given = {f"{n}/{k}": a for n, some in enumerate(program.parameters) for k, a in some.items()}
    assert tensors.keys() == given.keys()
    for name, array in given.items():
        assert tensors[name].dtype == array.dtype
        np.testing.assert_array_equal(tensors[name], array)
    with safetensors.safe_open(path, "numpy") as file:
        metadata = file.metadata()
    told = json.loads(metadata["bnn"])
    assert metadata.keys() == {"bnn"}
    assert told["form"] == 1
    assert "values" not in told


def test_all_of_it_comes_back(path: Path) -> None:
    program, about = model.load(path)
    same(program, small())
    assert program.values == small().values
    assert about == ABOUT


def test_equal_programs_give_equal_bytes(path: Path, tmp_path: Path) -> None:
    other = small()
    given = tuple(dict(reversed(some.items())) for some in other.parameters)
    other = Program(other.values, other.nodes, given, other.output, other.normal)
    model.save(other, tmp_path / "other.bnn", ABOUT)
    assert (tmp_path / "other.bnn").read_bytes() == path.read_bytes()


def test_the_form_of_the_file_never_changes(path: Path) -> None:
    """Files outlive code: one that is written otherwise has another number of its form."""
    image, answer = Value(False, 1, 1, 1, 2), Value(False, 1, 1, 1, 1)
    nodes = (Node(Linear(channels=2, filters=1), (Use(0, 0, 1),), None, 1, None),)
    given = {"weights": np.float32([[1, -2]]), "bias": np.float32([0.5])}
    normal = Normal((0.1, 0.2), (1.0, 2.0))
    model.save(Program((image, answer), nodes, (given,), 1, normal), path, About(key="k"))
    assert hashlib.sha256(path.read_bytes()).hexdigest() == GOLDEN


def test_numbers_lie_where_they_can_be_read_at_once(path: Path) -> None:
    file = path.read_bytes()
    assert begin_of_data(file) % 64 == 0
    for entry in take_apart(file)[0].values():
        size = {"F32": 4, "U8": 1}[entry["dtype"]]
        assert entry["data_offsets"][0] % size == 0
    program, _ = model.load(path)
    for given in program.parameters:
        for array in given.values():
            assert array.flags.aligned
            assert not array.flags.writeable


def test_what_is_optional_may_be_absent(tmp_path: Path) -> None:
    op = Mix(kind=Blend.GATE, height=1, width=1, channels=1, inputs=1)
    program = alone(op, Value(False, 1, 1, 1, 1))
    model.save(program, tmp_path / "with", About())
    given = (
        {"blend": program.parameters[0]["blend"]},
        {},
    )
    without = Program(program.values, program.nodes, given, program.output)
    model.save(without, tmp_path / "without", About())
    assert model.load(tmp_path / "with")[0].parameters[0].keys() == {"blend", "sums"}
    assert model.load(tmp_path / "without")[0].parameters[0].keys() == {"blend"}


def test_numbers_that_nothing_writes_need_no_value(tmp_path: Path) -> None:
    program = small()
    nodes = (*program.nodes[:-1], program.nodes[-1]._replace(floats=9))
    values = (*program.values[:-1], *[Value(True, 7, 7, 7, 7)] * 3, program.values[-1])
    model.save(
        Program(values, nodes, program.parameters, 9),
        tmp_path / "gaps",
        replace(ABOUT, labels=None),
    )
    again, _ = model.load(tmp_path / "gaps")
    assert again.values[9] == program.values[6]
    assert len(again.values) == 10


def test_the_normal_of_images_comes_back_in_every_bit(tmp_path: Path) -> None:
    mean = tuple(map(float, np.float32([0.1, 1 / 3])))
    program = small()
    for normal in (Normal(mean, (1e-45, 3.4e38)), Normal((0.1, -0.0), (1 / 3, 255.0)), None):
        given = Program(program.values, program.nodes, program.parameters, 6, normal)
        model.save(given, tmp_path / "m", ABOUT)
        assert repr(model.load(tmp_path / "m")[0].normal) == repr(normal)


def test_describe_reads_the_header_alone(path: Path) -> None:
    file = bytearray(path.read_bytes())
    file[-1] ^= 1
    path.write_bytes(file)
    contents = model.describe(path)
    assert contents.about == ABOUT
    assert contents.bytes == small().bytes
    assert contents.outline.nodes == small().nodes
    assert contents.tensors["1/weights"].shape == (2, 5, 3, 3, 1)
    assert model.needed_bytes(contents.outline) > 0


def test_reading_and_writing_need_numpy_alone() -> None:
    asked = "import sys; from kernels import model; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    names = {name.split(".")[0] for name in done.stdout.split()}
    assert "numpy" in names
    assert not names & {"torch", "safetensors", "sklearn", "ray"}


def test_only_what_would_load_is_written(path: Path) -> None:
    with pytest.raises(ModelError, match="not written: 3 classes have 2 labels"):
        model.save(small(), path, replace(ABOUT, labels=("a", "b")))
    program = small()
    values = (*program.values, *[program.values[-1]] * 50)
    nodes = (*program.nodes[:-1], program.nodes[-1]._replace(floats=50))
    far = Program(values, nodes, program.parameters, 50)
    with pytest.raises(ModelError, match="not written: node 4: floats takes whole numbers of 0 to"):
        model.save(far, path, ABOUT)


# Sizes


def test_a_header_that_agrees_with_an_op_larger_than_the_file_is_torn(path: Path) -> None:
    """Entries and ops agree; only the data is not there."""
    program = alone(Affine(height=1, width=1, channels=65_536), Value(False, 1, 1, 1, 65_536))
    model.save(program, path, About())
    file = path.read_bytes()
    assert refused(path, file[: begin_of_data(file)]).startswith("ends after ")


@pytest.mark.parametrize(
    ("op", "needs"),
    [
        (Resize(height=1, width=1, channels=1, out_height=1 << 16, out_width=1 << 14), 1 << 32),
        (
            RealConv(
                height=1,
                width=1,
                channels=1 << 10,
                filters=1,
                kernel=1,
                stride=64,
                padding=1024,
            ),
            2049**2 << 12,
        ),
    ],
    ids=["value", "padded copy"],
)
def test_a_program_that_takes_too_much_memory_is_asked_for_by_name(
    tmp_path: Path, op: Any, needs: int
) -> None:
    path = tmp_path / "large.bnn"
    program = alone(op, Value(False, 1, op.height, op.width, op.channels))
    model.save(program, path, About())
    said = refused(path)
    found = re.fullmatch(r"takes (\d+) bytes to run, for one image; 4294967296 are the most", said)
    assert found
    assert needs <= int(found[1]) < 1.01 * needs
    model.load(path, most_bytes=int(found[1]))
    assert refused(path, most_bytes=int(found[1]) - 1)
    assert model.needed_bytes(model.describe(path).outline) == int(found[1])


def test_what_kernels_keep_of_every_pixel_counts_for_every_node(tmp_path: Path) -> None:
    """A file of a few KB whose values share the memory of two, and whose tables do not."""
    side, count = 20_000, 12
    op = BinaryConv(
        height=side, width=side, channels=8, filters=8, kernel=1, after=Epilogue(signs=1)
    )
    pack = Pack(height=side, width=side, channels=1)
    first = BinaryConv(
        height=side, width=side, channels=1, filters=8, kernel=1, after=Epilogue(signs=1)
    )
    last = replace(op, filters=1, stride=64, after=Epilogue(floats=True))
    ops: list[Op] = [pack, first, *[op] * count, last]
    values = [Value(False, 1, side, side, 1)]
    nodes = []
    for n, one in enumerate(ops):
        wrote = flow(one)
        values.append(wrote.bits or wrote.floats)  # type: ignore[arg-type]
        there = (n + 1, None) if one is last else (None, n + 1)
        nodes.append(Node(one, (Use(n, 0, 1),), None, *there))
    given = tuple(drawn(one) for one in ops)
    program = Program(tuple(values), tuple(nodes), given, len(ops))
    path = tmp_path / "tables.bnn"
    model.save(program, path, About())
    assert path.stat().st_size < 20_000
    tables = 12 * side**2 * (count + 1)
    said = refused(path)
    assert tables < int(said.split()[1]) < tables + (6 << 30), said


def test_signs_may_take_a_byte_each_when_padded() -> None:
    op = BinaryConv(
        height=2,
        width=2,
        channels=9,
        filters=1,
        kernel=1,
        padding=3,
        after=Epilogue(floats=True),
    )
    assert model._padded(op) == 8 * 8 * 16


# What made it


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"labels": ["a"]}, "labels are a tuple of texts"),
        ({"labels": ("a", "b\n")}, r"a label is a text of printable characters; got 'b\\n'"),
        ({"made_by": 1}, "made_by is a text"),
        ({"data": "\u202e"}, "data is a text"),
        ({"accuracy": float("nan")}, "accuracy is a share, 0 to 1; got nan"),
        ({"accuracy": -0.1}, "accuracy is a share"),
        ({"accuracy": "0.5"}, "accuracy is a share"),
        ({"created": "21.11.2026"}, "isoformat"),
        ({"created": "2026-13-01"}, "created is a date .*: month must be in 1..12"),
        ({"created": 2026}, "created is a text"),
    ],
)
def test_what_made_it_is_told_in_plain_words(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        About(**given)
