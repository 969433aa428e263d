"""The real-valued twin in torch: what binary programs are timed beside has the right shape."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from kernels import baselines
from kernels.ops import Linear, RealConv
from search_spaces.backbones import find_backbone
from search_spaces.known import find_arch
from trainers.benches import twin
from trainers.benches.programs import _where_it_ends
from trainers.benches.twin import Twin, _quantized, real_plan
from trainers.networks.network import network
from trainers.networks.norms import EPSILON

BACKBONES = ("resnet20", "resnet18", "mobilenet", "vgg-small")


@pytest.mark.parametrize("name", BACKBONES)
def test_it_answers_with_classes_in_float32_and_int8(name: str) -> None:
    backbone = find_backbone(name).sized(32, classes=7)
    planned = real_plan(backbone)
    images = torch.randn(2, 3, 32, 32)
    with torch.inference_mode():
        assert Twin(planned)(images).shape == (2, 7)
        assert _quantized(planned, images)().shape == (2, 7)


def test_it_has_every_convolution_of_the_plan() -> None:
    planned = real_plan(find_backbone("resnet18"))
    made = [m for m in Twin(planned).modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    wanted = [op for op in planned.ops if isinstance(op, RealConv | Linear)]
    assert len(made) == len(wanted) == 21
    weights = sum(m.weight.numel() for m in made)
    assert weights == 11_678_912  # torchvision's ResNet-18 but for norms and the bias of its head


def test_with_the_same_weights_it_answers_as_the_network_of_that_plan() -> None:
    backbone = find_backbone("resnet20").sized(12)
    net = network(find_arch("real", "resnet20"), backbone, seed=1)
    made = Twin(net.plan)
    folded = (1 + EPSILON) ** -0.5  # norms that have seen nothing yet
    with torch.no_grad():
        for n, step in enumerate(net.plan.steps):
            if step.source is None:
                continue
            layer, weight = made.layers[str(n)], net.bank.whole(step.source, "weight")
            if isinstance(layer, nn.Conv2d):
                layer.weight.copy_(weight.permute(0, 3, 1, 2) * folded)
                assert layer.bias is not None
                layer.bias.zero_()
            elif isinstance(layer, nn.Linear):
                layer.weight.copy_(weight)
                layer.bias.copy_(net.bank.whole(step.source, "bias"))
        images = torch.randn(3, 3, 12, 12)
        torch.testing.assert_close(made(images), net(images), rtol=1e-4, atol=1e-4)


@pytest.mark.filterwarnings("error")  # a form that does not run is left out with a warning
def test_every_form_runs_beside_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baselines, "offers_bfloat16", lambda: True)
    monkeypatch.setattr(twin, "_frozen", lambda module, images: lambda: module(images))
    forms = twin.every_form(find_backbone("resnet20").sized(8), batch=1)
    real = {f"{dtype} {way}" for dtype in ("float32", "bfloat16") for way in ("eager", "inductor")}
    assert set(forms) == {*real, "int8"}
    for runs in forms.values():
        assert runs(2)[1] > 0


def test_where_binary_stops_winning() -> None:
    times = {f"K={k}": 100.0 * k + 50 for k in (1, 3, 4, 5, 8)} | {"slow": 1175.0, "fast": 90.0}
    said = list(_where_it_ends(times, ["slow", "fast"]))
    assert said == ["faster than slow up to K=11", "never faster than fast"]
