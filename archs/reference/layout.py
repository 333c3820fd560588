"""What a layout is: which preset a public implementation is, and where each of its tensors belongs."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from torch import Tensor

from skipbench.archs.errors import REGISTRY_ERRORS, CheckpointError
from skipbench.registry import Registry

Target = str | Callable[..., str] | None
Change = Callable[[Tensor], Tensor]
State = Mapping[str, Any]  # tensors by the implementation's names
BESIDE = (  # what stands among a network's tensors and is none of its own: of its input, its loss, its averaging
    *("mean", "std", "pixel_mean", "pixel_std", "n_averaged"),
    *("criterion.*", "loss.*", "loss_#.*", "loss_fn.*", "loss_func.*", "loss_function.*", "metrics.*"),
    *("*_metrics.*", "data_preprocessor.*"),
)


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
    it may have no counterpart of: they are all filled, or all left. `aliases` lead from a tensor's second name,
    under which it is filed again, to its first. `lacking` says by patterns what no factor says of a variant.

    An implementation has variants. `variant` makes of the layout that of the one whose tensors are given, where
    `told` are the factors that the tensors tell, and `open` names factors or encoder_args that variants differ in
    and no tensor tells: those are the model's choice, `told` has the likeliest. `untold` are factors that have no
    likely value either, each with a sentence that asks for it.
    """

    presets: tuple[str, ...]
    rules: Mapping[str, Target]
    changes: Mapping[str, Change] = field(default_factory=dict)
    fresh: tuple[str, ...] = ()
    aliases: Mapping[str, str | Callable[..., str]] = field(default_factory=dict)
    lacking: Mapping[str, str] = field(default_factory=dict)
    told: Mapping[str, Any] = field(default_factory=dict)
    open: tuple[str, ...] = ()
    untold: Mapping[str, str] = field(default_factory=dict)
    variant: "Callable[[Layout, State], Layout] | None" = None

    def of(self, state: State) -> "Layout":
        """Return the layout of the variant that these tensors are of.

        Raises CheckpointError for one that no factors say.
        """
        for pattern, what in self.lacking.items():
            for name in state:
                if match(pattern, name) is not None:
                    raise lack(what, name)
        try:
            return self.variant(self, state) if self.variant else self
        except KeyError as error:
            raise CheckpointError(
                f"it has no tensor {error}, which all networks of this layout have: take a complete checkpoint, or "
                "choose the layout of the project that the file is from."
            ) from error
        except StopIteration as error:
            raise CheckpointError(
                "it has nothing that tells its levels: take a complete checkpoint, or choose the layout of the "
                "project that the file is from."
            ) from error
        except (AttributeError, IndexError, TypeError, ValueError):  # of an entry that is no such tensor
            return self

    def knows(self, name: str) -> bool:
        """Return whether a tensor of that name has a place here."""
        return any(match(pattern, name) is not None for pattern in (*self.rules, *self.aliases, *self.lacking))

    def first_name(self, name: str) -> str:
        """Return the name under which the tensor is filed first."""
        for pattern, first in self.aliases.items():
            if (parts := match(pattern, name)) is not None:
                return self.first_name(first.format(*parts) if isinstance(first, str) else first(*parts))
        return name

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


def lack(what: str, name: str) -> CheckpointError:
    """Return the error about a variant that no factor says."""
    return CheckpointError(
        f"its tensor '{name}' is of {what}, for which the design space has no factor: take a network without it."
    )


def extents(state: State, **places: tuple[str, int]) -> dict[str, int]:
    """Return factors that are extents of tensors, each given by the tensor's name and its axis, if it is there."""
    return {
        factor: state[name].shape[axis]
        for factor, (name, axis) in places.items()
        if isinstance(state.get(name), Tensor) and state[name].dim() > axis
    }


def numbers(state: State, pattern: str) -> list[int]:
    """Return what the first # of the pattern stands for in the names that match, each once, ascending."""
    found = (match(pattern, name) for name in state)
    return sorted({int(parts[0]) for parts in found if parts})


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
