"""What can be run: one frozen value per operation, with its shapes and without its weights.

`Op` is a closed union. The plan of an architecture is a list of ops; the network, the packed
program, the counts and the predicted time all read that list.

Arrays that an op takes and gives have their *sets* first: a feature map is
`(sets, batch, height, width, channels)`, NHWC behind the sets, one set for each parallel branch or
each activation base. Bits are laid out as `kernels.bits` says.
"""

from __future__ import annotations

from dataclasses import dataclass

from kernels.epilogue import LARGEST_SIDE, RAW, Curve, Epilogue, Residual, kinds, whole
from kernels.real_ops import (
    Affine,
    Blend,
    GlobalPool,
    Linear,
    Mix,
    Pack,
    Pool,
    Pooling,
    RealConv,
    Resize,
    Skip,
    Stem,
    slid,
)

__all__ = [
    "RAW",
    "Affine",
    "Binary",
    "BinaryConv",
    "BinaryLinear",
    "Blend",
    "Curve",
    "Epilogue",
    "GlobalPool",
    "Linear",
    "Mix",
    "Op",
    "Pack",
    "Pool",
    "Pooling",
    "Real",
    "RealConv",
    "Residual",
    "Resize",
    "Skip",
    "Stem",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class BinaryConv:
    """A convolution of signs with signs: `bases` sets of weights over `inputs` sets of signs.

    Every base meets every input (`pairs = inputs * bases`, the input changing slowest): one input
    is the K bases of a group that start together, several are ABC-Net's M x N. Or, with `own`, base
    i meets input i alone: branches that run side by side. The border is padded with +1.
    """

    height: int
    width: int
    channels: int
    filters: int  # output channels of one pair
    kernel: int = 3
    stride: int = 1
    dilation: int = 1
    padding: int = 0
    inputs: int = 1
    bases: int = 1
    own: bool = False
    after: Epilogue = RAW

    def __post_init__(self) -> None:
        side, many = (1, LARGEST_SIDE), (1, 64)
        whole(self, height=side, width=side, channels=side, filters=side, inputs=many, bases=many)
        whole(self, kernel=(1, 7), stride=(1, 64), dilation=(1, 64), padding=(0, 1024))
        kinds(self, own=bool, after=Epilogue)
        if self.own and self.inputs != self.bases:
            raise ValueError(f"own wants an input per base; got {self.inputs} for {self.bases}")
        if self.out_height < 1 or self.out_width < 1:
            reach = self.dilation * (self.kernel - 1) + 1
            raise ValueError(
                f"a kernel that reaches over {reach}x{reach} does not fit an image of "
                f"{self.height}x{self.width} padded by {self.padding}"
            )

    @property
    def pairs(self) -> int:
        return self.bases if self.own else self.inputs * self.bases

    @property
    def sets(self) -> int:
        """How many feature maps come out."""
        return 1 if self.after.sum else self.pairs

    @property
    def products(self) -> int:
        """How many signs one dot product runs over."""
        return self.kernel**2 * self.channels

    @property
    def out_height(self) -> int:
        return slid(self.height, self.kernel, self.stride, self.dilation, self.padding)

    @property
    def out_width(self) -> int:
        return slid(self.width, self.kernel, self.stride, self.dilation, self.padding)

    @property
    def macs(self) -> int:
        """Binary multiply-accumulates for one image."""
        return self.pairs * self.out_height * self.out_width * self.filters * self.products

    def as_conv(self) -> BinaryConv:
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class BinaryLinear:
    """A matrix of signs times a vector of signs, for the same inputs, bases and epilogues."""

    channels: int
    filters: int
    inputs: int = 1
    bases: int = 1
    own: bool = False
    after: Epilogue = RAW

    def __post_init__(self) -> None:
        _ = self.as_conv()

    def as_conv(self) -> BinaryConv:
        """The same sums: a 1x1 convolution over an image of one pixel."""
        return BinaryConv(
            height=1,
            width=1,
            channels=self.channels,
            filters=self.filters,
            kernel=1,
            inputs=self.inputs,
            bases=self.bases,
            own=self.own,
            after=self.after,
        )

    @property
    def macs(self) -> int:
        return self.as_conv().macs


Binary = BinaryConv | BinaryLinear
Real = RealConv | Stem | Pool | GlobalPool | Mix | Skip | Resize | Linear | Affine | Pack
Op = Binary | Real
