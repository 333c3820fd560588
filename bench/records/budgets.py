"""What a cell says of equal budgets, in a study that asks for them. Imports no torch."""

from typing import NamedTuple

# Among what varies: the comparisons that an arm takes part in, RAW and the budget's name, ", " between the two.
MATCHED = "matched"
RAW = "no"


class Known(NamedTuple):
    """What a budget is called inside a sentence, and the key of its value in records."""

    label: str
    key: str


BUDGETS = {
    "params": Known("parameters", "params/total"),
    "macs": Known("MACs", "macs/total"),
    "latency": Known("latency", "latency_ms/median"),
    # the peak in inference often lies in the encoder, where no decoder width moves it
    "memory": Known("memory in training", "peak_bytes/training"),
}
