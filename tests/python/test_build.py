"""The built module runs on old systems, and every source on old Pythons."""

import ast
import glob
import os
import re
import subprocess

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


@pytest.mark.parametrize("path", MODULES, ids=os.path.basename)
def test_only_the_entry_point_is_visible(path):
    shown = subprocess.run(["nm", "-D", "--defined-only", path], check=True, capture_output=True,
                           text=True)  # fmt: skip
    names = [line.split()[-1] for line in shown.stdout.splitlines()]
    assert names == ["PyInit__paralleljob_native"]


def test_sources_are_python_3_8():
    sources = glob.glob(os.path.join(RUNTIME, "paralleljob", "*.py"))
    assert len(sources) > 10
    for path in sources + glob.glob(os.path.join(RUNTIME, "azureml_user", "*.py")):
        with open(path, encoding="utf-8") as file:
            ast.parse(file.read(), path, feature_version=(3, 8))


def test_the_runtime_needs_no_third_party_package():
    code = (
        "import sys; sys.path.insert(0, %r); import paralleljob.zygote, paralleljob.pure, "
        "azureml_user.parallel_run; print('pandas' in sys.modules, 'numpy' in sys.modules)"
        % RUNTIME
    )
    shown = subprocess.run([os.environ.get("PJ_BARE_PYTHON", "/usr/bin/python3"), "-I", "-c", code],
                           check=True, capture_output=True, text=True)  # fmt: skip
    assert shown.stdout.split() == ["False", "False"]
