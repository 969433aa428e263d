"""What `python -m nas.fidelity` is asked."""
# ruff: noqa: RUF009  (`option` and `argument` make fields)

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nas.console.options import argument, option


@dataclass(frozen=True, slots=True, kw_only=True)
class Fidelity:
    run: Path = argument("its folder", "RUN")
    archs: int = option(20, "architectures to train")
    recipe: str | None = option(None, "how each learns (as the run's supernet)", metavar="NAME")
    epochs: float | None = option(None, "another length, as proportioned (as the run's supernet)")
    seeds: int = option(2, "trainings of each; the first is what all is held against")
    seed: int = option(0, "of the sample, of the bootstrap")
    data_dir: Path | None = option(None, "where the files are (as the run has it)", metavar="DIR")
    workers: int | None = option(None, "trainings at once (as many as there are cores)")
    device: str | None = option(None, "cpu or cuda (as the run has it)")
    threads: int = option(1, "of the CPU, for a training")
    verbose: bool = option(False, "show what Ray says")

    def __post_init__(self) -> None:
        if self.archs < 4:
            raise ValueError(f"fewer than 4 architectures have no ranking; got {self.archs}")
        for name in ("seeds", "threads", "workers"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} is at least 1; got {value}")
