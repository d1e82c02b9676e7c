"""Ctrl-C, SIGTERM, a lost terminal and SIGKILL, with calls that hang: nothing is left running."""

import contextlib
import fcntl
import json
import os
import pathlib
import pty
import signal
import subprocess
import termios

import pytest

import faults
import jobs

pytestmark = pytest.mark.sanitized

HANGS = '''
    import os, signal, subprocess, threading
    def run(mini_batch, context):
        if context.minibatch_index >= 1:
            if not os.path.exists(os.environ["GO"]):
                subprocess.Popen(["sleep", "1000"], start_new_session=True)
                open(os.environ["HUNG"] + str(context.minibatch_index), "w").close()
            threading.Event().wait(0.01)  # a drain comes before the last one
            while not os.path.exists(os.environ["GO"]):
                threading.Event().wait(0.01)
        return [os.path.basename(path) for path in mini_batch]
    '''


TOTAL = 80


@pytest.fixture
def job(cli):
    """(environment, manifest) of a job whose two slots wait for `go`."""
    scratch = cli.folder / "scratch"
    scratch.mkdir()
    return {"HUNG": str(cli.folder / "hung"), "GO": str(cli.folder / "go"), "MARK": str(cli.out),
            "TMPDIR": str(scratch)}, cli.job(HANGS, files=2 * TOTAL)


def slots_hang(cli):
    jobs.wait_until(lambda: len(list(cli.folder.glob("hung*"))) == 2, "both slots hang")
    jobs.wait_until(lambda: (jobs.committed(cli) or (0, 0))[0] == 1, "the first one committed")


@pytest.fixture
def hanging(cli, job):
    """A run whose slots hang: (its process, environment, manifest)."""
    env, manifest = job
    process = cli.start("run", "-f", manifest, "--output", cli.out, "-o", "json", env=env)
    slots_hang(cli)
    return process, env, manifest


def goes_on(cli, env, manifest):
    (cli.folder / "go").touch()
    ended = cli.run(manifest, env=env)
    assert ended.code == 0, ended
    jobs.check_summary(ended.json, total=TOTAL, items=2 * TOTAL)
    faults.nothing_is_left(cli.out)
    assert cli.verify().code == 0, cli.verify()


def test_a_signal_before_anything_runs_is_told(cli):
    """A Python that does not answer stands for all that may take long: packages, copies, a plan.
    (Who starts these tests in the background ignores SIGINT, and what is ignored stays so.)"""
    slow, asked = cli.folder / "slow/bin", cli.folder / "asked"
    slow.mkdir(parents=True)
    (slow / "python3").write_text(f"#!/bin/sh\necho $$ >{asked}.new\nmv {asked}.new {asked}\n"
                                  "exec sleep 600\n")
    (slow / "python3").chmod(0o755)
    manifest = cli.job(HANGS, files=4)
    process = cli.start("run", "-f", manifest, "--output", cli.out, "-o", "json",
                        env={"PATH": f"{slow}:{os.environ['PATH']}",
                             "VIRTUAL_ENV": str(slow.parent)})
    jobs.wait_until(asked.exists, "a question to Python")
    process.send_signal(signal.SIGTERM)
    ended = jobs.Ended(process, *process.communicate(timeout=jobs.DEADLINE))
    assert ended.code == 130 and "interrupted before the first mini-batch" in ended.err, ended
    assert ended.json["state"] == "NotStarted" and ended.json["errors"], ended
    jobs.wait_until(lambda: not faults.alive(int(asked.read_text())), "its end")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_drains_and_says_how_to_go_on(cli, hanging, number):
    process, env, manifest = hanging
    process.send_signal(number)
    assert "running mini-batches finish" in drained(process)
    (cli.folder / "go").touch()
    ended = jobs.Ended(process, *process.communicate(timeout=jobs.DEADLINE))
    assert ended.code == 130, ended
    assert "the same command goes on from there" in ended.err, ended
    assert 3 <= ended.json["miniBatches"]["succeeded"] < TOTAL, "what ran was saved, the rest waits"
    faults.nothing_is_left(cli.out)
    goes_on(cli, env, manifest)


def drained(process):
    """stderr up to the sentence about the interruption."""
    text = ""
    while "interrupted" not in text and "stopped at once" not in text:
        line = process.stderr.readline()
        assert line, text
        text += line
    return text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_second_signal_ends_at_once(cli, hanging, number):
    process, env, manifest = hanging
    below = faults.descendants(process.pid)
    process.send_signal(number)
    drained(process)
    process.send_signal(number)
    ended = jobs.Ended(process, *process.communicate(timeout=20))
    assert ended.code == 130 and "the same command goes on" in ended.err, ended
    assert ended.json["state"] == "Unfinished", ended
    assert ended.json["miniBatches"] == {"total": TOTAL, "succeeded": 1, "failed": 0,
                                         "notRun": TOTAL - 1}
    faults.nothing_is_left(cli.out, below)
    scratch = pathlib.Path(env["TMPDIR"])
    jobs.wait_until(lambda: not list(scratch.iterdir()), "the copies of the code gone", 20)
    goes_on(cli, env, manifest)


def test_the_second_signal_waits_for_no_reader(cli, job):
    env, manifest = job
    read, write = os.pipe()
    os.set_blocking(write, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(write, b"x" * 4096)
    os.set_blocking(write, True)
    process = subprocess.Popen(
        [cli.program, "run", "-f", manifest, "--output", cli.out, "-o", "json"], stdout=write,
        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env={**os.environ, **env},
        cwd=cli.folder)
    slots_hang(cli)
    for _ in range(2):
        process.send_signal(signal.SIGINT)
        drained(process)
    assert process.wait(20) == 130
    process.stderr.close()
    os.close(read)
    os.close(write)
    faults.nothing_is_left(cli.out)


def takes_no_more_hang_ups(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("SigIgn:"):
            return int(line.split()[1], 16) & 1 << signal.SIGHUP - 1
    return False


def test_a_lost_terminal_drains_in_order(cli, job):
    env, manifest = job
    master, slave = pty.openpty()
    with open(cli.folder / "stdout", "wb") as stdout:
        process = subprocess.Popen(
            [cli.program, "run", "-f", manifest, "--output", cli.out, "-o", "json"],
            stdin=slave, stdout=stdout, stderr=slave, cwd=cli.folder, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0), env={**os.environ, **env})
    os.close(slave)
    slots_hang(cli)
    os.close(master)  # the kernel sends SIGHUP; every write gets EIO
    jobs.wait_until(lambda: takes_no_more_hang_ups(process.pid), "the hang-up was heard")
    process.send_signal(signal.SIGHUP)  # as a shell does that has lost its terminal, too
    (cli.folder / "go").touch()
    assert process.wait(jobs.DEADLINE) == 130
    summary = json.loads((cli.folder / "stdout").read_text())
    assert 3 <= summary["miniBatches"]["succeeded"] < TOTAL, "what ran was saved, the rest waits"
    faults.nothing_is_left(cli.out)
    goes_on(cli, env, manifest)


def test_sigkill_while_calls_hang_leaves_nothing(cli, hanging):
    process, env, manifest = hanging
    below = faults.descendants(process.pid)
    assert len(below) >= 5, "guardian, zygotes, slots and what they started"
    process.kill()
    process.communicate()
    faults.nothing_is_left(cli.out, below)
    goes_on(cli, env, manifest)
