"""What the kernels must show on a GPU, and whether they did. The bar of a whole program is told by
`python -m trainers bench programs --device cuda`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kernels.benches.bars import Verdict, verdict
from kernels.cuda.bench import Row

LIMIT, CHANNELS, AT_BATCH = 0.60, 128, 256
RESNET18 = frozenset(  # its binary convolutions
    {
        *("3x3 64@56", "3x3 128@28", "3x3 256@14", "3x3 512@7"),
        *("3x3 /2 64->128@56", "3x3 /2 128->256@28", "3x3 /2 256->512@14"),
    }
)


def judge(rows: Sequence[Row]) -> list[Verdict]:
    """The bars against the fastest product of each layer and batch."""
    fastest: dict[tuple[str, int], Row] = {}
    for row in sorted(rows, key=lambda row: row.us, reverse=True):
        fastest[row.layer, row.batch] = row
    many = [r for r in fastest.values() if r.batch == AT_BATCH and r.channels >= CHANNELS]
    one = [r for r in fastest.values() if r.batch == 1 and r.layer in RESNET18]
    return [
        _judged(
            f"{LIMIT:.0%} of the limit from {CHANNELS} channels on, batch {AT_BATCH}",
            [(row, row.limit_share, LIMIT) for row in many],
            lambda share: f"{share:.0%}",
        ),
        _judged(
            "faster than torch bfloat16 on the layers of ResNet-18, batch 1",
            [(row, ratio, 1.0) for row in one if (ratio := row.torch.get("bfloat16"))],
            lambda ratio: f"{ratio:.2f}x",
        ),
    ]


def _judged(
    about: str, numbers: Sequence[tuple[Row, float, float]], show: Callable[[float], str]
) -> Verdict:
    if not numbers:
        return Verdict(about, None, "not measured in this run")
    told = {
        met: ", ".join(
            f"{row.layer} {show(number)}"
            for row, number, wanted in sorted(numbers, key=lambda one: one[0].layer)
            if (number >= wanted) is met
        )
        for met in (False, True)
    }
    return verdict(about, missed=told[False], held=told[True])
