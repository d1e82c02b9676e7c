"""`./dev demo`: all examples, one of them killed half-way and gone on with."""

import re
import shutil
import subprocess
import sys

from conftest import EXAMPLES

import jobs

EXAMPLE_NAMES = {"hello", "iris", "sales", "digits"}


def test_the_demonstration_kills_one_half_way_and_goes_on(program, data, tmp_path):
    for name in EXAMPLE_NAMES:
        shutil.copytree(data(name), tmp_path / "data" / name)
        (tmp_path / "data" / name / ".made").touch()  # the demonstration need not make it
    done = subprocess.run([sys.executable, EXAMPLES / "demo.py", "--program", program, "--data",
                           tmp_path / "data", "--output", tmp_path / "out"], text=True,
                          stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    saved, total = map(int, re.search(r"killed with SIGKILL when (\d+) of (\d+) mini-batches",
                                      done.stdout).groups())
    assert 0.3 * total <= saved <= 0.7 * total
    assert f"resumed at {saved} of {total} mini-batches" in done.stderr
    shown = re.findall(r"^   (\w+) +(\w+) +(/.+)$", done.stdout.partition("-- results")[2], re.M)
    assert {name for name, _, _ in shown} == EXAMPLE_NAMES
    (tmp_path / "alone").mkdir()
    alone = jobs.CommandLine(program, tmp_path / "alone")
    ended = alone.run(EXAMPLES / "iris" / "job.yaml", "--input", f"flowers={data('iris')}")
    (rows,) = ended.json["outputs"].values()
    (resumed,) = [path for name, _, path in shown if name == "iris"]
    with open(rows, "rb") as one, open(resumed, "rb") as other:
        assert one.read() == other.read()
