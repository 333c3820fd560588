"""U-Net against an independent transcription of the paper, and against segmentation_models_pytorch."""

import pytest
import segmentation_models_pytorch as smp
import torch
import torch.nn.functional as F
from torch import nn

from skipbench import archs


class PlainUNet(nn.Module):
    """The paper's figure 1, written down layer by layer, with nothing from archs."""

    def __init__(self, widths=(64, 128, 256, 512, 1024), in_channels=1, classes=2):
        super().__init__()
        fed = (in_channels, *widths[:-1])
        self.down = nn.ModuleList(self.two(i, o) for i, o in zip(fed, widths, strict=True))
        self.ups = nn.ModuleList(nn.ConvTranspose2d(w, w // 2, 2, 2) for w in widths[:0:-1])
        self.up = nn.ModuleList(self.two(w, w // 2) for w in widths[:0:-1])
        self.last = nn.Conv2d(widths[0], classes, 1)

    @staticmethod
    def two(i, o):
        return nn.Sequential(nn.Conv2d(i, o, 3), nn.ReLU(), nn.Conv2d(o, o, 3), nn.ReLU())

    def forward(self, x):
        skips = []
        for number, block in enumerate(self.down):
            x = block(F.max_pool2d(x, 2) if number else x)
            skips.append(x)
        for grow, block, skip in zip(self.ups, self.up, skips[-2::-1], strict=True):
            x = grow(x)
            cut = (skip.shape[-1] - x.shape[-1]) // 2
            skip = skip[..., cut : cut + x.shape[-2], cut : cut + x.shape[-1]]
            x = block(torch.cat([x, skip], 1))
        return self.last(x)


def small_pair():
    torch.manual_seed(0)
    widths = (4, 8, 16, 32, 64)
    model = archs.create_model("unet.paper", in_channels=1, classes=2, encoder_args={"widths": widths}, dropout=0.0)
    return model.eval(), PlainUNet(widths).eval()


def copy_by_order(source: nn.Module, target: nn.Module, order: list[str]) -> None:
    """Copy parameters module by module, in the order of the prefixes given for the target."""
    values = iter(source.parameters())
    for prefix in order:
        for name, parameter in target.named_parameters():
            if name.startswith(prefix):
                parameter.data.copy_(next(values).data)
    assert next(values, None) is None


def test_outputs_equal_an_independent_transcription():
    model, plain = small_pair()
    steps = [f"stages.0.decoder.steps.{i}" for i in (3, 2, 1, 0)]
    order = ["encoder", *(f"{s}.up" for s in steps), *(f"{s}.post" for s in steps), "stages.0.head"]
    copy_by_order(plain, model, order)
    image = torch.randn(2, 1, 204, 188)
    with torch.no_grad():
        torch.testing.assert_close(model(image), plain(image), rtol=0, atol=1e-6)


def test_full_size_gives_the_papers_output_size():
    with torch.device("meta"):
        model = archs.create_model("unet.paper", in_channels=1, classes=2).eval()
        assert model(torch.empty(1, 1, 572, 572)).shape == (1, 2, 388, 388)


def test_tile_rule():
    """A tile of n px is seamless, and loses 184 px, exactly where n = 12 (mod 16)."""
    with torch.device("meta"):
        model = archs.create_model("unet.paper", encoder_args={"widths": (1, 1, 1, 1, 1)}).eval()
        lost = {n: n - model(torch.empty(1, 3, n, n)).shape[-1] for n in range(188, 260)}
    assert {n for n, loss in lost.items() if loss == 184} == {n for n in lost if n % 16 == 12}


@pytest.mark.parametrize("side", [100, 140])
def test_too_small_a_tile_is_an_error(side):
    model = archs.create_model("unet.paper", encoder_args={"widths": (1, 1, 1, 1, 1)})
    with pytest.raises(archs.ShapeError, match="too small"):
        model(torch.zeros(1, 3, side, side))


@pytest.mark.parametrize("encoder", ["resnet18", "resnet34"])
def test_smp_unet_is_a_point_of_the_design_space(encoder):
    torch.manual_seed(0)
    theirs = smp.Unet(encoder, encoder_weights=None, classes=3).eval()
    ours = archs.create_model("unet.smp", encoder_name=encoder, classes=3).eval()
    trunk = {k: v for k, v in theirs.encoder.state_dict().items() if not k.startswith("fc")}
    ours.encoder.trunk.load_state_dict(trunk)
    for step, block in zip(reversed(ours.stages[0].decoder.steps), theirs.decoder.blocks, strict=True):
        convs = [*block.conv1, *block.conv2]
        for mine, other in zip(step.post, convs, strict=True):
            mine.load_state_dict(other.state_dict())
    ours.stages[0].head.predictors[0].load_state_dict(theirs.segmentation_head[0].state_dict())
    image = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        torch.testing.assert_close(ours(image), theirs(image), rtol=0, atol=1e-5)
