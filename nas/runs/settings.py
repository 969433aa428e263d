"""What a search is asked: every option once, for the command line, a file, Python and the run."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple

from kernels.machine import usable_cores
from nas.console.units import BYTES, TIMES, amount
from nas.study.objectives import OBJECTIVES, column, find_objective
from nas.study.samplers import SAMPLERS
from search_spaces.names import unknown

PHASES = ("plan", "profile", "supernet", "explore", "measure", "report")
BATCH = 20  # candidates that are told together, unless fewer are asked for


class Usual(NamedTuple):
    """What suits a data set, where nobody says otherwise."""

    backbone: str = "resnet20"
    recipe: str = "fast"
    held_out: float = 0.1


USUAL = {
    # Wider, every architecture is right on 98 % of them, and a few hundred images tell none apart.
    "digits": Usual("digits+w0.25", "smoke", 0.3),
    "mnist": Usual("resnet14"),
    "fashion-mnist": Usual("resnet14"),
}


def option(phase: str, text: str, default: Any, *, changes: bool = True, metavar: str = "") -> Any:
    """`changes`: another value gives another run; else a run may go on with it."""
    about = {"phase": phase, "help": text, "changes": changes, "metavar": metavar}
    return field(default=default, metadata=about)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Times are in ms, sizes in bytes, as `--max-latency 2ms` and `--max-size 500kB` make them."""

    space: str = option("what", "of structures: a name, or package.module:name", "groupnet")
    backbone: str | None = option(
        "what", "whose blocks are searched (one that suits the data)", None
    )
    data: str = option("what", "a data set's name, or package.module:name", "digits")
    data_dir: Path | None = option(
        "what", "where its files are", None, changes=False, metavar="DIR"
    )
    held_out: float | None = option(
        "what", "share of the training images that candidates are judged by (0.1)", None
    )
    objectives: tuple[str, ...] = option(
        "what", f"to make small: {', '.join(OBJECTIVES)}, package.module:name", ("error", "latency")
    )
    max_latency: float | None = option("what", "of one image, as in 2ms", None, metavar="TIME")
    max_size: float | None = option("what", "of the weights, as in 500kB", None, metavar="BYTES")
    max_memory: float | None = option(
        "what", "of values at the peak, as in 1MB", None, metavar="BYTES"
    )

    run: Path | None = option(
        "run", "its folder (runs/SPACE-DATA)", None, changes=False, metavar="DIR"
    )
    seed: int = option("run", "of everything that is drawn", 0)
    until: str = option("run", f"the last phase: {', '.join(PHASES)}", "report", changes=False)
    verbose: bool = option("run", "show what Ray and Optuna say", False, changes=False)

    profile: Path | None = option(
        "profile", "op times of another machine, or of an earlier run", None, metavar="FILE"
    )
    threads: int = option("profile", "of the CPU that a network will have", 1)

    recipe: str | None = option("supernet", "how it learns (smoke for digits, else fast)", None)
    epochs: float | None = option("supernet", "another length, as proportioned", None)
    others: int = option("supernet", "architectures drawn at each step", 2)
    widening: float = option("supernet", "share of the training in which what is drawn grows", 0.0)
    supernet: Path | None = option(
        "supernet", "one that is trained: another run, or what trainers wrote", None, metavar="DIR"
    )
    training_workers: int = option("supernet", "processes that train it together, by Ray Train", 1)
    device: str = option("supernet", "cpu or cuda", "cpu")
    precision: str = option("supernet", "float32 or bf16", "float32")

    trials: int = option("explore", "different architectures to score", 200, changes=False)
    sampler: str = option("explore", f"who proposes them: {', '.join(SAMPLERS)}", "nsga2")
    batch: int | None = option("explore", f"that are told together ({BATCH})", None)
    tune_steps: int = option("explore", "a candidate's weights are tuned for, in a copy", 0)
    corrected: Path | None = option(
        "explore", "accuracies, by what nas.fidelity learnt of this supernet", None, metavar="RUN"
    )
    warm_start: Path | None = option(
        "explore", "an earlier run whose front comes first", None, metavar="RUN"
    )
    workers: int | None = option(
        "explore", "processes that score (cores of this machine; cuda: 1)", None, changes=False
    )
    address: str | None = option("explore", "of a Ray cluster, or auto", None, changes=False)

    def __post_init__(self) -> None:
        for name in self.objectives:
            find_objective(name)
        if len(set(self.objectives)) < len(self.objectives) or not self.objectives:
            raise ValueError(f"objectives are different ones; got {', '.join(self.objectives)}")
        if "error" not in self.objectives:
            raise ValueError("error is one of the objectives; without it nothing has to be learnt")
        for what, text, names in (
            ("sampler", self.sampler, tuple(SAMPLERS)),
            ("phase", self.until, PHASES),
            ("precision", self.precision, ("float32", "bf16")),
        ):
            if text not in names:
                raise unknown(what, text, names)
        for name in ("trials", "threads", "training_workers", "batch", "workers"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name.replace('_', '-')} is at least 1; got {value}")
        if self.held_out is not None and not 0 < self.held_out < 1:
            raise ValueError(f"held-out is a share between 0 and 1; got {self.held_out}")
        if self.tune_steps < 0 or self.others < 0:
            raise ValueError("tune-steps and others are 0 or more")

    @property
    def usual(self) -> Usual:
        return USUAL.get(self.data, Usual())

    @property
    def home(self) -> Path:
        if self.run is not None:
            return self.run
        name = "".join(c if c.isalnum() or c in "-_." else "-" for c in f"{self.space}-{self.data}")
        return Path("runs") / name

    @property
    def limits(self) -> dict[str, float]:
        """By column."""
        every = {"latency": self.max_latency, "size": self.max_size, "memory": self.max_memory}
        return {column(name): limit for name, limit in every.items() if limit is not None}

    @property
    def told_together(self) -> int:
        return self.batch or min(BATCH, self.trials)

    @property
    def scoring(self) -> int:
        """Processes that score. One GPU is kept busy by one of them."""
        return self.workers or (1 if self.device.startswith("cuda") else usable_cores())

    @property
    def at_once(self) -> int:
        """Candidates that are scored at the same time: of one batch, at most."""
        return min(self.scoring, self.told_together)


def _listed(text: Any) -> tuple[str, ...]:
    parts = text.split(",") if isinstance(text, str) else text
    return tuple(str(part).strip() for part in parts)


def _place(text: Any) -> Path:
    """The same one wherever the command is given again, and however it is written."""
    return Path(text).resolve()


# How options are read that are not simply text or numbers.
READ: dict[str, Callable[[Any], Any]] = {
    "max_latency": lambda text: amount(text, TIMES),
    "max_size": lambda text: amount(text, BYTES),
    "max_memory": lambda text: amount(text, BYTES),
    "objectives": lambda text: _listed(text),
    "data_dir": lambda text: _place(text),
    "run": Path,
    "profile": lambda text: _place(text),
    "supernet": lambda text: _place(text),
    "corrected": lambda text: _place(text),
    "warm_start": lambda text: _place(text),
}


def settings(given: Mapping[str, Any], where: str = "") -> Settings:
    """From options as they are written: amounts with units, lists with commas."""
    known = [f.name for f in fields(Settings)]
    wanted: dict[str, Any] = {}
    for written, value in given.items():
        name = written.replace("-", "_")
        if name not in known:
            raise unknown(f"{where}option", written, [n.replace("_", "-") for n in known])
        if value is None:
            continue
        try:
            wanted[name] = READ[name](value) if name in READ else value
        except (ValueError, TypeError) as error:
            option = written if where else f"--{name.replace('_', '-')}"
            raise ValueError(f"{where}{option}: {error}") from error
    for name, value in wanted.items():
        _of_the_kind(where + name.replace("_", "-"), value, KINDS[name])
    return Settings(**wanted)


def _of_the_kind(what: str, value: object, kinds: tuple[type, ...]) -> None:
    if isinstance(value, bool) != (bool in kinds) or not isinstance(value, kinds):
        names = " or ".join(kind.__name__ for kind in kinds)
        raise ValueError(f"{what} is {names}; got {value!r}")


def _kinds(annotation: str) -> tuple[type, ...]:
    """From what a field says it is: `float | None` takes whole numbers too."""
    found: list[type] = []
    for kind in (Path, tuple, bool, int, float, str):
        if kind.__name__ in annotation.replace("tuple[str, ...]", "tuple"):
            found.append(kind)
    return (*found, int) if float in found else tuple(found)


KINDS = {f.name: _kinds(str(f.type)) for f in fields(Settings)}


def from_toml(path: Path) -> dict[str, Any]:
    """Options by name; tables only group them."""
    try:
        content = tomllib.loads(path.read_text())
    except ValueError as error:  # no TOML, or no text
        raise ValueError(f"{path}: {error}") from error
    flat: dict[str, Any] = {}
    for name, value in content.items():
        flat |= value if isinstance(value, dict) else {name: value}
    return flat


def to_data(asked: Settings) -> dict[str, Any]:
    """As run.json keeps it."""
    return {
        name: str(value) if isinstance(value, Path) else value
        for name, value in asdict(asked).items()
    }


def from_data(data: Mapping[str, Any]) -> Settings:
    """From what run.json keeps, where amounts are numbers."""
    wanted: dict[str, Any] = {}
    for name, value in data.items():
        if name not in KINDS:
            raise unknown("option", name, KINDS)
        kind = next((kind for kind in (Path, tuple) if kind in KINDS[name]), None)
        wanted[name] = value if kind is None or value is None else kind(value)
    return Settings(**wanted)


def differences(before: Mapping[str, Any], now: Settings) -> list[str]:
    """Options that make it another run, in words."""
    data = to_data(now)
    found = []
    for f in fields(Settings):
        old, new = before.get(f.name, f.default), data[f.name]
        old = list(old) if isinstance(old, tuple) else old
        new = list(new) if isinstance(new, tuple) else new
        if isinstance(old, str) and Path in KINDS[f.name]:
            old = str(_place(old))
        if f.metadata["changes"] and old != new:
            found.append(f"--{f.name.replace('_', '-')} was {spelt(old)}, is {spelt(new)}")
    return found


def spelt(value: object) -> str:
    return "not given" if value is None else str(value)
