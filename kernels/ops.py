"""What can be run: one frozen value per operation, with its shapes and without its weights.

`Op` is a closed union. The plan of an architecture is a list of ops; the network, the packed
program, the counts and the predicted time all read that list.

Arrays that an op takes and gives have their *sets* first: a feature map is
`(sets, batch, height, width, channels)`, NHWC behind the sets, one set for each parallel branch or
each activation base. Bits are laid out as `kernels.bits` says.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

LARGEST_SIDE = 1 << 16


class Curve(enum.StrEnum):
    """What is done to a number that may be negative."""

    NONE = "none"
    RELU = "relu"
    PRELU = "prelu"


class Residual(enum.StrEnum):
    """What is added to the result: nothing, one map for all pairs, or a map for each pair."""

    NONE = "none"
    ONE = "one"
    EACH = "each"


@dataclass(frozen=True, slots=True, kw_only=True)
class Epilogue:
    """What happens to a dot product before it leaves the tile, in this order.

    d                     the dot product, a whole number
    d = inner(d)          none, ReLU, or PReLU with a slope per channel
    y = scale * d + shift per pair and channel
    y = y + c * r         the residual: with `EACH`, a map and a factor c per pair
    y = sum over pairs    if `sum`: one set comes out, not one per pair
    y = y + r             the residual: with `ONE`, added last, and as it is
    y = outer(y)          y + before, then none, ReLU or PReLU, then + after (RPReLU), per channel
    out                   float32 if `floats`; a sign bit for each of `signs` thresholds per channel

    Each step is one float32 operation, rounded once, in this order: so every instruction set gives
    the same bits. A plain op (`RAW`) gives the dot products themselves, as int32.
    """

    floats: bool = False
    signs: int = 0
    sum: bool = False
    inner: Curve = Curve.NONE
    residual: Residual = Residual.NONE
    outer: Curve | None = None  # None: the whole step, with its `before` and `after`, is absent

    def __post_init__(self) -> None:
        if not 0 <= self.signs <= 64:
            raise ValueError(f"an epilogue writes 0 to 64 sign bits a value; got {self.signs}")
        asked = (self.sum, self.inner != Curve.NONE, self.residual != Residual.NONE, self.outer)
        if self.raw and any(a not in (False, None) for a in asked):
            raise ValueError(f"{self} computes float32 and writes none of it: ask floats or signs")

    @property
    def raw(self) -> bool:
        """Nothing but int32 dot products."""
        return not self.floats and not self.signs


RAW = Epilogue()


def _whole(op: object, **limits: tuple[int, int]) -> None:
    for name, (low, high) in limits.items():
        value = getattr(op, name)
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"{name} is a whole number; got {value!r}")
        if not low <= value <= high:
            raise ValueError(f"{name} is {low} to {high}; got {value}")


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
        _whole(self, height=side, width=side, channels=side, filters=side, inputs=many, bases=many)
        _whole(self, kernel=(1, 7), stride=(1, 64), dilation=(1, 64), padding=(0, 1024))
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
        return self._out(self.height)

    @property
    def out_width(self) -> int:
        return self._out(self.width)

    def _out(self, size: int) -> int:
        reach = self.dilation * (self.kernel - 1) + 1
        return (size + 2 * self.padding - reach) // self.stride + 1

    @property
    def macs(self) -> int:
        """Binary multiply-accumulates for one image."""
        return self.pairs * self.out_height * self.out_width * self.filters * self.products


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


def _slid(size: int, kernel: int, stride: int, dilation: int, padding: int) -> int:
    """How many places a window finds on a side of `size`."""
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


class Pooling(enum.StrEnum):
    MAX = "max"
    AVERAGE = "average"


class Blend(enum.StrEnum):
    """How branches b are mixed; w, c and m are constants by the time a program runs.

    MEAN    one map: sum of b_j / inputs
    LAMBDA  one map: sum of w_j * b_j
    GATE    `outputs` maps: c_i * b_i + (1 - c_i) * a, where a is the sum of w_j * b_j; and a itself
            for every i that has no branch of its number
    ROUTE   `outputs` maps: sum of m_ij * b_j
    """

    MEAN = "mean"
    LAMBDA = "lambda"
    GATE = "gate"
    ROUTE = "route"


@dataclass(frozen=True, slots=True, kw_only=True)
class RealConv:
    """A float32 convolution, padded with 0; the same weights for each of `inputs` maps.

    `groups` as usual: 1, or `channels` for a depthwise one. The epilogue takes its sums for d.
    """

    height: int
    width: int
    channels: int
    filters: int
    kernel: int = 3
    stride: int = 1
    dilation: int = 1
    padding: int = 0
    groups: int = 1
    inputs: int = 1
    after: Epilogue = Epilogue(floats=True)

    def __post_init__(self) -> None:
        side, many = (1, LARGEST_SIDE), (1, 64)
        _whole(self, height=side, width=side, channels=side, filters=side, inputs=many)
        _whole(self, kernel=(1, 7), stride=(1, 64), dilation=(1, 64), padding=(0, 1024))
        _whole(self, groups=(1, self.channels))
        if self.channels % self.groups or self.filters % self.groups:
            raise ValueError(
                f"groups divide channels and filters; got {self.groups} for {self.channels} "
                f"and {self.filters}"
            )
        _writes_floats(self.after)
        _fits(self, self.dilation * (self.kernel - 1) + 1)

    @property
    def sets(self) -> int:
        return 1 if self.after.sum else self.inputs

    @property
    def out_height(self) -> int:
        return _slid(self.height, self.kernel, self.stride, self.dilation, self.padding)

    @property
    def out_width(self) -> int:
        return _slid(self.width, self.kernel, self.stride, self.dilation, self.padding)

    @property
    def weights(self) -> int:
        return self.filters * self.kernel**2 * (self.channels // self.groups)

    @property
    def macs(self) -> int:
        """Float32 multiply-accumulates for one image."""
        return self.inputs * self.out_height * self.out_width * self.weights


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """The largest or the average of each window, for each of `sets` maps.

    What lies over the border is left out: of the maximum, and of the average's count too.
    """

    kind: Pooling
    height: int
    width: int
    channels: int
    kernel: int
    stride: int
    padding: int = 0
    sets: int = 1

    def __post_init__(self) -> None:
        side = (1, LARGEST_SIDE)
        _whole(self, height=side, width=side, channels=side, kernel=(1, 64), stride=(1, 64))
        _whole(self, padding=(0, self.kernel // 2), sets=(1, 4096))
        _fits(self, self.kernel)

    @property
    def out_height(self) -> int:
        return _slid(self.height, self.kernel, self.stride, 1, self.padding)

    @property
    def out_width(self) -> int:
        return _slid(self.width, self.kernel, self.stride, 1, self.padding)


@dataclass(frozen=True, slots=True, kw_only=True)
class GlobalPool:
    """The average over the whole of each map: one number per set and channel."""

    height: int
    width: int
    channels: int
    sets: int = 1

    def __post_init__(self) -> None:
        side = (1, LARGEST_SIDE)
        _whole(self, height=side, width=side, channels=side, sets=(1, 4096))


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """`inputs` branches mixed into `outputs`, as float32, as sign bits, or as both."""

    kind: Blend
    height: int
    width: int
    channels: int
    inputs: int
    outputs: int = 1
    floats: bool = True
    signs: int = 0

    def __post_init__(self) -> None:
        side, many = (1, LARGEST_SIDE), (1, 64)
        _whole(self, height=side, width=side, channels=side, inputs=many, outputs=many)
        _writes_floats(Epilogue(floats=self.floats, signs=self.signs))
        if self.kind in (Blend.MEAN, Blend.LAMBDA) and self.outputs != 1:
            raise ValueError(f"{self.kind} gives one map; got {self.outputs}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Skip:
    """Maps brought to another size without a parameter, and added to others where there are any.

    Each place is the average of the stretch of the input that it stands for, from i * in // out up
    to, but not with, (i + 1) * in // out (rounded up); channels are repeated in turn, or cut off.
    With `onto` n, the one input is added to each of n maps of the new size.
    """

    height: int
    width: int
    channels: int
    out_height: int
    out_width: int
    filters: int
    inputs: int = 1
    onto: int = 0

    def __post_init__(self) -> None:
        side, many = (1, LARGEST_SIDE), (1, 64)
        _whole(self, height=side, width=side, channels=side, filters=side)
        _whole(self, out_height=side, out_width=side, inputs=many, onto=(0, 64))
        if self.onto and self.inputs != 1:
            raise ValueError(f"one map is added to {self.onto}; got {self.inputs}")

    @property
    def sets(self) -> int:
        return self.onto or self.inputs


@dataclass(frozen=True, slots=True, kw_only=True)
class Resize:
    """Bilinear, between the centres of pixels, to a size of one's choice."""

    height: int
    width: int
    channels: int
    out_height: int
    out_width: int
    sets: int = 1

    def __post_init__(self) -> None:
        side = (1, LARGEST_SIDE)
        _whole(self, height=side, width=side, channels=side, sets=(1, 4096))
        _whole(self, out_height=side, out_width=side)


@dataclass(frozen=True, slots=True, kw_only=True)
class Linear:
    """A float32 matrix times a vector, plus a bias."""

    channels: int
    filters: int

    def __post_init__(self) -> None:
        _whole(self, channels=(1, 1 << 30), filters=(1, LARGEST_SIDE))

    @property
    def weights(self) -> int:
        """The bias among them."""
        return self.filters * (self.channels + 1)

    @property
    def macs(self) -> int:
        return self.filters * self.channels


@dataclass(frozen=True, slots=True, kw_only=True)
class Affine:
    """An epilogue alone, where no convolution writes the map: d is the float32 that came."""

    height: int
    width: int
    channels: int
    sets: int = 1
    after: Epilogue = Epilogue(floats=True)

    def __post_init__(self) -> None:
        side = (1, LARGEST_SIDE)
        _whole(self, height=side, width=side, channels=side, sets=(1, 4096))
        _writes_floats(self.after)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """float32 to sign bits, against `signs` thresholds per channel in one pass."""

    height: int
    width: int
    channels: int
    sets: int = 1
    signs: int = 1

    def __post_init__(self) -> None:
        side = (1, LARGEST_SIDE)
        _whole(self, height=side, width=side, channels=side, sets=(1, 4096), signs=(1, 64))


def _writes_floats(after: Epilogue) -> None:
    if after.raw:
        raise ValueError("a float32 op writes floats or signs; got an epilogue with neither")


def _fits(op: RealConv | Pool, reach: int) -> None:
    if op.out_height < 1 or op.out_width < 1:
        raise ValueError(
            f"a window that reaches over {reach}x{reach} does not fit an image of "
            f"{op.height}x{op.width} padded by {op.padding}"
        )


Binary = BinaryConv | BinaryLinear
Real = RealConv | Pool | GlobalPool | Mix | Skip | Resize | Linear | Affine | Pack
Op = Binary | Real
