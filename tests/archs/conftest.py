"""The small networks that several files test."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

import archs


@pytest.fixture(scope="session")
def models() -> ModuleType:
    """Return test_models.py, whose table makes every preset small: a new preset gets its row there alone."""
    spec = importlib.util.spec_from_file_location("small_models", Path(__file__).with_name("test_models.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def small(models: ModuleType) -> Callable[..., archs.EncoderDecoder]:
    """Return a function from a preset's name, and factors to override, to a small network."""
    build: Callable[..., archs.EncoderDecoder] = models.small
    return build
