"""Facts can be read anywhere: no module of analysis brings torch."""

import subprocess
import sys

CODE = """
import importlib, pkgutil, sys, analysis
for module in pkgutil.walk_packages(analysis.__path__, "analysis."):
    importlib.import_module(module.name)
assert not {"torch", "archs", "matplotlib"} & set(sys.modules), "too much is imported"
"""


def test_analysis_imports_neither_torch_nor_pictures():
    subprocess.run([sys.executable, "-c", CODE], check=True)
