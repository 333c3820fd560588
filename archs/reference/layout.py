"""What a layout is: which preset a public implementation is, and where each of its tensors belongs."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache

from torch import Tensor

from skipbench.archs.errors import REGISTRY_ERRORS, CheckpointError
from skipbench.registry import Registry

Target = str | Callable[..., str] | None
Change = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Layout:
    """How one public implementation names its tensors.

    `rules` lead from patterns of its names to ours; in a pattern # is a number and * is anything, and the first
    rule that matches a name decides. A target is
      a text, in which {} are what # and * stood for, in their order;
      a function of these (numbers as int), where counting differs;
      None for a tensor that is deliberately unused.
    `presets` name the models whose outputs are the implementation's. `changes` are what must be done to tensors,
    which keeps their shapes, by patterns of the implementation's names. `fresh` are patterns of our tensors that
    it may have no counterpart of: they are all filled, or all left.
    """

    presets: tuple[str, ...]
    rules: Mapping[str, Target]
    changes: Mapping[str, Change] = field(default_factory=dict)
    fresh: tuple[str, ...] = ()

    def target(self, name: str) -> str | None:
        """Return our name for the tensor, None for a deliberately unused one.

        Raises CheckpointError where no rule matches.
        """
        for pattern, target in self.rules.items():
            parts = match(pattern, name)
            if parts is not None:
                return target.format(*parts) if isinstance(target, str) else target and target(*parts)
        raise CheckpointError(
            f"its tensor '{name}' has no place in this layout: choose the layout of the project that the file is "
            "from, or remove that tensor if the network does without it."
        )

    def change(self, name: str, tensor: Tensor) -> Tensor:
        """Return the tensor as our network keeps it."""
        for pattern, change in self.changes.items():
            if match(pattern, name) is not None:
                tensor = change(tensor)
        return tensor

    def leaves(self, target: str) -> bool:
        """Return whether our tensor of that name has no counterpart, so that it stays as it is."""
        return any(match(pattern, target) is not None for pattern in self.fresh)


LAYOUTS: Registry[Layout] = Registry("layout", None, *REGISTRY_ERRORS)


def list_layouts(pattern: str = "*") -> list[str]:
    """Return the names of the layouts that match a shell-style pattern: `list_layouts("smp-*")`."""
    return LAYOUTS.names(pattern)


def match(pattern: str, name: str) -> list[int | str] | None:
    """Return what # (numbers) and * (anything) of the pattern stand for in the name, None where it differs."""
    matched = _expression(pattern).fullmatch(name)
    if matched is None:
        return None
    wild = re.findall(r"[#*]", pattern)
    return [int(text) if kind == "#" else text for kind, text in zip(wild, matched.groups(), strict=True)]


@cache
def _expression(pattern: str) -> re.Pattern[str]:
    return re.compile(re.escape(pattern).replace(r"\#", r"(\d+)").replace(r"\*", "(.+)"))
