"""Weights that torch stores as what they are computed from are read as their layers use them."""

import pytest
import segmentation_models_pytorch as smp
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune, spectral_norm, weight_norm

from skipbench import archs
from skipbench.archs.reference.rewritten import plain_weights

HOW = {
    "pruned": lambda layer: prune.l1_unstructured(layer, "weight", 0.3),
    "weight norm": parametrizations.weight_norm,
    "weight norm, as before torch 2": weight_norm,
    "weight norm of inputs": lambda layer: weight_norm(layer, dim=1),
    "weight norm of the whole": lambda layer: weight_norm(layer, dim=None),
}


def layers() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ConvTranspose2d(8, 1, 2))


@pytest.mark.filterwarnings("ignore:.*weight_norm.*is deprecated")
@pytest.mark.parametrize("how", HOW)
def test_weights_are_those_that_the_layers_use(how):
    torch.manual_seed(0)
    network, names = layers(), list(layers().state_dict())
    for layer in (network[0], network[2]):
        HOW[how](layer)
    for parameter in network.parameters():
        parameter.data *= 1.3
    network(torch.randn(2, 3, 8, 8))  # computes the weights of older hooks
    plain = plain_weights(network.state_dict())
    assert sorted(plain) == sorted(names)
    for place in (0, 2):
        torch.testing.assert_close(plain[f"{place}.weight"], network[place].weight.detach(), atol=1e-6, rtol=1e-6)


def test_what_is_stored_plainly_stays_as_it_is():
    state = {**layers().state_dict(), "key_g": torch.ones(3), "key_v": torch.ones(3, 4), "x_orig": torch.ones(2)}
    assert plain_weights(state) is state


def test_a_pruned_checkpoint_gives_what_its_network_gives():
    torch.manual_seed(0)
    theirs = smp.Unet("resnet18", encoder_weights=None, classes=2, decoder_channels=(16, 16, 8, 8, 8)).eval()
    for layer in [module for module in theirs.modules() if isinstance(module, nn.Conv2d)]:
        prune.random_unstructured(layer, "weight", 0.5)
    ours = archs.from_reference(theirs.state_dict(), layout="smp-unet")
    assert ours.unused == []
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(ours.model.eval()(image), theirs(image), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("norm", [spectral_norm, parametrizations.spectral_norm])
def test_spectral_norm_is_told_to_be_taken_off(norm):
    network = layers()
    norm(network[0])
    with pytest.raises(archs.CheckpointError, match=r"'0\.weight' is under spectral norm: take that off"):
        plain_weights(network.state_dict())


def test_low_rank_updates_are_told_to_be_merged():
    names = ("base_layer.weight", "lora_A.default.weight", "lora_B.default.weight")
    with pytest.raises(
        archs.CheckpointError, match=r"low-rank updates \(LoRA\) .*lora_A.default.weight'\): merge them"
    ):
        plain_weights({f"base_model.model.up.{name}": torch.ones(1, 1) for name in names})
