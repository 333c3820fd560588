"""The contract of a fusion as checks that say in words what is wrong: what `skipbench check` runs."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from archs.errors import ArchError
from archs.fusion import Fusion
from archs.ledger import count, on_a_copy

CHANNELS = ((16, 16, 16), (32, 16, 16), (8, 24, 16))  # coarse, skip, out
SIZES = ((8, 8), (7, 5), (1, 1))
Check = Callable[[type[Fusion]], str]


class BrokenContractError(ArchError):
    """A check's own word that a fusion breaks the contract; its text says how, and how to mend it."""


@dataclass(frozen=True)
class Finding:
    """The outcome of one check."""

    check: str
    ok: bool
    message: str


def check_fusion(fusion: type[Fusion]) -> list[Finding]:
    """Return one Finding per check, all of them run; whatever a fusion raises becomes a finding."""
    return [_run(name, check, fusion) for name, check in CHECKS.items()]


def _run(name: str, check: Check, fusion: type[Fusion]) -> Finding:
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return Finding(name, True, check(fusion))
    except BrokenContractError as broken:
        return Finding(name, False, str(broken))
    except Exception as error:  # somebody else's code may raise anything, and that is a finding
        return Finding(name, False, f"raised {type(error).__name__}: {first_line(error)}")


def first_line(error: Exception) -> str:
    """Return the first line of an error's text, or a word that it has none."""
    return next(iter(str(error).strip().splitlines()), "(no message)")


def _require(holds: bool, sentence: str) -> None:
    if not holds:
        raise BrokenContractError(sentence)


def _build(fusion: type[Fusion], channels: tuple[int, int, int] = CHANNELS[1]) -> Fusion:
    coarse, skip, width = channels
    return fusion(coarse, skip, fusion.fused_channels(coarse, skip, width)).eval()


def _maps(channels: tuple[int, int, int], size: tuple[int, int] = (6, 5)) -> tuple[Tensor, Tensor]:
    coarse, skip, _ = channels
    return torch.randn(2, coarse, *size), torch.randn(2, skip, *size)


def check_shapes(fusion: type[Fusion]) -> str:
    """The result is (N, out_channels, H, W) for every pair of channels and size."""
    for channels in CHANNELS:
        module = _build(fusion, channels)
        promised = fusion.fused_channels(*channels)
        _require(
            module.out_channels == promised,
            f"fused_channels{channels} promises {promised} channels but the module's out_channels is "
            f"{module.out_channels}; call super().__init__ with the three channel counts.",
        )
        for size in SIZES:
            want = (2, promised, *size)
            coarse, skip = _maps(channels, size)
            got = tuple(module(coarse if "coarse" in fusion.uses else None, skip).shape)
            _require(
                got == want,
                f"maps of {channels[0]} and {channels[1]} channels at {size[0]}x{size[1]} gave {got}, "
                f"expected {want}; keep the size, and map to out_channels (or override fused_channels).",
            )
    return f"{len(CHANNELS)} channel pairs at {len(SIZES)} sizes"


def check_gradients(fusion: type[Fusion]) -> str:
    """A gradient reaches each input that `uses` names, and every parameter."""
    module = _build(fusion)
    inputs = dict(zip(("coarse", "skip"), (x.requires_grad_() for x in _maps(CHANNELS[1])), strict=True))
    module(**inputs).square().sum().backward()  # type: ignore[no-untyped-call]
    for name, x in inputs.items():
        reached = x.grad is not None and bool(x.grad.any())
        _require(
            reached == (name in fusion.uses),
            f"the result does not depend on '{name}': use it, or leave it out of `uses`."
            if name in fusion.uses
            else f"the result depends on '{name}', which `uses` does not name.",
        )
    for name, parameter in module.named_parameters():
        _require(parameter.grad is not None, f"parameter '{name}' gets no gradient: use it or remove it.")
    return f"to {' and '.join(fusion.uses)} and every parameter"


def check_determinism(fusion: type[Fusion]) -> str:
    """The same maps give the same result, and are left as they were."""
    module, maps = _build(fusion), _maps(CHANNELS[1])
    before = [x.clone() for x in maps]
    first, second = module(*maps), module(*maps)
    untouched = all(torch.equal(x, old) for x, old in zip(maps, before, strict=True))
    _require(untouched, "it changes its inputs in place: the encoder's maps are used elsewhere, so copy first.")
    _require(torch.equal(first, second), "two calls with the same maps differ in eval mode.")
    return "same maps, same result, inputs untouched"


def check_state_dict(fusion: type[Fusion]) -> str:
    """A fresh module with the saved weights gives the same result."""
    module, maps = _build(fusion), _maps(CHANNELS[1])
    copy = _build(fusion)
    copy.load_state_dict(module.state_dict())
    _require(
        torch.equal(module(*maps), copy(*maps)),
        "a copy with the same state_dict differs: register what it learns or draws as parameters or buffers.",
    )
    return f"{len(module.state_dict())} tensors"


def check_export(fusion: type[Fusion]) -> str:
    """torch.export traces it for any size, and the traced program agrees."""
    module = _build(fusion)
    sides = {2: torch.export.Dim("height", min=2), 3: torch.export.Dim("width", min=2)}
    program = torch.export.export(module, _maps(CHANNELS[1]), dynamic_shapes=(sides, sides))
    other = _maps(CHANNELS[1], (9, 4))
    agree = torch.allclose(program.module()(*other), module(*other), atol=1e-5)
    _require(agree, "the exported program gives another result at another size.")
    return "torch.export, any size"


def check_cost(fusion: type[Fusion]) -> str:
    """Every operator that it runs has a rule for what it costs."""
    module = _build(fusion)
    ledger, _ = on_a_copy(module, _maps(CHANNELS[1]), count)
    _require(
        not ledger.unruled,
        f"no rule says what {' and '.join(sorted(ledger.unruled))} costs: give one with "
        "@archs.register_cost('namespace::name').",
    )
    parameters, macs = sum(p.numel() for p in module.parameters()), ledger.macs.total()
    operations = ledger.elementwise.total()
    return f"{parameters} parameters, {macs} MACs and {operations} element-wise operations for two maps of 6x5"


CHECKS: dict[str, Check] = {
    "shapes": check_shapes,
    "gradients": check_gradients,
    "determinism": check_determinism,
    "state dict": check_state_dict,
    "export": check_export,
    "cost": check_cost,
}
