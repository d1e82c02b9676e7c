"""Options and fixtures that all Python tests share."""

import os
import pathlib
import re

import pytest

# The folder in which sanitized programs leave their reports; unset when there are none.
REPORTS = os.environ.get("PJ_SANITIZER_REPORTS", "")


def pytest_addoption(parser):
    parser.addoption("--only", default="", help="a regular expression over test ids")


def pytest_configure(config):
    config.addinivalue_line("markers", "sanitized: run against the sanitizers' builds, too")


def pytest_collection_modifyitems(config, items):
    only = config.getoption("--only")
    if not only:
        return
    pattern = re.compile(only)
    kept = [item for item in items if pattern.search(item.nodeid)]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept


@pytest.fixture(autouse=True)
def no_sanitizer_report():
    """Fails the test during which a sanitizer found something, whatever became of the program."""
    yield
    found = sorted(pathlib.Path(REPORTS).glob("report.*")) if REPORTS else []
    texts = [path.read_text(encoding="utf-8", errors="replace") for path in found]
    for path in found:
        path.rename(path.with_name("seen-" + path.name))
    assert not found, "\n".join(texts)
