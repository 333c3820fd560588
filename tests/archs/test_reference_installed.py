"""Weights of the installed torchvision and segmentation_models_pytorch: after loading, outputs are theirs."""

import copy

import pytest
import segmentation_models_pytorch as smp
import torch
from torch import nn
from torchvision.models.detection import fasterrcnn_resnet50_fpn
from torchvision.models.detection._utils import overwrite_eps
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone

from skipbench import archs

SMP = {"smp-unet": ("unet.smp", smp.Unet), "smp-fpn": ("fpn.smp", smp.FPN)}


def shaken(network: nn.Module) -> nn.Module:
    """The network, ready for inference, with norms whose statistics and weights are not those of a fresh one."""
    for name, values in network.state_dict().items():
        if name.endswith("running_var"):
            values.uniform_(1.0, 2.0)
        elif values.dim() == 1 and name.endswith("weight"):
            values.uniform_(0.2, 1.0)
        elif name.endswith(("running_mean", "bias")):
            values.uniform_(-0.2, 0.2)
    return network.eval()


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.fixture(scope="module")
def backbone() -> nn.Module:
    torch.manual_seed(0)
    return shaken(resnet_fpn_backbone(backbone_name="resnet50", weights=None))


def assert_same_maps(model: archs.EncoderDecoder, backbone: nn.Module, size: tuple[int, int]) -> None:
    image = torch.randn(2, 3, *size)
    with torch.no_grad():
        theirs = list(backbone(image).values())
        ours = model.eval().features(image)
    assert len(ours) == len(theirs) == 5
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-4)


def test_torchvision_fpn_gives_torchvisions_maps(backbone):
    model = archs.create_model("fpn.torchvision")
    assert parameters(model.encoder) + parameters(model.stages[0].decoder) == parameters(backbone) == 26_799_296
    assert archs.load_reference(model, backbone.state_dict(), layout="torchvision-fpn") == []
    assert_same_maps(model, backbone, (96, 130))


def test_a_whole_detector_lends_its_backbone_and_names_what_is_unused(backbone):
    detector = fasterrcnn_resnet50_fpn(weights=None, weights_backbone=None, num_classes=3)
    detector.backbone = backbone
    model = archs.create_model("fpn.paper", classes=8, head="fcos")  # BatchNorm instead of constants, another head
    head = {name: x.clone() for name, x in model.stages[0].head.state_dict().items()}
    unused = archs.load_reference(model, detector.state_dict(), layout="torchvision-fpn")
    assert unused == [name for name in detector.state_dict() if not name.startswith("backbone.")]
    assert all(torch.equal(x, head[name]) for name, x in model.stages[0].head.state_dict().items())
    assert_same_maps(model, backbone, (64, 64))


def test_released_detectors_whose_norms_have_no_eps_have_a_layout(backbone):
    backbone = copy.deepcopy(backbone)
    overwrite_eps(backbone, 0.0)
    for name, values in backbone.state_dict().items():
        if name.endswith("running_var"):
            values.mul_(1e-3)  # so that an eps of 1e-5 tells
        elif values.dim() == 1 and "bn" in name and name.endswith("weight"):
            values.mul_(0.03)
    model = archs.create_model("fpn.torchvision")
    archs.load_reference(model, backbone.state_dict(), layout="torchvision-fpn-coco-v1")
    assert_same_maps(model, backbone, (64, 64))
    archs.load_reference(model, backbone.state_dict(), layout="torchvision-fpn")
    with pytest.raises(AssertionError, match="not close"):
        assert_same_maps(model, backbone, (64, 64))


def test_a_backbone_with_batchnorm_fits_both_kinds_of_norm():
    trained = shaken(resnet_fpn_backbone(backbone_name="resnet18", weights=None, norm_layer=nn.BatchNorm2d))
    counters = [name for name in trained.state_dict() if name.endswith("num_batches_tracked")]
    for frozen, unused in ((True, counters), (False, [])):
        model = archs.create_model("fpn.torchvision", encoder_name="resnet18", frozen_norm=frozen)
        assert archs.load_reference(model, trained.state_dict(), layout="torchvision-fpn") == unused
        assert_same_maps(model, trained, (64, 64))


def test_backbones_saved_before_torchvision_0_13_load_too(backbone):
    old = {
        name.replace(".0.weight", ".weight").replace(".0.bias", ".bias") if name.startswith("fpn.") else name: x
        for name, x in backbone.state_dict().items()
    }
    assert "fpn.inner_blocks.3.weight" in old
    archs.load_reference(archs.create_model("fpn.torchvision"), old, layout="torchvision-fpn")


@pytest.mark.parametrize("encoder", ["resnet18", "resnet34", "tu-resnet18"])
@pytest.mark.parametrize("layout", SMP)
def test_smp_models_give_smps_logits(layout, encoder):
    torch.manual_seed(0)
    preset, build = SMP[layout]
    theirs = shaken(build(encoder, encoder_weights=None, classes=3, in_channels=4))
    ours = archs.create_model(preset, encoder_name=encoder.removeprefix("tu-"), classes=3, in_channels=4).eval()
    assert parameters(ours) == parameters(theirs)
    assert archs.load_reference(ours, theirs.state_dict(), layout=layout) == []
    image = torch.randn(2, 4, 64, 96)
    with torch.no_grad():
        torch.testing.assert_close(ours(image), theirs(image), rtol=0, atol=1e-4)


@pytest.mark.parametrize("layout", SMP)
def test_smp_layouts_are_strict(layout, assert_strict):
    preset, build = SMP[layout]
    state = build("resnet18", encoder_weights=None).state_dict()
    assert_strict(archs.create_model(preset, encoder_name="resnet18"), state, layout)


@pytest.mark.parametrize("layout", archs.list_layouts("torchvision-*"))
def test_torchvision_layouts_are_strict(layout, backbone, assert_strict):
    assert_strict(archs.create_model("fpn.torchvision"), backbone.state_dict(), layout)


def test_an_auxiliary_classifier_of_smp_is_named_as_unused():
    theirs = smp.Unet("resnet18", encoder_weights=None, aux_params={"classes": 4})
    model = archs.create_model("unet.smp", encoder_name="resnet18")
    unused = archs.load_reference(model, theirs.state_dict(), layout="smp-unet")
    assert unused == ["classification_head.3.weight", "classification_head.3.bias"]


@pytest.mark.parametrize(
    ("encoder", "count"), [("resnet18", 13_047_362), ("resnet34", 23_155_522), ("resnet50", 26_116_162)]
)
def test_smp_fpn_has_its_parameters(encoder, count):
    with torch.device("meta"):
        assert parameters(archs.create_model("fpn.smp", encoder_name=encoder, classes=2)) == count
