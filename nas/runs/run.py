"""A run: a folder with all that a search was asked and all that came of it."""

from __future__ import annotations

import fcntl
import importlib.metadata
import json
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from kernels import files, machine, profile
from nas.runs.settings import Settings, differences, from_data, to_data

if TYPE_CHECKING:
    from pandas import DataFrame

FORMAT = "binary-nas run 1"
PACKAGES = ("binary-nas", "torch", "ray", "optuna", "numpy", "moocore", "pandas")


@dataclass(frozen=True, slots=True)
class Run:
    home: Path

    @property
    def about(self) -> dict[str, Any]:
        """run.json, or an error that says why this is no run."""
        found = read_json(self.home / "run.json")
        if not isinstance(found, dict) or not str(found.get("format", "")).startswith("binary-nas"):
            raise ValueError(f"{self.home} is no run: its run.json does not say {FORMAT!r}")
        if found["format"] != FORMAT:
            raise ValueError(
                f"{self.home} is of another version: {found['format']!r}; this reads {FORMAT!r}. "
                "Another --run begins anew"
            )
        return found

    @property
    def asked(self) -> Settings:
        return from_data(self.about["asked"])

    @property
    def front(self) -> DataFrame:
        """The front, measured where it has been: a row for each architecture."""
        return self.table("front.csv")

    @property
    def trials(self) -> DataFrame:
        return self.table("trials.csv")

    @property
    def known(self) -> DataFrame:
        return self.table("known.csv")

    def table(self, name: str) -> DataFrame:
        import pandas

        try:
            return pandas.read_csv(self.home / name, dtype={"key": str})  # some look like numbers
        except pandas.errors.EmptyDataError:  # no rows, so nobody knew of columns
            return pandas.DataFrame()

    def put(self, name: str, data: Any) -> None:
        files.replace(self.home / name, json.dumps(data, indent=1, default=str) + "\n")

    def put_rows(self, name: str, rows: list[dict[str, Any]]) -> None:
        import pandas

        files.replace(self.home / name, pandas.DataFrame(rows).to_csv(index=False))

    def get(self, name: str) -> Any:
        return read_json(self.home / name)

    def has(self, name: str) -> bool:
        return (self.home / name).exists()

    def phase(self, name: str) -> dict[str, Any]:
        rows = self.get("phases.json") if self.has("phases.json") else []
        empty = {"phase": name, "seconds": 0.0, "done": False}
        return next((row for row in rows if row["phase"] == name), empty)

    def note_phase(self, name: str, seconds: float, *, done: bool) -> None:
        """Seconds are added to those of earlier calls."""
        rows = self.get("phases.json") if self.has("phases.json") else []
        row = {**self.phase(name), "done": done}
        row["seconds"] = round(row["seconds"] + seconds, 3)
        self.put("phases.json", [*(r for r in rows if r["phase"] != name), row])

    @contextmanager
    def clocked(self, name: str) -> Iterator[None]:
        """What is done within counts as this phase, and as all of it where it ends well."""
        begun = time.monotonic()
        try:
            yield
        except BaseException:
            with suppress(OSError):  # a disk that is full already: the first error is the one
                self.note_phase(name, time.monotonic() - begun, done=False)
            raise
        self.note_phase(name, time.monotonic() - begun, done=True)


def read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"{path} is damaged: {error}") from error


def otherwise(asked: Settings) -> list[str]:
    """Options that its run, where it is there, was begun with and that are others now."""
    run = Run(asked.home)
    if not run.has("run.json"):
        return []
    before = run.about["asked"]
    if _has_profile(run, asked.profile):
        before = {**before, "profile": str(asked.profile)}
    return differences(before, asked)


def _has_profile(run: Run, path: Path | None) -> bool:
    """Whether the run's profile is the one in this file, which may have moved since."""
    if path is None or not path.is_file() or not run.has("profile.json"):
        return False
    return profile.load(path) == profile.load(run.home / "profile.json")


@contextmanager
def opened(asked: Settings, facts: dict[str, Any], *, plan: bool = False) -> Iterator[Run]:
    """The run that was asked for, new or gone on with; nobody else works on it meanwhile.

    `facts`: what run.json says besides. Other options, or images, than it was begun with are an
    error. `plan`: nothing is meant yet; one that is there stays as it is.
    """
    run = Run(asked.home)
    if run.has("run.json"):
        if different := otherwise(asked):
            raise ValueError(
                f"{run.home} was begun with other options: {'; '.join(different)}. The same "
                "options go on with it; another --run begins anew"
            )
        same_images(run, facts["data"], "Another --run begins anew")
        same_space(run, facts["space"])
    elif run.home.exists() and any(run.home.iterdir()):
        # A process that was killed at once leaves these.
        left = [file.name for file in run.home.iterdir() if not file.name.startswith(".run.json.")]
        if left not in ([], ["run.lock"]):
            raise ValueError(f"{run.home} is there, is not empty and is no run; name another --run")
    above = [folder for folder in run.home.parents if not folder.exists()]
    run.home.mkdir(parents=True, exist_ok=True)
    with (run.home / "run.lock").open("a") as lock:
        _alone(lock, run.home)
        new = not run.has("run.json")
        if new:
            batch = asked.told_together  # as long as the run lives, however many trials it gets
            about = {"format": FORMAT, **_begun(), "asked": to_data(asked), "batch": batch, **facts}
            run.put("run.json", about)
        elif not plan:
            _noted(run, asked)
        try:
            yield run
        except (ValueError, OSError):
            if new:
                _unmade(run.home, above)
            raise
        finally:
            if new and plan:
                _unmade(run.home, above)


def _noted(run: Run, asked: Settings) -> None:
    """More trials than before, and where the images lie now, are noted."""
    before, now = run.about, to_data(asked)
    trials = max(before["asked"]["trials"], asked.trials)
    noted = {**before["asked"], "trials": trials, "data_dir": now["data_dir"]}
    if noted != before["asked"]:
        run.put("run.json", {**before, "asked": noted})


def same_images(run: Run, now: Mapping[str, Any], instead: str) -> None:
    """An error where the images are not those of the run. `instead`: what to do about it."""
    before = run.about.get("data") or {}
    if before.get("digest") != now["digest"]:
        raise ValueError(
            f"the images of {now['name']} are no longer those that {run.home} was begun with: "
            f"their digest was {before.get('digest')}, is {now['digest']}. {instead}"
        )


def same_space(run: Run, now: Mapping[str, Any]) -> None:
    """An error where its choices mean otherwise than when the run was begun."""
    before = run.about["space"]
    if before.get("digest", now["digest"]) != now["digest"]:  # older runs do not say it
        raise ValueError(
            f"{now['name']} on {now['backbone']} is no longer the space that {run.home} was begun "
            "with: the same choices mean other architectures now. Another --run begins anew"
        )


def _unmade(home: Path, above: Sequence[Path]) -> None:
    """A run that nothing came of yet, because it failed or was only planned, leaves nothing; nor do
    the folders `above` that were made for it."""
    left = [*home.iterdir()] if home.exists() else []
    if all(file.name in ("run.json", "run.lock", "phases.json", "log.txt") for file in left):
        for file in left:
            file.unlink()
        for folder in (home, *above):
            if folder.exists() and not any(folder.iterdir()):
                folder.rmdir()


def _alone(lock: IO[str], home: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise ValueError(f"{home} is being worked on by another process") from error


def _begun() -> dict[str, Any]:
    return {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": _command(),
        "machine": machine.here().to_dict(),
        "versions": {"python": sys.version.split()[0], **_versions()},
        "commit": _commit(),
    }


def _command() -> str:
    name = Path(sys.argv[0]).name
    if name in ("search.py", "__main__.py"):
        return shlex.join(["python", "-m", "nas.search", *sys.argv[1:]])
    return "from Python"


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _commit() -> str | None:
    """Of our sources, where they are a checkout."""
    here = Path(__file__).parent
    try:
        said = subprocess.run(
            ["git", "-C", str(here), "rev-parse", "--short", "HEAD"],
            capture_output=True,
            text=True,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return said.stdout.strip() or None if said.returncode == 0 else None
