"""Equal budgets: the width that is found costs what is asked, counted anew; what cannot be is refused in words."""

from collections.abc import Callable

import pytest
from torch import nn

from skipbench.archs import (
    FUSIONS,
    ArchSpec,
    BudgetError,
    SpecError,
    blank_model,
    build_model,
    match_width,
    register_block,
    resolve_spec,
)
from skipbench.archs.blocks import BLOCKS, Block, BlockStyle
from skipbench.archs.matching import decoder_widths

CONTROLLED = ("unet", "hourglass", "fpn", "rectified_gaussian")


def light(model: str, **factors: object) -> ArchSpec:
    return resolve_spec(model, classes=4, **{"encoder": "resnet10t_quarter", "strides": (4, 8, 16, 32), **factors})


def builds(spec: ArchSpec) -> bool:
    try:
        blank_model(spec)
    except (SpecError, ValueError):  # the levels of a rectified Gaussian keep their width
        return False
    return True


def parameters(spec: ArchSpec) -> float:
    return sum(weights.numel() for weights in blank_model(spec).parameters())


def stored(spec: ArchSpec) -> int:
    """Count the weights of a network that is really built, as a file would hold them."""
    state = build_model(spec).state_dict()
    return sum(
        x.numel() for name, x in state.items() if not name.endswith(("running_mean", "running_var", "tracked"))
    )


def in_channels(amount: Callable[[list[int]], float]) -> Callable[[ArchSpec], float]:
    """Return a cost that is a function of the decoder's widths, finest first."""
    return lambda spec: amount(decoder_widths(spec))


ALL = [light(model, fusion=fusion, width=32) for model in CONTROLLED for fusion in FUSIONS.names()]


@pytest.mark.parametrize(
    "spec", list(filter(builds, ALL)), ids=lambda spec: f"{spec.lateral} {spec.fusion} {spec.passes}"
)
def test_every_fusion_of_every_model_is_brought_to_the_parameters_of_fpn(spec: ArchSpec) -> None:
    target = stored(light("fpn", width=32))
    found = match_width(spec, target, parameters, "parameters")
    assert stored(found.spec) == found.cost
    assert abs(found.cost / target - 1) <= 0.01
    assert found.spec.model_copy(update={"width": 32}) == spec
    widths = decoder_widths(found.spec)
    assert max(widths) - min(widths) <= 3
    assert match_width(spec, target, parameters, "parameters") == found


def test_a_width_computed_by_hand_is_found() -> None:
    """FPN's laterals (1x1), outputs (3x3) and head (1x1), all with biases, at a width of 40."""
    encoder = build_model(light("fpn")).encoder
    channels, own = [level.channels for level in encoder.specs], sum(x.numel() for x in encoder.parameters())
    target = own + (sum(channels) + 4) * 40 + 4 * (9 * 40 * 40 + 40) + (40 + 1) * 4
    found = match_width(light("fpn", width=32), target, parameters, "parameters")
    assert (found.spec.width, found.cost, found.deviation) == (40, target, 0)


def test_a_network_at_the_budget_stays_as_it_is() -> None:
    spec = light("unet", width=None)
    assert match_width(spec, parameters(spec) * 1.004, parameters, "parameters").spec is spec
    near = in_channels(lambda widths: 100 + widths[0] // 100)  # is 100 up to a width of 99, then 101 ...
    assert match_width(light("fpn", width=32), 100.8, near, "channels").spec.width == 100
    assert match_width(light("fpn", width=32), 99.3, near, "channels").spec.width == 32


def test_levels_differ_by_as_few_channels_as_serve() -> None:
    weighed = in_channels(lambda widths: sum(n * w for n, w in zip(widths, (64, 16, 4, 1), strict=True)))
    one = match_width(light("fpn", width=32), 85 * 10 + 16 + 1, weighed, "channels")
    assert (one.spec.width, one.cost) == ((10, 11, 10, 11), 867)
    # with one channel more or not there are 191 or 234; a level has to give one up
    two = match_width(light("fpn", width=32), 85 * 2 + 64 - 16, weighed, "channels")
    assert (two.spec.width, two.cost) == ((3, 1, 2, 2), 218)


def test_levels_of_several_widths_keep_their_proportions() -> None:
    spec = light("unet", width=(8, 16, 32, 64))
    found = match_width(spec, 30 * 8, in_channels(sum), "channels")
    assert found.spec.width == (16, 32, 64, 128)
    own = match_width(
        light("unet", width=None), 2 * sum(decoder_widths(light("unet", width=None))), in_channels(sum), ""
    )
    assert own.spec.width == tuple(2 * width for width in decoder_widths(light("unet", width=None)))


def test_a_width_that_does_not_build_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BLOCKS, "_entries", dict(BLOCKS._entries))

    @register_block("grouped")
    class Grouped(Block, nn.Conv2d):
        def __init__(self, in_channels: int, out_channels: int, style: BlockStyle) -> None:
            nn.Conv2d.__init__(self, in_channels, out_channels, 3, padding=1, groups=6)

    spec = light("fpn", out="grouped", width=36)
    target = parameters(spec.model_copy(update={"width": 210}))
    assert match_width(spec, target, parameters, "parameters").spec.width == 210
    assert not builds(spec.model_copy(update={"width": 211}))


def test_what_cannot_be_reached_is_said_with_the_nearest_two() -> None:
    coarse = in_channels(lambda widths: 100.0 ** min(widths))
    spec = light("fpn", width=2)
    with pytest.raises(BudgetError, match="within 1 % of 50 MACs: at width 1, the least, there are 100 already"):
        match_width(spec, 50, coarse, "MACs")
    with pytest.raises(BudgetError, match=r"the nearest are 100 at width .* and 10,000 at width 2\.$"):
        match_width(spec, 5000, coarse, "MACs")
    with pytest.raises(BudgetError, match="at width 4096 there are 7 only"):
        match_width(spec, 1e9, lambda spec: 7.0, "MACs")


def test_a_head_that_levels_share_reads_maps_of_the_finest_levels_width() -> None:
    network = build_model(light("fpn", width=(8, 9, 10, 11)))
    assert [level.channels for level in network.stages[0].decoder.specs] == [8] * 4
    with pytest.raises(SpecError, match="a head that all levels share needs maps of one width"):
        blank_model(light("fpn", width=(8, 9, 10, 11), out="none"))
