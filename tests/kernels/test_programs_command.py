"""A packed network is shown, run and timed from the command line."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from programs_command import call

from kernels import model
from kernels.about import About
from kernels.case import program
from kernels.engine import Engine
from kernels.program import Normal, Program
from kernels.progress import Progress
from search_spaces.backbones import find_backbone
from search_spaces.cost import cost
from search_spaces.known import find_arch
from search_spaces.plan import Plan
from search_spaces.planner import plan

NORMAL = Normal((100.0,) * 3, (50.0,) * 3)
LABELS = tuple(f"thing {n}" for n in range(10))


def torn(path: Path) -> None:
    """Its header is no text of Python, in the form in which NumPy once wrote it."""
    np.save(path, np.zeros(3, np.uint8))
    path.write_bytes(path.read_bytes().replace(b"{'descr'", b",'descr\"", 1))


def several(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, np.zeros(3, np.uint8))


def vast(path: Path) -> None:
    np.save(path, np.zeros(3, np.uint8))
    path.write_bytes(
        path.read_bytes().replace(b"(3,), }" + b" " * 12, b"(3" + b"0" * 12 + b",), }", 1)
    )


FILES = {"empty.npy": Path.touch, "torn.npy": torn, "several.npy": several, "vast.npy": vast}


def of_them() -> Plan:
    backbone = find_backbone("resnet20+w0.5").sized(16)
    return plan(find_arch("groupnet-k3", backbone.name), backbone)


@pytest.fixture(scope="module")
def packed() -> Program:
    planned = of_them()
    (output,) = planned.outputs
    nodes = [step.node for step in planned.steps]
    made = program(planned.values, nodes, output, np.random.default_rng(0))
    return Program(made.values, made.nodes, made.parameters, output, NORMAL)


@pytest.fixture(scope="module")
def file(packed: Program, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("packed") / "model.bnn"
    about = About(arch="resnet20 | 9x3 mean", labels=LABELS, accuracy=0.875, data="things, test")
    model.save(packed, path, about)
    model.save(replace(packed, normal=None), path.with_name("plain.bnn"), about)
    return path


def test_it_is_shown(file: Path) -> None:
    said = call("show", file).stdout
    for words in ("resnet20 | 9x3 mean", "87.50%, as claimed", "16x16x3", "thing 9"):
        assert words in said
    assert f"{file.stat().st_size:,} bytes" in said


def test_its_memory_is_what_others_say_and_tables_beside_it(file: Path, packed: Program) -> None:
    said = call("show", file).stdout
    values = Engine(packed, measured=False).layout.bytes
    found = re.search(r"memory +([\d,]+) bytes of values.* tables about ([\d,]+)\n", said)
    assert found is not None
    shown, needed = (int(number.replace(",", "")) for number in found.groups())
    assert shown == values == cost(of_them()).peak_bytes
    assert needed == model.needed_bytes(model.describe(file).outline) > shown


def test_it_says_what_is_on_a_picture(file: Path, packed: Program, tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    pixels = np.random.default_rng(3).integers(0, 256, (16, 16, 3), np.uint8)
    image.fromarray(pixels).save(tmp_path / "some.png")
    np.save(tmp_path / "some.npy", pixels)
    best = LABELS[int(Engine(packed, measured=False).run(pixels[None])[0].argmax())]
    for name in ("some.png", "some.npy"):
        said = call("run", file, tmp_path / name, "--top", 1)
        assert re.fullmatch(rf".*{name}: {best} \d+\.\d%\n", said.stdout), said


def test_a_larger_picture_is_fitted(file: Path, tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    image.new("L", (90, 40), 77).save(tmp_path / "grey.png")
    assert call("run", file, tmp_path / "grey.png").returncode == 0


def test_its_time_is_told_op_by_op(file: Path, packed: Program) -> None:
    said = call("time", file, "--rounds", 2, "--no-torch").stdout
    assert re.search(r"whole +\d+\.\d us", said)
    rows = re.findall(r"^ +\d+ +\d+\.\d +\d+\.\d% .*(?:Conv|Pool|Linear)", said, re.M)
    assert len(rows) == len(packed.nodes)


@pytest.mark.parametrize(("batch", "threads"), [(2, 2), (2, 1), (1, 2)])
def test_of_several_images_and_threads_it_is_told_how_they_meet(
    batch: int, threads: int, file: Path
) -> None:
    asked = ("--rounds", 1, "--no-torch", "--batch", batch, "--threads", threads)
    said = call("time", file, *asked).stdout
    assert ("image by image, all threads in each" in said) == (batch == threads == 2)


def test_beside_torch_there_is_a_ratio(file: Path) -> None:
    pytest.importorskip("torch")
    said = call("time", file, "--rounds", 2).stdout
    assert re.search(r"% +\d+\.\d  BinaryConv 3x3", said)


def test_who_reads_no_further_has_seen_enough() -> None:
    """As in `python -m kernels info | head -1`."""
    command = [sys.executable, "-m", "kernels", "info"]
    reads, writes = os.pipe()
    os.close(reads)
    with os.fdopen(writes, "w") as out:
        said = subprocess.run(command, stdout=out, stderr=subprocess.PIPE, check=False, timeout=60)
    assert (said.returncode, said.stderr) == (0, b"")


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("show", "nowhere.bnn"), "nowhere.bnn: no such packed file"),
        (("time", "nowhere.bnn"), "nowhere.bnn: no such packed file"),
        (("run", "nowhere.bnn", "x.png"), "nowhere.bnn: no such packed file"),
        (("run", "{file}", "nowhere.png"), "nowhere.png: no such picture"),
        (("run", "{file}", "nowhere.npy"), "nowhere.npy: no such picture"),
        (
            ("profile", "no.json", "-o", "p.json"),
            "no.json: no such list of ops; `python",
        ),
        (("run", "{file}", "{file}"), "cannot be read as a picture"),
        (("run", "{file}", "x.npy", "--isa", "sse9"), "no instruction set is called 'sse9'"),
        (("run", "{file}", "x.npy", "--top", "0"), "--top is at least 1; got 0"),
        (("run", "{file}", "{folder}/empty.npy"), "empty.npy cannot be read as a .npy"),
        (("run", "{file}", "{folder}/torn.npy"), "torn.npy cannot be read as a .npy"),
        (("run", "{file}", "{folder}/several.npy"), "several.npy cannot be read as a .npy"),
        (("run", "{file}", "{folder}/vast.npy"), "vast.npy cannot be read as a .npy"),
        (("run", "{plain}", "x.npy"), "no picture can be run on it"),
    ],
)
def test_a_mistake_is_told_in_one_line(
    file: Path, tmp_path: Path, args: tuple[str, ...], says: str
) -> None:
    plain = file.with_name("plain.bnn")
    for path, does in FILES.items():
        does(tmp_path / path)
    said = call(*(arg.format(file=file, plain=plain, folder=tmp_path) for arg in args))
    assert said.returncode == 2
    assert says in said.stderr
    assert "Traceback" not in said.stderr


def test_a_picture_of_another_form_is_refused(file: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "other.npy", np.zeros((8, 8, 3), np.uint8))
    said = call("run", file, tmp_path / "other.npy")
    assert "uint8(8, 8, 3); uint8(16, 16, 3) is wanted" in said.stderr


def test_progress_moves_on_a_screen_and_is_quiet_elsewhere() -> None:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen, elsewhere = Screen(), io.StringIO()
    for out in (screen, elsewhere):
        bar = Progress(4, "measured", out)
        bar.at(1)
        bar.end()
    assert "measured 1/4" in screen.getvalue()
    assert elsewhere.getvalue() == ""
