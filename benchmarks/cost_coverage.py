"""Count every `features_only` model of timm under each controlled decoder, and execute some to check the counts.

    python benchmarks/cost_coverage.py [--pattern "res*"] [--most N] [--results FILE.csv] [--summary FILE.md]

Networks are built and counted on the meta device; where one needs values, on fake tensors or on the CPU. Every
seventh encoder, if it is of moderate size, also runs on the CPU, with the decoders in turn, under torch's
FlopCounterMode and under the ledger: both must give the MACs that were foretold, but for operators that
FlopCounterMode has no rule for. An encoder that has a row in the results is not counted again, so that a stopped
run continues.
"""

import argparse
import csv
import fnmatch
import time
from collections.abc import Iterator
from pathlib import Path

import timm
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode, flop_registry

from skipbench import archs
from skipbench.archs.encoders import Encoder, build_encoder, register_encoder
from skipbench.archs.ledger import count, on_a_copy

DECODERS = ("unet", "hourglass", "fpn", "rectified_gaussian")
FIELDS = ("encoder", "parameters", "counted_on", "seconds", *DECODERS, "unruled", "executed", "check", "reason")
IMAGE_SIZE = (96, 128)  # a model of fixed size gets its own
CHECK_EVERY = 7
MOST_PARAMETERS = 150e6  # of an encoder that is executed
CLASSES = 3
Row = dict[str, str]


def build(decoder: str, encoder: Encoder) -> archs.EncoderDecoder:
    """Return the controlled model on an encoder that is built already."""
    given = f"{decoder} on encoder {id(encoder)}"

    @register_encoder(given)
    class Given(Encoder):
        def __init__(self, spec: archs.ArchSpec) -> None:
            super().__init__()
            self.given, self.specs, self.input_size = encoder, encoder.specs, encoder.input_size

        def levels(self, image: torch.Tensor) -> list[torch.Tensor]:
            return self.given(image)

    return archs.create_model(decoder, encoder_name=given, classes=CLASSES)


def count_macs(name: str, device: str) -> Row:
    """Return the row of one encoder, without its check. Raises whatever a network does."""
    spec = archs.resolve_spec("fpn", encoder=name)
    with torch.device(device):
        encoder = build_encoder(spec)
        image = torch.zeros(1, 3, *(encoder.input_size or IMAGE_SIZE))
        models = {decoder: build(decoder, encoder).eval() for decoder in DECODERS}
    start = time.perf_counter()
    places, unruled = {device}, set[str]()
    row = {"encoder": name, "parameters": str(sum(each.numel() for each in encoder.parameters()))}
    for decoder, model in models.items():
        if device == "meta":
            ledger = count(model, (image,))
        else:
            ledger, place = on_a_copy(model, (image,), count)
            places = {place}
        row[decoder] = str(ledger.macs.total())
        unruled |= set(ledger.unruled)
    seconds = (time.perf_counter() - start) / len(DECODERS)
    return {**row, "counted_on": places.pop(), "seconds": f"{seconds:.3f}", "unruled": " ".join(sorted(unruled))}


def check(name: str, decoder: str, foretold: int) -> str:
    """Execute one model on the CPU and return "agree", what explains a difference, or "DIFFER"."""
    encoder = build_encoder(archs.resolve_spec("fpn", encoder=name))
    image = torch.rand(1, 3, *(encoder.input_size or IMAGE_SIZE))
    # FlopCounterMode has no rule for the CPU's attention kernel, so attention runs as plain products
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as flops:
        ledger = count(build(decoder, encoder).eval().requires_grad_(False), (image,))
    known = {str(getattr(packet, "_qualified_op_name", packet)) for packet in flop_registry}
    extra = {operator: macs for operator, macs in ledger.macs_of.items() if operator not in known}
    if ledger.macs.total() != foretold or flops.get_total_flops() != 2 * (foretold - sum(extra.values())):
        executed = f"{ledger.macs.total()} executed, {flops.get_total_flops() // 2} by torch"
        return f"DIFFER: {foretold} foretold, {executed}"
    return f"agree, {' and '.join(sorted(extra))} apart" if extra else "agree"


def cover(name: str, number: int) -> Row:
    """Return the row of one encoder, whatever happens: on the meta device, else on the CPU."""
    try:
        row = count_macs(name, "meta")
    except Exception:  # whatever a network does with values that are not there
        try:
            row = count_macs(name, "cpu")
        except Exception as error:  # whatever fails is a result
            return {"encoder": name, "reason": f"{type(error).__name__}: {' '.join(str(error).split())}"[:200]}
    if number % CHECK_EVERY == 0 and int(row["parameters"]) <= MOST_PARAMETERS:
        decoder = DECODERS[number // CHECK_EVERY % len(DECODERS)]
        row |= {"executed": decoder, "check": check(name, decoder, int(row[decoder]))}
    return row


def load(results: Path) -> list[Row]:
    """Return the rows that are there already."""
    if not results.exists():
        return []
    with results.open(newline="") as file:
        return list(csv.DictReader(file))


def run_missing(names: list[str], results: Path, most: int | None) -> None:
    """Append a row for each encoder that has none, `most` of them at most, and print progress."""
    done = {row["encoder"] for row in load(results)}
    missing = [(number, name) for number, name in enumerate(names) if name not in done][:most]
    start = time.monotonic()
    with results.open("a", newline="") as file:
        writer = csv.DictWriter(file, FIELDS)
        if file.tell() == 0:
            writer.writeheader()
        for done_now, (number, name) in enumerate(missing, start=1):
            writer.writerow(cover(name, number))
            file.flush()
            print(f"{done_now}/{len(missing)} {time.monotonic() - start:.0f} s {name}", flush=True)


def summarise(rows: list[Row]) -> Iterator[str]:
    """Yield the lines of a Markdown table of what was counted, checked and left without a rule."""
    counted = [row for row in rows if row["counted_on"]]
    checked = [row["check"] for row in counted if row["check"]]
    seconds = sorted(float(row["seconds"]) for row in counted)
    yield f"timm {timm.__version__}, torch {torch.__version__}: {len(rows)} `features_only` models, "
    yield f"each counted under {len(DECODERS)} decoders at {IMAGE_SIZE[0]}x{IMAGE_SIZE[1]} px or their own size.\n"
    yield "| | models |\n|---|---:|"
    for place in ("meta", "fake", "cpu"):
        yield f"| counted on {place} | {sum(row['counted_on'] == place for row in rows)} |"
    yield f"| not counted | {len(rows) - len(counted)} |"
    yield f"| with an operator that has no rule | {sum(bool(row['unruled']) for row in counted)} |"
    yield f"| executed | {len(checked)} |"
    for verdict in sorted(set(checked)):
        yield f"| executed: {verdict} | {checked.count(verdict)} |"
    if seconds:
        middle, late = seconds[len(seconds) // 2], seconds[int(len(seconds) * 0.95)]
        yield f"\nCounting took {middle:.3f} s in the median and {late:.3f} s at the 95th percentile.\n"
    for row in rows:
        if row["reason"] or row["unruled"]:
            yield f"- {row['encoder']}: {row['reason'] or 'no rule for ' + row['unruled']}"


def main() -> None:
    """Count what is missing, then print the summary and write it where asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pattern", default="*", help="shell-style pattern of timm's names")
    parser.add_argument(
        "--most", type=int, help="how many encoders to count now; all that are missing if not given"
    )
    parser.add_argument("--results", type=Path, default=Path("cost_coverage.csv"), help="one row per encoder")
    parser.add_argument("--summary", type=Path, help="write the Markdown summary to this file too")
    options = parser.parse_args()
    names = fnmatch.filter(timm.list_models(), options.pattern)
    run_missing(names, options.results, options.most)
    summary = "\n".join(summarise([row for row in load(options.results) if row["encoder"] in names])) + "\n"
    print(f"\n{summary}")
    if options.summary:
        options.summary.write_text(summary)


if __name__ == "__main__":
    main()
