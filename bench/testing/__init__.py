"""The contracts of what is trained for, scored, read and measured, for the tests of whoever writes one:

    from skipbench.bench.testing import check_task

    def test_my_task():
        for finding in check_task(MyTask):
            assert finding.ok, finding.message

Those of a network's parts are in archs.testing, that of a figure in reports.testing.
"""

from skipbench.bench.data import DATASETS
from skipbench.bench.measure import MEASUREMENTS
from skipbench.bench.tasks import METRICS, TASKS
from skipbench.bench.testing.datasets import check_dataset
from skipbench.bench.testing.measurements import check_measurement, declarations
from skipbench.bench.testing.tasks import check_metric, check_task
from skipbench.contracts import Finding

__all__ = [
    "Finding",
    "check_dataset",
    "check_measurement",
    "check_metric",
    "check_registered",
    "check_task",
    "declarations",
]


def check_registered(kind: str, name: str) -> list[Finding]:
    """Return the findings on a registered part; none where its kind ("annotations" ...) has no contract."""
    if kind == TASKS.plural:
        return check_task(TASKS[name])
    if kind == METRICS.plural:
        return check_metric(METRICS[name], name.partition("/")[0])
    if kind == DATASETS.plural:
        return check_dataset(DATASETS[name])
    if kind == MEASUREMENTS.plural:
        return check_measurement(MEASUREMENTS[name])
    return []
