"""Bi-Real ResNet-18 here beside Larq Compute Engine: the same network, random weights, one thread.

Optional: `pip install larq-compute-engine larq tensorflow tf_keras` where their wheels are, best in
an environment of their own. Its settings are all tried, and the fastest one counts.

    python -m kernels.benches.larq
"""

from __future__ import annotations

import os
import statistics
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from kernels import machine, timing
from kernels.case import on_pixels, program
from kernels.engine import Engine
from kernels.epilogue import Epilogue, Residual
from kernels.flow import Use, Value, flow
from kernels.ops import Affine, BinaryConv, GlobalPool, Linear, Op, Pool, Pooling, RealConv
from kernels.program import Node, Program
from kernels.timing import Runs

STAGES = ((64, 56, 1), (128, 56, 2), (256, 28, 2), (512, 14, 2))  # filters, size of input, stride
SIGNED = Epilogue(floats=True, signs=1)
ADDED = Epilogue(floats=True, signs=1, residual=Residual.ONE)
RUNS = 3


class Sketch:
    """Nodes one after another, each with values of its own."""

    def __init__(self) -> None:
        self.values = [Value(False, 1, 224, 224, 3)]
        self.nodes: list[Node] = []

    def add(self, op: Op, read: int, residual: int | None = None) -> tuple[int, int]:
        """The numbers of what it writes: floats and signs."""
        wrote: list[int | None] = []
        for value in (flow(op).floats, flow(op).bits):
            wrote.append(None if value is None else len(self.values))
            if value is not None:
                self.values.append(value)
        added = None if residual is None else Use(residual, 0, 1)
        self.nodes.append(Node(op, (Use(read, 0, 1),), added, wrote[0], wrote[1]))
        return wrote[0] or 0, wrote[1] or 0


def ours() -> Program:
    s = Sketch()
    stem = RealConv(height=224, width=224, channels=3, filters=64, kernel=7, stride=2, padding=3)
    side = {"height": 112, "width": 112, "channels": 64}
    x, _ = s.add(stem, 0)
    x, _ = s.add(Pool(kind=Pooling.MAX, kernel=3, stride=2, padding=1, **side), x)
    x, b = s.add(Affine(height=56, width=56, channels=64, after=SIGNED), x)
    for filters, size, stride in STAGES:
        channels = s.values[x].channels
        shortcut = x
        if stride == 2:
            place = {"height": size, "width": size, "channels": channels}
            pool = Pool(kind=Pooling.AVERAGE, kernel=2, stride=2, **place)
            shortcut, _ = s.add(pool, x)
            half = size // 2
            one = RealConv(height=half, width=half, channels=channels, filters=filters, kernel=1)
            shortcut, _ = s.add(one, shortcut)
        for n in range(4):
            first = n == 0
            conv = BinaryConv(
                height=size if first else size // stride,
                width=size if first else size // stride,
                channels=channels if first else filters,
                filters=filters,
                stride=stride if first else 1,
                padding=1,
                after=ADDED,
            )
            x, b = s.add(conv, b, shortcut)
            shortcut = x
    x, _ = s.add(GlobalPool(height=7, width=7, channels=512), x)
    x, _ = s.add(Linear(channels=512, filters=1000), x)
    return program(s.values, s.nodes, x, np.random.default_rng(0))


def theirs() -> dict[str, Callable[[], object]]:
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import larq
    import larq_compute_engine as lce
    import tensorflow as tf
    from larq_compute_engine.tflite.python.interpreter import Interpreter

    layers = tf.keras.layers

    def binary(x: Any, filters: int, stride: int) -> Any:
        signs = {"input_quantizer": "ste_sign", "kernel_quantizer": "ste_sign"}
        around = {"padding": "same", "pad_values": 1.0, "use_bias": False}
        x = larq.layers.QuantConv2D(filters, 3, strides=stride, **signs, **around)(x)
        return layers.BatchNormalization()(x)

    image = tf.keras.Input((224, 224, 3))
    x = layers.Conv2D(64, 7, 2, padding="same", use_bias=False)(image)
    x = layers.MaxPool2D(3, 2, padding="same")(layers.BatchNormalization()(x))
    for filters, _, stride in STAGES:
        shortcut = x
        if stride == 2:
            shortcut = layers.Conv2D(filters, 1, use_bias=False)(layers.AvgPool2D(2, 2)(x))
            shortcut = layers.BatchNormalization()(shortcut)
        for n in range(4):
            x = layers.add([binary(x, filters, stride if n == 0 else 1), shortcut])
            shortcut = x
    answer = layers.Dense(1000)(layers.GlobalAvgPool2D()(x))
    packed = lce.convert_keras_model(tf.keras.Model(image, answer))
    images = np.random.default_rng(0).standard_normal((1, 224, 224, 3), np.float32)

    def way(**settings: bool) -> Callable[[], object]:
        return partial(Interpreter(packed, num_threads=1, **settings).predict, images)

    return {
        "larq": way(),
        "larq, indirect": way(use_indirect_bgemm=True),
        "larq, indirect, xnnpack": way(use_indirect_bgemm=True, use_xnnpack=True),
        "larq, xnnpack": way(use_xnnpack=True),
    }


def main() -> int:
    plain, rng = ours(), np.random.default_rng(0)
    images = rng.standard_normal((1, 224, 224, 3), np.float32)
    pixels = rng.integers(0, 256, images.shape, np.uint8)
    mine: dict[str, Runs] = {
        "ours": partial(Engine(plain).clock, images),
        "ours, stem on pixels": partial(Engine(on_pixels(plain)).clock, pixels),
    }
    things = dict(mine)
    things |= {name: timing.repeated(call) for name, call in theirs().items()}
    print(f"Bi-Real ResNet-18, 224x224, batch 1, 1 thread, {machine.here()}")
    ratios: dict[str, list[float]] = {name: [] for name in mine}
    for _ in range(RUNS):
        times = {name: t.median_ns for name, t in timing.measure(things, 7).items()}
        best = min(t for name, t in times.items() if name not in mine)
        for name, every in ratios.items():
            every.append(best / times[name])
        print(", ".join(f"{name} {t / 1e6:.2f} ms" for name, t in times.items()))
    for name, every in ratios.items():
        print(f"{name}: {statistics.median(every):.1f} times as fast as its fastest setting")
    return 0


if __name__ == "__main__":
    sys.exit(main())
