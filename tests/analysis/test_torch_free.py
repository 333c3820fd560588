"""Facts can be read anywhere: no module of analysis brings torch."""

import subprocess
import sys

CODE = """
import importlib, pkgutil, sys
from skipbench import analysis
for module in pkgutil.walk_packages(analysis.__path__, "skipbench.analysis."):
    importlib.import_module(module.name)
assert not {"torch", "skipbench.archs", "matplotlib"} & set(sys.modules), "too much is imported"
"""


def test_analysis_imports_neither_torch_nor_pictures():
    subprocess.run([sys.executable, "-c", CODE], check=True)
