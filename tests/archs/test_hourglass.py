"""The stacked hourglass against an independent transcription of the authors' recursion."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from skipbench import archs
from skipbench.archs.blocks import BLOCKS, BlockStyle
from skipbench.archs.residual import BasicUnit


class Res(nn.Module):
    def __init__(self, i, o):
        super().__init__()
        self.a, self.b, self.c = nn.BatchNorm2d(i), nn.BatchNorm2d(o // 2), nn.BatchNorm2d(o // 2)
        self.x, self.y = nn.Conv2d(i, o // 2, 1), nn.Conv2d(o // 2, o // 2, 3, 1, 1)
        self.z = nn.Conv2d(o // 2, o, 1)
        self.s = nn.Conv2d(i, o, 1) if i != o else nn.Identity()

    def forward(self, x):
        y = self.x(self.a(x).relu())
        return self.z(self.c(self.y(self.b(y).relu())).relu()) + self.s(x)


class PlainModule(nn.Module):
    """hourglass(n, f) of the authors' Lua code: up1 + nearest(low3(low2(low1(pool(x)))))."""

    def __init__(self, n, f):
        super().__init__()
        self.up1, self.low1, self.low3 = Res(f, f), Res(f, f), Res(f, f)
        self.low2 = PlainModule(n - 1, f) if n > 1 else Res(f, f)

    def forward(self, x):
        low = self.low3(self.low2(self.low1(F.max_pool2d(x, 2))))
        return self.up1(x) + F.interpolate(low, scale_factor=2)


def load_unit(mine: nn.Module, plain: Res) -> None:
    body = [m for m in mine.body if not isinstance(m, nn.ReLU)]
    for own, other in zip(body, (plain.a, plain.x, plain.b, plain.y, plain.c, plain.z), strict=True):
        other.load_state_dict(own.state_dict())


def copy_module(bottom_up: nn.Module, decoder: nn.Module, plain: PlainModule) -> None:
    """Copy one hourglass's weights into the recursion, from the outside in."""
    for step, block in zip(decoder.steps, bottom_up.blocks, strict=True):
        load_unit(step.lateral[0], plain.up1)
        load_unit(block[0], plain.low1)
        load_unit(step.pre[0], plain.low3)
        plain = plain.low2
    load_unit(decoder.deepest["bridge"][0], plain)


def test_both_stacks_equal_the_authors_recursion():
    torch.manual_seed(0)
    width = 16
    model = archs.create_model("hourglass.paper", stacks=2, width=width, classes=3).eval()
    plains = [PlainModule(4, width).eval() for _ in range(2)]
    copy_module(model.encoder.bottom_up, model.stages[0].decoder, plains[0])
    copy_module(model.restarts[0].bottom_up, model.stages[1].decoder, plains[1])
    image = torch.randn(1, 3, 128, 64)
    with torch.no_grad():
        x, expected = model.encoder.stem(image), []
        for number, (plain, stage) in enumerate(zip(plains, model.stages, strict=True)):
            features = stage.head_block(plain(x))
            expected.append(stage.head.predictors[0](features))
            if number == 0:
                restart = model.restarts[0]
                x = x + restart.remap_features(features) + restart.remap_prediction(expected[0])
        got = model.predictions(image)
    assert [tuple(y.shape) for y in got] == [(1, 3, 32, 16)] * 2
    for y, want in zip(got, expected, strict=True):
        torch.testing.assert_close(y, want, rtol=0, atol=1e-5)


def test_blocks_repeat_every_residual_unit_of_a_module():
    def units(blocks):
        with torch.device("meta"):
            model = archs.create_model("hourglass.paper", stacks=1, blocks=blocks)
        return sum(type(m).__name__ == "ResidualUnit" for m in model.modules())

    stem, module, last = 3, 13, 1
    assert units(1) == stem + module + last
    assert units(3) == stem + 3 * (module + last)


def test_shared_stacks_have_the_parameters_of_two():
    def count(**factors):
        with torch.device("meta"):
            model = archs.create_model("hourglass.paper", width=32, **factors)
        return sum(p.numel() for p in model.parameters())

    assert count(stacks=5, share_stacks=True) == count(stacks=2)
    assert count(stacks=5) > count(stacks=2)


@pytest.mark.parametrize(("supervision", "made"), [("stacks", [0, 1, 2]), ("last", [2])])
def test_a_prediction_that_is_neither_supervised_nor_fed_back_is_not_made(supervision, made):
    factors = {"encoder": "test_resnet", "width": 8, "restart": "remap_features"}
    model = archs.create_model("hourglass", stacks=3, supervision=supervision, **factors).eval()
    ran: list[int] = []
    for number, stage in enumerate(model.stages):
        stage.head.register_forward_hook(lambda *_, number=number: ran.append(number))
    model.predictions(torch.zeros(1, 3, 32, 32))
    assert ran == made
    ran.clear()
    model(torch.zeros(1, 3, 32, 32))
    assert ran == [2]


@pytest.mark.parametrize(
    ("block", "widths"),
    [
        ("basic", [(4, 8), (8, 8), (8, 8)]),
        ("basic_last", [(4, 4), (4, 4), (4, 8)]),
        ("basic_twice", [(4, 8)] + [(8, 8)] * 5),
    ],
)
def test_basic_blocks_change_the_width_where_their_names_say(block, widths):
    units = [unit for unit in BLOCKS[block](4, 8, BlockStyle(repeats=3)).modules() if isinstance(unit, BasicUnit)]
    convs = [[layer for layer in unit.body if isinstance(layer, nn.Conv2d)] for unit in units]
    assert [(first.in_channels, second.out_channels) for first, second in convs] == widths


def test_a_stem_of_another_length_is_refused():
    with pytest.raises(archs.SpecError, match="stem must list the widths after 3 layers"):
        archs.create_model("hourglass.bearpaw", width=8, encoder_args={"stem": [0.5]})
