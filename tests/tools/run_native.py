"""Runs the C++ tests of one build through ctest and leaves one JUnit file a program behind.

With --only, single test cases are chosen: a regular expression over "program.Suite.Case". A program
whose own name matches runs whole.
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys


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
    env.setdefault("ASAN_OPTIONS", "detect_stack_use_after_return=1:strict_string_checks=1")
    env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")
    env.setdefault("TSAN_OPTIONS", "second_deadlock_stack=1")
    number = len(list(results.glob("ctest-*.xml")))
    return subprocess.run(
        ["ctest", "--test-dir", options.build, "--output-on-failure", "--no-tests=error",
         "--output-junit", str(results / f"ctest-{number}.xml"), "-j", str(options.jobs),
         *arguments],
        env=env, check=False).returncode


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
    os.makedirs(os.path.join(options.results, "cases"), exist_ok=True)
    tests = registered(options.build)
    if options.only:
        codes = [run_ctest(options, ["-R", f"^{re.escape(name)}$"],
                           {"GTEST_FILTER": cases} if cases else {})
                 for name, cases in choose(tests, options.only)]
        if not codes:  # the choice is one of Python's tests: leave nothing to be counted
            os.rmdir(os.path.join(options.results, "cases"))
            os.rmdir(options.results)
        return max(codes, default=0)
    wanted = [name for name in tests if not (options.skip and re.search(options.skip, name))]
    names = built_only(tests, wanted)
    return run_ctest(options, ["-R", "^(" + "|".join(map(re.escape, names)) + ")$"], {})


if __name__ == "__main__":
    sys.exit(main())
