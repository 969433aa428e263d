"""The architecture as a test: five floors, each importing only from those below it."""

from __future__ import annotations

import ast
import shutil
import subprocess
from collections.abc import Collection, Mapping
from pathlib import Path

import pytest

import kernels

ROOT = Path(__file__).parents[1]
FLOORS = ("kernels", "search_spaces", "trainers", "reports", "nas")
FILES = sorted(file for floor in FLOORS for file in (ROOT / floor).rglob("*.py"))
# Files below that may import torch: they time other people's kernels beside ours.
BASELINES = {ROOT / "kernels" / "baselines.py", ROOT / "kernels" / "cuda" / "baselines.py"}


def imported(file: Path) -> set[str]:
    """The top-level packages that a file imports anywhere in it. Relative imports are `.`."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add("." if node.level else str(node.module).split(".")[0])
    return names


def forbidden(file: Path) -> set[str]:
    floor = file.relative_to(ROOT).parts[0]
    above = set(FLOORS[FLOORS.index(floor) + 1 :]) | {"."}
    if floor == "reports":
        above.add("trainers")  # plain tables in, a page out
    if floor != "trainers" and file not in BASELINES:
        above.add("torch")
    if floor != "nas":
        above.add("ray")
    return above


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_imports_only_from_floors_below(file: Path) -> None:
    assert not imported(file) & forbidden(file)


def test_the_check_sees_an_import_that_goes_up(tmp_path: Path) -> None:
    file = tmp_path / "low.py"
    file.write_text(
        "def f():\n    import nas.search\n    from torch import nn\n    from . import x\n"
    )
    assert imported(file) == {"nas", "torch", "."}


def test_every_floor_is_there() -> None:
    assert {file.relative_to(ROOT).parts[0] for file in FILES} == set(FLOORS)


def test_no_file_is_ignored() -> None:
    """What git ignores is not in the wheel either: a folder `runs/` of ours is none of a search."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("not a checkout of git")
    files = [f"{floor}/**/*.py" for floor in FLOORS]
    command = ["git", "ls-files", "--others", "--ignored", "--exclude-standard", *files]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert not said.stdout


def test_torch_is_imported_by_functions_only() -> None:
    """Importing the ground floor must not cost the second that importing torch takes."""
    for file in BASELINES:
        body = ast.parse(file.read_text()).body
        names = {a.name for node in body if isinstance(node, ast.Import) for a in node.names}
        assert ast.FunctionDef in {type(node) for node in body}
        assert "torch" not in names


def modules() -> dict[str, Path]:
    """Each file by the name that others import it under."""
    names = {}
    for file in FILES:
        parts = file.relative_to(ROOT).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return names


def uses(file: Path, known: Collection[str]) -> set[str]:
    """Which of these modules a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in known else str(node.module) for name in names}
    return found & set(known)


def circles(arrows: Mapping[str, Collection[str]]) -> list[str]:
    """What is in a circle or above one: all else can be taken away, from the ground up."""
    left = {one: set(arrows[one]) - {one} for one in arrows}
    while ends := {one for one, to in left.items() if not to}:
        left = {one: to - ends for one, to in left.items() if one not in ends}
    return sorted(left)


def test_no_file_imports_itself_by_way_of_others() -> None:
    """A package's face, which hands on names, is above what is in it."""
    known = modules()
    assert not circles({name: uses(file, known) - {name} for name, file in known.items()})


def test_the_check_sees_a_circle() -> None:
    assert circles({"a": ["b"], "b": ["c"], "c": ["b"], "d": []}) == ["a", "b", "c"]
    assert not circles({"a": ["b", "c"], "b": ["c"], "c": []})


# Two floors have floors of their own. The commands, files of the folder itself, are above all.
INNER = {
    "nas": ("console", "times", "processes", "study", "runs", "phases", "picks", "ranks"),
    "trainers": ("data", "networks", "learning"),
}


@pytest.mark.parametrize("floor", INNER)
def test_inside_a_floor_imports_go_down_too(floor: str) -> None:
    known, rooms = modules(), INNER[floor]
    for n, name in enumerate(rooms):
        for file in sorted((ROOT / floor / name).glob("*.py")):
            ours = [one.split(".") for one in uses(file, known) if one.startswith(f"{floor}.")]
            assert {one[1] for one in ours} <= {*rooms[: n + 1]}, file


@pytest.mark.parametrize("floor", INNER)
def test_every_folder_of_it_has_its_place(floor: str) -> None:
    folders = {file.parent.name for file in (ROOT / floor).rglob("*.py")} - {floor}
    assert folders == {*INNER[floor], "benches"}


def test_the_name_kernels_is_ours() -> None:
    """There is a package on the index that imports under the same name."""
    assert Path(str(kernels.__file__)).name == "__init__.py"
    assert (Path(str(kernels.__file__)).parent / "bits.py").exists()
