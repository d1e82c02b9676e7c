"""Ctrl-C, SIGTERM, a lost terminal and SIGKILL, with calls that hang: nothing is left running."""

import signal

import pytest

import faults
import jobs

pytestmark = pytest.mark.sanitized

HANGS = '''
    import os, signal, subprocess, threading
    def run(mini_batch, context):
        if context.minibatch_index >= 2:
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
def hanging(cli):
    """A run whose two slots wait for `go`: (its process, environment, manifest)."""
    manifest = cli.job(HANGS, files=2 * TOTAL)
    env = {"HUNG": str(cli.folder / "hung"), "GO": str(cli.folder / "go"), "MARK": str(cli.out)}
    process = cli.start("run", "-f", manifest, "--output", cli.out, "-o", "json", env=env)
    jobs.wait_until(lambda: len(list(cli.folder.glob("hung*"))) == 2, "both slots hang")
    jobs.wait_until(lambda: (jobs.committed(cli) or (0, 0))[0] == 2, "the first two committed")
    return process, env, manifest


def goes_on(cli, env, manifest):
    (cli.folder / "go").touch()
    ended = cli.run(manifest, env=env)
    assert ended.code == 0, ended
    jobs.check_summary(ended.json, total=TOTAL, items=2 * TOTAL)
    faults.nothing_is_left(cli.out)
    assert cli.verify().code == 0, cli.verify()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_drains_and_says_how_to_go_on(cli, hanging, number):
    process, env, manifest = hanging
    process.send_signal(number)
    assert "running mini-batches finish" in drained(process)
    (cli.folder / "go").touch()
    ended = jobs.Ended(process, *process.communicate(timeout=jobs.DEADLINE))
    assert ended.code == 130, ended
    assert "the same command goes on from there" in ended.err, ended
    assert 4 <= ended.json["miniBatches"]["succeeded"] < TOTAL, "what ran was saved, the rest waits"
    faults.nothing_is_left(cli.out)
    goes_on(cli, env, manifest)


def drained(process):
    """stderr up to the sentence about the interruption."""
    text = ""
    while "interrupted" not in text:
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
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130 and "the same command goes on" in err, err
    faults.nothing_is_left(cli.out, below)
    goes_on(cli, env, manifest)


def test_sigkill_while_calls_hang_leaves_nothing(cli, hanging):
    process, env, manifest = hanging
    below = faults.descendants(process.pid)
    assert len(below) >= 5, "guardian, zygotes, slots and what they started"
    process.kill()
    process.communicate()
    faults.nothing_is_left(cli.out, below)
    goes_on(cli, env, manifest)
