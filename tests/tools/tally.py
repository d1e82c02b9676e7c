"""Adds up what every part of `./dev test` left in the results folder and prints the total.

The last line is "N passed, N failed". Every failed test is named above it. A program that ended
badly without naming a failed case, and a part that could not run, count as one failed test each.
"""

import pathlib
import sys
import xml.etree.ElementTree as ElementTree


class Tally:
    """Counters and the names of what failed."""

    def __init__(self):
        self.passed, self.skipped, self.failed = 0, [], []

    def add_case(self, part, case):
        name = f"{part}: {case.get('classname', '')}.{case.get('name', '')}"
        if case.find("failure") is not None or case.find("error") is not None:
            self.failed.append(name)
        elif (case.find("skipped") is not None or case.get("result") == "skipped"
              or case.get("status") in ("notrun", "disabled")):
            self.skipped.append(name)
        else:
            self.passed += 1


def read(path):
    """The root element of a JUnit file, or None when it is damaged."""
    try:
        return ElementTree.parse(path).getroot()
    except (ElementTree.ParseError, OSError):
        return None


def add_native(folder, tally):
    """One build's C++ tests: cases from GoogleTest's own files, the rest from ctest's."""
    part = folder.name
    reports = sorted(folder.glob("ctest-*.xml"))
    if not reports:
        tally.failed.append(f"{part}: ctest left no report")
    for report in reports:
        root = read(report)
        if root is None:
            tally.failed.append(f"{part}: {report.name} is damaged")
            continue
        for program in root.iter("testcase"):
            add_program(part, folder, program, tally)


def add_program(part, folder, program, tally):
    cases_file = folder / "cases" / f"{program.get('name')}.xml"
    cases = read(cases_file) if cases_file.exists() else None
    ended_well = program.find("failure") is None and program.find("error") is None
    if cases is None:
        tally.add_case(part, program)
        return
    before = len(tally.failed)
    for case in cases.iter("testcase"):
        tally.add_case(f"{part}/{program.get('name')}", case)
    if not ended_well and len(tally.failed) == before:
        tally.failed.append(f"{part}: {program.get('name')} ended badly though no case failed")


def add_pytest(report, tally):
    root = read(report)
    if root is None:
        tally.failed.append(f"{report.stem}: no report")
        return
    for case in root.iter("testcase"):
        tally.add_case(report.stem, case)


def main(results):
    tally = Tally()
    for folder in sorted(results.glob("native-*")):
        add_native(folder, tally)
    add_pytest(results / "pytest.xml", tally)
    for report in sorted(results.glob("pytest-*.xml")):
        add_pytest(report, tally)
    broken = results / "broken.txt"
    if broken.exists():
        tally.failed.extend(broken.read_text(encoding="utf-8").splitlines())
    for name in tally.skipped:
        print(f"skipped: {name}")
    for name in tally.failed:
        print(f"FAILED: {name}")
    if tally.skipped:
        print(f"{len(tally.skipped)} skipped")
    print(f"{tally.passed} passed, {len(tally.failed)} failed")
    return 1 if tally.failed or not tally.passed else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
