"""Write what the tests hold every preset to: costs.json, parameters and MACs; networks.json, factors and tensors.

Run it from the repository's root after a preset was added or changed on purpose, and read the difference:

    python benchmarks/write_golden.py
"""

import hashlib
import json
from pathlib import Path

import torch

from skipbench import archs
from skipbench.bench.measure.cost import cost

GOLDEN = Path("tests/golden")
# The smallest valid tile of the unpadded network, and the smallest image whose deepest map has more than a pixel.
SIZES = {"unet.paper": (188, 188), "unet.nnunet": (256, 256)}
SIZE = (64, 64)


def main() -> None:
    """Count every registered preset with 3 channels in and 2 classes out, and list what it is."""
    costs, networks = {}, {}
    for name in archs.list_models():
        size = SIZES.get(name, SIZE)
        values = cost(archs.resolve_spec(name, in_channels=3, classes=2), size).values
        costs[name] = {
            "image_size": size,
            "params": int(values["params/total"]),
            "macs": int(values["macs/total"]),
        }
        with torch.device("meta"):
            model = archs.create_model(name)
        tensors = "".join(f"{key} {tuple(x.shape)}\n" for key, x in model.state_dict().items())
        networks[name] = {
            "factors": model.spec.to_yaml().splitlines(),
            "tensors": hashlib.sha256(tensors.encode()).hexdigest(),
        }
    for file, golden in (("costs", costs), ("networks", networks)):
        (GOLDEN / f"{file}.json").write_text(json.dumps(golden, indent=2) + "\n")


if __name__ == "__main__":
    main()
