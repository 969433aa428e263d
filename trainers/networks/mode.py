"""How a network is computed: an argument of every call, never a state of the module."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """`Mode()` is how a trained network answers; the other values are for learning.

    statistics  of the batch norms. None: their running ones. A number m: those of the batch, and
                the running ones move towards them by m; with 0 they stay as they are
    alone       of several processes, each normalises by its own images; else by those of all
    progress    of the training, 0 to 1, for estimators that sharpen as it goes on
    signs       activations are signs; without, their tanh, which the first stage of Group-Net's
                training takes in their place
    binary      weights are binary; without, they are the latent ones
    """

    statistics: float | None = None
    alone: bool = False
    progress: float = 1.0
    signs: bool = True
    binary: bool = True


ANSWER = Mode()
