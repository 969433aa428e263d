"""The ops that compute with real numbers, and those that move or pack them. See `kernels.ops`."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from kernels.epilogue import FLOATS, LARGEST_SIDE, Epilogue, Residual, kinds, whole


def slid(size: int, kernel: int, stride: int, dilation: int, padding: int) -> int:
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
    after: Epilogue = FLOATS

    def __post_init__(self) -> None:
        side, many = (1, LARGEST_SIDE), (1, 64)
        whole(self, height=side, width=side, channels=side, filters=side, inputs=many)
        whole(self, kernel=(1, 7), stride=(1, 64), dilation=(1, 64), padding=(0, 1024))
        whole(self, groups=(1, self.channels))
        if self.channels % self.groups or self.filters % self.groups:
            raise ValueError(
                f"groups divide channels and filters; got {self.groups} for {self.channels} "
                f"and {self.filters}"
            )
        kinds(self, after=Epilogue)
        _writes_floats(self.after)
        _fits(self, self.dilation * (self.kernel - 1) + 1)

    @property
    def sets(self) -> int:
        return 1 if self.after.sum else self.inputs

    @property
    def out_height(self) -> int:
        return slid(self.height, self.kernel, self.stride, self.dilation, self.padding)

    @property
    def out_width(self) -> int:
        return slid(self.width, self.kernel, self.stride, self.dilation, self.padding)

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
        whole(self, height=side, width=side, channels=side, kernel=(1, 64), stride=(1, 64))
        whole(self, padding=(0, self.kernel // 2), sets=(1, 4096))
        kinds(self, kind=Pooling)
        _fits(self, self.kernel)

    @property
    def out_height(self) -> int:
        return slid(self.height, self.kernel, self.stride, 1, self.padding)

    @property
    def out_width(self) -> int:
        return slid(self.width, self.kernel, self.stride, 1, self.padding)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stem:
    """A convolution on an image's pixels, whole numbers 0 to 255, and a max pool, in one pass.

    Weights are int16. Of every pixel inside the image `mean` is taken off; the border is 0, as that
    of an image that was normalised first. With `pool` 0 there is none. The epilogue takes the
    largest sum of each window for d.
    """

    height: int
    width: int
    channels: int
    filters: int
    kernel: int = 3
    stride: int = 1
    padding: int = 0
    pool: int = 0
    pool_stride: int = 1
    pool_padding: int = 0
    after: Epilogue = FLOATS

    def __post_init__(self) -> None:
        whole(self, channels=(1, 4), padding=(0, self.kernel - 1), pool=(0, 64))
        if not self.pool and (self.pool_stride, self.pool_padding) != (1, 0):
            raise ValueError(
                f"without a pool its stride is 1 and its padding 0; got {self.pool_stride} "
                f"and {self.pool_padding}"
            )
        if self.after.sum or self.after.residual is not Residual.NONE:
            raise ValueError(f"a stem adds nothing to its one map; got {self.after}")
        self.as_pool()

    def as_conv(self) -> RealConv:
        """Its convolution, of float32."""
        return RealConv(
            height=self.height,
            width=self.width,
            channels=self.channels,
            filters=self.filters,
            kernel=self.kernel,
            stride=self.stride,
            padding=self.padding,
            after=self.after,
        )

    def as_pool(self) -> Pool | None:
        conv = self.as_conv()
        if not self.pool:
            return None
        return Pool(
            kind=Pooling.MAX,
            height=conv.out_height,
            width=conv.out_width,
            channels=self.filters,
            kernel=self.pool,
            stride=self.pool_stride,
            padding=self.pool_padding,
        )

    @property
    def out_height(self) -> int:
        return (self.as_pool() or self.as_conv()).out_height

    @property
    def out_width(self) -> int:
        return (self.as_pool() or self.as_conv()).out_width

    @property
    def weights(self) -> int:
        return self.as_conv().weights

    @property
    def macs(self) -> int:
        """Multiply-accumulates of whole numbers for one image."""
        return self.as_conv().macs


@dataclass(frozen=True, slots=True, kw_only=True)
class GlobalPool:
    """The average over the whole of each map: one number per set and channel."""

    height: int
    width: int
    channels: int
    sets: int = 1

    def __post_init__(self) -> None:
        side = (1, LARGEST_SIDE)
        whole(self, height=side, width=side, channels=side, sets=(1, 4096))


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
        whole(self, height=side, width=side, channels=side, inputs=many, outputs=many)
        kinds(self, kind=Blend)
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
        whole(self, height=side, width=side, channels=side, filters=side)
        whole(self, out_height=side, out_width=side, inputs=many, onto=(0, 64))
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
        whole(self, height=side, width=side, channels=side, sets=(1, 4096))
        whole(self, out_height=side, out_width=side)


@dataclass(frozen=True, slots=True, kw_only=True)
class Linear:
    """A float32 matrix times a vector, plus a bias."""

    channels: int
    filters: int

    def __post_init__(self) -> None:
        whole(self, channels=(1, 1 << 30), filters=(1, LARGEST_SIDE))

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
    after: Epilogue = FLOATS

    def __post_init__(self) -> None:
        side = (1, LARGEST_SIDE)
        whole(self, height=side, width=side, channels=side, sets=(1, 4096))
        kinds(self, after=Epilogue)
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
        whole(self, height=side, width=side, channels=side, sets=(1, 4096), signs=(1, 64))


def _writes_floats(after: Epilogue) -> None:
    if after.raw:
        raise ValueError("a float32 op writes floats or signs; got an epilogue with neither")


def _fits(op: RealConv | Pool, reach: int) -> None:
    if op.out_height < 1 or op.out_width < 1:
        raise ValueError(
            f"a window that reaches over {reach}x{reach} does not fit an image of "
            f"{op.height}x{op.width} padded by {op.padding}"
        )
