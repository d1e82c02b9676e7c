"""The built module runs on old systems, and every source on old Pythons."""

import ast
import glob
import importlib.machinery
import os
import re
import shutil
import subprocess
import sys

import pytest
from harness import RUNTIME

MODULES = glob.glob(os.path.join(RUNTIME, "_paralleljob_native.*.so"))
OLDEST_GLIBC = (2, 31)


@pytest.mark.parametrize("path", MODULES, ids=os.path.basename)
def test_no_symbol_is_newer_than_the_oldest_glibc(path):
    shown = subprocess.run(["objdump", "-T", path], check=True, capture_output=True, text=True)
    versions = re.findall(r"GLIBC_([0-9.]+)", shown.stdout)
    assert versions
    newest = max(tuple(int(part) for part in version.split(".")) for version in versions)
    assert newest <= OLDEST_GLIBC
    assert "GLIBCXX" not in shown.stdout and "CXXABI" not in shown.stdout


def test_a_module_that_cannot_be_imported_is_no_reason_to_test_less(tmp_path):
    shutil.copytree(os.path.join(RUNTIME, "paralleljob"), str(tmp_path / "paralleljob"))

    def collect():
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--collect-only",
             os.path.join(os.path.dirname(__file__), "test_slot.py")],
            capture_output=True, text=True, env={**os.environ, "PJ_PYTHON_RUNTIME": str(tmp_path)},
        )  # fmt: skip

    none_built = collect()
    assert none_built.returncode == 0 and "[native" not in none_built.stdout, none_built
    broken = tmp_path / ("_paralleljob_native" + importlib.machinery.EXTENSION_SUFFIXES[0])
    broken.write_bytes(b"no module")
    collected = collect()
    assert collected.returncode != 0, collected
    assert "%s cannot be imported" % broken in collected.stdout + collected.stderr, collected


@pytest.mark.parametrize("path", MODULES, ids=os.path.basename)
def test_only_the_entry_point_is_visible(path):
    shown = subprocess.run(["nm", "-D", "--defined-only", path], check=True, capture_output=True,
                           text=True)  # fmt: skip
    names = [line.split()[-1] for line in shown.stdout.splitlines()]
    assert names == ["PyInit__paralleljob_native"]


SOURCES = [
    path
    for package in ("paralleljob", "azureml_user")
    for path in glob.glob(os.path.join(RUNTIME, package, "**", "*.py"), recursive=True)
]
# Methods that came after 3.8, of objects whose type no reader of the text can know.
NEWER_METHODS = {
    "removeprefix", "removesuffix", "bit_count", "is_relative_to", "with_stem", "hardlink_to",
    "add_note", "randbytes",
}  # fmt: skip


def newer_than_3_8(path):
    """What of the file Python 3.8 does not have, a line each."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    try:
        tree = ast.parse(text, path, feature_version=(3, 8))
    except SyntaxError as error:
        return ["%s:%d: %s" % (path, error.lineno, error.msg)]
    found = [
        "%s:%d: .%s()" % (path, node.lineno, node.func.attr)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in NEWER_METHODS
    ]
    command = [sys.executable, "-c", "import sys, vermin; sys.exit(vermin.main())"]
    command += ["--target=3.8-", "--violations", "--quiet", "-vvv", "--no-config-file"]
    command += ["--no-tips", "--eval-annotations", "--no-parse-comments", "--processes=1"]
    shown = subprocess.run([*command, path], capture_output=True, text=True, check=False)
    assert shown.returncode in (0, 1) and not shown.stderr, shown
    return found + shown.stdout.splitlines() if shown.returncode else found


def test_sources_need_nothing_newer_than_python_3_8():
    assert len(SOURCES) > 10
    assert [line for path in SOURCES for line in newer_than_3_8(path)] == []


@pytest.mark.parametrize("code", [
    "match x:\n    case 1: pass",
    "with (open('a') as a, open('b') as b): pass",
    "x: list[int] = []",
    "import os; os.waitstatus_to_exitcode(0)",
    "import math; math.lcm(2, 3)",
    "zip([1], [2], strict=True)",
    "import zoneinfo",
    "def f(x): return x.removeprefix('a')",
    "print({'a': 1} | {'b': 2})",
])
def test_what_python_3_8_lacks_is_found(tmp_path, code):
    path = tmp_path / "newer.py"
    path.write_text(code + "\n")
    assert newer_than_3_8(str(path))


def test_the_runtime_needs_no_third_party_package():
    code = (
        "import sys; sys.path.insert(0, %r); import paralleljob.zygote, paralleljob.pure, "
        "azureml_user.parallel_run; print('pandas' in sys.modules, 'numpy' in sys.modules)"
        % RUNTIME
    )
    shown = subprocess.run([os.environ.get("PJ_BARE_PYTHON", "/usr/bin/python3"), "-I", "-c", code],
                           check=True, capture_output=True, text=True)  # fmt: skip
    assert shown.stdout.split() == ["False", "False"]
