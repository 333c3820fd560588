"""One object in place of many equal ones: the records of a large run say most things alike."""

import marshal
from typing import Any

from skipbench.bench.records import Cell


class Pool:
    """What has been read so far, by its content."""

    def __init__(self) -> None:
        self._known: dict[bytes, Any] = {}
        self._fields: dict[frozenset[str], set[str]] = {}

    def share(self, record: Cell, *names: str) -> None:
        """Let these mappings of a record hold what others hold already, where it is equal."""
        for name in names:
            parts = record.__dict__[name].items()
            own = {key: self._one(part) if isinstance(part, dict) else part for key, part in parts}
            record.__dict__[name] = own if "seed" in own else self._one(own)  # no two have the same seed
        given = record.model_fields_set  # which takes up as much as all measured values
        object.__setattr__(record, "__pydantic_fields_set__", self._fields.setdefault(frozenset(given), given))

    def _one(self, part: dict[str, Any]) -> Any:
        return self._known.setdefault(marshal.dumps(part, 2), part)  # 2: equal content has equal bytes
