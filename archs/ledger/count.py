"""The ledger: what a network's forward pass costs, operator by operator as they run."""

import copy
import logging
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any, Literal, TypeVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.attention import SDPBackend
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import _disable_current_modes
from torch.utils._pytree import tree_leaves

from skipbench.archs.ledger.elementwise import FREE, OVERWRITES, SELECTS, put_out
from skipbench.archs.ledger.live import Live, execute
from skipbench.archs.ledger.work import Rule, elements, rule_of
from skipbench.display import quieter

Device = Literal["meta", "fake", "cpu"]
T = TypeVar("T")
COMPOSITE = torch._C.DispatchKey.CompositeImplicitAutograd
FLASH = SDPBackend.FLASH_ATTENTION.value


class Ledger(Live):  # type: ignore[no-untyped-call]
    """Sums up what runs while it is entered, by the place that ran it.

    `places` names the place of each module; an operator belongs to the innermost module with one that is being
    called, else to "". The sums: `macs`, `activations` (elements that operators with MACs put out), `bytes`
    (read and written, each operand and result once per operator) per place; `elementwise` operations per kind;
    `macs_of` per operator; `unruled`, how often operators ran that have no rule, which makes all of these sums
    but the bytes lower bounds; and `peak_bytes`.
    """

    def __init__(self, inputs: tuple[Tensor, ...], model: nn.Module, places: Mapping[nn.Module, str]) -> None:
        super().__init__(inputs, [*model.parameters(), *model.buffers()])
        self.macs: Counter[str] = Counter()
        self.activations: Counter[str] = Counter()
        self.bytes: Counter[str] = Counter()
        self.elementwise: Counter[str] = Counter()
        self.macs_of: Counter[str] = Counter()
        self.unruled: Counter[str] = Counter()
        self._stack = [places.get(model, "")]
        self._rules: dict[Any, tuple[str, Rule | None, bool]] = {}
        self._hooks = [
            hook
            for module, place in places.items()
            for hook in (
                module.register_forward_pre_hook(partial(self._enter, place)),
                module.register_forward_hook(self._leave, always_call=True),
            )
        ]

    def close(self) -> None:
        """Take the hooks off the modules again."""
        for hook in self._hooks:
            hook.remove()

    def _enter(self, place: str, *call: Any) -> None:
        self._stack.append(place)

    def _leave(self, *call: Any) -> None:
        self._stack.pop()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operator and record its work."""
        kwargs = kwargs or {}
        name, rule, free = self._rules.get(func) or self._rules.setdefault(func, _look_up(func))
        if rule is None and not free and torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), COMPOSITE):
            with self:  # under torch.inference_mode some operators come whole; what they are made of has the rules
                return func.decompose(*args, **kwargs)
        out = execute(func, args, kwargs)
        self.hold(out)
        if not free:
            self._record(name, rule, out, args, kwargs)
        return out

    def _record(self, name: str, rule: Rule | None, out: Any, args: Any, kwargs: Any) -> None:
        place = self._stack[-1]
        results = _tensors(out)
        self.bytes[place] += sum(map(_bytes, results)) + _bytes_read(name, results, _tensors((args, kwargs)))
        if rule is None:
            self.unruled[name] += 1
        elif results:
            work = rule(results[0], *args, **kwargs)
            self.elementwise.update(work.elementwise)
            if work.macs:
                self.macs[place] += work.macs
                self.macs_of[name] += work.macs
                self.activations[place] += elements(results[0])


def _look_up(func: Any) -> tuple[str, Rule | None, bool]:
    """Return an operator's name, its rule, and whether it touches no data.

    The rule is its own, or that of arithmetic where torch marks it as pointwise.
    """
    name = func._schema.name
    rule = rule_of(name)
    if rule is None and torch.Tag.pointwise in func.tags:
        rule = put_out("arithmetic")
    question = func.namespace == "prim"  # of a fake tensor's device, for one
    return name, rule, question or name in FREE or func.is_view or torch.Tag.inplace_view in func.tags


def _tensors(values: Any) -> list[Tensor]:
    if isinstance(values, Tensor):
        return [values]
    return [x for x in tree_leaves(values) if isinstance(x, Tensor)]


def _bytes(x: Tensor) -> int:
    """Return the bytes that a tensor's elements take; of an expanded one those of its memory."""
    return int(min(x.numel() * x.element_size(), x.untyped_storage().nbytes()))


def _bytes_read(name: str, results: list[Tensor], operands: list[Tensor]) -> int:
    """Return the bytes of the operands; of a table that is looked up, of what is found in it."""
    if name in SELECTS:
        return sum(map(_bytes, results)) + sum(map(_bytes, operands[1:]))
    return sum(map(_bytes, operands[name in OVERWRITES :]))


def count(model: nn.Module, inputs: tuple[Tensor, ...], places: Mapping[nn.Module, str] | None = None) -> Ledger:
    """Return the ledger of `model(*inputs)` without gradients, the model being in eval mode."""
    ledger = Ledger(inputs, model, places or {})
    try:
        with torch.no_grad(), _plain_attention(), _AttentionOfCPU(), ledger:
            model(*inputs)
    finally:
        ledger.close()
    return ledger


def training_peak(model: nn.Module, run: Callable[[Tensor], Any], images: Tensor) -> int:
    """Return the most bytes that live at once in `run(images)`, a forward pass of the model in training mode.

    That includes all that autograd keeps for the backward pass.
    """
    live = Live([images], [*model.parameters(), *model.buffers()])
    with torch.enable_grad(), _AttentionOfCPU(), live:
        outputs = run(images)  # kept, as the loss needs them
    del outputs
    return live.peak_bytes


def on_a_copy(model: nn.Module, inputs: tuple[Tensor, ...], run: Callable[..., T]) -> tuple[T, Device]:
    """Return `run(copy, copied inputs)` and where it ran: where the least is computed and the network agrees.

    That is the meta device, which knows shapes only; else fake tensors, which pretend to be on the CPU; else the
    CPU itself. Raises what it raises there. A network that is on the meta device already stays there.
    """
    devices: list[Device] = ["meta", "fake", "cpu"]
    if any(x.is_meta for x in model.parameters()):
        devices = ["meta"]
    while True:
        device = devices.pop(0)
        try:
            fake = FakeTensorMode(allow_non_fake_inputs=True) if device == "fake" else None
            move = partial(_moved, device, fake)
            twin, given = _copy(model, move), tuple(map(move, inputs))
            # without a note on standard error where the network does not run on fake tensors
            with quieter("torch._subclasses.fake_tensor", logging.CRITICAL), fake or nullcontext():
                return run(twin, given), device
        except Exception:  # whatever a network does with values that are not there
            if not devices:
                raise


def _moved(device: Device, fake: FakeTensorMode | None, x: Tensor) -> Tensor:
    if device == "meta":
        return torch.empty_like(x, device="meta", requires_grad=False)
    copied = x.detach().cpu().clone()
    return cast(Tensor, fake.from_tensor(copied)) if fake else copied


def _copy(model: nn.Module, move: Callable[[Tensor], Tensor]) -> nn.Module:
    """Return a copy of the network with each parameter and buffer moved, and nothing else copied twice."""
    moved: dict[int, Any] = {id(x): move(x) for x in model.buffers()}
    moved |= {id(x): nn.Parameter(move(x), x.requires_grad) for x in model.parameters()}
    for module in model.modules():  # most of a module is empty tables of hooks, which are slow to copy
        tables = [value for value in vars(module).values() if type(value) is OrderedDict and not value]
        moved |= {id(table): OrderedDict() for table in tables}
    return copy.deepcopy(model, moved)


@contextmanager
def _plain_attention() -> Iterator[None]:
    """Keep torch from running whole layers in one operator, where submodules are not called."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


class _AttentionOfCPU(TorchFunctionMode):
    """Gives attention on the meta device the kernel that the CPU takes; by itself it is written out there."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is F.scaled_dot_product_attention:
            return _attend(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def _attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    **options: Any,
) -> Tensor:
    given = (query, key, value, attn_mask)
    if query.is_meta:
        with _disable_current_modes():  # what is only run for the choice is not part of the network
            alike = [
                None if x is None else torch.empty_strided(x.shape, x.stride(), dtype=x.dtype, device="cpu")
                for x in given
            ]
            choose: Any = torch._fused_sdp_choice
            fused = choose(*alike, dropout_p, is_causal, **options) == FLASH
        if fused:
            flash = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
            scale = options.get("scale")
            attended: Tensor = flash(query, key, value, dropout_p, is_causal, attn_mask=attn_mask, scale=scale)[0]
            return attended
    return F.scaled_dot_product_attention(*given, dropout_p, is_causal, **options)
