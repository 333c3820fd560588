"""The factors that public implementations differ from the papers by, each against its definition."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torchvision.ops.misc import FrozenBatchNorm2d

from skipbench import archs
from skipbench.archs.blocks import BLOCKS, BlockStyle
from skipbench.archs.resampling import UPSAMPLERS


@pytest.mark.parametrize("encoder", ["test_resnet", "double_conv", "residual_pool"])
def test_frozen_norm_learns_nothing_and_hides_no_branch(encoder):
    model = archs.create_model("fpn", encoder_name=encoder, width=8, frozen_norm=True)
    norms = [m for m in model.encoder.modules() if isinstance(m, FrozenBatchNorm2d)]
    assert norms
    assert all(bool((norm.weight == 1).all()) for norm in norms)  # also of units that would start as the identity
    assert not any(isinstance(m, nn.BatchNorm2d) for m in model.encoder.modules())
    before = [x.clone() for x in model.encoder.buffers()]
    model.train()(torch.randn(2, 3, 32, 32))
    assert all(torch.equal(x, y) for x, y in zip(model.encoder.buffers(), before, strict=True))


def test_aligned_bilinear_doubles_and_pads_with_zeros():
    x = torch.randn(1, 2, 3, 4)
    doubled = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
    grow = UPSAMPLERS["bilinear_aligned"](2, 2, 2.0)
    assert torch.equal(grow(x, (6, 8)), doubled)
    assert torch.equal(grow(x, (7, 9)), F.pad(doubled, (0, 1, 0, 1)))
    assert torch.equal(grow(x, (5, 8)), doubled[:, :, :5])


def test_a_halving_double_conv_is_as_wide_inside_as_half_its_input():
    first, _, _, second, *_ = BLOCKS["double_conv_halved"](12, 4, BlockStyle())
    assert (first.in_channels, first.out_channels, second.out_channels) == (12, 6, 4)


def test_a_merged_head_sums_what_its_branches_bring_to_the_finest_size():
    """Only the branch of one level gets an input that is not zero, so the sum is what that branch gives."""
    model = archs.create_model(
        "fpn.smp", encoder_name="test_resnet", strides=None, width=8, head_width=32, head_align_corners=False
    ).eval()
    merge = model.stages[0].head.merge
    sizes = [(17, 9), (9, 5), (5, 3)]
    maps = [torch.zeros(1, 8, *size) for size in sizes]
    maps[2].normal_()
    merge.branches = merge.branches[:3]
    x = maps[2]
    for convolution, size in zip(merge.branches[2], sizes[1::-1], strict=True):
        x = F.interpolate(convolution(x), size, mode="bilinear", align_corners=False)
    torch.testing.assert_close(merge(maps), x)
    assert [len(branch) for branch in merge.branches] == [1, 1, 2]


def test_head_dropout_takes_whole_channels_in_training_only():
    torch.manual_seed(0)
    model = archs.create_model("fpn.smp", encoder_name="resnet10t", width=8, head_width=32, head_dropout=0.5)
    fed: list[torch.Tensor] = []
    model.stages[0].head.predictors[0].register_forward_pre_hook(lambda module, inputs: fed.append(inputs[0]))
    image = torch.randn(1, 3, 64, 64)
    model.train()(image)
    model.eval()(image)
    silent = [(~x.flatten(2).any(2)).sum().item() for x in fed]
    assert silent[0] > 4
    assert silent[1] == 0
