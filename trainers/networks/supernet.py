"""All networks of a space in one: each uses the first few bases of every block.

The architecture is an argument of every call. What a candidate is scored with is `extract`ed: a
network of its own, whose norms can be calibrated without a trace here.
"""

from __future__ import annotations

from functools import lru_cache

from torch import Tensor, nn

from search_spaces.arch import Arch
from search_spaces.emitted import plans
from search_spaces.plan import Plan
from search_spaces.planner import plan
from search_spaces.space import Space
from trainers.networks.binarize import Binarizer
from trainers.networks.binarizers import BINARIZERS
from trainers.networks.mode import ANSWER, Mode
from trainers.networks.network import Network, run
from trainers.networks.parameters import Bank, needed


class Supernet(nn.Module):
    def __init__(
        self, space: Space, binarizer: Binarizer = BINARIZERS["groupnet"], *, seed: int = 0
    ) -> None:
        super().__init__()
        self.space, self.binarizer = space, binarizer
        self.bank = Bank.new(needed(plans(space), binarizer), seed)
        self._planned = lru_cache(256)(lambda arch: plan(arch, space.backbone))

    def forward(self, images: Tensor, arch: Arch, mode: Mode = ANSWER) -> Tensor:
        return run(self.planned(arch), self.bank, self.binarizer, images, mode)

    def planned(self, arch: Arch) -> Plan:
        return self._planned(arch)

    def extract(self, arch: Arch, *, copied: bool = True) -> Network:
        """The network of one architecture. Not copied, it shares its weights with the supernet:
        for answering only. What norms remember is its own in either case.
        """
        planned = self.planned(arch)
        bank = self.bank.part_for(needed([planned], self.binarizer), copied=copied)
        return Network(planned, bank, self.binarizer)
