"""Fixtures of the slot runtime's tests. PJ_PYTHON_RUNTIME names the built runtime folder."""

import os
import sys

import pytest

_SOURCE = os.path.join(os.path.dirname(__file__), "..", "..", "python")
os.environ.setdefault("PJ_PYTHON_RUNTIME", os.path.abspath(_SOURCE))
sys.path.insert(0, os.environ["PJ_PYTHON_RUNTIME"])
sys.path.insert(0, os.path.dirname(__file__))

import harness  # noqa: E402

_TRANSPORTS = harness.transports()


@pytest.fixture(params=_TRANSPORTS)
def transport(request):
    return request.param


@pytest.fixture
def zygote(tmp_path, transport):
    """A function: job fields → a Zygote, closed at the test's end."""
    made = []

    def make(**job):
        made.append(harness.Zygote(tmp_path, transport, **job))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def files(tmp_path):
    """A function: number → that many small input files."""

    def make(number):
        folder = tmp_path / "data"
        folder.mkdir(exist_ok=True)
        out = []
        for at in range(number):
            path = folder / ("file%03d.txt" % at)
            if not path.exists():  # a second call must not change what was planned
                path.write_text("content %d" % at)
            out.append(str(path))
        return out

    return make
