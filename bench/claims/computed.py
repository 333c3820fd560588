"""The numbers that claims without arms ask for, by their names."""

from pathlib import Path

from skipbench.bench.claims.aliasing import at_start, kept_shares
from skipbench.bench.claims.alignment import align
from skipbench.bench.claims.tiling import tile_differences


def compute_claims(directory: Path | None = None) -> dict[str, float | list[float]]:
    """Return exact numbers, and those of the networks that the run in `directory` keeps, one each.

    - "aliasing/start", "aliasing/trained": by how much a 3x3 changes the share of energy at periods below 4 px;
      the latter only where a network with such a 3x3 is kept;
    - "tiling/unpadded", "tiling/padded": the largest difference of a logit between tiles and whole;
    - "alignment/difference": that between Hourglass with FPN's factors and FPN.
    Raises BenchError where the run cannot be read.
    """
    start, tiles = at_start(), tile_differences()
    numbers: dict[str, float | list[float]] = {
        "aliasing/start": start["after"] - start["before"],
        **{f"tiling/{name}": difference for name, difference in tiles.items()},
        "alignment/difference": align().difference,
    }
    kept = kept_shares(directory) if directory else []
    return numbers | ({"aliasing/trained": [one.after - one.before for one in kept]} if kept else {})
