"""The recipes that have names, and a recipe in words.

`smoke` and `fast` were run to their end by us; what the others reached elsewhere has its source
beside.
"""

from __future__ import annotations

from search_spaces.names import load, unknown
from trainers.learning.recipe import Optimizer, Recipe, Schedule, Stage

# Seconds, on the digits: to see that everything works. Measured with `digits | 3x1 mean`: 98.0,
# 98.6 and 97.7 % of the 355 test images with seeds 0 to 2, in 9 seconds of one thread (AMD EPYC,
# Zen 3; 2026-11-21, torch 2.13.0).
SMOKE = Recipe(
    name="smoke",
    binarizer="groupnet",
    batch=64,
    stages=(Stage(name="binary", epochs=15, optimizer=Optimizer.ADAM, rate=2e-2, warm_up=0.05),),
)

# A first look on a small machine. Published accuracies fall by 3 to 9 points with 200 epochs where
# 400 to 1000 were meant, so from 10 nothing follows but an order, and that one is noisy. On
# Fashion-MNIST with resnet8, means of three seeds: real 90.2, Group-Net K=3 86.7, Bi-Real 84.4 %,
# in 7, 10 and 3 minutes of one thread of a busy machine (the same one).
FAST = Recipe(
    name="fast",
    binarizer="groupnet",
    batch=128,
    augmentation=("shift", "flip"),
    stages=(Stage(name="binary", epochs=10, optimizer=Optimizer.ADAM, rate=3e-3, warm_up=0.05),),
)

# ReCU (arXiv 2103.12369) as its code trains CIFAR-10 from scratch: ResNet-20 87.5 %, ResNet-18
# 92.8 % with 600 epochs, says its page. There everything has weight decay, here only weights; there
# activations are divided by their deviation while training, here not.
# The binarizer lets its tau rise from 0.85 to 0.99 meanwhile.
STANDARD = Recipe(
    name="standard",
    binarizer="recu",
    batch=256,
    augmentation=("shift", "flip"),
    stages=(
        Stage(
            name="binary",
            epochs=600,
            optimizer=Optimizer.SGD,
            rate=0.1,
            warm_up=5 / 600,
            decay=5e-4,
        ),
    ),
)

# Group-Net (CVPR 2019), ImageNet: a network of the same branches with tanh and real weights first,
# then all binary. Rates, drops and lengths are those of the released code; the paper has 50 epochs
# with drops at 30 and 40 in the second stage. Crops are the paper's, nearly: out of 256 for 224.
TWO_STAGE = Recipe(
    name="two-stage",
    binarizer="groupnet",
    batch=256,
    augmentation=("shift", "flip"),
    stages=(
        Stage(
            name="real",
            epochs=40,
            optimizer=Optimizer.SGD,
            rate=0.05,
            schedule=Schedule.STEPS,
            drops=(25 / 40, 35 / 40),
            decay=1e-4,
            signs=False,
            binary=False,
        ),
        Stage(
            name="binary",
            epochs=40,
            optimizer=Optimizer.ADAM,
            rate=5e-4,
            schedule=Schedule.STEPS,
            drops=(20 / 40, 30 / 40),
        ),
    ),
)

# ReActNet (ECCV 2020), ImageNet, as its code trains ResNet-18: binary activations first, then
# binary weights too, without decay. All that is learnt from is what a real ResNet-34 answers. Its
# authors say that 128 epochs from 2.5e-3 end in much the same place.
REACTNET = Recipe(
    name="reactnet",
    binarizer="reactnet",
    batch=512,
    augmentation=("resized-crop", "flip"),
    distillation=1.0,
    stages=(
        Stage(
            name="activations",
            epochs=256,
            optimizer=Optimizer.ADAM,
            rate=1e-3,
            schedule=Schedule.LINE,
            decay=1e-5,
            binary=False,
        ),
        Stage(
            name="binary",
            epochs=256,
            optimizer=Optimizer.ADAM,
            rate=1e-3,
            schedule=Schedule.LINE,
        ),
    ),
)

RECIPES = {recipe.name: recipe for recipe in (SMOKE, FAST, STANDARD, TWO_STAGE, REACTNET)}

POINTS = (0.0, 0.25, 0.5, 0.75, 1.0)  # of a stage, at which its rate is told


def find_recipe(name: str) -> Recipe:
    """By name, or one of your own by its place, `package.module:name`."""
    if ":" in name:
        recipe = load(name)
        if not isinstance(recipe, Recipe):
            raise ValueError(f"{name!r} is a {type(recipe).__name__}; a Recipe is wanted")
        return recipe
    if name not in RECIPES:
        raise unknown("recipe", name, RECIPES)
    return RECIPES[name]


def describe(recipe: Recipe, images: int) -> str:
    """What it comes to with so many images, to be printed beside whatever it reaches."""
    steps = recipe.steps(images)
    lines = [
        f"{recipe.name}: {recipe.epochs:g} epochs of {images:,} images, "
        f"batches of {recipe.batch}: {steps:,} steps"
    ]
    lines += [_stage(recipe, stage, images) for stage in recipe.stages]
    return "\n".join([*lines, f"  {'; '.join(_shared(recipe))}"])


def _stage(recipe: Recipe, stage: Stage, images: int) -> str:
    steps = stage.steps(images, recipe.batch)
    points = sorted({round(point * (steps - 1)) for point in POINTS})
    rates = ", ".join(f"{stage.rate_at(step, steps):.2g} at {step + 1:,}" for step in points)
    rise = f", rising for {stage.warm_up * stage.epochs:.2g} epochs" if stage.warm_up else ""
    signs = "signs" if stage.signs else "tanh"
    weights = f"{'binary' if stage.binary else 'real'} weights"
    return (
        f"  {stage.name}: {stage.epochs:g} epochs, {steps:,} steps; {signs}, {weights}; "
        f"{stage.optimizer}, decay {stage.decay:g}, {stage.schedule}{rise}: rate {rates}"
    )


def _shared(recipe: Recipe) -> list[str]:
    said = [f"binarizer {recipe.binarizer}", " + ".join(recipe.augmentation) or "not augmented"]
    if recipe.smoothing:
        said.append(f"labels smoothed by {recipe.smoothing:g}")
    if recipe.distillation:
        said.append(f"{recipe.distillation:.0%} from a teacher at {recipe.temperature:g}")
    if recipe.average:
        said.append(f"weights averaged with decay {recipe.average:g}")
    if recipe.clip:
        said.append(f"gradients no longer than {recipe.clip:g}")
    return said
