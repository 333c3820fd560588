"""What is known of a network's cost: which counts are lower bounds, and what bounds its speed on the machine."""

from collections.abc import Iterator

import pandas as pd

from skipbench.analysis.frames import Frames
from skipbench.analysis.text import listing

UNRULED = "operators/unruled"  # calls of operators without a rule, which make an arm's counts lower bounds
BALANCE = ("machine/macs_per_s", "machine/bytes_per_s")


def at_least(study: Frames) -> set[str]:
    """Return the arms whose MACs, activations and element-wise operations are lower bounds."""
    rows = study.values[(study.values["key"] == UNRULED) & (study.values["value"] > 0)]
    return set(rows["arm"])


def roofline(study: Frames) -> pd.DataFrame:
    """Return what would bound each arm on its machine if nothing else took time (Williams et al. 2009).

    Columns: arm, intensity (MACs per byte moved), balance (the same for the machine), macs_s and bytes_s (the
    seconds that one image's MACs take at the machine's best matrix product, and its bytes at its best copying),
    bound ("MACs" or "bytes", whichever takes longer). Arms for which any of these is unknown are left out.
    """
    table = study.wide("cost")
    needed = ["macs/total", "bytes/total", *BALANCE]
    if not set(needed) <= set(table):
        return pd.DataFrame(columns=["arm", "intensity", "balance", "macs_s", "bytes_s", "bound"])
    known = table.dropna(subset=needed).reset_index(drop=True)
    macs_s = known["macs/total"] / known[BALANCE[0]]
    bytes_s = known["bytes/total"] / known[BALANCE[1]]
    return pd.DataFrame(
        {
            "arm": known["arm"],
            "intensity": known["macs/total"] / known["bytes/total"],
            "balance": known[BALANCE[0]] / known[BALANCE[1]],
            "macs_s": macs_s,
            "bytes_s": bytes_s,
            "bound": ["MACs" if macs > moved else "bytes" for macs, moved in zip(macs_s, bytes_s, strict=True)],
        }
    )


def bounds(study: Frames) -> Iterator[str]:
    """Yield the sentence that says what bounds the arms on this machine."""
    table = roofline(study)
    if table.empty:
        return
    rates = study.values[study.values["key"].isin(BALANCE)].groupby("key")["value"].median()
    machine = " and ".join(study.metric(key).show_unit(rates[key]) for key in BALANCE)
    balance = study.metric("machine/balance").show(table.balance.median())
    groups = list(table.groupby("bound", sort=False))
    sides = [f"{bound} for {listing(rows.arm) if len(groups) > 1 else 'every arm'}" for bound, rows in groups]
    yield (
        f"At this machine's peak rates ({machine}, or {balance} MACs per byte) and without operator fusion, the "
        f"bottleneck is the {', and the '.join(sides)}."
    )
