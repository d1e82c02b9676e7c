"""Runs the C++ tests of one build through ctest and leaves one JUnit file a program behind.

With --only, single test cases are chosen: a regular expression over "program.Suite.Case". A program
whose own name matches runs whole. Each report of a sanitizer counts as a failed test, in whichever
process it was made.
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
from xml.sax.saxutils import escape


def registered(build):
    """The tests that ctest knows: name → command words."""
    text = subprocess.run(["ctest", "--test-dir", build, "--show-only=json-v1"], check=True,
                          capture_output=True, text=True).stdout
    return {test["name"]: test.get("command", []) for test in json.loads(text)["tests"]}


def list_cases(command):
    """All "Suite.Case" of a GoogleTest program; none for any other program."""
    listing = subprocess.run([command[0], "--gtest_list_tests"], capture_output=True, text=True,
                             check=False)
    cases, suite = [], ""
    for line in listing.stdout.splitlines():
        words = line.split("#")[0].rstrip()
        if words.endswith(".") and not words.startswith(" "):
            suite = words
        elif words.startswith("  ") and suite:
            cases.append(suite + words.strip())
    return cases


def choose(tests, only):
    """[(ctest name, GTEST_FILTER or None)] for what matches `only`."""
    pattern, chosen = re.compile(only), []
    for name, command in tests.items():
        if pattern.search(name):
            chosen.append((name, None))
        elif command:
            cases = [case for case in list_cases(command) if pattern.search(f"{name}.{case}")]
            if cases:
                chosen.append((name, ":".join(cases)))
    return chosen


def run_ctest(options, arguments, extra_env):
    """Runs ctest with reports below the results folder; returns its exit code."""
    results = pathlib.Path(options.results)
    env = dict(os.environ, GTEST_OUTPUT=f"xml:{results}/cases/", **extra_env)
    # The full depth of where each block was allocated takes a sixth of the time.
    logs = f":malloc_context_size=8:log_path={results}/reports/report"
    env.setdefault("ASAN_OPTIONS", "detect_stack_use_after_return=1:strict_string_checks=1" + logs)
    env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1" + logs)
    # std::thread sees to leaks itself; a forked child that ends by _exit() has none to join.
    env.setdefault("TSAN_OPTIONS", "second_deadlock_stack=1:report_thread_leaks=0" + logs)
    number = len(list(results.glob("ctest-*.xml")))
    return subprocess.run(
        ["ctest", "--test-dir", options.build, "--output-on-failure", "--no-tests=error",
         "--output-junit", str(results / f"ctest-{number}.xml"), "-j", str(options.jobs),
         *arguments],
        env=env, check=False).returncode


def tell_reports(results):
    """Shows what the sanitizers wrote and adds it to ctest's reports; true if there was something.

    A child's exit code reaches nobody, and a guardian's output goes to /dev/null.
    """
    found = sorted((results / "reports").glob("report.*"))
    cases = ""
    for path in found:
        text = path.read_text(encoding="utf-8", errors="replace")
        print(f"--- {path.name}\n{text}")
        cases += (f'<testcase classname="sanitizer" name="{path.name}" status="fail">'
                  f"<failure>{escape(text)}</failure></testcase>")
    if found:
        (results / "ctest-reports.xml").write_text(f"<testsuite>{cases}</testsuite>", "utf-8")
    return bool(found)


def built_only(tests, names):
    """Drops tests whose program this build was not asked to make; says so."""
    missing = [name for name in names
               if not tests[name] or not os.path.exists(tests[name][0])]
    if missing:
        print(f"   not part of this build: {', '.join(missing)}")
    return [name for name in names if name not in missing]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True)
    parser.add_argument("--results", required=True)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", default="")
    parser.add_argument("--skip", default="", help="tests that this build leaves to another one")
    options = parser.parse_args()
    results = pathlib.Path(options.results).resolve()
    options.results = str(results)
    for folder in ("cases", "reports"):
        (results / folder).mkdir(parents=True, exist_ok=True)
    tests = registered(options.build)
    if options.only:
        codes = [run_ctest(options, ["-R", f"^{re.escape(name)}$"],
                           {"GTEST_FILTER": cases} if cases else {})
                 for name, cases in choose(tests, options.only)]
        if not codes:  # the choice is one of Python's tests: leave nothing to be counted
            for folder in (results / "cases", results / "reports", results):
                folder.rmdir()
        return max([*codes, tell_reports(results)], default=0)
    wanted = [name for name in tests if not (options.skip and re.search(options.skip, name))]
    names = built_only(tests, wanted)
    code = run_ctest(options, ["-R", "^(" + "|".join(map(re.escape, names)) + ")$"], {})
    return max(code, tell_reports(results))


if __name__ == "__main__":
    sys.exit(main())
