"""Recipes are data: what a rate is at a step, what shortening keeps, what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from trainers.learning.augment import AUGMENTATIONS
from trainers.learning.recipe import Optimizer, Recipe, Schedule, Stage, from_json, to_json
from trainers.learning.recipes import FAST, RECIPES, STANDARD, TWO_STAGE, describe, find_recipe
from trainers.networks.binarizers import BINARIZERS
from trainers.networks.mode import Mode

every_recipe = pytest.mark.parametrize("recipe", RECIPES.values(), ids=lambda r: r.name)


def stage(**changed: Any) -> Stage:
    return replace(Stage(name="one", epochs=10, optimizer=Optimizer.SGD, rate=0.1), **changed)


@every_recipe
def test_a_recipe_is_what_its_text_says(recipe: Recipe) -> None:
    assert from_json(to_json(recipe)) == recipe


@every_recipe
def test_named_recipes_name_what_there_is(recipe: Recipe) -> None:
    assert recipe.binarizer in BINARIZERS
    assert set(recipe.augmentation) <= set(AUGMENTATIONS)


@every_recipe
def test_the_last_stage_trains_what_will_answer(recipe: Recipe) -> None:
    last = recipe.at(recipe.steps(1000) - 1, 1000).mode(recipe.statistics)
    assert last == Mode(statistics=recipe.statistics)


def test_the_first_stage_of_two_is_tanh_and_real_weights() -> None:
    mode = TWO_STAGE.at(0, 1000).mode(0.1)
    assert mode == Mode(statistics=0.1, progress=0.0, signs=False, binary=False)


def test_a_rate_rises_in_a_line_and_falls_in_a_half_cosine() -> None:
    one = stage(warm_up=0.2)
    rates = [one.rate_at(step, 10) for step in range(10)]
    # 8 steps of cosine: whole, half and almost none at 0/8, 4/8, 7/8
    assert rates[:3] == pytest.approx([0.1 / 3, 0.2 / 3, 0.1])
    assert rates[6] == pytest.approx(0.05)
    assert rates[9] == pytest.approx(0.1 * 0.0380602, rel=1e-5)


def test_a_line_falls_evenly_to_a_last_step_that_still_counts() -> None:
    rates = [stage(schedule=Schedule.LINE).rate_at(step, 4) for step in range(4)]
    assert rates == pytest.approx([0.1, 0.075, 0.05, 0.025])


def test_group_nets_rate_drops_after_epochs_25_and_35() -> None:
    first, images = TWO_STAGE.stages[0], 256 * 10
    steps = first.steps(images, 256)
    assert steps == 400
    rates = [first.rate_at(step, steps) for step in (249, 250, 349, 350)]
    assert rates == pytest.approx([0.05, 0.005, 0.005, 0.0005])


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_the_shortest_training_has_rates_above_nothing(steps: int) -> None:
    one = stage(warm_up=0.9)
    assert all(one.rate_at(step, steps) > 0 for step in range(steps))


def test_stages_follow_one_another() -> None:
    steps = [s.steps(512, 256) for s in TWO_STAGE.stages]
    assert steps == [80, 80]
    at = [TWO_STAGE.at(step, 512) for step in (0, 79, 80, 159)]
    assert [(m.stage.name, m.step, m.steps) for m in at] == [
        ("real", 0, 80),
        ("real", 79, 80),
        ("binary", 0, 80),
        ("binary", 79, 80),
    ]
    assert [m.mode(0.1).progress for m in at] == [0, 1, 0, 1]
    with pytest.raises(IndexError, match="has 160 steps; there is no step 160"):
        TWO_STAGE.at(160, 512)


@every_recipe
def test_a_shortened_recipe_keeps_its_proportions(recipe: Recipe) -> None:
    short = recipe.shortened(epochs=recipe.epochs / 4)
    assert short.epochs == pytest.approx(recipe.epochs / 4)
    for long, brief in zip(recipe.stages, short.stages, strict=True):
        assert brief.epochs == pytest.approx(long.epochs / 4)
        for share in (0.1, 0.5, 0.9):  # of the stage
            there, here = (s.rate_at(round(share * n), n) for s, n in ((long, 4000), (brief, 1000)))
            assert here == pytest.approx(there, rel=0.01)


def test_a_shortened_recipe_says_so_in_its_name() -> None:
    assert STANDARD.shortened(epochs=60).name == "standard@60"
    assert STANDARD.shortened(epochs=60).shortened(epochs=1.5).name == "standard@1.5"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"rate": 0.0}, "a rate is a number above 0; got 0.0"),
        ({"rate": float("nan")}, "a rate is a number above 0; got nan"),
        ({"epochs": -1}, "epochs is a number above 0; got -1"),
        ({"decay": -1e-4}, "decay is 0 or more"),
        ({"warm_up": 1.0}, "share of the stage below 1; got 1.0"),
        ({"drops": (0.5,)}, "drops belong to 'steps'; got 'cosine'"),
        ({"schedule": Schedule.STEPS}, "drops belong to 'steps'"),
        ({"schedule": Schedule.STEPS, "drops": (0.5, 0.2)}, r"in order; got \(0.5, 0.2\)"),
    ],
)
def test_a_stage_refuses_what_makes_no_sense(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        stage(**changed)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"batch": 0}, "a batch and stages are wanted"),
        ({"stages": ()}, "a batch and stages are wanted"),
        ({"stages": (stage(), stage())}, "names of their own; got one, one"),
        ({"distillation": 1.5}, "distillation is between 0 and 1; got 1.5"),
        ({"average": 1.0}, "average is 0 or more and below 1; got 1.0"),
        ({"clip": -1.0}, "clip is 0 or more"),
        ({"temperature": 0.0}, "a temperature is a number above 0"),
    ],
)
def test_a_recipe_refuses_what_makes_no_sense(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        replace(FAST, **changed)


def test_a_text_that_is_no_recipe_says_what_is_wrong() -> None:
    text = to_json(FAST)
    for broken, said in (
        (text[:-1], "a recipe in JSON"),
        (text.replace('"clip":0.0,', ""), r"lacks \['clip'\] and has \[\]"),
        (text.replace('"adam"', '"adan"'), "stage 0: optimizer 'adan' .* did you mean 'adam'"),
        (text.replace('"cosine"', '"cosin"'), "stage 0: schedule 'cosin' .* did you mean 'cosine'"),
        ("[]", r"a recipe lacks"),
    ):
        with pytest.raises(ValueError, match=said):
            from_json(broken)


def test_a_recipe_is_found_by_name_or_place() -> None:
    assert find_recipe("fast") is FAST
    assert find_recipe("trainers.learning.recipes:FAST") is FAST
    with pytest.raises(ValueError, match="did you mean 'standard'"):
        find_recipe("standart")
    with pytest.raises(ValueError, match="is a dict; a Recipe is wanted"):
        find_recipe("trainers.learning.recipes:RECIPES")


def test_a_description_tells_epochs_steps_and_rates() -> None:
    said = describe(STANDARD, 45_000)
    assert "standard: 600 epochs of 45,000 images, batches of 256: 105,469 steps" in said
    assert "signs, binary weights; sgd, decay 0.0005, cosine, rising for 5 epochs" in said
    assert "0.051 at 52,735" in said
    assert "binarizer recu; shift + flip" in said
    assert "tanh, real weights" in describe(TWO_STAGE, 45_000)
