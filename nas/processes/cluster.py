"""Ray, quiet: its processes begin and end with ours, and leave nothing behind."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Before Ray is imported. Tune's own state is not needed: what is on disk is the state.
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "disabled",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_DEDUP_LOGS": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000000",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
PREFIX = "bnas-"  # of scratch folders; short, for Ray's sockets lie in them


@contextmanager
def ray_cluster(workers: int, address: str | None, verbose: bool) -> Iterator[Path]:
    """One of our own, or the one at an address. Gives a folder that is deleted at the end."""
    for name, value in QUIET.items():
        if not (address and name == "RAY_AUTH_MODE"):  # the cluster's own
            os.environ.setdefault(name, value)
    _sweep()
    scratch = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
    import ray

    quiet = {} if verbose else {"log_to_driver": False, "logging_level": "ERROR"}
    if not verbose:  # it warns where another thread than the main one asks for a cluster, too
        logging.getLogger("ray._private.worker").setLevel("ERROR")
    own = {
        "address": "local",
        "num_cpus": workers,
        "include_dashboard": False,
        "_temp_dir": str(scratch / "ray"),
    }
    try:
        with _our_signals():
            ray.init(**({"address": address} if address else own), **quiet)  # type: ignore[arg-type]
        yield scratch
    finally:
        ray.shutdown()
        shutil.rmtree(scratch, ignore_errors=True)


@contextmanager
def _our_signals() -> Iterator[None]:
    """Ray ends a process at SIGTERM at once, and its core prints its stack."""
    ours = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    if threading.current_thread() is threading.main_thread():
        for number, handler in ours.items():
            signal.signal(number, handler)


def _sweep() -> None:
    """What processes that were killed left."""
    for left in Path(tempfile.gettempdir()).glob(f"{PREFIX}*-*"):
        pid = left.name.removeprefix(PREFIX).partition("-")[0]
        if pid.isdecimal() and not _lives(int(pid)):
            shutil.rmtree(left, ignore_errors=True)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
