"""Which images are trained on, and which are held out to choose by.

Each class gives its share, so each is on both sides. The seed and the number of the class fix which
images it gives: another class, added or dropped behind it, changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trainers.data.images import Indices, Labels


def drawn(
    labels: Labels, classes: Sequence[str], held_out: float, seed: int
) -> tuple[Indices, Indices]:
    """The images to train on and those held out, each in the order they lie in."""
    if not 0 < held_out < 1:
        raise ValueError(f"the share held out is between 0 and 1; got {held_out}")
    if seed < 0:
        raise ValueError(f"a seed is 0 or more; got {seed}")
    out = np.zeros(len(labels), bool)
    for number, name in enumerate(classes):
        (members,) = np.nonzero(labels == number)
        if len(members) < 2:
            raise ValueError(
                f"class {name!r} needs an image to train on and one to hold out; got {len(members)}"
            )
        count = min(max(round(held_out * len(members)), 1), len(members) - 1)
        out[np.random.default_rng([seed, number]).permutation(members)[:count]] = True
    return np.flatnonzero(~out), np.flatnonzero(out)


def given(labels: Labels, classes: Sequence[str], selection: Indices) -> tuple[Indices, Indices]:
    """The same, where the data set itself says which images are held out."""
    if len(selection) and not 0 <= selection.min() <= selection.max() < len(labels):
        raise ValueError(
            f"images to choose by are numbered 0 to {len(labels) - 1}; "
            f"got {selection.min()} to {selection.max()}"
        )
    out = np.zeros(len(labels), bool)
    out[selection] = True
    for side, what in ((~out, "train on"), (out, "choose by")):
        missing = sorted(set(range(len(classes))) - set(labels[side].tolist()))
        if missing:
            raise ValueError(f"class {classes[missing[0]]!r} has no image to {what}")
    return np.flatnonzero(~out), np.flatnonzero(out)


def whole(labels: Labels, classes: Sequence[str]) -> tuple[Indices, Indices]:
    """All of them to train on, and none held out: nothing is left to choose."""
    missing = sorted(set(range(len(classes))) - set(labels.tolist()))
    if missing:
        raise ValueError(f"class {classes[missing[0]]!r} has no image to train on")
    return np.arange(len(labels)), np.arange(0)


def every_fifth(labels: Labels) -> Indices:
    """The last of every five images of a class: a test part that is the same for everyone."""
    places = np.empty(len(labels), np.int64)
    for number in np.unique(labels):
        (members,) = np.nonzero(labels == number)
        places[members] = np.arange(len(members))
    return np.flatnonzero(places % 5 == 4)
