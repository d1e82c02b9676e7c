"""A sanitizer's report counts, even when the program that ran ended well."""

import pathlib
import subprocess
import sys
import textwrap

TOOLS = pathlib.Path(__file__).parent


def run(tmp_path, script):
    """Runs a build of one program that is this shell script: (exit code, output, the total)."""
    program = tmp_path / "build" / "child_test"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n" + textwrap.dedent(script))
    program.chmod(0o755)
    (program.parent / "CTestTestfile.cmake").write_text(f'add_test(child_test "{program}")\n')
    results = tmp_path / "results"
    ended = subprocess.run(
        [sys.executable, TOOLS / "run_native.py", "--build", program.parent, "--results",
         results / "native-tsan"], capture_output=True, text=True, check=False)
    (results / "pytest.xml").write_text("<testsuites/>")
    total = subprocess.run([sys.executable, TOOLS / "tally.py", results], capture_output=True,
                           text=True, check=False)
    return ended.returncode, ended.stdout, total.stdout.splitlines()


def test_a_report_of_a_child_fails(tmp_path):
    code, shown, total = run(tmp_path, """
        echo "WARNING: ThreadSanitizer: data race <in a child>" >"${TSAN_OPTIONS##*log_path=}.7"
        """)
    assert code == 1
    assert "data race <in a child>" in shown
    assert total == ["FAILED: native-tsan: sanitizer.report.7", "1 passed, 1 failed"]


def test_without_a_report_nothing_fails(tmp_path):
    code, _, total = run(tmp_path, "exit 0")
    assert code == 0 and total == ["1 passed, 0 failed"]
