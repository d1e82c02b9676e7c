"""Options that all Python tests share."""

import re


def pytest_addoption(parser):
    parser.addoption("--only", default="", help="a regular expression over test ids")


def pytest_collection_modifyitems(config, items):
    only = config.getoption("--only")
    if not only:
        return
    pattern = re.compile(only)
    kept = [item for item in items if pattern.search(item.nodeid)]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept
