"""Write tests/golden/costs.json: parameters and MACs of every preset, which the tests hold them to.

Run it from the repository's root after a preset was added or changed on purpose, and read the difference:

    python benchmarks/write_golden.py
"""

import json
from pathlib import Path

import archs
from bench.measure.cost import cost

GOLDEN = Path("tests/golden/costs.json")
SIZES = {"unet.paper": (188, 188)}  # the smallest valid tile of the unpadded network
SIZE = (64, 64)


def main() -> None:
    """Count every registered preset with 3 channels in and 2 classes out."""
    golden = {}
    for name in archs.list_models():
        size = SIZES.get(name, SIZE)
        values = cost(archs.resolve_spec(name, in_channels=3, classes=2), size).values
        golden[name] = {
            "image_size": size,
            "params": int(values["params/total"]),
            "macs": int(values["macs/total"]),
        }
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text(json.dumps(golden, indent=2) + "\n")


if __name__ == "__main__":
    main()
