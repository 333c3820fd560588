"""How much faster than its peer's default a network runs, by every runtime, with the same weights and output.

    python benchmarks/deploy.py train            # once: a peer with weights that mean something, a minute or two
    python benchmarks/deploy.py time [--size 256x256] [--threads 2] [--blocks 6] [--time-limit 60]

The peer is segmentation_models_pytorch's Unet on resnet18, run as it comes: eager, contiguous, float32. It and
skipbench's preset `unet.smp`, which takes the same weights, are timed in turns in one session (see
bench/measure/latency.py); the peer also as its users may run it: in bfloat16 and channels_last, and compiled.
`time` writes deploy.md. The error is that of the logits (Frobenius norm) relative to the same network in eager
float32. Beside the times stands how fast the network would be at the rate of a float32 matrix product on this
machine.
"""

import argparse
from functools import partial
from pathlib import Path

import segmentation_models_pytorch as smp
import torch
from torch import nn
from torch.nn import functional as F

from skipbench import archs
from skipbench.analysis.latency import compare
from skipbench.archs.reference import load_reference
from skipbench.bench.data import Mask, open_data
from skipbench.bench.measure.cost import cost, machine_limits
from skipbench.bench.measure.deploy import agrees, ways
from skipbench.bench.measure.latency import LatencyOptions, measure_latency
from skipbench.bench.measure.timing import Contender
from skipbench.bench.records import Outcome
from skipbench.bench.run.environment import environment
from skipbench.bench.training.machine import use_threads

HERE, WEIGHTS = Path(__file__).parent, Path("runs/deploy/weights.pth")
CLASSES, STEPS, BATCH = 6, 60, 8
OURS = ("eager", "eager, channels_last", "folded, channels_last", "folded, bf16-mixed, channels_last", "compiled")
OURS += ("compiled, bf16-mixed", "onnxruntime", "openvino", "openvino, bf16-mixed")
PEERS = ("eager", "eager, bf16-mixed, channels_last", "compiled", "compiled, bf16-mixed")


def peer(weights: Path | None = None) -> nn.Module:
    """Return the peer's network, with trained weights where they are given."""
    model = smp.Unet("resnet18", encoder_weights=None, classes=CLASSES)
    if weights:
        model.load_state_dict(torch.load(weights, weights_only=True))
    return model


def ours(weights: Path) -> nn.Module:
    """Return skipbench's network with the peer's weights."""
    model = archs.create_model("unet.smp", encoder_name="resnet18", classes=CLASSES)
    load_reference(model, weights, layout="smp-unet")
    return model


def train() -> None:
    """Train the peer on scenes for a few steps: random weights would make bfloat16 look worse than it is."""
    torch.manual_seed(0)
    data, model = open_data("scenes", size=(96, 96), train=512, val=1, test=1), peer().train()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    for step in range(STEPS):
        batch = [data.train[int(index)] for index in torch.randint(data.info.counts["train"], (BATCH,))]
        images = torch.stack([sample["image"] for sample in batch]) / 255
        masks = torch.stack([sample["mask"] for sample in batch]).long()
        loss = F.cross_entropy(model(images), masks, ignore_index=data.info[Mask].ignore_index)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        print(f"step {step}: loss {loss:.3f}", flush=True)
    WEIGHTS.parent.mkdir(parents=True, exist_ok=True)
    torch.save(model.state_dict(), WEIGHTS)


def contenders() -> dict[str, Contender]:
    """Return every way of the two networks that is timed, the reference first."""
    theirs, mine = ways(partial(peer, WEIGHTS), "cpu"), ways(partial(ours, WEIGHTS), "cpu")
    return {f"peer: {name}": theirs[name] for name in PEERS} | {
        f"skipbench: {name}": mine[name] for name in OURS if name in mine
    }


def same_output(size: tuple[int, int]) -> float:
    """Return the relative difference of the two networks' logits in eager float32."""
    images = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        wanted, got = peer(WEIGHTS).eval()(images), ours(WEIGHTS).eval()(images)
    return float((got - wanted).norm() / wanted.norm())


def ideal_speed(eager: Outcome, options: LatencyOptions) -> str:
    """Return what this machine's arithmetic alone would allow in float32."""
    macs, settings = cost(peer(), options.size).values["macs/total"], eager.settings
    with use_threads(settings["threads"]):
        rate = machine_limits(settings["threads"])["machine/macs_per_s"]
    ideal = 1e3 * macs / rate
    return (
        f"At the {rate / 1e9:.0f} G MACs/s of a float32 matrix product here, its {macs / 1e9:.2f} G MACs take "
        f"{ideal:.1f} ms: {eager.values['latency_ms/median'] / ideal:.2f} times the speed of the peer's eager."
    )


def write(measured: dict[str, Outcome], options: LatencyOptions) -> None:
    """Write what was measured."""
    table = compare(measured, "peer: eager", options.margin, options.blocks)
    first, machine = next(iter(measured.values())), environment()
    lines = [
        "# Runtimes against a peer's default",
        "",
        f"`python benchmarks/deploy.py time` on {machine['cores']} cores of {machine['cpu']}, torch "
        f"{machine['versions']['torch']}, {first.settings['threads']} threads, 1 image of "
        f"{options.size[0]}x{options.size[1]} px: segmentation_models_pytorch's Unet (resnet18) and skipbench's "
        f"`unet.smp` with the same weights, whose eager float32 logits differ by {same_output(options.size):.1e}. "
        f"{len(first.blocks)} blocks of fresh builds in {options.processes} processes, ended by "
        f"{first.settings['ended_by']}.",
        "",
        ideal_speed(measured["peer: eager"], options),
        *(f"Note: {note}" for note in first.notes),
        "",
        "| network and runtime | median (ms) | speed-up over the peer's eager | 95 % interval | error | agrees |",
        "| --- | ---: | ---: | ---: | ---: | --- |",
    ]
    for row in table.itertuples():
        each = measured[row.arm]
        error, interval = each.values["error/to_eager"], f"{1 / row.high:.2f} to {1 / row.low:.2f}"
        lines.append(
            f"| {row.arm} | {each.values['latency_ms/median']:.1f} | {1 / row.ratio:.2f} | "
            f"{'–' if row.verdict == 'reference' else interval} | {error:.1e} | "
            f"{'yes' if agrees(each.settings['precision'], error) else 'no'} |"
        )
    (HERE / "deploy.md").write_text("\n".join(lines) + "\n")


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("train", "time"))
    parser.add_argument("--size", default="256x256", help="HxW in pixels")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--blocks", type=int, default=6)
    parser.add_argument("--time-limit", type=float, default=60)
    chosen = parser.parse_args()
    if chosen.what == "train":
        train()
        return
    height, width = (int(side) for side in chosen.size.split("x"))
    limits = {"blocks": chosen.blocks, "time_limit_s": chosen.time_limit, "precise_to": 0.03}
    options = LatencyOptions(
        size=(height, width), threads=chosen.threads, device="cpu", rounds=8, warmup=2, **limits
    )
    measured = measure_latency(contenders(), options, lambda share: print(f"{share:.0%}", flush=True))
    write(measured, options)


if __name__ == "__main__":
    main()
