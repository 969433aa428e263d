"""`python -m kernels`, called as a user would."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from kernels.op_data import to_data
from search_spaces.backbones import find_backbone
from search_spaces.known import find_arch
from search_spaces.planner import plan


def call(*args: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "kernels", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def ops_file(folder: Path) -> Path:
    """The ops of one small network, as `python -m search_spaces ops` writes those of a space."""
    planned = plan(find_arch("groupnet-k3", "digits"), find_backbone("digits"))
    file = folder / "ops.json"
    file.write_text(json.dumps({"ops": [to_data(op) for op in planned.ops]}))
    return file
