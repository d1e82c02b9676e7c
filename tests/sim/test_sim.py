"""A seed that fails says how to see it fail again."""

import os
import pathlib
import shlex
import subprocess

import pytest

PROGRAM = pathlib.Path(os.environ.get("PARALLELJOB_BUILD", ""), "tests", "sim", "sim")


def failure(*words):
    """Runs the simulator, which must fail: (the line with the seed and its message, all else)."""
    assert PROGRAM.is_file(), f"not built: {PROGRAM} (PARALLELJOB_BUILD names the build folder)"
    ended = subprocess.run([PROGRAM, *words], capture_output=True, text=True, check=False,
                           stdin=subprocess.DEVNULL, timeout=120)
    assert ended.returncode == 1, ended
    (told,) = [line for line in ended.stderr.splitlines() if line.startswith("seed ")]
    return told, ended.stderr


@pytest.mark.parametrize("words", [
    ["--plant", "no-fencing"],
    ["--cluster", "--plant", "forgets-rule-12"],
    ["--cluster", "--hangs", "--plant", "scale-unconditional"],
], ids=lambda words: words[-1])
def test_the_printed_command_fails_again_with_the_same_message(words):
    told, printed = failure("--seeds", "400", *words)
    (command,) = [line.removeprefix("run it again: ") for line in printed.splitlines()
                  if line.startswith("run it again: ")]
    assert command.startswith("./dev sim "), command
    again, _ = failure(*shlex.split(command.removeprefix("./dev sim ")))
    assert again == told
