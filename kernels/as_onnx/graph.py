"""A program as an ONNX graph of float32: to look at in Netron, and to run where ONNX runs.

It says the same as the program, with the signs as +1 and -1, and the same images go in. Sums of
real numbers are made in the order of whatever runs it, so its answers differ by rounding: a number
next to its threshold may fall on the other side. `onnx` has to be installed, and nothing else.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from kernels import files
from kernels.about import About
from kernels.as_onnx.nodes import Maps, floats
from kernels.as_onnx.parts import IR, OPSET, Parts
from kernels.flow import Use
from kernels.program import Program


def write(program: Program, about: About, path: Path) -> None:
    """Input "image": (batch, height, width, channels), uint8 or, where the program does not say how
    to normalise it, float32. Output "answer": as `Engine.run` gives it.
    """
    files.replace_bytes(path, graph(program, about).SerializeToString())


def graph(program: Program, about: About) -> Any:
    """The ModelProto, checked."""
    to = Parts()
    values: dict[int, Maps] = {0: [_image(to, program)]}

    def part(use: Use) -> Maps:
        return values[use.value][use.first : use.first + use.sets]

    for n, (node, given) in enumerate(zip(program.nodes, program.parameters, strict=True)):
        to.at = f"{n}.{type(node.op).__name__}"
        reads = [one for use in node.reads for one in part(use)]
        residual = [] if node.residual is None else part(node.residual)
        form = program.values[node.reads[0].value]
        wrote = floats(to, node.op, given, reads, residual, form)
        if node.floats is not None:
            values[node.floats] = wrote
        if node.bits is not None:
            rows = zip(wrote, given["thresholds"], strict=True)
            values[node.bits] = [to.signs(y, row) for y, some in rows for row in some]
    to.at = "answer"
    _answer(to, program, values[program.output][0])
    return _model(to, program, about)


def _image(to: Parts, program: Program) -> str:
    image = "image"
    if _takes_pixels(program):
        image = to.add("Cast", image, to=to.onnx.TensorProto.FLOAT)
    if program.normal is not None:
        mean, std = (np.array(row, np.float32) for row in program.normal)
        image = to.add("Sub", image, to.constant("mean", mean))
        image = to.add("Div", image, to.constant("std", std))
    return to.add("Transpose", image, perm=[0, 3, 1, 2])


def _takes_pixels(program: Program) -> bool:
    return program.pixels or program.normal is not None


def _answer(to: Parts, program: Program, output: str) -> None:
    if _shape(program) == ["batch", program.values[program.output].channels]:
        last = to.onnx.helper.make_node("Flatten", [output], ["answer"], name="answer", axis=1)
    else:
        perm = [0, 2, 3, 1]
        last = to.onnx.helper.make_node("Transpose", [output], ["answer"], name="answer", perm=perm)
    to.nodes.append(last)


def _shape(program: Program) -> list[str | int]:
    value = program.values[program.output]
    if (value.height, value.width) == (1, 1):
        return ["batch", value.channels]
    return ["batch", value.height, value.width, value.channels]


def _model(to: Parts, program: Program, about: About) -> Any:
    helper, kinds, image = to.onnx.helper, to.onnx.TensorProto, program.image
    taken = kinds.UINT8 if _takes_pixels(program) else kinds.FLOAT
    shape = ["batch", image.height, image.width, image.channels]
    made = helper.make_graph(
        to.nodes,
        about.arch or "program",
        [helper.make_tensor_value_info("image", taken, shape)],
        [helper.make_tensor_value_info("answer", kinds.FLOAT, _shape(program))],
        [to.onnx.numpy_helper.from_array(array, name) for name, array in to.constants.items()],
    )
    opset = helper.make_opsetid("", OPSET)
    model = helper.make_model(
        made, opset_imports=[opset], ir_version=IR, producer_name=about.made_by or "binary-nas"
    )
    helper.set_model_props(model, _told(about))
    to.onnx.checker.check_model(model)
    return model


def _told(about: About) -> dict[str, str]:
    known = {
        "arch": about.arch,
        "key": about.key,
        "labels": None if about.labels is None else "\n".join(about.labels),
        "data": about.data,
        "created": about.created,
        "accuracy": None if about.accuracy is None else repr(about.accuracy),
    }
    return {key: value for key, value in known.items() if value is not None}
