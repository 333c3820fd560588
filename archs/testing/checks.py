"""The contracts of a network's parts, as checks that explain what is wrong."""

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.export import Dim

from skipbench.archs.fusion import Fusion
from skipbench.archs.ledger import count, on_a_copy
from skipbench.archs.model import EncoderDecoder
from skipbench.archs.presets import PRESETS
from skipbench.archs.spec import ArchSpec
from skipbench.archs.testing.cases import (
    Case,
    cases_of_block,
    cases_of_bottom_up,
    cases_of_encoder,
    cases_of_fusion,
    cases_of_restart,
    cases_of_upsampler,
)
from skipbench.archs.testing.homes import Home
from skipbench.archs.testing.words import (
    DEVICES,
    PROBE,
    Explain,
    Resizings,
    file_of,
    in_words_of,
    order_of,
    silent_export,
)
from skipbench.contracts import BrokenContractError, Finding, require
from skipbench.display import first_line, where
from skipbench.registry import Registry

Check = Callable[[list[Case]], str]  # the first two cases are the same build at two sizes, if there are two
IN_PLACE = "it changes its inputs in place: the encoder's maps are used elsewhere, so copy first."
DIFFERS = "two calls with the same maps give different results in eval mode."
HOMELY = ("fusion", "block", "upsampler")  # the kinds whose channels and sizes the network gives them


def check_fusion(fusion: type[Fusion]) -> list[Finding]:
    """Return one Finding per check; all checks run, and whatever the fusion raises becomes a finding."""
    return check_part("fusion", fusion)


def check_registered(registry: Registry[Any], name: str, home: Home | None = None) -> list[Finding]:
    """Return the findings on a registered part, or on the first member of a family; none for a layout."""
    if registry.kind == "layout":
        return []
    if registry.kind not in ("encoder", "model"):
        return check_part(registry.kind, registry[name], home)
    return check_part(registry.kind, registry.names(name)[0] if name.endswith("*") else name, home)


def check_part(kind: str, part: Any, home: Home | None = None) -> list[Finding]:
    """Return one Finding per check of a part's contract; all run, and whatever the part raises becomes a finding.

    `kind` is its registry's; an encoder and a model are given by name, any other part as the class. `home` are the
    networks that it is for, the controlled ones if not given: what fails elsewhere alone is a remark.
    """
    if kind == "model":
        return [run_check("network", partial(check_preset, part))]
    explain = partial(in_words_of, part) if kind == "fusion" else None
    findings: list[Finding] = []
    for name, check in CHECKS.items():
        made = partial(CASES[kind], part)
        finding = run_check(name, partial(_on_cases, check, made), explain)
        if kind in HOMELY and (home or not finding.ok):
            finding = _at_home(finding, check, made, home or Home.of(), explain)
        drifts = any(words in other.message for other in findings for words in (DIFFERS, IN_PLACE))
        if drifts and not finding.ok and "raised" not in finding.message and name not in ("determinism", "device"):
            finding = Finding(name, False, "cannot be judged as long as the result is not the same each time.")
        findings.append(finding)
    if kind == "fusion":
        findings[0] = _of_order_and_size(findings[0], part)
    return findings


def _on_cases(check: Check, made: Callable[..., Iterator[Case]], *given: Any) -> str:
    return check(list(made(*given)))


def _of_order_and_size(shapes: Finding, fusion: type[Fusion]) -> Finding:
    """Return the finding on a fusion's shapes, with what these do not show: exchanged maps, needless resizing."""
    if wrong := order_of(fusion):
        return Finding(shapes.check, False, wrong)
    if not shapes.ok:
        return shapes
    with Resizings() as resizings, torch.no_grad():
        case = next(cases_of_fusion(fusion, [PROBE]))
        with contextlib.suppress(Exception, SystemExit):
            case.build()(*case.inputs.values())
    if not resizings.needless:
        return shapes
    message = (
        f"{shapes.message}; {resizings.needless}, resizes to the size that is there: both maps come in one size."
    )
    return Finding(shapes.check, True, message, remark=True)


def _at_home(
    finding: Finding, check: Check, cases: Callable[..., Iterator[Case]], home: Home, explain: Explain | None
) -> Finding:
    """Return what a check finds at the widths and sizes of the networks that the part is for, and elsewhere."""
    again = run_check(finding.check, partial(_on_cases, check, cases, home.channels, home.sizes), explain)
    if not again.ok:  # an error may have been of the other widths; a broken contract says itself
        return again if finding.ok or "raised" in finding.message else finding
    if finding.ok:
        return finding
    message = f"{again.message} as in {home.name}; not everywhere: {finding.message}"
    return Finding(finding.check, True, message, remark=True)


def run_check(name: str, check: Callable[[], str], explain: Explain | None = None) -> Finding:
    """Return the outcome of a check, which returns a message or raises; torch's random state is restored.

    `explain` puts an error of the part's own code in words; None stands for what it was and said.
    """
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return Finding(name, True, check())
    except BrokenContractError as broken:
        return Finding(name, False, str(broken))
    except (Exception, SystemExit) as error:  # somebody else's code may raise anything, and that is a finding
        words = explain(error) if explain else None
        return Finding(name, False, words or f"raised {type(error).__name__}: {first_line(error)}")


def _maps(result: Any) -> list[Tensor]:
    """Return the maps of a result. Raises BrokenContractError where it is nothing of the kind."""
    maps = [result] if isinstance(result, Tensor) else result
    if not isinstance(maps, list | tuple) or not all(isinstance(x, Tensor) for x in maps):
        raise BrokenContractError(f"it returns a {type(result).__name__}: return the map, a torch.Tensor.")
    return list(maps)


def check_shapes(cases: list[Case]) -> str:
    """For every input, the result has the channels that the part declares and the size that its kind promises."""
    for case in cases:
        module = case.build()
        want = case.promised(module)
        with Resizings() as resizings:
            result = module(*case.inputs.values())
            maps = _maps(result)
        got = [tuple(x.shape) for x in maps]
        given = ", ".join(f"{name} {tuple(x.shape)}" for name, x in case.inputs.items() if x is not None)
        require(
            got == want,
            f"{given} gave {' and '.join(map(str, got))}, expected {' and '.join(map(str, want))}; keep the size "
            f"that this kind of part promises, and declare the channels that it returns{resizings}.",
        )
        require(
            case.several or isinstance(result, Tensor),
            f"it returns a {type(result).__name__} of maps: return the one map, a torch.Tensor.",
        )
        kinds = {str(x.dtype) for x in maps if x.dtype != torch.get_default_dtype()}
        require(not kinds, f"it returns {', '.join(kinds)} for maps of torch.float32: return the maps' own dtype.")
        finite = all(bool(x.isfinite().all()) for x in maps)
        require(finite, f"{given} gave values that are not finite (nan or inf): it must be safe for any map.")
    return f"{len(cases)} inputs"


def check_gradients(cases: list[Case]) -> str:
    """A gradient reaches each input that the part uses, and every parameter."""
    case = cases[0]
    module = case.build()
    inputs = {name: None if x is None else x.clone().requires_grad_() for name, x in case.inputs.items()}
    squares = [x.square().sum() for x in _maps(module(*inputs.values()))]
    torch.stack(squares).sum().backward()  # type: ignore[no-untyped-call]
    reached = [name for name, x in inputs.items() if x is not None and x.grad is not None and bool(x.grad.any())]
    for name in case.uses:
        require(name in reached, f"the result does not depend on '{name}': use it, or leave it out of `uses`.")
    for name in case.ignores:
        require(name not in reached, f"the result depends on '{name}', which `uses` does not name.")
    for name, parameter in module.named_parameters():
        frozen = not parameter.requires_grad
        require(frozen or parameter.grad is not None, f"parameter '{name}' gets no gradient: use it or remove it.")
    return f"to {' and '.join(case.uses)} and every parameter"


def check_determinism(cases: list[Case]) -> str:
    """The same maps give the same result, whatever else is in the batch, and are left as they were."""
    module, inputs = cases[0].build(), cases[0].inputs
    before, state = {name: x.clone() for name, x in inputs.items() if x is not None}, torch.get_rng_state()
    first, second = ([x.clone() for x in _maps(module(*inputs.values()))] for _ in range(2))
    drawn = not torch.equal(state, torch.get_rng_state())
    require(_left(before, inputs), IN_PLACE)
    require(_equal(first, second), DIFFERS)
    require(not drawn, "it draws or sets torch's random numbers in eval mode: leave them to the training.")
    alone = _maps(module(*(x if x is None else x[:1] for x in inputs.values())))
    same = all(torch.allclose(x, y[:1], atol=1e-4) for x, y in zip(alone, first, strict=True))
    require(same, "an image's result depends on the others in its batch in eval mode.")
    with torch.no_grad():
        module.train()(*inputs.values())
    require(_left(before, inputs), f"in training mode {IN_PLACE}")
    return "same maps, same result, inputs untouched"


def check_state_dict(cases: list[Case]) -> str:
    """A fresh module with the saved weights gives the same result."""
    module, copy, inputs = cases[0].build(), cases[0].build(), cases[0].inputs.values()
    copy.load_state_dict(module.state_dict())
    require(
        _equal(_maps(module(*inputs)), _maps(copy(*inputs))),
        "a copy with the same state_dict differs: register all that it learns or draws as parameters or buffers.",
    )
    return f"{len(module.state_dict())} tensors"


def check_device(cases: list[Case]) -> str:
    """What it makes itself is on the device of its maps: tried on torch's "meta", which every machine has."""
    module = cases[0].build()
    inputs = [None if x is None else x.to("meta") for x in cases[0].inputs.values()]
    try:
        module.to("meta")(*inputs)
    except (RuntimeError, NotImplementedError) as error:
        require(
            not any(words in str(error) for words in DEVICES),
            f"it makes a tensor on the CPU{where(error, file_of(type(module)))}: make it where the map is, as with "
            "device=x.device, or register it as a buffer.",
        )
        return "not told: it takes the values of maps"
    return "what it makes is where its maps are"


def check_export(cases: list[Case]) -> str:
    """torch.export traces it for any size, and the traced program agrees."""
    module, inputs, several = cases[0].build(), tuple(cases[0].inputs.values()), len(cases) > 1
    free = tuple({2: Dim.DYNAMIC, 3: Dim.DYNAMIC} for _ in inputs) if several else None
    with silent_export():
        program = torch.export.export(module, inputs, dynamic_shapes=free)
    second = cases[several].inputs.values()  # of another size, if there are several
    pairs = zip(_maps(program.module()(*second)), _maps(module(*second)), strict=True)
    agree = all(torch.allclose(x, y, atol=1e-5, equal_nan=True) for x, y in pairs)
    require(agree, "the exported program gives another result than the module at another size.")
    return "torch.export, any size" if several else "torch.export, its only size"


def check_cost(cases: list[Case]) -> str:
    """Every operator that it runs has a rule for what it costs."""
    module, inputs = cases[0].build(), tuple(x for x in cases[0].inputs.values() if x is not None)
    ledger, _ = on_a_copy(module, inputs, count)
    require(
        not ledger.unruled,
        f"no rule says what {' and '.join(sorted(ledger.unruled))} costs: register one with "
        "@skipbench.register_cost('namespace::name').",
    )
    parameters, macs = sum(p.numel() for p in module.parameters()), ledger.macs.total()
    sizes = " and ".join(f"{x.shape[-2]}x{x.shape[-1]}" for x in inputs)
    return (
        f"{parameters} parameters, {macs} MACs and {ledger.elementwise.total()} element-wise operations for a "
        f"batch of 2 at {sizes}"
    )


def check_preset(name: str) -> str:
    """The preset is a spec that comes back from YAML, and a network whose logits have a channel per class."""
    spec = ArchSpec.from_dict({**PRESETS[name], "classes": 3})
    require(ArchSpec.from_yaml(spec.to_yaml()) == spec, "its factors change when written to YAML and read back.")
    side = 256 if spec.padding == "same" else 204  # a tile that is valid for the unpadded U-Net
    with torch.device("meta"), torch.no_grad():
        model = EncoderDecoder(spec).eval()
        logits = model.predictions(torch.empty(2, spec.in_channels, side, side))
    wrong = sorted({x.shape[1] for x in logits} - {3})
    require(
        not wrong, f"it gives {', '.join(map(str, wrong))} channels for 3 classes: the head must give one each."
    )
    return f"{len(logits)} predictions for an image of {side}x{side} px, the last of {tuple(logits[-1].shape[2:])}"


def _left(before: dict[str, Tensor], inputs: dict[str, Tensor | None]) -> bool:
    return all(torch.equal(x, inputs[name]) for name, x in before.items())  # type: ignore[arg-type]


def _equal(first: list[Tensor], second: list[Tensor]) -> bool:
    """Return whether two results are the same, nan for nan."""
    return all(torch.equal(x.nan_to_num(), y.nan_to_num()) for x, y in zip(first, second, strict=True))


CHECKS: dict[str, Check] = {
    "shapes": check_shapes,
    "gradients": check_gradients,
    "determinism": check_determinism,
    "state dict": check_state_dict,
    "device": check_device,
    "export": check_export,
    "cost": check_cost,
}
CASES: dict[str, Callable[[Any], Iterator[Case]]] = {  # by the kind of registry
    "fusion": cases_of_fusion,
    "block": cases_of_block,
    "upsampler": cases_of_upsampler,
    "bottom-up": cases_of_bottom_up,
    "restart": cases_of_restart,
    "encoder": cases_of_encoder,
}
