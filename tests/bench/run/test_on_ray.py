"""A Ray cluster: the records of a serial run, though a machine dies half-way and a cell kills its process."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from skipbench.bench.errors import BenchError
from skipbench.bench.plugins import load_plugins
from skipbench.bench.records import RunRecord
from skipbench.bench.run.runner import run_plan
from skipbench.bench.run.session import Ended, States, Watch
from skipbench.bench.suites import load_suite
from skipbench.bench.suites.plan import Plan, make_plan

ray = pytest.importorskip("ray")
from ray.cluster_utils import Cluster  # noqa: E402

from skipbench.bench.run.on_ray import OnRay  # noqa: E402

POISON = """
import os
from skipbench import register_fusion
from skipbench.archs.fusion import Add

@register_fusion("os_exits")
class OsExits(Add):
    def merge(self, coarse, skip):
        if coarse.device.type == "cpu":
            os._exit(1)
        return super().merge(coarse, skip)
"""
SILENT = Console(quiet=True)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("RAY_TMPDIR", os.environ.get("RAY_TMPDIR", "/tmp"))
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    yield cluster
    ray.shutdown()
    cluster.shutdown()


class LosesAMachine(OnRay):
    """Kills a machine of the cluster when the first training has ended."""

    def __init__(self, cluster: Any, machine: Any) -> None:
        super().__init__(cluster.address)
        self.cluster, self.machine = cluster, machine

    def run(self, plan: Plan, sessions: Any, states: States, watch: Watch) -> Iterator[Ended]:
        for ended in super().run(plan, sessions, states, watch):
            if ended.session.kind == "train" and self.machine:
                self.cluster.remove_node(self.machine, allow_graceful=False)
                self.machine = None
            yield ended


def scores(records: list[RunRecord]) -> dict[str, Any]:
    timed = ("latency_ms", "throughput", "train/seconds", "train/images_per_s", "train/busy_share", "machine/")
    return {
        record.name: (
            record.status,
            {key: value for key, value in record.values.items() if not key.startswith(timed)},
        )
        for record in records
    }


@pytest.mark.timeout(600)  # two machines of a cluster start, and one is waited for
def test_a_cluster_that_loses_a_machine_gives_the_records_of_a_serial_run(
    cluster: Any, tiny_suite: str, tmp_path: Path
) -> None:
    plan = make_plan(load_suite(tiny_suite, ["arms=[{model: fpn}]", "seeds=[0, 1, 2]"]))
    machine = cluster.add_node(num_cpus=1)
    there = run_plan(plan, tmp_path / "there", SILENT, LosesAMachine(cluster, machine))
    assert scores(there) == scores(run_plan(plan, tmp_path / "here", SILENT))
    assert all(record.environment["versions"]["torch"] for record in there)


def test_a_cell_that_kills_its_process_fails_alone(cluster: Any, tiny_suite: str, tmp_path: Path) -> None:
    plugin = tmp_path / "poison.py"
    plugin.write_text(POISON)
    load_plugins([plugin])
    plan = make_plan(load_suite(tiny_suite, ["arms=[{model: fpn, fusion: os_exits}]", "seeds=[0]"]))
    records = run_plan(plan, tmp_path / "run", SILENT, OnRay(cluster.address, retries=0))
    assert [(record.kind, record.died) for record in records] == [
        ("cost", False),
        ("latency", True),
        ("train", True),
    ]
    assert all("ended without a result" in (record.reason or "") for record in records if record.died)


def test_a_cluster_that_does_not_answer_is_one_sentence(tiny_suite: str, tmp_path: Path) -> None:
    plan = make_plan(load_suite(tiny_suite))
    with pytest.raises(BenchError, match=r"^no Ray cluster answers at localhost:1: "):
        run_plan(plan, tmp_path / "run", SILENT, OnRay("localhost:1"))
