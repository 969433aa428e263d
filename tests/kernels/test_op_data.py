"""Ops as plain data: what was written is read, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import random_op, random_stem

from kernels import op_data
from kernels.flow import Value
from kernels.ops import BinaryConv, Curve, Epilogue, Mix, Op
from search_spaces import __main__ as search_spaces

OP = BinaryConv(height=4, width=4, channels=8, filters=2, after=Epilogue(floats=True, signs=1))
CONV, MIX = op_data.to_data(OP), {"op": "Mix", "kind": "mean", "height": 1, "width": 1}
SIZES = st.integers(1, 9)


@settings(deadline=None, derandomize=True, max_examples=300)
@given(
    rng=st.randoms(use_true_random=False),
    reads=st.builds(Value, st.booleans(), st.integers(1, 4), SIZES, SIZES, SIZES),
)
def test_an_op_comes_back_as_it_was(rng: Random, reads: Value) -> None:
    op = random_op(rng, reads)
    again = op_data.from_data(json.loads(json.dumps(op_data.to_data(op))))
    assert again == op
    assert type(again) is type(op)
    assert repr(again) == repr(op)  # enums are enums again, not texts that equal them


def test_every_kind_of_op_is_known() -> None:
    drawn = {type(random_op(Random(n), Value(n % 2 == 0, 1, 1, 1, 8))) for n in range(300)}
    drawn.add(type(random_stem(Random(0), Value(False, 1, 4, 4, 3))))
    assert drawn == set(get_args(Op)) == set(op_data.KINDS.values())


def changed(path: str, value: Any) -> dict[str, Any]:
    data = json.loads(json.dumps(CONV))
    *outer, last = path.split(".")
    at = data
    for key in outer:
        at = at[key]
    at[last] = value
    return data


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (None, "an op is its name and its fields; got None"),
        ([CONV], "an op is its name"),
        ({}, "op is one of BinaryConv, .*; got None"),
        (changed("op", "Conv"), "op is one of BinaryConv, BinaryLinear, .*; got 'Conv'"),
        (changed("op", []), r"op is one of .*; got \[\]"),
        (changed("op", "Epilogue"), "op is one of"),
        ({k: v for k, v in CONV.items() if k != "padding"}, "BinaryConv lacks its padding"),
        (changed("pad", 1), "BinaryConv has no 'pad'; it has height, width, "),
        (changed("after.x", 1), "BinaryConv.after has no 'x'"),
        (changed("after", None), "BinaryConv.after is an object with floats, .*; got None"),
        (changed("height", True), "BinaryConv.height is a whole number; got True"),
        (changed("height", 1.0), r"BinaryConv.height is a whole number; got 1\.0"),
        (changed("height", float("nan")), "BinaryConv.height is a whole number; got nan"),
        (changed("height", "1"), "BinaryConv.height is a whole number; got '1'"),
        (changed("height", None), "BinaryConv.height is a whole number; got None"),
        (changed("height", 0), "BinaryConv: height is 1 to 65536; got 0"),
        (changed("height", 10**5000), "BinaryConv: "),
        (changed("own", 0), "BinaryConv.own is true or false; got 0"),
        (changed("own", "false"), "BinaryConv.own is true or false; got 'false'"),
        (changed("after.inner", "tanh"), "after.inner is one of none, relu, prelu; got 'tanh'"),
        (changed("after.inner", None), "after.inner is one of none, relu, prelu; got None"),
        (changed("after.inner", []), "after.inner is one of none, relu, prelu"),
        (changed("after.outer", "tanh"), "after.outer is one of none, relu, prelu; got 'tanh'"),
        (changed("after.signs", 65), "BinaryConv.after: signs is 0 to 64"),
        (changed("kernel", 6), "BinaryConv: a kernel that reaches over 6x6"),
        (changed("height", "9" * 1000), "BinaryConv.height is a whole number; got '9{1,30}"),
        ({**MIX, "kind": "median"}, "Mix lacks its channels"),
    ],
)
def test_an_error_names_the_field_and_what_is_wanted(data: Any, error: str) -> None:
    with pytest.raises(ValueError, match=error) as raised:
        op_data.from_data(data)
    assert len(str(raised.value)) < 300


def test_a_step_that_is_absent_stays_absent() -> None:
    assert CONV["after"]["outer"] is None
    assert op_data.from_data(changed("after.outer", "none")) == BinaryConv(
        height=4,
        width=4,
        channels=8,
        filters=2,
        after=Epilogue(floats=True, signs=1, outer=Curve.NONE),
    )


def test_what_search_spaces_writes_is_read(tmp_path: Path) -> None:
    path = tmp_path / "ops.json"
    asked = ["ops", "groupnet", "--backbone", "digits", "-o", str(path)]
    assert search_spaces.main(asked) == 0
    ops = op_data.read_ops(path)
    assert [op_data.to_data(op) for op in ops] == json.loads(path.read_text())["ops"]
    assert {BinaryConv, Mix} <= {type(op) for op in ops}


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "ops.json is not JSON: Expecting value"),
        ('{"ops": [', "ops.json is not JSON"),
        ('{"ops": NaN}', "ops.json is not JSON: NaN is no number of JSON"),
        ('{"ops": [], "ops": []}', "ops.json is not JSON: 'ops' is there twice"),
        ("[" * 100_000, "ops.json is not JSON: it is nested too deeply"),
        ("[]", "ops.json has no list of ops"),
        ('{"op": []}', "ops.json has no list of ops"),
        ('{"ops": {}}', "ops.json has no list of ops"),
        (json.dumps({"ops": [CONV, {**CONV, "filters": 1.5}]}), "entry 1 of its ops: .*filters"),
    ],
    ids=range(9),
)
def test_a_file_of_ops_that_is_none_is_named(tmp_path: Path, text: str, error: str) -> None:
    path = tmp_path / "ops.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=error) as raised:
        op_data.read_ops(path)
    assert str(raised.value).startswith(str(path))


def test_bytes_that_are_no_text_are_not_json(tmp_path: Path) -> None:
    path = tmp_path / "ops.json"
    path.write_bytes(b"\xff{}")
    with pytest.raises(ValueError, match=r"ops\.json is not JSON"):
        op_data.read_ops(path)
