"""Layer shapes of a benchmark, and their names: `64@56` is 64 channels on an image of 56x56."""

from __future__ import annotations

import re
from dataclasses import dataclass

from kernels.ops import RAW, BinaryConv, Epilogue, Residual

BITS = Epilogue(signs=1)
FUSED = Epilogue(signs=1, floats=True, residual=Residual.ONE)  # affine + residual + sign

FORM = re.compile(
    r"(?:(?P<kernel>\d+)x(?P<again>\d+)(?:s(?P<stride>\d+))?:)?"
    r"(?P<channels>\d+)(?:->(?P<filters>\d+))?@(?P<size>\d+)"
)
TEACH = (
    "write [KxK[sSTRIDE]:]CHANNELS[->FILTERS]@SIZE, several with commas between: "
    "64@56 is 3x3 over 64 channels of 56x56; 1x1:128@28; 3x3s2:64->128@56"
)


@dataclass(frozen=True, slots=True)
class Layer:
    """A convolution of a square image, padded so that stride 1 keeps its size."""

    channels: int
    size: int
    filters: int
    kernel: int = 3
    stride: int = 1

    @property
    def name(self) -> str:
        to = "" if self.filters == self.channels else f"->{self.filters}"
        return f"{self.channels}{to}@{self.size}"

    @property
    def window(self) -> str:
        return f"{self.kernel}x{self.kernel}" + (f" /{self.stride}" if self.stride > 1 else "")

    def __str__(self) -> str:
        return f"{self.window} {self.name}"

    def op(self, after: Epilogue = RAW, bases: int = 1) -> BinaryConv:
        return BinaryConv(
            height=self.size,
            width=self.size,
            channels=self.channels,
            filters=self.filters,
            kernel=self.kernel,
            stride=self.stride,
            padding=self.kernel // 2,
            bases=bases,
            after=after,
        )


def parse(text: str) -> tuple[Layer, ...]:
    """The layers of a command line. See `TEACH`."""
    return tuple(_parse_one(part.strip()) for part in text.split(","))


def _parse_one(text: str) -> Layer:
    found = FORM.fullmatch(text)
    if found is None or found["again"] != found["kernel"]:
        raise ValueError(f"{text!r} is no layer; {TEACH}")
    channels = int(found["channels"])
    layer = Layer(
        channels=channels,
        size=int(found["size"]),
        filters=int(found["filters"] or channels),
        kernel=int(found["kernel"] or 3),
        stride=int(found["stride"] or 1),
    )
    try:
        layer.op()
    except ValueError as wrong:
        raise ValueError(f"{text!r} cannot be a layer: {wrong}; {TEACH}") from wrong
    return layer


DEFAULT = ",".join(
    (
        "64@56,128@28,256@14,512@7",  # the stages of a ResNet-18 on ImageNet
        "64@32,128@16,256@8,512@4",  # and on CIFAR
        "16@32,32@16,64@8",  # the stages of a ResNet-20 on CIFAR
        "1x1:64@56,1x1:128@28,1x1:256@14,1x1:512@7",
        "3x3s2:64->128@56,3x3s2:128->256@28,3x3s2:256->512@14",
    )
)
