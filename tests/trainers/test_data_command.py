"""The command, called as a function, and the page that explains it."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from trainers.data.__main__ import main
from trainers.data.sets import DATA_SETS, load

PAGE = (Path(__file__).parents[2] / "docs" / "data.md").read_text()


def test_every_set_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    out = capsys.readouterr().out
    for name, source in DATA_SETS.items():
        assert f"{name}\n  {source.about}\n" in out


def test_a_set_is_shown_with_its_splits_counted(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "digits", "--seed", "3", "--held-out", "0.2"]) == 0
    out = capsys.readouterr().out
    data = load("digits", seed=3, held_out=0.2)
    assert f"digits  8x8x1  digest {data.digest}" in out
    assert f"{len(data.train):,} " in out.splitlines()[-1]
    assert out.splitlines()[-1].endswith(f" {len(data.selection)}")
    zeros = np.count_nonzero(data.train.labels == 0)
    assert re.search(rf"^0 +{zeros} +\d+$", out, re.MULTILINE)


def test_a_mistake_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "digit"]) == 2
    assert capsys.readouterr().err == (
        "trainers.data: error: data set 'digit' is not one of "
        f"{', '.join(DATA_SETS)}; did you mean 'digits'?\n"
    )


@pytest.fixture
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files that the page speaks of: photos, mine.py and its data."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    rng = np.random.default_rng(0)
    for part in ("train", "test"):
        for name in ("cat", "dog"):
            (folder := tmp_path / "photos" / part / name).mkdir(parents=True)
            for ending in ("jpg", "png"):
                noise = rng.integers(0, 256, (30, 40, 3), np.uint8)
                Image.fromarray(noise).save(folder / f"a.{ending}")
    (tmp_path / "data").mkdir()
    np.savez(
        tmp_path / "data" / "train.npz",
        pixels=rng.integers(0, 256, (60, 8, 8), np.uint8),
        labels=np.arange(60) % 3,
        line=np.arange(60) // 6,
    )
    return tmp_path


def test_the_page_is_true(at_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tour, own = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, Any] = {}
    exec(tour, names)
    assert names["pixels"].shape == (3, 8, 8, 1)
    assert len(names["labels"]) == 3
    (at_home / "mine.py").write_text(own)
    commands = re.findall(r"^    python -m trainers\.data (.*?)(?: +#.*)?$", PAGE, re.MULTILINE)
    here = [c for c in commands if "fashion-mnist" not in c]  # what needs no network
    assert [c.split()[0] for c in here] == ["list", "show", "show"]
    for command in here:
        assert main(shlex.split(command)) == 0, capsys.readouterr().err
    out = capsys.readouterr().out
    assert "imagefolder:64  64x64x3" in out
    assert re.search(r"^scratched +18 +2$", out, re.MULTILINE)  # line 7 and no other
