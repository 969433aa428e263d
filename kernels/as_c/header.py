"""The header of a program in C: what it is, how to build it, its sizes, and how to call it."""

from __future__ import annotations

import textwrap

from kernels.about import About
from kernels.as_c import spelling
from kernels.as_c.calls import field_bytes
from kernels.memory import Layout
from kernels.program import Program

STACK = 2048  # bytes, beside the fields of a binary convolution


def text(program: Program, about: About, placed: Layout, name: str) -> str:
    output, image, upper = program.values[program.output], program.image, name.upper()
    sizes = {"HEIGHT": image.height, "WIDTH": image.width, "CHANNELS": image.channels}
    if (output.height, output.width) != (1, 1):
        sizes |= {"OUT_HEIGHT": output.height, "OUT_WIDTH": output.width}
    sizes |= {"CLASSES": output.channels, "ARENA_BYTES": placed.bytes}
    labels = about.labels or ()
    lines = [
        _first_comment(program, about, name),
        f"#ifndef {upper}_H\n#define {upper}_H\n",
        "#include <stdint.h>\n",
        *(f"#define {upper}_{key} {value}" for key, value in sizes.items()),
        "",
        '#ifdef __cplusplus\nextern "C" {\n#endif\n',
    ]
    if labels:
        lines.append(f"extern const char *const {name}_labels[{len(labels)}]; /* UTF-8 */\n")
    lines += [
        spelling.comment(_about_call(program, upper)),
        f"void {signature(program, name)};\n",
        "#ifdef __cplusplus\n}\n#endif\n",
        "#endif\n",
    ]
    return "\n".join(lines)


def signature(program: Program, name: str) -> str:
    taken = "const uint8_t *pixels" if takes_pixels(program) else "const float *image"
    return f"{name}_run({taken}, float *answer, void *arena)"


def takes_pixels(program: Program) -> bool:
    return program.pixels or program.normal is not None


def fields(program: Program) -> int:
    """Bytes that a binary convolution gathers at most."""
    return max(field_bytes(node.op) for node in program.nodes)


def _first_comment(program: Program, about: About, name: str) -> str:
    known = {
        "architecture": about.arch,
        "key": about.key,
        "made by": about.made_by,
        "data": about.data,
        "created": about.created,
        "accuracy": None if about.accuracy is None else f"{about.accuracy:.2%}, as claimed",
    }
    how = """\
        Build with -ffp-contract=off, and never with -ffast-math: each step of floats has to be
        rounded, in its order. Then binary ops, mixings and endings have the same bits as in the
        kernels. So have real convolutions, by chains of fmaf; where the processor has no such
        instruction that is slow, and -DBNN_FUSED=0 computes products and sums one by one. Then a
        number next to a threshold may fall on its other side, and what follows from it differs.
        """
    return spelling.comment(
        [
            f"{name}: a binary neural network in C99, {len(program.nodes)} ops, "
            f"{program.bytes} bytes of parameters.",
            *(f"{key}: {value}" for key, value in known.items() if value is not None),
            "",
            f"    cc -std=c99 -O3 -ffp-contract=off -c {name}.c    (link with -lm)",
            "",
            *textwrap.dedent(how).splitlines(),
            "",
            "It allocates nothing, keeps nothing between calls, and does not care for the order of",
            "bytes in a word. Several threads may call it, each with an arena of its own. Of the",
            f"stack it takes less than {fields(program) + STACK} bytes.",
        ]
    )


def _about_call(program: Program, upper: str) -> list[str]:
    output = program.values[program.output]
    form = f"[{upper}_HEIGHT][{upper}_WIDTH][{upper}_CHANNELS]"
    taken = (
        f"pixels {form}, 0 to 255, at any address"
        if takes_pixels(program)
        else f"image {form}, normalised as in the training"
    )
    whole = (output.height, output.width) == (1, 1)
    given = "" if whole else f"[{upper}_OUT_HEIGHT][{upper}_OUT_WIDTH]"
    return [
        f"{taken};",
        f"answer {given}[{upper}_CLASSES]: the largest number is of the class that is seen;",
        f"arena: {upper}_ARENA_BYTES bytes, aligned to a float. What is in it does not matter.",
    ]
