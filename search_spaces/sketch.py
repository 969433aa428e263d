"""A plan while it is being made.

What is settled here: signs are written by the step that writes their value, wherever it can; one
value is packed once; floats that nobody reads are not written.

Blocks recur in thousands of plans, so what a block adds to a sketch is worked out once (`Stencil`)
and then copied, with its values numbered on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from kernels.ops import Affine, BinaryConv, Epilogue, Mix, Op, Pack, RealConv
from search_spaces.plan import Plan, Source, Step, Use, Value

_HAVE_EPILOGUE = (BinaryConv, RealConv, Affine)
_WRITE_SIGNS = (*_HAVE_EPILOGUE, Mix)
_use = cache(Use)  # there are few different ones, and thousands of plans have them


@dataclass(slots=True, eq=False)
class Recipe:
    """An op but for what it writes, which is known only when its readers are."""

    kind: Callable[..., Op]
    shape: dict[str, Any]
    after: dict[str, Any]
    made: dict[tuple[bool, int, bool], Op] = field(default_factory=dict)

    def op(self, floats: bool, signs: int, summed: bool) -> Op:
        writes = (floats, signs, summed)
        if writes not in self.made:
            self.made[writes] = self._make(*writes)
        return self.made[writes]

    def _make(self, floats: bool, signs: int, summed: bool) -> Op:
        fields = dict(self.shape)
        if self.kind in _HAVE_EPILOGUE:
            after = {"sum": summed, **self.after}
            fields["after"] = Epilogue(floats=floats, signs=signs, **after)
        elif self.kind is Mix:
            fields |= {"floats": floats, "signs": signs}
        elif self.kind is Pack:
            fields["signs"] = signs
        return self.kind(**fields)


@dataclass(slots=True)
class Draft:
    """A step that may still learn to write signs, or to sum."""

    recipe: Recipe
    reads: tuple[Use, ...]
    floats: int
    residual: Use | None = None
    source: Source | None = None
    norm: Source | None = None
    scales: Source | None = None
    bits: int | None = None
    signs: int = 0
    thresholds: Source | None = None
    summed: bool = False

    @property
    def uses(self) -> tuple[Use, ...]:
        return self.reads if self.residual is None else (*self.reads, self.residual)


@dataclass(slots=True)
class Sketch:
    values: list[Value] = field(default_factory=list)
    drafts: list[Draft] = field(default_factory=list)
    writers: dict[int, Draft] = field(default_factory=dict)
    shortcuts: dict[tuple[str, str, Use], Use] = field(default_factory=dict)

    def value(self, value: Value) -> Use:
        self.values.append(value)
        return _use(len(self.values) - 1, 0, value.sets)

    def add(
        self,
        kind: Callable[..., Op],
        reads: Iterable[Use],
        writes: Value,
        shape: dict[str, Any],
        after: dict[str, Any] | None = None,
        residual: Use | None = None,
        source: Source | None = None,
        norm: Source | None = None,
        scales: Source | None = None,
    ) -> Use:
        """A step that writes `writes` as float32, unless nobody turns out to read them."""
        use = self.value(writes)
        recipe = _recipe(kind, tuple(shape.items()), tuple((after or {}).items()))
        self._append(Draft(recipe, tuple(reads), use.value, residual, source, norm, scales))
        return use

    def signs(self, use: Use, thresholds: Source | None = None, count: int = 1) -> Use:
        """The sign bits of these maps, written by the step that writes them if it can."""
        value = self.values[use.value]
        bits = self.value(value._replace(bits=True, sets=value.sets * count)).value
        draft = self.writers[use.value]
        if draft.recipe.kind not in _WRITE_SIGNS:
            _, sets, height, width, channels = value
            shape = {"height": height, "width": width, "channels": channels, "sets": sets}
            draft = Draft(_recipe(Pack, tuple(shape.items()), ()), (_use(use.value, 0, sets),), -1)
            self.drafts.append(draft)
        assert draft.bits is None, "a value is packed once"
        draft.bits, draft.signs, draft.thresholds = bits, count, thresholds
        return _use(bits, use.first * count, use.sets * count)

    def sum(self, use: Use, scales: Source | None) -> Use:
        """Have the step that writes these branches sum them as it writes them."""
        draft = self.writers[use.value]
        draft.summed, draft.scales = True, scales
        self.values[use.value] = self.values[use.value]._replace(sets=1)
        return Use(use.value, 0, 1)

    def copy(self, stencil: Stencil, given: tuple[Use, ...]) -> Use:
        """Add the steps of a stencil, with `given` for its first values."""
        number = [use.value for use in given]
        start = len(self.values)
        number += range(start, start + len(stencil.values))
        self.values += stencil.values
        for d in stencil.drafts:
            self._append(
                Draft(
                    d.recipe,
                    tuple([_use(number[value], first, sets) for value, first, sets in d.reads]),
                    number[d.floats],
                    d.residual and _use(number[d.residual[0]], d.residual[1], d.residual[2]),
                    d.source,
                    d.norm,
                    d.scales,
                    d.bits and number[d.bits],
                    d.signs,
                    d.thresholds,
                    d.summed,
                )
            )
        return _use(number[stencil.result.value], stencil.result.first, stencil.result.sets)

    def _append(self, draft: Draft) -> None:
        self.drafts.append(draft)
        self.writers[draft.floats] = draft

    def finish(self, outputs: Iterable[Use]) -> Plan:
        """Freeze it. Values that nobody reads go; the others are numbered as they are written."""
        ends = [use.value for use in outputs]
        read = set(ends)
        for draft in self.drafts:
            for use in draft.reads:
                read.add(use[0])
            if draft.residual is not None:
                read.add(draft.residual[0])
        number = {0: 0}
        steps = tuple([_frozen(draft, draft.floats in read, number) for draft in self.drafts])
        values = tuple([self.values[old] for old in number])
        return Plan(steps, values, tuple([number[end] for end in ends]))


@dataclass(frozen=True, slots=True)
class Stencil:
    """What a piece adds to a sketch. Its numbers count the given values first, then its own."""

    drafts: tuple[Draft, ...]
    values: tuple[Value, ...]
    result: Use

    @classmethod
    def of(cls, given: tuple[Value, ...], piece: Callable[..., Use]) -> Stencil:
        """`piece(sketch, *uses)`, run on a sketch in which there is nothing but what is given."""
        sketch = Sketch()
        result = piece(sketch, *[sketch.value(value) for value in given])
        return cls(tuple(sketch.drafts), tuple(sketch.values[len(given) :]), result)


def _frozen(draft: Draft, floats: bool, number: dict[int, int]) -> Step:
    """The step itself; `number` learns what its values are called from now on."""
    try:
        op = draft.recipe.op(floats, draft.signs, draft.summed)
    except ValueError as error:
        raise ValueError(f"{draft.source or draft.recipe.kind.__name__}: {error}") from error
    reads = tuple([_use(number[value], first, sets) for value, first, sets in draft.reads])
    residual = draft.residual
    if residual is not None:
        residual = _use(number[residual[0]], residual[1], residual[2])
    written = bits = None
    if floats:
        written = number[draft.floats] = len(number)
    if draft.bits is not None:
        bits = number[draft.bits] = len(number)
    made_of = (draft.source, draft.norm, draft.thresholds, draft.scales)
    return Step(op, reads, residual, written, bits, *made_of)


@cache
def _recipe(
    kind: Callable[..., Op],
    shape: tuple[tuple[str, Any], ...],
    after: tuple[tuple[str, Any], ...],
) -> Recipe:
    return Recipe(kind, dict(shape), dict(after))
