"""The pages that are made of declarations: of each factor, and of the public names.

python docs/generate.py           # the pages, with the costs that docs/factors/costs.json has
python docs/generate.py --count   # counts these costs anew, and draws the pictures
"""

import argparse
import inspect
import json
import re
import shlex
from html import escape
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml

DOCS = Path(__file__).parent
SIZE, ENCODER = (64, 64), "resnet10t_quarter"
CLASSIC = ("unet.paper", "hourglass.paper", "fpn.paper", "rectified_gaussian.paper")
OURS = ("unet", "hourglass", "fpn", "rectified_gaussian")
# of factors that change what a network costs: the network, what else it has, and the choices that are counted
COUNTED: dict[str, tuple[str, dict[str, Any], list[Any]]] = {
    "encoder": ("fpn", {}, ["resnet10t_quarter", "resnet10t", "resnet18", "mobilenetv3_small_050"]),
    "strides": ("fpn", {}, [[4, 8, 16, 32], [4, 8, 16], [8, 16, 32]]),
    "decoder_stride": ("unet", {}, [None, 1]),
    "width": ("fpn", {}, [16, 32, 64, 128]),
    "lateral": ("fpn", {}, ["identity", "conv1x1", "conv3x3", "residual", "double_conv"]),
    "upsample": ("unet", {}, ["nearest", "bilinear", "transposed"]),
    "fusion": (
        "unet",
        {},
        ["add", "max", "weighted", "concat", "concat_wide", "gated", "skip_only", "coarse_only"],
    ),
    "bridge": ("fpn", {}, ["none", "lateral", "residual", "double_conv"]),
    "pre": ("fpn", {}, ["none", "conv1x1", "conv3x3", "residual"]),
    "up_block": ("unet", {}, ["none", "conv3x3", "norm_act_residual"]),
    "post": ("fpn", {}, ["none", "relu", "conv3x3", "double_conv"]),
    "out": ("fpn", {}, ["none", "conv1x1", "conv3x3"]),
    "blocks": ("hourglass", {}, [1, 2, 4]),
    "head": ("fpn", {}, ["conv1x1", "conv3x3", "conv3x3_conv1x1"]),
    "head_block": ("hourglass", {}, ["none", "residual", "residual_project"]),
    "head_levels": ("fpn", {"supervision": "last"}, ["finest", "all", "summed", "merged"]),
    "head_width": ("fpn", {"supervision": "last", "head_levels": "merged"}, [32, 64, 128]),
    "share_head": ("fpn", {"head": "conv3x3_conv1x1"}, [True, False]),
    "stacks": ("hourglass", {}, [1, 2, 4, 8]),
    "restart": ("hourglass", {"stacks": 2}, ["remap", "remap_features"]),
    "bottom_up": ("hourglass", {"stacks": 2}, ["pooled_residual", "strided_basic"]),
    "share_stacks": ("hourglass", {"stacks": 4}, [False, True]),
    "passes": ("rectified_gaussian", {}, [1, 2, 3, 4]),
}
# what a page of the API lists: its title, what it is of, and the modules whose public names it has
API = {
    "skipbench": (
        "skipbench",
        "What people import first; how parts are registered: [plug in anything else](../extend/index.md).",
        ["skipbench"],
    ),
    "archs": (
        "skipbench.archs",
        "The design space: specs, networks, parts, costs, other people's weights.",
        ["skipbench.archs", "skipbench.archs.ledger", "skipbench.archs.testing"],
    ),
    "bench": (
        "skipbench.bench",
        "Measurement: data, tasks, training, records, suites.",
        [
            f"skipbench.bench.{name}"
            for name in ("suites", "measure", "training", "tasks", "data", "predictions", "records", "testing")
        ],
    ),
    "analysis": (
        "skipbench.analysis",
        "From records to facts, without torch.",
        ["skipbench.analysis", "skipbench.analysis.statistics", "skipbench.analysis.claims"],
    ),
    "reports": ("skipbench.reports", "From facts to pictures and pages.", ["skipbench.reports"]),
}
MORE = {  # functions that the pages name, of modules that list no public names
    "analysis": [
        "skipbench.analysis.paired.effects",
        "skipbench.analysis.units.effects_over",
        "skipbench.analysis.ranking.rank_stability",
        "skipbench.analysis.ranking.grid_effects",
        "skipbench.analysis.variation.variance_split",
    ],
    "reports": ["skipbench.reports.figures.register_figure", "skipbench.reports.testing.check_figure"],
}


def sentence(entry: object) -> str:
    """Return the first sentence of a docstring, in one line."""
    text = " ".join((inspect.getdoc(entry) or "").split("\n\n")[0].split())
    found = re.match(r"(.*?(?<!e\.g)(?<!i\.e)(?<!\.)\.)(?:\s|$)", text)
    return found[1] if found else text.rstrip(":.") + "." * bool(text)


def in_words(value: Any) -> str:
    """Return a value as YAML writes it."""
    return str(yaml.safe_dump(value, default_flow_style=True, width=1000)).split("\n")[0]


def count_costs() -> dict[str, list[dict[str, Any]]]:
    """Count every choice of COUNTED, on the meta device."""
    import skipbench

    costs: dict[str, list[dict[str, Any]]] = {}
    for name, (model, others, choices) in COUNTED.items():
        costs[name] = []
        for choice in choices:
            factors = {"encoder": ENCODER, **others, name: choice}
            found = skipbench.cost(skipbench.resolve_spec(model, classes=4, **factors), SIZE)
            numbers = {"params": int(found["params/total"]), "macs": int(found["macs/total"])}
            costs[name].append({"choice": in_words(choice), **numbers})
    return costs


def picture(costs: list[dict[str, Any]], alt: str) -> str:
    """Return bars of parameters and MACs as SVG."""
    height = 34 + 26 * len(costs)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 {height}" width="640" height="{height}" '
        f'font-family="Helvetica, Arial, sans-serif" font-size="13" role="img" aria-label="{escape(alt)}">',
        f'<rect width="640" height="{height}" rx="6" fill="#ffffff"/>',
    ]
    for left, key, title, colour in ((170, "params", "parameters", "#0072b2"), (410, "macs", "MACs", "#d55e00")):
        lines.append(f'<text x="{left}" y="20" font-weight="600" fill="#0f172a">{title}</text>')
        most = max(cost[key] for cost in costs)
        for row, cost in enumerate(costs):
            y, length = 34 + 26 * row, max(1, round(130 * cost[key] / most))
            lines.append(f'<rect x="{left}" y="{y}" width="{length}" height="16" rx="2" fill="{colour}"/>')
            lines.append(f'<text x="{left + length + 6}" y="{y + 13}" fill="#334155">{short(cost[key])}</text>')
    for row, cost in enumerate(costs):
        label = escape(cost["choice"])
        lines.append(f'<text x="160" y="{47 + 26 * row}" text-anchor="end" fill="#0f172a">{label}</text>')
    return "\n".join([*lines, "</svg>", ""])


def short(number: int) -> str:
    """Return a count as people write it: 357 k, 17.4 M."""
    for unit, name in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if number >= unit:
            return f"{number / unit:.3g} {name}"
    return str(number)


def alternative(name: str, costs: list[dict[str, Any]]) -> str:
    """Return what the picture of a factor shows, in words."""
    each = "; ".join(f"{x['choice']}: {short(x['params'])} parameters, {short(x['macs'])} MACs" for x in costs)
    return f"Cost by {name}: {each}."


def table(rows: list[list[str]], *heads: str) -> str:
    """Return a Markdown table."""
    escaped = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    return "".join(f"| {' | '.join(row)} |\n" for row in [list(heads), ["---"] * len(heads), *escaped])


def factor_page(name: str, costs: list[dict[str, Any]] | None) -> str:
    """Return the page of a factor."""
    from skipbench.archs import FACTORS, PRESETS
    from skipbench.archs.sources import SOURCES

    declared = FACTORS[name]
    default = "it has to be given" if declared.required else f"`{in_words(declared.default)}`"
    facts = [["default", default], ["values", declared.values]]
    facts += [["comes from", SOURCES[name]]] if name in SOURCES else []
    parts = [f"# {name}\n\n{declared.what}\n\n", table(facts, "", "what is declared")]
    if declared.registry and len(own := {n: e for n, e in declared.registry.registered.items() if "*" not in n}):
        rows = [[f"`{choice}`", sentence(entry)] for choice, entry in sorted(own.items())]
        also = [[f"`{choice}`", "See above."] for choice in declared.others if choice not in own]
        parts += [f"\n## Choices\n\n`skipbench list {declared.registry.plural}` lists them.\n\n"]
        parts += [table(rows + also, "choice", "what it is")]
    in_presets = [
        [f"`{model}`", f"`{in_words(PRESETS[model][name])}`"] for model in PRESETS.names() if name in PRESETS[model]
    ]
    if in_presets:
        parts += [
            "\n## In the presets\n\nPresets that are not listed have the default.\n\n",
            table(in_presets, "preset", "value"),
        ]
    if costs:
        model, others, _ = COUNTED[name]
        given = [f"{key}={in_words(value)}" for key, value in others.items()]
        encoder, on = ([], "") if name == "encoder" else (["--encoder", ENCODER], f" with the encoder `{ENCODER}`")
        settings = [word for setting in [*given, f"{name}={costs[0]['choice']}"] for word in ("--set", setting)]
        command = shlex.join(
            ["skipbench", "cost", model, *encoder, "--classes", "4", "--img-size", "64x64", *settings]
        )
        but = f", but for {', '.join(f'`{each}`' for each in given)}" if given else ""
        parts += [
            f"\n## What it costs\n\n![{alternative(name, costs)}]({name}.svg)\n\n",
            f"Counted on `{model}`{on}, 4 classes, one image of 64x64 px, all else as in the preset{but}. "
            "The first:\n\n<!-- not run: tests/test_docs.py counts it -->\n\n",
            f"```bash\n{command}\n```\n",
        ]
    return "".join(parts)


def factors_page() -> str:
    """Return the page of all factors."""
    from skipbench.archs import FACTORS

    rows = [
        [f"[{name}](factors/{name}.md)", "" if x.required else f"`{in_words(x.default)}`", x.what, x.values]
        for name, x in FACTORS.items()
    ]
    return (
        "# All factors\n\nA network is one value for each of these. They are declared in "
        "[archs/spec.py](../archs/spec.py); `skipbench list factors` prints them, "
        "`skipbench diff A B` says in which two networks differ. This page and those of the single factors are "
        "written by `python docs/generate.py`.\n\n![the shared encoder-decoder](design.svg)\n\n"
        + table(rows, "factor", "default", "what it is", "values")
    )


def api_page(key: str) -> str:
    """Return a page of public names; each is documented on the first page that has it."""
    title, what, modules = API[key]
    parts, seen = (
        [f"# {title}\n\n{what}\n"],
        set(import_module("skipbench").__all__) if key != "skipbench" else set(),
    )
    for module_name in modules:
        module = import_module(module_name)
        names = [name for name in sorted(module.__all__) if name not in seen and described(getattr(module, name))]
        seen |= set(names)
        if len(modules) > 1 and names:
            parts.append(f"\n## {module_name}\n\n{sentence(module)}\n")
        parts += ["\n"] + [f"- `{module_name}.{name}`: {sentence(getattr(module, name))}\n" for name in names]
    more = MORE.get(key, [])
    for full in more:
        module_name, _, name = full.rpartition(".")
        heading = "\n## In other modules\n\n" if full == more[0] else ""
        parts.append(f"{heading}- `{full}`: {sentence(getattr(import_module(module_name), name))}\n")
    return "".join(parts)


def described(entry: object) -> bool:
    """Return whether it is a class or function with words of its own."""
    return (inspect.isclass(entry) or inspect.isfunction(entry)) and bool(entry.__doc__)


def pages(costs: dict[str, list[dict[str, Any]]]) -> dict[str, str]:
    """Return all pages and pictures by their place in docs/."""
    from skipbench.archs import FACTORS

    made = {"factors.md": factors_page()}
    made |= {f"factors/{name}.md": factor_page(name, costs.get(name)) for name in FACTORS}
    made |= {f"factors/{name}.svg": picture(found, alternative(name, found)) for name, found in costs.items()}
    return made | {f"api/{key}.md": api_page(key) for key in API}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", action="store_true", help="count what choices cost anew")
    kept = DOCS / "factors" / "costs.json"
    if parser.parse_args().count:
        kept.write_text(json.dumps(count_costs(), indent=1) + "\n", encoding="utf-8")
    for place, text in pages(json.loads(kept.read_text(encoding="utf-8"))).items():
        (DOCS / place).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
