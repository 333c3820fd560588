"""Reports can be made anywhere: no module of reports brings torch."""

import subprocess
import sys

CODE = """
import importlib, pkgutil, sys
from skipbench import reports
for module in pkgutil.walk_packages(reports.__path__, "skipbench.reports."):
    importlib.import_module(module.name)
assert not {"torch", "skipbench.archs", "timm"} & set(sys.modules), "too much is imported"
"""


def test_reports_imports_no_torch():
    subprocess.run([sys.executable, "-c", CODE], check=True)
