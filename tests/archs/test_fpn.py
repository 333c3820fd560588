"""FPN against torchvision, and the seed question: Hourglass's fusion is FPN's fusion."""

from collections import OrderedDict

import torch
from torchvision.ops import FeaturePyramidNetwork
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

from skipbench import archs


def test_outputs_equal_torchvisions_with_the_same_weights():
    torch.manual_seed(0)
    model = archs.create_model("fpn.paper", encoder_name="resnet18", width=32).eval()
    neck = model.stages[0].decoder
    theirs = FeaturePyramidNetwork([64, 128, 256, 512], 32, extra_blocks=LastLevelMaxPool())
    laterals = [*(step.lateral for step in neck.steps), neck.deepest["lateral"]]
    for mine, other in zip(laterals, theirs.inner_blocks, strict=True):
        other[0].load_state_dict(mine.state_dict())
    for mine, other in zip(neck.outs, theirs.layer_blocks, strict=True):
        other[0].load_state_dict(mine.state_dict())
    with torch.no_grad():
        maps = model.encoder(torch.randn(2, 3, 75, 130))
        mine = neck(maps, (75, 130))
        other = theirs(OrderedDict((str(i), x) for i, x in enumerate(maps)))
    assert len(mine) == len(other) == 5
    for x, y in zip(mine, other.values(), strict=True):
        torch.testing.assert_close(x, y, rtol=0, atol=1e-6)


def test_predictions_are_one_per_level_coarse_to_fine():
    model = archs.create_model("fpn.paper", encoder_name="resnet18", width=8, classes=4).eval()
    shapes = [tuple(x.shape) for x in model.predictions(torch.zeros(1, 3, 64, 128))]
    assert shapes == [(1, 4, 1, 2), (1, 4, 2, 4), (1, 4, 4, 8), (1, 4, 8, 16), (1, 4, 16, 32)]


FPN_AS_HOURGLASS = {"lateral": "residual", "bridge": "residual", "pre": "residual", "out": "none"}
ONE_HEAD = {"head_levels": "finest", "supervision": "last"}


def aligned_pair():
    shared = {"encoder": "resnet18", "width": 32, "classes": 4}
    fpn = archs.create_model("fpn", **shared, **FPN_AS_HOURGLASS, **ONE_HEAD)
    return archs.create_model("hourglass", **shared), fpn


def test_aligned_hourglass_and_fpn_are_one_spec():
    hourglass, fpn = aligned_pair()
    assert hourglass.spec == fpn.spec


def test_aligned_hourglass_and_fpn_build_one_graph_and_give_one_output():
    hourglass, fpn = (model.eval() for model in aligned_pair())
    fpn.load_state_dict(hourglass.state_dict())
    image = torch.randn(1, 3, 96, 64)
    graphs = [torch.export.export(model, (image,)).graph_module.code for model in (hourglass, fpn)]
    assert graphs[0] == graphs[1]
    with torch.no_grad():
        assert torch.equal(hourglass(image), fpn(image))


def test_unaligned_they_differ_in_what_the_table_names_and_nothing_else():
    hourglass, fpn = (archs.resolve_spec(name).to_dict() for name in ("hourglass", "fpn"))
    differ = {factor for factor in hourglass if hourglass[factor] != fpn[factor]}
    assert differ == {*FPN_AS_HOURGLASS, *ONE_HEAD}
    assert hourglass["fusion"] == fpn["fusion"] == "add"
