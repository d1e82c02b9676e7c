"""What a run shows on a terminal: one line, drawn over, that never wraps."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios

import pytest

import jobs

# Each mini-batch waits until the test has seen the line: no time is guessed.
WAITS = '''
    import os, select, time
    def run(mini_batch):
        end = time.monotonic() + 60
        while not os.path.exists(os.environ["GO_ON"]):
            assert time.monotonic() < end
            select.select([], [], [], 0.02)
        return [os.path.basename(path) for path in mini_batch]
    '''
DRAWN = "\r\x1b[K"


def run_on_a_terminal(cli, columns):
    """Everything that a run writes to a terminal of so many columns."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    go_on = cli.folder / "go-on"
    process = subprocess.Popen(
        [cli.program, "run", "-f", str(cli.job(WAITS)), "--output", str(cli.out)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=slave, cwd=cli.folder,
        env={**os.environ, "GO_ON": str(go_on), "TERM": "xterm"})
    os.close(slave)
    seen = b""
    try:
        while True:
            try:
                piece = os.read(master, 65536)
            except OSError:  # the last one that held the terminal has closed it
                break
            if not piece:
                break
            seen += piece
            if seen.decode(errors="ignore").count(DRAWN) >= 3:
                go_on.touch()
        stdout, _ = process.communicate(timeout=jobs.DEADLINE)
    finally:
        process.kill()
        os.close(master)
    assert process.returncode == 0, seen
    return seen.decode(), stdout.decode()


@pytest.mark.parametrize("columns", [120, 40])
def test_progress_is_one_line(cli, columns):
    seen, stdout = run_on_a_terminal(cli, columns)
    lines = seen.split("\n")
    drawn = [line for line in lines if DRAWN in line]
    assert len(drawn) == 1, lines  # drawn over, ended once
    states = drawn[0].rstrip("\r").split(DRAWN)[1:]
    assert len(states) >= 3
    assert all(len(state) < columns for state in states), states
    assert states[0].startswith("0/10 mini-batches") and states[-1].startswith("10/10 mini-batches")
    if columns == 120:
        assert re.search(r"0 failed · 0 retries · \d/2 slots busy$", states[-1]), states
    assert "\x1b" not in stdout and "rows: " in stdout
