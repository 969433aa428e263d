"""Values alive together never share memory, and all of it is hardly more than they need."""

from __future__ import annotations

import time
from itertools import combinations
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernels import memory
from kernels.flow import Use
from kernels.lined import LINE as ALIGN
from kernels.memory import Layout, Live, aligned, layout, lives, peak
from search_spaces.backbones import find_backbone
from search_spaces.cost import cost
from search_spaces.known import KNOWN, find_arch
from search_spaces.plan import Plan
from search_spaces.planner import plan
from search_spaces.spaces import SPACES


def together(a: Live, b: Live) -> bool:
    return a.first <= b.last and b.first <= a.last


def assert_apart(alive: list[Live], found: Layout) -> None:
    for live in alive:
        (offset,) = {found.offsets[value] for value in live.values}
        assert offset % ALIGN == 0
        assert 0 <= offset <= found.bytes - live.size
    for a, b in combinations(alive, 2):
        if together(a, b):
            first, second = found.offsets[a.values[0]], found.offsets[b.values[0]]
            assert first + a.size <= second or second + b.size <= first, (a, b)


spans = st.tuples(st.integers(1, 9), st.integers(0, 12), st.integers(0, 4))


@given(st.lists(spans, min_size=1, max_size=24))
def test_no_two_that_are_alive_together_overlap(drawn: list[tuple[int, int, int]]) -> None:
    alive = [
        Live((n,), size * ALIGN, first, first + more) for n, (size, first, more) in enumerate(drawn)
    ]
    found = layout(alive)
    assert_apart(alive, found)
    assert found.bytes >= peak(alive, 20)


@given(st.lists(spans, min_size=1, max_size=24))
def test_each_lies_at_the_lowest_place_that_is_free(drawn: list[tuple[int, int, int]]) -> None:
    order = [Live((n,), size, first, first + more) for n, (size, first, more) in enumerate(drawn)]
    found = memory._placed(order)
    for n, live in enumerate(order):
        near = [(found.offsets[o.values[0]], o.size) for o in order[:n] if together(o, live)]
        ends = (0, *(offset + size for offset, size in near))
        free = [at for at in ends if all(at + live.size <= o or o + size <= at for o, size in near)]
        assert found.offsets[n] == min(free)
    assert found.bytes == max(found.offsets[n] + live.size for n, live in enumerate(order))


def some(count: int) -> list[Live]:
    """Whose peak no order reaches."""
    rng = Random(1)
    return [
        Live((n,), ALIGN * rng.randint(1, 50), n, n + rng.randint(1, count)) for n in range(count)
    ]


@pytest.mark.parametrize(("values", "orders"), [(250, 204), (1_000, 51), (30_000, 1)])
def test_so_many_orders_are_tried_as_there_is_time_for(
    values: int, orders: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []
    monkeypatch.setattr(memory, "_placed", lambda order: tried.append(order) or Layout({}, 1 << 60))
    layout(some(values))
    assert len(tried) == orders


def test_thousands_of_values_have_their_layout_in_seconds() -> None:
    """A file may have some 16,000."""
    begun = time.process_time()
    assert layout(some(4_000)).bytes > 0
    assert time.process_time() - begun < 30


def test_the_peak_is_what_is_alive_at_once() -> None:
    alive = [Live((n,), 64 << n, *span) for n, span in enumerate(((0, 0), (0, 1), (1, 2), (3, 3)))]
    assert peak(alive, 4) == 512
    assert peak(alive[:3], 4) == 128 + 256


def of(planned: Plan) -> list[Live]:
    (output,) = planned.outputs
    return lives(planned.values, [step.node for step in planned.steps], output)


def test_what_is_alive_is_what_the_costs_count() -> None:
    for name in KNOWN:
        arch = find_arch(name, "resnet20")
        planned = plan(arch, find_backbone(arch.backbone))
        values = planned.values
        exact = [live._replace(size=values[live.values[0]].bytes) for live in of(planned)]
        assert peak(exact, len(planned.steps)) == cost(planned).peak_bytes


@pytest.mark.parametrize("backbone", ["resnet18", "resnet20"])
@pytest.mark.parametrize("name", list(KNOWN))
def test_known_architectures_take_no_more_than_their_peak(name: str, backbone: str) -> None:
    arch = find_arch(name, backbone)
    planned = plan(arch, find_backbone(arch.backbone))
    found = layout(of(planned))
    assert_apart(of(planned), found)
    assert found.bytes == peak(of(planned), len(planned.steps))


@pytest.mark.parametrize("name", list(SPACES))
def test_any_architecture_takes_hardly_more(name: str) -> None:
    space, rng = SPACES[name](find_backbone("resnet20")), Random(name)
    for _ in range(12):
        planned = plan(space.decode(space.sample(rng)), space.backbone)
        found = layout(of(planned))
        assert_apart(of(planned), found)
        assert found.bytes <= 1.02 * peak(of(planned), len(planned.steps))


def test_a_shortcut_stays_where_it_is_until_something_else_needs_it() -> None:
    """bireal on digits: two maps of 16 channels are added to f1, and then a third of 32 to f8."""
    arch = find_arch("bireal", "digits")
    planned = plan(arch, find_backbone(arch.backbone))
    together = [live.values for live in of(planned) if len(live.values) > 1]
    assert together == [(1, 3, 5), (8, 9, 11, 13, 15)]
    nodes = [step.node for step in planned.steps]
    (output,) = planned.outputs
    late = nodes[-1]._replace(reads=(Use(1, 0, 1),))
    alive = lives(planned.values, [*nodes[:-1], late], output)  # f1 is read at the very end
    assert (1,) in [live.values for live in alive]
    assert (3, 5) in [live.values for live in alive]


def test_sizes_are_whole_lines_of_the_cache() -> None:
    assert [aligned(n) for n in (0, 1, 64, 65)] == [0, 64, 64, 128]
