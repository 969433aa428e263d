"""NVIDIA's compiler as a library, by ctypes: from a kernel's text to machine code. It wants no GPU.

CuPy could compile too, but sets `-ftz=true`: then numbers next to 0 become 0, and CPU and GPU do
not decide the same.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from kernels import files, machine
from kernels.machine import usable_cores

# Every step is rounded, as on a CPU: no fused multiply-adds but those that a kernel writes, and no
# flushing, which is the default.
OPTIONS = ("--std=c++17", "--fmad=false", "--ftz=false", "--prec-div=true")
WHEELS = {13: "nvidia-cuda-nvrtc", 12: "nvidia-cuda-nvrtc-cu12"}


class Compiled(NamedTuple):
    """Machine code, or PTX where that was asked for; and what the compiler said."""

    code: bytes
    log: str


def library(major: int | None = None) -> ctypes.CDLL:
    """Of that version of CUDA: from its wheel, or from the system; an OSError if from neither."""
    for version in [major] if major else WHEELS:
        if path := _wheel(version):
            return ctypes.CDLL(str(path))
        with contextlib.suppress(OSError):
            return ctypes.CDLL(f"libnvrtc.so.{version}")
    wanted = WHEELS.get(major or 13, WHEELS[13])
    raise OSError(f"the CUDA compiler is not there: pip install {wanted}")


def _wheel(version: int) -> Path | None:
    try:
        every = metadata.files(WHEELS.get(version, "")) or []
    except (metadata.PackageNotFoundError, ValueError):
        return None
    found = (Path(str(of.locate())) for of in every if re.match(r"libnvrtc\.so\.\d+$", of.name))
    return next(found, None)


def compiled(
    nvrtc: ctypes.CDLL, text: str, architecture: str, options: tuple[str, ...] = ()
) -> Compiled:
    """For `sm_90` machine code, for `compute_90` PTX. A ValueError has the compiler's words."""
    handle = ctypes.c_void_p()
    made = nvrtc.nvrtcCreateProgram(
        ctypes.byref(handle), text.encode(), b"kernels.cu", 0, None, None
    )
    if made != 0:
        raise ValueError(f"the CUDA compiler does not begin: error {made}")
    try:
        every = [f"--gpu-architecture={architecture}", *OPTIONS, *options]
        words = (ctypes.c_char_p * len(every))(*(option.encode() for option in every))
        failed = nvrtc.nvrtcCompileProgram(handle, len(every), words)
        log = _bytes(nvrtc, handle, "ProgramLog").rstrip(b"\0").decode(errors="replace")
        if failed != 0:
            raise ValueError(f"the CUDA compiler refuses a kernel for {architecture}: {log[:4000]}")
        machine = architecture.startswith("sm_")
        return Compiled(_bytes(nvrtc, handle, "CUBIN" if machine else "PTX"), log)
    finally:
        nvrtc.nvrtcDestroyProgram(ctypes.byref(handle))


def _bytes(nvrtc: ctypes.CDLL, handle: ctypes.c_void_p, what: str) -> bytes:
    size = ctypes.c_size_t()
    getattr(nvrtc, f"nvrtcGet{what}Size")(handle, ctypes.byref(size))
    found = ctypes.create_string_buffer(size.value)
    getattr(nvrtc, f"nvrtcGet{what}")(handle, found)
    return found.raw


def cached(nvrtc: ctypes.CDLL, text: str, architecture: str, folder: Path | None = None) -> Path:
    """A file with the machine code; compiled where it is not there yet."""
    asked = repr((text, architecture, OPTIONS, _version(nvrtc)))
    named = hashlib.sha256(asked.encode()).hexdigest()[:24]
    file = (folder or _folder()) / f"{named}.cubin"
    if not file.exists():
        files.replace_bytes(file, compiled(nvrtc, text, architecture).code)
    return file


def every(
    nvrtc: ctypes.CDLL, texts: Sequence[str], architecture: str, folder: Path | None = None
) -> list[Path]:
    """The same for several, side by side: a bench has some 800 kernels."""
    with ThreadPoolExecutor(usable_cores()) as pool:
        return list(pool.map(lambda text: cached(nvrtc, text, architecture, folder), texts))


@functools.cache
def _folder() -> Path:
    return machine.cache() / "cuda"


def _version(nvrtc: ctypes.CDLL) -> tuple[int, int]:
    major, minor = ctypes.c_int(), ctypes.c_int()
    nvrtc.nvrtcVersion(ctypes.byref(major), ctypes.byref(minor))
    return major.value, minor.value
