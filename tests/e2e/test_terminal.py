"""What a run shows on a terminal: one line, drawn over, that never wraps nor mixes with others."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios

import pytest

import jobs

# Has no init(), which is a warning. Each mini-batch waits until the test has seen the line.
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
            if seen.count(b"0/10 mini-batches") >= 3:
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
    rows = [row.rstrip("\r") for row in seen.split("\n")]
    states = [state for row in rows for state in row.split(DRAWN) if "0/10 mini-b" in state]
    assert len(states) >= 3 and all(len(state) < columns for state in states), rows
    assert states[0].startswith("0/10 ") and states[-1].startswith("10/10 "), rows
    # What is left to read: the script's warning in a row of its own, one state, the result.
    left = [row.rpartition(DRAWN)[2] for row in rows]
    assert [row for row in left if "/10 mini-batches" in row] == states[-1:], left
    warnings = [row for row in left if " warning " in row]
    assert warnings and all(re.match(r"\d{4}-\d\d-\d\dT", row) for row in warnings), left
    if columns == 120:
        assert re.search(r"0 failed · 0 retries( · \d/[1-9] slots busy)?$", states[-1]), states
    assert "\x1b" not in stdout and "rows: " in stdout
