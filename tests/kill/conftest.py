"""Kill tests: real local runs of a build with fault points, ended by SIGKILL and resumed."""

import os
import pathlib

import pytest


@pytest.fixture(scope="session")
def program() -> str:
    """The program built with -DPJ_FAULT_POINTS=ON."""
    path = os.environ.get("PARALLELJOB_FAULTS", "")
    if not pathlib.Path(path).is_file():
        pytest.fail("PARALLELJOB_FAULTS must name a paralleljob built with PJ_FAULT_POINTS")
    if runtime := os.environ.get("PJ_PYTHON_RUNTIME"):  # that build makes no runtime of its own
        os.environ["PARALLELJOB_RUNTIME"] = runtime
    return path
