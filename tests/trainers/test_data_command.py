"""The command, called as a function, and the page that explains it."""

from __future__ import annotations

import math
import re
import shlex
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from search_spaces.backbones import BACKBONES
from search_spaces.cost import cost
from search_spaces.known import find_arch
from search_spaces.planner import plan
from trainers.data.__main__ import main
from trainers.data.broken import broken
from trainers.data.sets import DATA_SETS, load
from trainers.job import usual_backbone

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
    assert [c.split()[0] for c in here] == ["list", "show", "show", "show"]
    for command in here:
        assert main(shlex.split(command)) == 0, capsys.readouterr().err
    out = capsys.readouterr().out
    assert "imagefolder:64  64x64x3" in out
    assert re.search(r"^scratched +18 +2$", out, re.MULTILINE)  # line 7 and no other


def test_the_table_of_backbones_is_true() -> None:
    rows = re.findall(r"^\| `(\S+)` \| (\d+) \| (.*?) \| (.*?) \| (.*?) \|$", PAGE, re.MULTILINE)
    assert [name for name, *_ in rows] == [*BACKBONES]
    for name, side, divided, maps, operations in rows:
        backbone = BACKBONES[name]
        stem = backbone.stem.stride * (2 if backbone.stem.pool else 1)
        convs = [conv for block in backbone.blocks for conv in block.convs]
        by = math.prod([stem, *(conv.stride * conv.pool for conv in convs)])
        assert int(side) == backbone.height
        assert divided == (f"{by}, the stem by {stem}" if stem > 1 else str(by))
        assert maps == " / ".join(str(size // by) for size in (32, 64, 224))
        planned = plan(find_arch("groupnet-k1", name), backbone.sized(64, 3))
        assert operations == f"{cost(planned).bops / 1e6:,.0f} million"
    assert usual_backbone("imagefolder:64") == "resnet20"


@pytest.fixture
def photos(at_home: Path) -> list[str]:
    return ["show", "imagefolder:8", "--data-dir", str(at_home / "photos")]


def test_what_lacks_to_test_with_is_a_warning(
    photos: list[str], at_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(photos) == 0
    assert capsys.readouterr().err == ""
    (at_home / "photos" / "test" / "dog").rename(at_home / "photos" / "test" / "bird")
    assert main(photos) == 0
    out, err = capsys.readouterr()
    assert re.search(r"^cat +1 +1$", out, re.MULTILINE)
    assert re.fullmatch(r"trainers\.data: warning: .*only one has bird, dog\n", err)


def test_every_broken_image_is_listed_by_a_check(
    photos: list[str], at_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = [at_home / "photos" / "train" / name for name in ("cat/a.png", "dog/a.jpg")]
    for file in bad:
        file.write_bytes(file.read_bytes()[:-100])
    (at_home / "photos" / "test" / "cat" / "a.jpg").write_text("stays closed")
    assert main([*photos, "--check"]) == 2
    out, err = capsys.readouterr()
    assert [line.split(": ")[0] for line in out.splitlines()] == [str(file) for file in bad]
    assert err == "trainers.data: error: 2 of 4 images of imagefolder:8 are broken\n"


def test_a_check_says_how_many_were_read(
    photos: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*photos, "--check"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("4 images to learn from were read, and none is broken\n\nimagefolder:8 ")
    assert err == ""


def test_broken_images_are_found_among_many() -> None:
    told: list[int] = []
    assert broken(Broken(), told.append) == ["image 255", "image 256", "image 599"]
    assert told == [256, 512, 600]


class Broken:
    """600 images, three of which cannot be read."""

    shape = (2, 2, 1)
    labels = np.zeros(600, np.int64)

    def __len__(self) -> int:
        return 600

    def take(self, indices: np.ndarray) -> np.ndarray:
        for n in indices:
            if n in (255, 256, 599):
                raise ValueError(f"image {n}")
        return np.zeros((len(indices), 2, 2, 1), np.uint8)
