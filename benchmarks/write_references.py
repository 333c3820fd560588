"""Write tests/golden/references.json: what MONAI's and nnU-Net's own U-Nets give for weights that a formula makes.

The tests load the same weights by their names and compare. Both projects are needed for this script alone:

    pip install --no-deps monai dynamic-network-architectures
    python benchmarks/write_references.py
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet  # type: ignore[import-not-found]
from monai.networks.nets import UNet  # type: ignore[import-not-found]
from torch import Tensor, nn

sys.path.append("tests/archs")
from formula import made, probes

GOLDEN = Path("tests/golden/references.json")
SIZE = (32, 48)  # px


def plain(n_conv: Any = 2, n_conv_decoder: int = 2, strides: Any = (1, 2, 2, 2), deep: bool = False) -> nn.Module:
    """Return nnU-Net's network of four stages."""
    norm = {"norm_op": nn.InstanceNorm2d, "norm_op_kwargs": {"affine": True, "eps": 1e-5}}
    act = {"nonlin": nn.LeakyReLU, "nonlin_kwargs": {"inplace": True}, "deep_supervision": deep}
    widths = (8, 16, 24, 24)
    return PlainConvUNet(3, 4, widths, nn.Conv2d, 3, strides, n_conv, 4, n_conv_decoder, True, **norm, **act)


NETWORKS = {
    "monai-unet": {
        "no residual units": UNet(2, 3, 4, (8, 16, 24, 32), (2, 2, 2), num_res_units=0),
        "one, BatchNorm": UNet(2, 3, 4, (8, 16, 24, 32), (2, 2, 2), num_res_units=1, norm="batch"),
        "two": UNet(2, 1, 2, (8, 16, 24), (2, 2), num_res_units=2),
    },
    "nnunet-plainconv": {
        "deep supervision": plain(deep=True),
        "other numbers of convolutions": plain([1, 2, 3, 2], 1),
        "a stride of four": plain(strides=(1, 2, 4, 2)),
    },
}


def described(network: nn.Module) -> dict[str, Any]:
    """Return the tensors' shapes, which of them are filed twice, the parameters, and probes of every output."""
    state, first = network.state_dict(), dict[int, str]()
    copies = {name: first.setdefault(x.data_ptr(), name) for name, x in state.items() if x.numel()}
    for name, x in state.items():
        x.copy_(made(copies.get(name, name), x.shape))
    fed = next(x.shape[1] for x in state.values() if x.dim() == 4)
    with torch.no_grad():
        outputs = network.eval()(made("image", (2, fed, *SIZE)))
    return {
        "shapes": {name: list(x.shape) for name, x in state.items()},
        "copies": {name: origin for name, origin in copies.items() if name != origin},
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "image": [2, fed, *SIZE],
        "outputs": [probes(x) for x in ([outputs] if isinstance(outputs, Tensor) else outputs)],
    }


def main() -> None:
    """Describe every network."""
    lines = [
        f" {json.dumps(f'{layout}: {kind}')}: {json.dumps(described(network))}"
        for layout, kinds in NETWORKS.items()
        for kind, network in kinds.items()
    ]
    GOLDEN.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
