"""The tree obeys the house's rules (rules.py). One test a rule, all findings at once."""

import pathlib

import pytest

import rules

ROOT = pathlib.Path(__file__).resolve().parents[2]
FILES = rules.tracked_files(ROOT)


@pytest.mark.parametrize('rule', rules.FILE_RULES, ids=lambda rule: rule.__name__)
def test_every_file_obeys(rule):
    findings = [finding for path, text in FILES.items() for finding in rule(path, text)]
    assert not findings, '\n' + '\n'.join(findings)


@pytest.mark.parametrize('rule', rules.TREE_RULES, ids=lambda rule: rule.__name__)
def test_the_tree_obeys(rule):
    findings = list(rule(FILES))
    assert not findings, '\n' + '\n'.join(findings)


def test_the_tree_was_read():
    assert 'src/base/result.h' in FILES and len(FILES) > 50
