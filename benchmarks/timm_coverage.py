"""Build and run every `features_only` model of timm under each controlled decoder, and say what failed.

    python benchmarks/timm_coverage.py [--pattern "res*"] [--results FILE.csv] [--summary FILE.md]

Shapes are computed on the meta device, on the CPU where a model needs values. A trunk is built and run once
(in training mode, a batch of 2) and its maps are given to every decoder. An encoder that has a row in the
results is not run again, so that a stopped run continues.
"""

import argparse
import csv
import fnmatch
import time
from collections.abc import Iterator
from pathlib import Path

import timm
import torch
from torch import Tensor

from skipbench import archs
from skipbench.archs.encoders import Encoder, build_encoder, register_encoder
from skipbench.archs.encoders.base import SimplePyramid
from skipbench.archs.encoders.timm import TimmEncoder

DECODERS = ("unet", "hourglass", "fpn", "rectified_gaussian")
FIELDS = ("encoder", "strides", "divisor", "own_size", "device", *DECODERS)
IMAGE_SIZE = (97, 131)  # odd and not square; a model of fixed size gets its own
CLASSES = 3
Row = dict[str, str]


def register_maps(name: str, specs: list[archs.FeatureSpec], maps: list[Tensor]) -> None:
    """Register an encoder that has run already: the specs and the maps of another one, whatever the image."""

    @register_encoder(name)
    class GivenMaps(Encoder):
        def __init__(self, spec: archs.ArchSpec) -> None:
            super().__init__()
            self.specs = specs

        def levels(self, image: Tensor) -> list[Tensor]:
            return maps


def reason(error: Exception) -> str:
    """Return what went wrong as one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:200]


def run_decoder(name: str, encoder_name: str, image: Tensor) -> str:
    """Return "ok" where that decoder gives logits of the image's size on the encoder's maps, else why not."""
    try:
        model = archs.create_model(name, encoder_name=encoder_name, classes=CLASSES)
        shapes = {tuple(logits.shape) for logits in model.predictions(image)}
    except Exception as error:  # whatever fails is a result
        return reason(error)
    expected = (len(image), CLASSES, *image.shape[2:])
    return "ok" if shapes == {expected} else f"logits are {shapes}, not {expected}"


def run_encoder(name: str, device: str) -> Row:
    """Return the row of one encoder. Raises whatever its trunk does."""
    with torch.device(device), torch.no_grad():
        encoder = build_encoder(archs.resolve_spec("fpn", encoder=name))
        trunk = encoder.trunk if isinstance(encoder, SimplePyramid) else encoder
        assert isinstance(trunk, TimmEncoder)
        image = torch.zeros(2, 3, *(encoder.input_size or IMAGE_SIZE))
        specs, maps = encoder.specs, encoder(image)
        given = f"maps of {name}"
        register_maps(given, specs, maps)
        outcomes = {decoder: run_decoder(decoder, given, image) for decoder in DECODERS}
    strides = " ".join(f"{stride:g}" for stride in trunk.strides)
    own_size = "x".join(str(extent) for extent in trunk.input_size or ())
    row = {"encoder": name, "strides": strides, "divisor": str(trunk.divisor), "own_size": own_size}
    return {**row, "device": device, **outcomes}


def cover(name: str, device: str = "meta") -> Row:
    """Return the row of one encoder, whatever happens: on the meta device, else on the CPU."""
    try:
        return run_encoder(name, device)
    except Exception as error:  # whatever fails is a result
        if device == "meta" and "meta tensors" in str(error):
            return cover(name, device="cpu")
        return {"encoder": name, "device": device, **dict.fromkeys(DECODERS, reason(error))}


def load(results: Path) -> list[Row]:
    """Return the rows that are there already."""
    if not results.exists():
        return []
    with results.open(newline="") as file:
        return list(csv.DictReader(file))


def run_missing(names: list[str], results: Path) -> None:
    """Append a row for each encoder that has none, and print progress."""
    done = {row["encoder"] for row in load(results)}
    missing = [name for name in names if name not in done]
    start = time.monotonic()
    with results.open("a", newline="") as file:
        writer = csv.DictWriter(file, FIELDS)
        if file.tell() == 0:
            writer.writeheader()
        for number, name in enumerate(missing, start=1):
            writer.writerow(cover(name))
            file.flush()
            print(f"{number}/{len(missing)} {time.monotonic() - start:.0f} s {name}", flush=True)


def group(row: Row) -> str:
    """Return what stands in the summary's first column for the row."""
    distinct = len(set((row["strides"] or "").split()))
    return ("none: did not run", "1 (flat: a simple pyramid)", "2", "3", "4 or more")[min(distinct, 4)]


def summarise(rows: list[Row]) -> Iterator[str]:
    """Yield the lines of a Markdown table of how many ran, and a list of what failed."""
    yield f"timm {timm.__version__}: {len(rows)} `features_only` models, built and run under each decoder.\n"
    yield f"| distinct strides | models | {' | '.join(DECODERS)} | at one size only |"
    yield f"|---|{'---:|' * (len(DECODERS) + 2)}"
    for title in sorted({group(row) for row in rows}, reverse=True):
        members = [row for row in rows if group(row) == title]
        passed = [sum(row[decoder] == "ok" for row in members) for decoder in DECODERS]
        fixed = sum(bool(row["own_size"]) for row in members)
        yield f"| {title} | {len(members)} | {' | '.join(map(str, passed))} | {fixed} |"
    failed = [(row["encoder"], d, row[d]) for row in rows for d in DECODERS if row[d] != "ok"]
    yield f"\n{len(failed)} of {len(rows) * len(DECODERS)} pairs failed."
    for name, decoder, why in failed:
        yield f"- {name}, {decoder}: {why}"


def main() -> None:
    """Run what is missing, then print the summary and write it where asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pattern", default="*", help="shell-style pattern of timm's names")
    parser.add_argument("--results", type=Path, default=Path("timm_coverage.csv"), help="one row per encoder")
    parser.add_argument("--summary", type=Path, help="write the Markdown summary to this file too")
    options = parser.parse_args()
    names = fnmatch.filter(timm.list_models(), options.pattern)
    run_missing(names, options.results)
    rows = [row for row in load(options.results) if row["encoder"] in names]
    summary = "\n".join(summarise(rows)) + "\n"
    print(f"\n{summary}")
    if options.summary:
        options.summary.write_text(summary)


if __name__ == "__main__":
    main()
