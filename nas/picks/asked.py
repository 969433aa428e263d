"""What `python -m nas.retrain` is asked."""
# ruff: noqa: RUF009  (`option` and `argument` make fields)

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nas.console.options import argument, option


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrain:
    """`from_` scratch, until it is measured that a supernet's weights end higher: what a network
    was in a supernet was fitted to many others, and a schedule that begins there is another one."""

    run: Path | None = argument("its folder", "[RUN]", None)
    pick: list[str] | None = option(
        None,
        'knee, fastest, best, "under 2ms", a key, a known name; more than once',
        metavar="WHAT",
    )
    all: bool = option(False, "of the front, every architecture")
    arch: str | None = option(None, "without a run: its line, or a known name", metavar="LINE")
    data: str | None = option(None, "without a run: a data set's name", metavar="NAME")
    data_dir: Path | None = option(None, "where its files are (as the run has it)", metavar="DIR")
    out: Path | None = option(None, "without a run: the folder to leave it in", metavar="DIR")
    recipe: str | None = option(None, "how it learns (as the run's supernet)", metavar="NAME")
    epochs: float | None = option(None, "another length, as proportioned")
    from_: str = option("scratch", "scratch or supernet: what it begins with")
    seed: int = option(0, "of what is drawn; a second one gets a folder of its own, KEY-sSEED")
    teacher: Path | None = option(
        None, "a trained network, for recipes that distil: another pick's folder", metavar="DIR"
    )
    workers: int | None = option(None, "trainings at once (as many as there are cores)")
    training_workers: int = option(1, "processes that train one together, by Ray Train")
    device: str = option("cpu", "cpu or cuda")
    precision: str = option("float32", "float32 or bf16")
    threads: int | None = option(
        None, "of the CPU for a training (all for one pick; 1 for several)"
    )
    verbose: bool = option(False, "show what Ray says")

    def __post_init__(self) -> None:
        if (self.run is None) == (self.arch is None):
            raise ValueError("a run with --pick, or --arch with --data and --out, is wanted")
        if self.run is None and (self.data is None or self.out is None):
            raise ValueError(
                "--arch wants --data, what to learn from, and --out, where to leave it"
            )
        if self.run is None and (self.pick or self.all):
            raise ValueError("--pick and --all are of a run; got --arch")
        if self.run is not None and (self.data is not None or self.out is not None):
            raise ValueError("a run has its own data and folder; --data and --out go with --arch")
        if self.pick and self.all:
            raise ValueError("--pick or --all of the front: one of both, not both")
        if self.run is not None and not self.pick and not self.all:
            raise ValueError("--pick says which, as in --pick knee; or --all of the front")
        if self.from_ not in ("scratch", "supernet"):
            raise ValueError(f"--from is scratch or supernet; got {self.from_!r}")
        if self.run is None and self.from_ == "supernet":
            raise ValueError("--from supernet wants a run, which has one")
        for name in ("workers", "training_workers", "threads"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name.replace('_', '-')} is at least 1; got {value}")
