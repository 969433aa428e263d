"""What a retraining will test with is asked for before its first step."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nas.retrain import main


@pytest.mark.parametrize(
    ("to_test", "said"),
    [((), "has neither test/CLASS/ nor val/CLASS/"), (("cat", "cow"), "only one has cow, dog")],
)
def test_a_missing_test_split_is_said_before_anything_is_made(
    tmp_path: Path, to_test: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = tmp_path / "data", tmp_path / "out"
    rng = np.random.default_rng(0)
    for folder in (
        *(data / "train" / name for name in ("cat", "dog")),
        *map((data / "test").joinpath, to_test),
    ):
        folder.mkdir(parents=True)
        for n in range(4):
            Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8)).save(folder / f"{n}.png")
    words = ["--arch", "digits+w0.25 | 3x1 mean", "--data", "imagefolder:8", "--epochs", "1"]
    assert main([*words, "--data-dir", str(data), "--out", str(out)]) == 2
    assert said in capsys.readouterr().err
    assert not out.exists()
