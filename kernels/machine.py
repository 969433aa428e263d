"""What this machine is: what a time, or a kernel found by measuring, belongs to."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import os
import platform
import re
import subprocess
import tempfile
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kernels import _core

# What a kernel, or torch, is chosen by. Named as Linux names them.
FLAGS = (
    *("popcnt", "avx2", "fma", "avx_vnni"),
    *("avx512f", "avx512bw", "avx512dq", "avx512vl"),
    *("avx512_vpopcntdq", "avx512_bitalg", "avx512_vnni", "avx512_bf16"),
    *("amx_tile", "amx_int8", "amx_bf16"),
    *("asimd", "asimddp", "i8mm", "bf16", "sve", "sve2"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A machine, and the versions a number was taken with.

    `name` is short, stable and fit for a file; it tells processors apart, not versions: a file of
    measurements that outlives an update of Python still has its place.
    """

    name: str
    cpu: str
    stepping: str  # family, model and stepping; empty where the system does not say
    arch: str
    cores: int
    flags: tuple[str, ...]
    system: str
    python: str
    numpy: str
    torch: str | None  # None: not installed

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "flags": list(self.flags)}

    def __str__(self) -> str:
        return f"{self.cpu}, {self.cores} cores, {self.system}"


@dataclass(frozen=True, slots=True)
class Processor:
    """What the system says of its first processor."""

    model: str
    stepping: str
    flags: frozenset[str]


def parse_cpuinfo(text: str) -> Processor:
    """Read /proc/cpuinfo, of x86 or of ARM, which has other words and often no model name."""
    fields: dict[str, str] = {}
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        if colon:
            fields.setdefault(key.strip().lower(), value.strip())
    arm = [fields[key] for key in ("cpu implementer", "cpu part") if key in fields]
    model = fields.get("model name") or (f"ARM {' '.join(arm)}" if arm else "")
    numbers = [fields[key] for key in ("cpu family", "model", "stepping") if key in fields]
    flags = frozenset((fields.get("flags") or fields.get("features", "")).split())
    return Processor(re.sub(r"\s+", " ", model).strip(), "-".join(numbers), flags)


def short_name(processor: Processor, arch: str, cores: int) -> str:
    """The model in small letters, the cores, and a hash of all that tells two machines apart."""
    words = re.sub(r"\((r|tm|c)\)|\bcpu\b|\bprocessor\b|@.*", " ", processor.model.lower())
    slug = re.sub(r"[^a-z0-9]+", "-", words).strip("-")[:40].strip("-") or arch.lower()
    flags = ",".join(flag for flag in FLAGS if flag in processor.flags)
    every = "|".join((processor.model, processor.stepping, arch, str(cores), flags))
    return f"{slug}-{cores}x-{hashlib.sha256(every.encode()).hexdigest()[:6]}"


@functools.cache
def here() -> Machine:
    """This machine."""
    processor, arch, cores = _processor(), platform.machine(), os.cpu_count() or 1
    return Machine(
        name=short_name(processor, arch, cores),
        cpu=processor.model or "unknown CPU",
        stepping=processor.stepping,
        arch=arch,
        cores=cores,
        flags=tuple(flag for flag in FLAGS if flag in processor.flags),
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        numpy=importlib.metadata.version("numpy"),
        torch=_version("torch"),
    )


@functools.cache
def core() -> str:
    """A hash of the built core: times of one build say nothing of the next."""
    return hashlib.sha256(Path(_core.__file__).read_bytes()).hexdigest()[:12]


def cache() -> Path:
    """The folder for what is found out once: at home, or where there is none, a temporary one."""
    with suppress(RuntimeError):  # a user that the system does not know
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "binary-nas"
    return Path(tempfile.gettempdir()) / f"binary-nas-cache-{os.getuid()}"


def clock_ghz() -> float:
    """What a core runs at now: additions that wait for each other take a cycle each."""
    rounds, took = 2_000_000, []
    for _ in range(5):
        begun = time.perf_counter_ns()
        _core.spin(rounds)
        took.append(time.perf_counter_ns() - begun)
    return rounds / min(took)


def usable_cores() -> int:
    """The cores this process may run on; a container or `taskset` may leave it fewer than all."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not every system has it
        return os.cpu_count() or 1


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _processor() -> Processor:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        return parse_cpuinfo(cpuinfo.read_text(encoding="utf-8", errors="replace"))
    if platform.system() == "Darwin":
        asked = ["sysctl", "-n", "machdep.cpu.brand_string"]
        said = subprocess.run(asked, capture_output=True, text=True, check=False)
        return Processor(said.stdout.strip(), "", frozenset())
    return Processor(platform.processor(), "", frozenset())
