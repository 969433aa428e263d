"""Small pieces of an ONNX graph, put together call by call. Maps are NCHW, one tensor for a set."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from kernels.parameters import Array

OPSET, IR = 18, 8  # what onnxruntime has had since 2023


def module(name: str) -> Any:
    """One that need not be there."""
    try:
        return importlib.import_module(name)
    except ImportError as missing:
        raise ValueError(
            f"ONNX files want the package {missing.name or name}, which is not installed: "
            "pip install 'binary-nas[onnx]'"
        ) from missing


class Parts:
    """`at` is the number of the program's node that is being written: it begins every name."""

    def __init__(self) -> None:
        self.onnx = module("onnx")
        self.nodes: list[Any] = []
        self.constants: dict[str, Array] = {}
        self.at = "image"
        self._made = 0

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """A node of one output; its name."""
        name = self._name(kind)
        self.nodes.append(
            self.onnx.helper.make_node(kind, list(inputs), [name], name=name, **attributes)
        )
        return name

    def constant(self, what: str, values: Array) -> str:
        name = self._name(what)
        self.constants[name] = np.ascontiguousarray(values)
        return name

    def shared(self, name: str, values: Array) -> str:
        """A constant that many nodes have in common."""
        self.constants.setdefault(name, values)
        return name

    def channels(self, what: str, row: Array) -> str:
        """A number for each channel, next to maps."""
        return self.constant(what, row.reshape(-1, 1, 1))

    def scalar(self, what: str, value: Any) -> str:
        return self.constant(what, np.array(value, np.float32))

    def signs(self, y: str, thresholds: Array) -> str:
        """-1 where a number is below its threshold, and +1 elsewhere: of 0 too."""
        below = self.add("Less", y, self.channels("threshold", thresholds))
        minus, plus = (self.shared(f"{s:+}", np.array(s, np.float32)) for s in (-1, 1))
        return self.add("Where", below, minus, plus)

    def _name(self, what: str) -> str:
        self._made += 1
        return f"{self.at}/{what}_{self._made}"
