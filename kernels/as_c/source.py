"""A program as plain C99, for a machine without Python: a header and a source, in any compiler.

The source holds the functions that the program needs (`runtime/`), its parameters, and a table of
its nodes with their places in the arena: the layout of `kernels.memory`, nothing beside it. All
steps are those of the portable kernels, in their order, so the answers have the same bits.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import numpy as np

from kernels import files, memory
from kernels.about import About
from kernels.as_c import calls, header, spelling
from kernels.as_c.calls import Call
from kernels.flow import Use, Value, flow
from kernels.memory import Layout
from kernels.program import Node, Program

# Each part of `runtime`, and the parts it calls. In the order in which they are written.
PARTS: dict[str, tuple[str, ...]] = {
    "begin": (),
    "least": (),
    "inside": (),
    "normalise": (),
    "fused": (),
    "signs": (),
    "stretch": ("least",),
    "ending": ("least", "signs"),
    "binary_conv": ("inside", "ending"),
    "real_conv": ("inside", "fused", "ending"),
    "stem": ("inside", "stretch", "ending"),
    "affine": ("ending",),
    "linear": ("fused",),
    "windows": ("stretch",),
    "mix": ("least", "signs"),
    "pack": ("least", "signs"),
    "resize": ("least",),
}
INCLUDES = ("float.h", "limits.h", "math.h", "stddef.h", "string.h")


def write(program: Program, about: About, folder: Path, name: str) -> list[Path]:
    """`name`.h and `name`.c in the folder; `name`_run in them runs the program."""
    spelling.check_name(name)
    placed = memory.layout(memory.lives(program.values, program.nodes, program.output))
    made = {f"{name}.h": header.text(program, about, placed, name)}
    made[f"{name}.c"] = source(program, about, placed, name)
    for file, text in made.items():
        files.replace(folder / file, text)
    return [folder / file for file in made]


def source(program: Program, about: About, placed: Layout, name: str) -> str:
    pairs = zip(program.nodes, program.parameters, strict=True)
    made = [calls.call(node.op, given) for node, given in pairs]
    lines = [
        spelling.comment(
            [
                f"Made with {name}.h, which says how to build and call it. The functions are",
                "part of binary-nas, licence Apache-2.0.",
            ]
        ),
        f'#include "{name}.h"\n',
        *(f"#include <{file}>" for file in INCLUDES),
        "",
        *_runtime(program, made),
        spelling.comment(["The parameters of each node."]),
        *(text for n, one in enumerate(made) for text in _constants(n, one)),
        *_table(program, made, placed),
    ]
    if about.labels:
        lines.append(f"const char *const {name}_labels[{len(about.labels)}] = {{")
        lines += [f"  {spelling.string(label)}," for label in about.labels] + ["};\n"]
    lines += _run(program, placed, name)
    return "\n".join(lines)


def _runtime(program: Program, calls: list[Call]) -> list[str]:
    """Only what is called: a function that is not would be a warning."""
    wanted = {"begin", *(call.function for call in calls)}
    if program.normal is not None:
        wanted.add("normalise")
    for part in reversed(PARTS):  # what a part calls stands before it
        if part in wanted:
            wanted.update(PARTS[part])
    folder = resources.files("kernels.as_c") / "runtime"
    fields = header.fields(program)
    return [
        *([f"#define BNN_FIELDS {fields}\n"] if fields else []),
        *((folder / f"{part}.c").read_text("utf-8") for part in PARTS if part in wanted),
    ]


def _constants(n: int, call: Call) -> Iterator[str]:
    """The arrays of a node, and the struct that points to them."""
    fields = []
    for field, value in call.fields.items():
        if isinstance(value, np.ndarray):
            place = f"node{n}_{field.split('.')[-1]}"
            yield spelling.array(place, value)
            fields.append(f".{field} = {place}")
        elif value:
            fields.append(f".{field} = {int(value)}")
    text = textwrap.fill(
        ", ".join(fields), spelling.WIDE, initial_indent="  ", subsequent_indent="  "
    )
    yield f"static const {call.struct} node{n} = {{\n{text}}};\n"


def _table(program: Program, calls: list[Call], placed: Layout) -> Iterator[str]:
    def start(use: Use) -> str:
        if use.value == 0 and (program.pixels or program.normal is None):
            return "BNN_IMAGE"
        return str(placed.offsets[use.value] + use.first * program.values[use.value].set_bytes)

    def sets(use: Use) -> Iterator[str]:
        return (start(Use(use.value, use.first + n, 1)) for n in range(use.sets))

    yield spelling.comment(
        [
            "The function, its parameters, where in the arena its maps begin that are read, the",
            "residual, and what it writes: floats, signs. In the order in which they run.",
        ]
    )
    yield "static const bnn_node nodes[] = {"
    for n, (node, call) in enumerate(zip(program.nodes, calls, strict=True)):
        reads = ", ".join(at for use in node.reads for at in sets(use))
        residual = "BNN_NONE" if node.residual is None else start(node.residual)
        wrote = (
            "BNN_NONE" if value is None else str(placed.offsets[value])
            for value in (node.floats, node.bits)
        )
        entry = (f"bnn_{call.function}", f"&node{n}", f"(const ptrdiff_t[]){{{reads}}}", residual)
        row = f"{{{', '.join((*entry, *wrote))}}},"
        yield f"  {spelling.comment([_described(n, node)])}"
        yield textwrap.fill(row, spelling.WIDE, initial_indent="  ", subsequent_indent="    ")
    yield "};\n"


def _described(n: int, node: Node) -> str:
    wants = flow(node.op)
    wrote = " and ".join(_maps(value) for value in (wants.floats, wants.bits) if value is not None)
    return f"{n}: {type(node.op).__name__}, {_maps(wants.reads)} to {wrote}"


def _maps(value: Value) -> str:
    sets = f"{value.sets} x " if value.sets > 1 else ""
    kind = "signs" if value.bits else "floats"
    return f"{sets}{value.height}x{value.width}x{value.channels} {kind}"


def _run(program: Program, placed: Layout, name: str) -> Iterator[str]:
    output, image = program.values[program.output], program.image
    if program.normal is not None:
        for key, row in program.normal._asdict().items():
            yield spelling.array(key, np.array(row, np.float32))
        yield ""
    given = "pixels" if header.takes_pixels(program) else "image"
    yield f"void {header.signature(program, name)} {{"
    yield "  unsigned char *const begin = arena;"
    if program.normal is not None:
        size = f"{image.height * image.width}, {image.channels}"
        yield f"  float *const image = bnn_place(begin, {placed.offsets[0]});"
        yield f"  bnn_normalise({given}, {size}, mean, std, image);"
    yield f"  bnn_run_all(nodes, {len(program.nodes)}, {given}, begin);"
    yield f"  memcpy(answer, begin + {placed.offsets[program.output]}, {output.bytes});"
    yield "}\n"
