"""The architecture as a test: five floors, each importing only from those below it."""

from __future__ import annotations

import ast
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


def test_torch_is_imported_by_functions_only() -> None:
    """Importing the ground floor must not cost the second that importing torch takes."""
    for file in BASELINES:
        body = ast.parse(file.read_text()).body
        names = {a.name for node in body if isinstance(node, ast.Import) for a in node.names}
        assert ast.FunctionDef in {type(node) for node in body}
        assert "torch" not in names


def test_the_name_kernels_is_ours() -> None:
    """There is a package on the index that imports under the same name."""
    assert Path(str(kernels.__file__)).name == "__init__.py"
    assert (Path(str(kernels.__file__)).parent / "bits.py").exists()
