"""Which part of a network a module belongs to, for splitting its cost."""

from typing import Literal

Part = Literal["encoder", "lateral", "fusion", "decoder", "head"]

_PARTS: dict[str, Part] = {
    "encoder": "encoder",
    "bottom_up": "encoder",
    "decoder": "decoder",
    "ties": "decoder",
    "lateral": "lateral",
    "laterals": "lateral",
    "fusion": "fusion",
    "head": "head",
    "head_block": "head",
    "restarts": "head",
}


def part_of(path: str) -> Part:
    """Return the part that a dotted module or parameter name of an EncoderDecoder belongs to.

    The innermost telling component decides, but nothing inside an encoder's own trunk does:
    "stages.0.decoder.steps.1.fusion.mix" is "fusion".
    """
    part: Part = "decoder"
    for component in path.split("."):
        if component == "trunk":
            return "encoder"
        part = _PARTS.get(component, part)
    return part
