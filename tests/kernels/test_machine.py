"""The machine: its name is stable, fit for a file, and tells processors apart."""

from __future__ import annotations

import json
import re

import pytest

from kernels import machine
from kernels.machine import Processor, parse_cpuinfo, short_name

X86 = """\
processor\t: 0
vendor_id\t: GenuineIntel
cpu family\t: 6
model\t\t: 143
model name\t: Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz
stepping\t: 8
flags\t\t: fpu popcnt avx2 fma avx512f avx512_vpopcntdq amx_int8

processor\t: 1
model name\t: another
"""
ARM = """\
processor\t: 0
Features\t: fp asimd asimddp i8mm
CPU implementer\t: 0x41
CPU part\t: 0xd0c
"""


def test_cpuinfo_of_x86_is_that_of_the_first_processor() -> None:
    found = parse_cpuinfo(X86)
    assert found.model == "Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz"
    assert found.stepping == "6-143-8"
    assert {"avx512_vpopcntdq", "amx_int8"} <= found.flags


def test_cpuinfo_of_arm_has_a_model_and_features() -> None:
    found = parse_cpuinfo(ARM)
    assert found.model == "ARM 0x41 0xd0c"
    assert "i8mm" in found.flags


def test_a_name_never_changes() -> None:
    name = short_name(parse_cpuinfo(X86), "x86_64", 4)
    assert name == "intel-xeon-platinum-8481c-4x-e9c272", "remembered kernels would be lost"


@pytest.mark.parametrize("model", ["", "///", "a" * 300, "Ünïcode (TM) @ 3 GHz"])
def test_a_name_is_fit_for_a_file(model: str) -> None:
    name = short_name(Processor(model, "", frozenset()), "x86_64", 1)
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]{0,60}", name.replace("_", "-"))


def test_another_stepping_flag_or_number_of_cores_is_another_name() -> None:
    plain = Processor("AMD EPYC", "25-1-1", frozenset({"avx2"}))
    others = [
        short_name(plain, "x86_64", 2),
        short_name(plain, "x86_64", 4),
        short_name(Processor("AMD EPYC", "25-17-1", frozenset({"avx2"})), "x86_64", 2),
        short_name(Processor("AMD EPYC", "25-1-1", frozenset({"avx2", "avx512f"})), "x86_64", 2),
    ]
    assert len(set(others)) == len(others)


def test_a_flag_that_does_not_matter_does_not_change_the_name() -> None:
    names = {
        short_name(Processor("AMD EPYC", "25-1-1", frozenset({"avx2", *more})), "x86_64", 2)
        for more in ((), ("some_new_mitigation",))
    }
    assert len(names) == 1


def test_this_machine_goes_through_json() -> None:
    here = machine.here()
    there = json.loads(json.dumps(here.to_dict()))
    assert there["name"] == here.name
    assert tuple(there["flags"]) == here.flags
    assert 1 <= machine.usable_cores() <= here.cores
