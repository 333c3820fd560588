"""Every registered fusion keeps the contract, and the identity behind the whole study holds."""

import sys

import pytest
import torch
from torch import nn

from skipbench import archs
from skipbench.archs.fusion import FUSIONS, Add, Concat, Fusion, Gated, Weighted
from skipbench.archs.ledger.work import RULES
from skipbench.archs.testing import CHECKS, check_fusion


@pytest.mark.parametrize("name", archs.list_fusions())
def test_registered_fusions_keep_the_contract(name):
    findings = check_fusion(FUSIONS[name])
    assert [f.check for f in findings] == list(CHECKS)
    assert [f.message for f in findings if not f.ok] == []


def test_the_eight_fusions_are_there():
    assert archs.list_fusions() == [
        "add", "coarse_only", "concat", "concat_wide", "gated", "max", "skip_only", "weighted",
    ]  # fmt: skip


def test_concat_then_1x1_is_two_1x1_then_add():
    torch.manual_seed(0)
    concat, add = Concat(5, 7, 6).double(), Add(5, 7, 6).double()
    with torch.no_grad():
        add.coarse_projection.weight.copy_(concat.mix.weight[:, :5])
        add.skip_projection.weight.copy_(concat.mix.weight[:, 5:])
        add.coarse_projection.bias.copy_(concat.mix.bias)
        add.skip_projection.bias.zero_()
    coarse, skip = torch.randn(2, 5, 4, 3).double(), torch.randn(2, 7, 4, 3).double()
    torch.testing.assert_close(concat(coarse, skip), add(coarse, skip), rtol=1e-12, atol=1e-12)


def test_add_of_one_width_has_no_parameters():
    assert not list(Add(8, 8, 8).parameters())


def test_weighted_is_the_normalised_mean_and_never_negative():
    fusion = Weighted(1, 1, 1)
    fusion.weight.data = torch.tensor([3.0, -2.0])
    coarse, skip = torch.full((1, 1, 1, 1), 5.0), torch.full((1, 1, 1, 1), 7.0)
    assert fusion(coarse, skip).item() == pytest.approx(3 * 5 / (3 + 1e-4))


def test_gate_decides_whether_the_skip_passes():
    fusion = Gated(4, 4, 4)
    nn.init.zeros_(fusion.psi.weight)
    coarse, skip = torch.randn(1, 4, 3, 3), torch.randn(1, 4, 3, 3)
    nn.init.constant_(fusion.psi.bias, -100.0)
    closed = fusion(coarse, skip)
    nn.init.constant_(fusion.psi.bias, 100.0)
    torch.testing.assert_close(closed, fusion.mix(torch.cat([coarse, torch.zeros_like(skip)], 1)))
    torch.testing.assert_close(fusion(coarse, skip), fusion.mix(torch.cat([coarse, skip], 1)))


class Resizes(Fusion):
    def forward(self, coarse, skip):
        return nn.functional.avg_pool2d(coarse[:, : self.out_channels] + 0 * skip.mean(), 2, ceil_mode=True)


class IgnoresSkip(Fusion):
    def forward(self, coarse, skip):
        return coarse[:, :1].expand(-1, self.out_channels, -1, -1)


class OverwritesSkip(Add):
    def merge(self, coarse, skip):
        return skip.detach().add_(coarse) + skip


class Noisy(Add):
    def merge(self, coarse, skip):
        return coarse + skip + torch.rand(())


class Branches(Add):
    def merge(self, coarse, skip):
        return coarse if coarse.sum() > skip.sum() else skip


class Idle(Add):
    def __init__(self, *channels):
        super().__init__(*channels)
        self.unused = nn.Parameter(torch.zeros(1))


@torch.library.custom_op("fusion_test::blend", mutates_args=())
def blend(coarse: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
    return coarse * skip


class Opaque(Add):
    def merge(self, coarse, skip):
        return torch.ops.fusion_test.blend(coarse, skip)


class Explodes(Fusion):
    def forward(self, coarse, skip):
        raise ValueError("no idea")


@pytest.mark.parametrize(
    ("fusion", "check", "says"),
    [
        (Resizes, "shapes", "keep the size"),
        (IgnoresSkip, "gradients", "does not depend on 'skip'"),
        (OverwritesSkip, "determinism", "in place"),
        (Noisy, "determinism", "two calls"),
        (Branches, "export", "it branches on a map's values"),
        (Idle, "gradients", "'unused' gets no gradient"),
        (Explodes, "cost", "ValueError: no idea"),
        (Opaque, "cost", "no rule says what fusion_test::blend costs: register one with @skipbench.register_cost("),
    ],
)
def test_the_contract_says_in_words_what_is_wrong(fusion, check, says):
    finding = next(f for f in check_fusion(fusion) if f.check == check)
    assert not finding.ok
    assert says in finding.message


def test_a_rule_for_its_operator_lets_a_fusion_pass(monkeypatch):
    monkeypatch.setitem(RULES, "fusion_test::blend", lambda out, *maps: archs.Work(macs=7 * out.numel()))
    finding = next(f for f in check_fusion(Opaque) if f.check == "cost")
    assert finding.ok
    assert f"{(32 * 16 + 7 * 16) * 2 * 30} MACs" in finding.message


def test_registering_something_else_is_an_error():
    with pytest.raises(archs.SpecError, match="'mine' must be a class derived from"):
        archs.register_fusion("mine")(nn.Identity)


def test_registering_a_taken_name_is_an_error():
    with pytest.raises(archs.DuplicateNameError, match="'add' is already registered"):
        archs.register_fusion("add")(Add)


@pytest.mark.parametrize(
    ("result", "check", "words"),
    [
        (lambda self, x: [x], "shapes", "it returns a list of maps: return the one map"),
        (lambda self, x: {"x": x}, "shapes", "it returns a dict: return the map"),
        (lambda self, x: x.half(), "shapes", "it returns torch.float16 for maps of torch.float32"),
        (lambda self, x: x / 0, "shapes", "values that are not finite"),
        (lambda self, x: x - x.mean(0, keepdim=True), "determinism", "depends on the others in its batch"),
        (lambda self, x: x + torch.rand(1) - 1, "state dict", "cannot be judged as long as"),
        (lambda self, x: sys.exit(3), "shapes", "raised SystemExit: 3"),
        (lambda self, x: x + torch.ones(1, device="cpu"), "device", "makes a tensor on the CPU, line "),
        (lambda self, x: x + torch.ones(1), "device", "make it where the map is, as with device=x.device"),
        (lambda self, x: x + torch.ones(1).to(x), "device", "what it makes is where its maps are"),
        (lambda self, x: x * x.mean().item(), "device", "not told: it takes the values of maps"),
    ],
)
def test_what_a_result_is_not_is_told(result, check, words):
    class Odd(archs.Fusion):
        def forward(self, coarse, skip):
            return result(
                self,
                coarse.mean(1, keepdim=True) + skip.mean(1, keepdim=True) + skip.new_zeros(self.out_channels, 1, 1),
            )

    (message,) = [finding.message for finding in check_fusion(Odd) if finding.check == check]
    assert words in message
