"""What an operator's call costs, and the one table that says so: a rule per operator.

@register_cost("mylib::blend")
def blend(out, coarse, skip):
    return Work(macs=out.numel() * skip.shape[1], elementwise={"arithmetic": out.numel()})
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from torch import Tensor

from skipbench.archs.errors import DuplicateNameError, SpecError, UnknownNameError
from skipbench.errors import unknown_name

Kind = Literal[
    "arithmetic",
    "activation",
    "comparison",
    "norm",
    "softmax",
    "pooling",
    "resize",
    "reduction",
    "sort",
    "fft",
    "random",
]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Work:
    """Multiply-accumulates, and element-wise operations by kind; two numbers that are never added up."""

    macs: int = 0
    elementwise: Mapping[Kind, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for kind in self.elementwise:
            if kind not in KINDS:
                raise UnknownNameError(unknown_name("kind of element-wise operation", kind, KINDS))


Rule = Callable[..., Work]  # (the first tensor put out, *the operator's arguments) -> its work
RULES: dict[str, Rule] = {}  # by the operator's name without overload: "aten::mm"


def register_cost(operator: str) -> Callable[[Rule], Rule]:
    """Return a decorator that makes a function the rule of `operator`: "namespace::name", without overload.

    The rule gets the first tensor that the call put out, then the call's arguments as they were, and returns
    their `Work`. In-place forms ("aten::relu_") share the rule of the name without the underscore.
    Raises SpecError for a name without a namespace, DuplicateNameError where the operator has a rule.
    """
    if "::" not in operator:
        raise SpecError(f"operator '{operator}' has no namespace; expected a name such as 'mylib::{operator}'.")

    def file(rule: Rule) -> Rule:
        if operator in RULES:
            raise DuplicateNameError(
                f"operator '{operator}' already has a rule for its cost; remove one of the two."
            )
        RULES[operator] = rule
        return rule

    return file


def rule_of(operator: str) -> Rule | None:
    """Return the rule of an operator, or of the operator that it is the in-place form of."""
    return RULES.get(operator) or RULES.get(operator.removesuffix("_"))


def same_for(rule: Rule, operators: str) -> None:
    """Make `rule` that of each aten operator named; the names are separated by spaces."""
    for operator in operators.split():
        register_cost(f"aten::{operator}")(rule)


def elements(tensor: Tensor) -> int:
    """Return how many numbers a tensor holds; of a complex one, each part is a number."""
    return tensor.numel() * (2 if tensor.is_complex() else 1)
