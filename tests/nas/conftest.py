"""What the tests of the search share: a space of twelve, scores made up, op times made up."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from zlib import crc32

import pytest

from kernels import profile
from kernels.profile import Asked as Measured
from kernels.profile import Entry, Profile
from kernels.timing import Timing
from nas.console.screen import Screen
from nas.phases.work import Work, training
from nas.runs.run import Run
from nas.runs.settings import settings
from nas.study.trial import Asked, Scored, Trial
from search_spaces.arch import Arch
from search_spaces.backbones import find_backbone
from search_spaces.group import layers
from search_spaces.space import Axis, Space
from trainers.asked import space_for

DIGITS = find_backbone("digits")


def _meaning(chosen: dict[str, str | int]) -> Arch:
    groups = tuple(layers(1, int(chosen[f"bases{n}"])) for n in range(3))
    return Arch("classify", DIGITS.name, groups, ())


@pytest.fixture(scope="session", autouse=True)
def impatient() -> Iterator[None]:
    """Nothing here is about times: nobody is waited for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(profile, "PATIENCE_S", 0.0)
        yield


@pytest.fixture(scope="session", autouse=True)
def locks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Of our own, for all processes that tests start: others may measure on this machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BNN_GATE", str(tmp_path_factory.mktemp("gate")))
        yield


@pytest.fixture(scope="session")
def dozen() -> Space:
    """24 genomes, of which two each mean one of 12 architectures."""
    axes = [Axis("bases0", (1, 2, 3)), Axis("bases1", (1, 2)), Axis("bases2", (1, 2))]
    return Space("dozen", DIGITS, (*axes, Axis("idle", ("this", "that"))), _meaning)


def made_up(arch: str) -> dict[str, float]:
    """Many bases take long and err less; the rest is like a hash of the architecture."""
    bases = sum(int(c) for c in arch if c.isdecimal())
    noise = crc32(arch.encode()) / 2**32
    return {"error": 1 / (bases + noise), "latency_ms": bases + noise, "size_bytes": 10.0 * bases}


@pytest.fixture(scope="session")
def score() -> Callable[[Asked], Trial]:
    return lambda asked: Trial(asked, Scored(values=made_up(asked.arch)))


def _work(options: dict[str, object], home: Path) -> Work:
    asked = settings(options)
    job = training(asked, 0).job()
    space = space_for(asked.space, asked.backbone or asked.usual.backbone, job)
    return Work(Run(home), asked, job, space, 0, Screen(quiet=True), lambda: False)


@pytest.fixture(scope="session")
def work(tmp_path_factory: pytest.TempPathFactory) -> Work:
    """Of the usual search on digits. Its run is not there."""
    return _work({}, tmp_path_factory.mktemp("no-run"))


@pytest.fixture(scope="session")
def op_times(work: Work, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A profile with every op of the usual search on digits, as if it had been measured here."""
    from nas.phases.profiling import ops_of

    rng = Random(2)
    times = [(op, Timing(rng.uniform(1e3, 9e4), 1.0, 1.0, 9, 0.0)) for op in ops_of(work)]
    made: Profile = profile.empty(Measured()).with_entries(
        [Entry(op, "none", timing) for op, timing in times]
    )
    path = tmp_path_factory.mktemp("profile") / "times.json"
    profile.save(made, path)
    return path


@pytest.fixture(scope="session")
def searched(op_times: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of a short search on digits, whose front is predicted. It is copied, not changed."""
    from nas.search import search

    home = tmp_path_factory.mktemp("runs") / "searched"
    search(run=home, profile=op_times, epochs=1.0, trials=8, workers=1, until="explore")
    return home


@pytest.fixture
def run_folder(searched: Path, tmp_path: Path) -> Path:
    """A copy of it, to be added to."""
    return Path(shutil.copytree(searched, tmp_path / "run"))
