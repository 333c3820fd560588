"""What is declared of a factor, once, where its field stands: type, choices, default, and what it is."""

from dataclasses import dataclass
from typing import Any, Literal, cast, get_args, get_origin

from pydantic import BaseModel, Field
from pydantic.fields import FieldInfo

from skipbench.archs.errors import UnknownNameError
from skipbench.errors import unknown_name
from skipbench.registry import Registry

WORDS = {"boolean": "true, false", "integer": "whole number", "object": "mapping"}  # of JSON's types
LIMITS = {"minimum": "from", "maximum": "to", "exclusiveMaximum": "below"}


def factor(
    default: Any, what: str, *, also: str = "", silent: bool = False, later: bool = False, **limits: float
) -> Any:
    """Declare a factor; its type is `Annotated[str, REGISTRY]` where a registry has its choices.

    `what` is one sentence; `also` is a choice that the registry does not have; `silent`: it can change what is
    computed and no tensor's name or shape, so a checkpoint does not tell; `later`: it came after results had been
    recorded without it; `limits` are pydantic's (ge, le, lt).
    """
    extra: Any = {"also": also, "silent": silent, "later": later}
    return Field(default, description=what, json_schema_extra=extra, **cast(Any, limits))


@dataclass(frozen=True)
class Factor:
    """All that is declared of a factor; `default` is None of one that has to be given."""

    name: str
    what: str
    required: bool
    default: Any
    silent: bool
    later: bool
    registry: Registry[Any] | None
    others: tuple[str, ...]  # choices that no registry has
    domain: str  # its values in words, where they are not choices

    @property
    def choices(self) -> list[str]:
        """The names that it may have; none where its values are not names."""
        return [*(self.registry.names() if self.registry else ()), *self.others]

    @property
    def takes_lists(self) -> bool:
        """Whether a value may be a list."""
        return "list of" in self.domain

    @property
    def values(self) -> str:
        """Its choices or the kind of its values, in a line."""
        return ", ".join([*([str(self.registry)] if self.registry else ()), *self.others]) or self.domain

    def require(self, value: Any) -> None:
        """Raise UnknownNameError, with the nearest choice, where `value` is not registered."""
        if self.registry and value not in self.others and value not in self.registry:
            raise UnknownNameError(unknown_name(self.registry.kind, value, self.choices))


def factors_of(spec: type[BaseModel]) -> dict[str, Factor]:
    """Return the declared factors of a class by name, in their order."""
    schemas = spec.model_json_schema()["properties"]
    return {name: _factor(name, field, schemas[name]) for name, field in spec.model_fields.items()}


def _factor(name: str, field: FieldInfo, schema: dict[str, Any]) -> Factor:
    literal = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
    return Factor(
        name=name,
        what=schema["description"],
        required=field.is_required(),
        default=None if field.is_required() else field.default,
        silent=schema["silent"],
        later=schema["later"],
        registry=next((mark for mark in field.metadata if isinstance(mark, Registry)), None),
        others=literal or tuple(filter(None, [schema["also"]])),
        domain=_in_words(schema),
    )


def _in_words(schema: dict[str, Any]) -> str:
    """Return what a JSON schema allows: "whole number from 1, null"."""
    if "anyOf" in schema:
        return ", ".join(map(_in_words, schema["anyOf"]))
    if schema["type"] == "array":
        return f"list of ({_in_words(schema['items'])})"
    limits = [f" {word} {schema[key]:g}" for key, word in LIMITS.items() if key in schema]
    return str(WORDS.get(schema["type"], schema["type"])) + "".join(limits)
