"""Programs as C answer as the engine does, in every bit, on this machine and on others."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import other_cpus
import pytest
from c_builds import (
    ARM,
    BIG_ENDIAN,
    CHECKED,
    HERE,
    STRICT,
    call,
    images_of,
    prepared,
    same_answers,
)
from planned_programs import STRUCTURES, grouped, of_backbone, planned, tied
from programs import random_program, small

from kernels import as_c, sample
from kernels.about import About
from kernels.as_c import source, spelling
from kernels.engine import Engine
from kernels.flow import Use, Value
from kernels.ops import Affine, BinaryConv, Curve, Epilogue, Pack, Residual, Resize
from kernels.program import Node, Program
from kernels.stem import with_stem
from kernels.walk import walk
from search_spaces.backbones import BACKBONES

OPS = {"BinaryConv", "BinaryLinear", "RealConv", "Stem", "Linear", "Mix", "Pack", "Affine"}
OPS |= {"Pool", "GlobalPool", "Skip", "Resize"}


def drawn(*seeds: int) -> list[Program]:
    """Programs at random; together they have ops of every kind."""
    found = [random_program(Random(seed), most=12) for seed in seeds]
    assert {type(op).__name__ for program in found for op in program.ops} == OPS
    return found


def test_any_program_answers_as_the_engine_does(tmp_path: Path) -> None:
    same_answers(HERE, drawn(*range(16)), tmp_path)


def test_nothing_is_read_or_written_that_is_not_there(tmp_path: Path) -> None:
    same_answers(CHECKED, drawn(*range(53, 63)), tmp_path)


def test_on_arm(tmp_path: Path) -> None:
    same_answers(ARM, drawn(*range(64, 72)), tmp_path)


def test_on_a_machine_whose_words_begin_with_their_highest_byte(tmp_path: Path) -> None:
    same_answers(BIG_ENDIAN, drawn(*range(93, 101)), tmp_path)


@pytest.mark.parametrize("name", STRUCTURES)
def test_every_structure_decides_as_the_references_say(name: str, tmp_path: Path) -> None:
    HERE.want()
    program = planned(name)
    images = images_of(program, 4, seed=1)
    got = HERE.answers(program, images, tmp_path)
    np.testing.assert_array_equal(got, Engine(program, measured=False).run(images))
    wanted = walk(program, prepared(program, images))[program.output].reshape(len(images), -1)
    np.testing.assert_array_equal(got.argmax(1), wanted.argmax(1))


def test_every_backbone_answers_as_in_the_engine(tmp_path: Path) -> None:
    same_answers(HERE, [of_backbone(name) for name in BACKBONES], tmp_path)


@pytest.mark.parametrize("name", ["groupnet", "abcnet"])
def test_every_structure_decides_so_on_arm(name: str, tmp_path: Path) -> None:
    same_answers(ARM, [planned(name)], tmp_path)


def test_a_stem_on_pixels_has_every_bit(tmp_path: Path) -> None:
    same_answers(
        HERE, [with_stem(planned("groupnet")), with_stem(of_backbone("resnet18"))], tmp_path
    )


def test_real_convolutions_in_groups_have_every_bit(tmp_path: Path) -> None:
    same_answers(HERE, [grouped()], tmp_path)


def test_what_is_on_its_threshold_is_plus_one(tmp_path: Path) -> None:
    same_answers(HERE, [tied(), tied(above=True)], tmp_path)


def test_flags_that_fuse_and_reorder_change_no_bit(tmp_path: Path) -> None:
    """Where the processor multiplies and adds in one step, if this one does."""
    fusing = ("-O3", "-march=native", "-ffp-contract=fast")
    same_answers(HERE, [small(), planned("groupnet")], tmp_path, *fusing)


def test_without_fused_products_binary_ops_keep_every_bit(tmp_path: Path) -> None:
    """Nor do other ops change whose sums are not of products."""
    size = {"height": 5, "width": 4, "channels": 9}
    after = Epilogue(floats=True, sum=True, inner=Curve.PRELU, residual=Residual.ONE)
    summed = Epilogue(floats=True, sum=True, outer=Curve.RELU)
    image = Value(False, 1, 5, 4, 9)
    values = (image, image._replace(bits=True, sets=2), *[image] * 3, Value(False, 1, 3, 7, 9))
    binary = BinaryConv(**size, filters=9, padding=1, inputs=2, bases=3, after=after)
    nodes = (
        Node(Pack(**size, signs=2), (Use(0, 0, 1),), None, None, 1),
        Node(Affine(**size), (Use(0, 0, 1),), None, 2, None),
        Node(binary, (Use(1, 0, 2),), Use(2, 0, 1), 3, None),
        Node(Affine(**size, sets=2, after=summed), (Use(3, 0, 1), Use(2, 0, 1)), None, 4, None),
        Node(Resize(**size, out_height=3, out_width=7), (Use(4, 0, 1),), None, 5, None),
    )
    given = tuple(sample.parameters(node.op, np.random.default_rng(2)) for node in nodes)
    same_answers(HERE, [Program(values, nodes, given, 5)], tmp_path, "-DBNN_FUSED=0")


def test_without_fused_products_real_convolutions_differ_by_rounding(tmp_path: Path) -> None:
    HERE.want()
    program = planned("groupnet")
    images = images_of(program, 4, seed=2)
    got = HERE.answers(program, images, tmp_path, "-DBNN_FUSED=0")
    due = Engine(program, measured=False).run(images)
    assert not np.array_equal(got, due)
    np.testing.assert_allclose(got, due, 1e-4, 1e-4)


def test_what_would_break_the_order_of_floats_is_refused(tmp_path: Path) -> None:
    HERE.want()
    as_c.write(small(), About(), tmp_path, "net")
    with pytest.raises(AssertionError, match="ffast-math changes the answers"):
        call(["cc", "-ffast-math", "-c", tmp_path / "net.c", "-o", tmp_path / "net.o"])


def test_the_stack_is_as_small_as_the_header_says(tmp_path: Path) -> None:
    HERE.want()
    for n, program in enumerate((small(), planned("abcnet"), random_program(Random(1), most=12))):
        header, source = as_c.write(program, About(), tmp_path, f"net{n}")
        said = re.search(r"less than (\d+) bytes", header.read_text())
        call(["cc", "-std=c99", "-O0", "-fstack-usage", "-c", source, "-o", tmp_path / f"net{n}.o"])
        rows = (tmp_path / f"net{n}.su").read_text().splitlines()
        assert said
        assert sum(int(row.split("\t")[1]) for row in rows) < int(said[1])


def test_the_header_says_sizes_and_labels(tmp_path: Path) -> None:
    HERE.want()
    labels = ('a "cat"', "ねこ", "what??/ \\")
    program = planned("groupnet", classes=3)
    made = as_c.write(program, About(labels=labels), tmp_path, "tiny_net")
    assert made == [tmp_path / "tiny_net.h", tmp_path / "tiny_net.c"]
    main = tmp_path / "main.c"
    main.write_text(
        '#include <stdio.h>\n#include "tiny_net.h"\nint main(void) {\n'
        '  printf("%d %d %d %d %d\\n", TINY_NET_HEIGHT, TINY_NET_WIDTH, TINY_NET_CHANNELS,\n'
        "         TINY_NET_CLASSES, TINY_NET_ARENA_BYTES);\n"
        "  for (int i = 0; i < TINY_NET_CLASSES; ++i) puts(tiny_net_labels[i]);\n"
        "  return 0;\n}\n"
    )
    call(["cc", *STRICT, main, tmp_path / "tiny_net.c", "-o", tmp_path / "main", "-lm"])
    said = call([tmp_path / "main"]).decode().splitlines()
    arena = Engine(program, measured=False).layout.bytes
    assert said == [f"12 12 3 3 {arena}", *labels]


def test_two_networks_live_in_one_program_and_cplusplus_calls_them(tmp_path: Path) -> None:
    other_cpus.want("cc", "g++")
    for name in ("bnn", "other"):
        as_c.write(replace(small(), normal=None), About(), tmp_path, name)
        source, made = tmp_path / f"{name}.c", tmp_path / f"{name}.o"
        call(["cc", *STRICT, "-c", source, "-o", made])
    main = tmp_path / "main.cpp"
    main.write_text(
        '#include "bnn.h"\n#include "other.h"\n'
        "static float image[BNN_HEIGHT * BNN_WIDTH * BNN_CHANNELS];\n"
        "static float arena[BNN_ARENA_BYTES / sizeof(float)];\n"
        "int main() {\n  float one[BNN_CLASSES], two[OTHER_CLASSES];\n"
        "  bnn_run(image, one, arena);\n  other_run(image, two, arena);\n"
        "  return one[0] != two[0];\n}\n"
    )
    objects = [tmp_path / "bnn.o", tmp_path / "other.o"]
    call(["g++", "-Wall", main, *objects, "-o", tmp_path / "main"])
    call([tmp_path / "main"])


def test_nothing_that_is_said_of_a_network_gets_out_of_its_comment(tmp_path: Path) -> None:
    HERE.want()
    said = "*/ int x; /* // */*/ ねこ \\ ??/"
    _, source = as_c.write(small(), About(arch=said, made_by=said), tmp_path, "net")
    call(["cc", *STRICT, "-c", source, "-o", tmp_path / "net.o"])


@pytest.mark.parametrize("name", ["", "2d", "a-b", "_x", "größe", "a b", "x\n"])
def test_a_name_that_c_does_not_take_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a name for C is a letter, and letters, digits and _"):
        as_c.write(small(), About(), tmp_path, name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["math", "String"])
def test_a_header_of_c_is_not_hidden(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"{name}.h is a header of C itself: another name"):
        as_c.write(small(), About(), tmp_path, name)


@pytest.mark.parametrize("name", ["size", "uint8", "Int_Fast16", "long"])
def test_nor_is_a_macro_of_it(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"{name.upper()}_WIDTH is a macro of C itself: another"):
        as_c.write(small(), About(), tmp_path, name)


def test_all_macros_of_c_that_end_like_ours_are_known(tmp_path: Path) -> None:
    HERE.want()
    text = "".join(f"#include <{file}>\n" for file in ("stdint.h", *source.INCLUDES))
    (tmp_path / "all.c").write_text(text)
    said = call(["cc", "-std=gnu2x", "-dM", "-E", tmp_path / "all.c"]).decode()
    ends = "HEIGHT|WIDTH|CHANNELS|CLASSES|ARENA_BYTES|H"
    found = set(re.findall(rf"#define ([A-Z]\w*)_({ends})\b", said))
    assert {end for _, end in found} == {"WIDTH"}
    assert not [name for name, _ in found if not spelling.WIDTHS.fullmatch(name)]


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_what_no_engine_takes_is_not_written(value: float, tmp_path: Path) -> None:
    program = small()
    given = tuple(
        {name: np.full_like(of, value) if name == "thresholds" else of for name, of in one.items()}
        for one in program.parameters
    )
    with pytest.raises(ValueError, match=f"constants are finite numbers; found {value}"):
        as_c.write(replace(program, parameters=given), About(), tmp_path, "net")
    assert not list(tmp_path.iterdir())


def test_numbers_are_written_to_the_bit() -> None:
    for value in np.float32([0, -0.0, 1, -1.5, 0.1, 3e-45, 3.4028235e38, -1e-30, 16777216]):
        text = spelling.number(float(value)).removesuffix("f")
        read = float.fromhex(text) if "x" in text else float(text)
        assert np.float32(read).tobytes() == value.tobytes()


def test_only_the_functions_that_a_program_needs_are_there(tmp_path: Path) -> None:
    """That none is missing or idle, the compiler says."""
    text = as_c.write(small(), About(), tmp_path, "net")[1].read_text()
    assert "bnn_binary_conv(" in text
    assert "bnn_stem(" not in text
    assert set(as_c.PARTS) == {
        file.stem for file in (Path(as_c.__file__).parent / "runtime").glob("*.c")
    }
