"""What is made binary: a stem, blocks of convolutions, a head. A backbone of one's own is a value.

Blocks are what groups consist of. How a block is built (where its shortcuts are, what follows a
convolution) is the backbone's `Style`, the same for all its blocks; how many binary branches stand
for it is the architecture's business.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace


class Downsample(enum.StrEnum):
    """How a shortcut comes to another shape.

    BINARY  a binary 1x1 convolution of the signs the block packs anyway, shared by the bases
    REAL    the average over each window, then a real 1x1 convolution (Group-Net**, Bi-Real)
    FREE    the average over each window, channels repeated: no parameters (ReActNet)
    """

    BINARY = "binary"
    REAL = "real"
    FREE = "free"


class Activation(enum.StrEnum):
    """RELU: between convolution and batch norm. RPRELU: shifted PReLU after the shortcut."""

    NONE = "none"
    RELU = "relu"
    RPRELU = "rprelu"


class Scales(enum.StrEnum):
    """How branches are summed: each by 1/K, or each by a lambda that is learnt."""

    MEAN = "mean"
    LEARNT = "learnt"


class Shortcut(enum.StrEnum):
    """Around every convolution, around the whole block, or none."""

    CONV = "conv"
    BLOCK = "block"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How every block is built. `thresholds`: signs are taken against learnt ones (RSign)."""

    downsample: Downsample = Downsample.BINARY
    activation: Activation = Activation.RELU
    scales: Scales = Scales.MEAN
    thresholds: bool = False
    one_shortcut: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Conv:
    """A convolution of a block: batch norm behind it, then a max pooling where `pool` is over 1.

    `depthwise` speaks of the real-valued network: a binary one has all channels meet (ReActNet).
    """

    filters: int
    kernel: int = 3
    stride: int = 1
    pool: int = 1
    depthwise: bool = False

    def __post_init__(self) -> None:
        _odd("a block's", self.kernel)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    convs: tuple[Conv, ...]
    shortcut: Shortcut = Shortcut.CONV

    def __post_init__(self) -> None:
        if not self.convs:
            raise ValueError("a block has at least one convolution; got none")
        if self.shortcut is not Shortcut.NONE and any(conv.pool > 1 for conv in self.convs):
            raise ValueError(f"a block that pools has no shortcut; got one by {self.shortcut}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stem:
    """A real convolution, a 3x3/2 max pooling where `pool` says so, and a batch norm."""

    filters: int
    kernel: int = 3
    stride: int = 1
    pool: bool = False

    def __post_init__(self) -> None:
        _odd("a stem's", self.kernel)


@dataclass(frozen=True, slots=True, kw_only=True)
class Backbone:
    """`name`: what architectures call it. `flatten`: the head reads all pixels, not their mean."""

    name: str
    stem: Stem
    blocks: tuple[Block, ...]
    style: Style = Style()
    height: int
    width: int
    channels: int = 3
    classes: int
    flatten: bool = False

    def __hash__(self) -> int:
        return hash((self.name, self.height, self.width, self.classes))  # the rest costs too much

    def sized(
        self, size: int | None = None, channels: int | None = None, classes: int | None = None
    ) -> Backbone:
        """The same for images and classes of other sizes. Its name, and so its archs, stay."""
        return replace(
            self,
            height=size or self.height,
            width=size or self.width,
            channels=channels or self.channels,
            classes=classes or self.classes,
        )


def widened(backbone: Backbone, factor: float) -> Backbone:
    """All channels times `factor`, to the nearest multiple of 8. The name stays."""

    def wide(filters: int) -> int:
        return max(8, round(filters * factor / 8) * 8)

    blocks = tuple(
        replace(b, convs=tuple(replace(c, filters=wide(c.filters)) for c in b.convs))
        for b in backbone.blocks
    )
    stem = replace(backbone.stem, filters=wide(backbone.stem.filters))
    return replace(backbone, stem=stem, blocks=blocks)


def _odd(whose: str, kernel: int) -> None:
    """It is padded by half its size: an even one would change the size of the image."""
    if kernel % 2 == 0 or not 1 <= kernel <= 7:
        raise ValueError(f"{whose} kernel is 1, 3, 5 or 7; got {kernel}")
