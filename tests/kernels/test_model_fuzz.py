"""Whatever program goes into a file comes out of it; whatever is done to the file, nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from random import Random

from fuzz_model import ABOUT
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import random_program, same

from kernels import model

SCRIPT = Path(__file__).with_name("fuzz_model.py")


@settings(deadline=None, derandomize=True, max_examples=100)
@given(seed=st.integers(0, 1 << 32))
def test_a_program_comes_back_as_it_was(seed: int) -> None:
    program = random_program(Random(seed))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.bnn"
        model.save(program, path, ABOUT)
        again, about = model.load(path)
        first = path.read_bytes()
        model.save(again, path, about)
        assert path.read_bytes() == first
    assert about == ABOUT
    same(program, again)


def test_a_broken_file_loads_whole_or_is_an_error_in_little_memory_and_at_once() -> None:
    """In a process of its own, whose memory is bounded."""
    asked = [sys.executable, str(SCRIPT), "--programs", "6", "--each", "400"]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(done.stdout)
    assert result["files"] > 2500
    assert result["loaded"] > 100, "what is still right loads"
    assert result["ends"] > 100, "the files end in many ways, not in one check that hides the rest"
