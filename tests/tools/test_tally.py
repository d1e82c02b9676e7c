"""The total counts what failed, also what could not say so itself."""

import pathlib
import subprocess
import sys

import pytest

TALLY = pathlib.Path(__file__).with_name("tally.py")
GOOD = '<testsuites><testsuite><testcase name="A" classname="S"/></testsuite></testsuites>'
BAD = ('<testsuites><testsuite><testcase name="A" classname="S"><failure message="x"/></testcase>'
       '<testcase name="B" classname="S"/></testsuite></testsuites>')
SKIPPED = ('<testsuites><testsuite><testcase name="A" classname="S"><skipped/></testcase>'
           '<testcase name="B" classname="S"/></testsuite></testsuites>')


def ctest(*programs):
    """ctest's report: (name, ended well) each."""
    cases = "".join(f'<testcase name="{name}" status="{"run" if well else "fail"}">'
                    f'{"" if well else "<failure/>"}</testcase>' for name, well in programs)
    return f"<testsuite>{cases}</testsuite>"


@pytest.fixture
def results(tmp_path):
    (tmp_path / "native-release" / "cases").mkdir(parents=True)
    write(tmp_path, "native-release/ctest-0.xml", ctest(("base_test", True)))
    write(tmp_path, "native-release/cases/base_test.xml", GOOD)
    write(tmp_path, "pytest.xml", GOOD)
    return tmp_path


def write(folder, name, text):
    (folder / name).write_text(text, encoding="utf-8")


def tally(folder):
    ended = subprocess.run([sys.executable, str(TALLY), str(folder)], capture_output=True,
                           text=True, check=False)
    return ended.returncode, ended.stdout.splitlines()[-1]


def test_all_passed(results):
    assert tally(results) == (0, "2 passed, 0 failed")


def test_further_python_parts_count(results):
    write(results, "pytest-cluster.xml", BAD)
    assert tally(results) == (1, "3 passed, 1 failed")


def test_failed_case(results):
    write(results, "native-release/ctest-0.xml", ctest(("base_test", False)))
    write(results, "native-release/cases/base_test.xml", BAD)
    assert tally(results) == (1, "2 passed, 1 failed")


def test_program_that_died_after_its_cases(results):
    write(results, "native-release/ctest-0.xml", ctest(("base_test", False)))
    assert tally(results) == (1, "2 passed, 1 failed")


def test_program_that_died_before_its_report(results):
    write(results, "native-release/ctest-0.xml", ctest(("base_test", True), ("kube_test", False)))
    assert tally(results) == (1, "2 passed, 1 failed")


def test_build_without_any_report(results):
    (results / "native-asan").mkdir()
    assert tally(results) == (1, "2 passed, 1 failed")


def test_damaged_and_missing_pytest_report(results):
    write(results, "pytest.xml", GOOD[:20])
    assert tally(results) == (1, "1 passed, 1 failed")
    (results / "pytest.xml").unlink()
    assert tally(results) == (1, "1 passed, 1 failed")


def test_part_that_could_not_run(results):
    write(results, "broken.txt", "build: asan: did not build\n")
    assert tally(results) == (1, "2 passed, 1 failed")


def test_skipped_is_not_passed(results):
    write(results, "pytest.xml", SKIPPED)
    assert tally(results) == (0, "2 passed, 0 failed")


def test_nothing_at_all_is_a_failure(tmp_path):
    write(tmp_path, "pytest.xml", "<testsuites/>")
    assert tally(tmp_path) == (1, "0 passed, 0 failed")
