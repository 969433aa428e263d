"""Files are whole or not there; what is torn or of another training is an error that names it."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from trainers.learning import checkpoint


def state() -> dict[str, Any]:
    generator = torch.Generator().manual_seed(0)
    return {
        "step": 3,
        "of": {"seed": "0"},
        "module": {"block0/weight": torch.randn(3, 4, 2, 2, generator=generator)},
        "halves": torch.randn(5, generator=generator).bfloat16(),
        "average": None,
    }


def network(filters: int = 3) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, filters, 3), nn.BatchNorm2d(filters))


def tensors(module: nn.Module) -> dict[str, Tensor]:
    return {name: t.clone() for name, t in module.state_dict().items()}


def test_what_is_loaded_is_what_was_saved(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "checkpoint"
    before = state()
    before["strided"] = torch.randn(2, 3, 4, 4).contiguous(memory_format=torch.channels_last)
    checkpoint.save(path, before)
    after = checkpoint.load(path)
    assert after.keys() == before.keys()
    assert (after["step"], after["of"], after["average"]) == (3, {"seed": "0"}, None)
    assert torch.equal(after["module"]["block0/weight"], before["module"]["block0/weight"])
    assert torch.equal(after["halves"], before["halves"])
    assert after["halves"].dtype == torch.bfloat16
    assert after["strided"].is_contiguous(memory_format=torch.channels_last)
    assert [p.name for p in path.parent.iterdir()] == ["checkpoint"]


def test_a_torn_checkpoint_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    checkpoint.save(path, state())
    whole = path.read_bytes()
    for length in (0, 1, 40, 90, 91, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=f"^{path}: "):
            checkpoint.load(path)


def test_a_changed_byte_anywhere_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    checkpoint.save(path, state())
    whole = path.read_bytes()
    for place in range(0, len(whole), 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(ValueError, match=f"^{path}: "):
            checkpoint.load(path)


def test_another_kind_of_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    torch.save(state(), path)
    with pytest.raises(ValueError, match=f"^{path}: a file that begins with 'binary-nas checkp"):
        checkpoint.load(path)


def test_objects_of_code_are_not_loaded(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    checkpoint.save(path, {"path": path})
    with pytest.raises(ValueError, match=f"^{path}: "):
        checkpoint.load(path)


def test_where_the_disk_is_full_the_old_one_stays_and_nothing_beside_it(tmp_path: Path) -> None:
    """Half of a new one would keep the disk full."""
    path = tmp_path / "checkpoint"
    checkpoint.save(path, {"step": 1})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(OSError, match=f"File too large.*{path}"):
            checkpoint.save(path, {"step": 2, "all": torch.zeros(100_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [*tmp_path.iterdir()] == [path]
    assert checkpoint.load(path) == {"step": 1}


WRITER = """
import sys, torch
from pathlib import Path
from trainers.learning import checkpoint
for step in range(1_000_000):
    checkpoint.save(Path(sys.argv[1]), {"step": step, "all": torch.full((3_000_000,), step)})
    print(step, flush=True)
"""


def test_who_is_killed_while_writing_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    command = [sys.executable, "-c", WRITER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        for _ in range(2):
            last = int(writer.stdout.readline())
        beside = path.with_name(".checkpoint.new")
        for _ in range(2000):  # stopped first, to be sure that it is in the middle of writing
            writer.send_signal(signal.SIGSTOP)
            time.sleep(0.002)
            if beside.exists():
                break
            writer.send_signal(signal.SIGCONT)
            time.sleep(0.001)
        writer.kill()
    assert beside.exists()
    kept = checkpoint.load(path)
    assert kept["step"] >= last
    assert bool((kept["all"] == kept["step"]).all())
    checkpoint.save(path, state())
    assert not beside.exists()


def test_a_checkpoint_of_another_training_says_in_what(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    ours = {"seed": "1", "data": "abc"}
    checkpoint.refuse_others(path, dict(ours), ours)
    with pytest.raises(ValueError, match=f"^{path} is of another training: seed is 0 there, 1 he"):
        checkpoint.refuse_others(path, {"seed": "0", "data": "abc"}, ours)
    with pytest.raises(ValueError, match="arch is None there, k3 here"):
        checkpoint.refuse_others(path, ours, {**ours, "arch": "k3"})
    with pytest.raises(ValueError, match="data is abc there, None here"):
        checkpoint.refuse_others(path, ours, {"seed": "1"})


def test_weights_come_back_with_their_notes(tmp_path: Path) -> None:
    path, source, target = tmp_path / "w.safetensors", network(), network()
    source[0].weight.data = source[0].weight.data.contiguous(memory_format=torch.channels_last)
    nn.init.normal_(source[1].running_mean, generator=torch.Generator().manual_seed(1))
    nn.init.zeros_(target[0].weight)
    checkpoint.save_weights(path, source, {"arch": "digits | 3x1 mean"})
    held = target[0].weight
    assert checkpoint.load_weights(path, target) == {"arch": "digits | 3x1 mean"}
    assert all(torch.equal(a, tensors(source)[name]) for name, a in tensors(target).items())
    assert target[0].weight is held  # an optimizer may hold it


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (network(4), r"'0.bias' is float32 \(4,\); the network wants float32 \(3,\)"),
        (network().double(), r"'0.bias' is float64 \(3,\); the network wants float32 \(3,\)"),
        (network()[:1], "only the network has '1.bias'"),
        (nn.Sequential(*network(), nn.PReLU()), "only the file has '2.weight'"),
    ],
)
def test_weights_that_do_not_fit_change_nothing(
    tmp_path: Path, other: nn.Module, said: str
) -> None:
    path, target = tmp_path / "w.safetensors", network()
    for parameter in other.parameters():
        nn.init.zeros_(parameter)
    checkpoint.save_weights(path, other, {})
    before = tensors(target)
    with pytest.raises(ValueError, match=f"^{path}: {said}"):
        checkpoint.load_weights(path, target)
    assert all(torch.equal(a, before[name]) for name, a in tensors(target).items())


def test_torn_weights_are_an_error_that_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    checkpoint.save_weights(path, network(), {})
    whole = path.read_bytes()
    for length in (0, 4, 100, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=f"^{path}: not a whole safetensors file"):
            checkpoint.load_weights(path, network())
