"""The binarizers of the papers, by name."""

from __future__ import annotations

from search_spaces.names import unknown
from trainers.networks.binarize import Binarizer, Estimator, Scale

_BIREAL = Binarizer(
    activation=Estimator.POLYNOMIAL,
    weight=Estimator.CLIPPED,
    centred=False,
    standardised=False,
    revive=None,
    scale=Scale.CHANNEL,
    scale_gradient=False,
)

BINARIZERS = {
    # Group-Net, arXiv 1811.10413, Eq. 1 and 2: dL/dw is dL/db, b with its scale
    "groupnet": Binarizer(
        activation=Estimator.POLYNOMIAL,
        weight=Estimator.IDENTITY,
        centred=False,
        standardised=False,
        revive=None,
        scale=Scale.TENSOR,
        scale_gradient=False,
    ),
    # Bi-Real net, arXiv 1808.00278
    "bireal": _BIREAL,
    # XNOR-Net, arXiv 1603.05279, with the gradient that its formula for the scale really has
    "xnornet": Binarizer(
        activation=Estimator.CLIPPED,
        weight=Estimator.CLIPPED,
        centred=False,
        standardised=False,
        revive=None,
        scale=Scale.CHANNEL,
        scale_gradient=True,
    ),
    # IR-Net, arXiv 1909.10788. Its scale is a power of two near the mean size of standardised
    # weights, so nearly always 1: left out
    "irnet": Binarizer(
        activation=Estimator.ANNEALED,
        weight=Estimator.ANNEALED,
        centred=True,
        standardised=True,
        revive=None,
        scale=Scale.NONE,
        scale_gradient=False,
    ),
    # ReCU, arXiv 2103.12369
    "recu": Binarizer(
        activation=Estimator.POLYNOMIAL,
        weight=Estimator.IDENTITY,
        centred=True,
        standardised=True,
        revive=(0.85, 0.99),
        scale=Scale.LEARNT,
        scale_gradient=True,
    ),
    # ReActNet, arXiv 2003.03488: Bi-Real's; what is new, learnt thresholds and curves, is not here
    "reactnet": _BIREAL,
    # signs and nothing else; activations as in BinaryNet, arXiv 1602.02830
    "plain": Binarizer(
        activation=Estimator.CLIPPED,
        weight=Estimator.IDENTITY,
        centred=False,
        standardised=False,
        revive=None,
        scale=Scale.NONE,
        scale_gradient=False,
    ),
}


def binarizer(name: str) -> Binarizer:
    if name not in BINARIZERS:
        raise unknown("binarizer", name, BINARIZERS)
    return BINARIZERS[name]
