"""stdout and stderr that take nothing: a run goes on, and a result that is lost is said."""

import json
import os
import pathlib
import pty
import signal
import subprocess

import pytest

import faults
import jobs

# Without init(), which is a warning on stderr while slots work.
PLAIN = '''
    import os
    def run(mini_batch):
        return [os.path.basename(path) for path in mini_batch]
    '''
WAITS = '''
    import os, threading
    def run(mini_batch):
        open(os.environ["STARTED"], "w").close()
        while not os.path.exists(os.environ["GO"]):
            threading.Event().wait(0.01)
        return [os.path.basename(path) for path in mini_batch]
    '''


def nobody_reads():
    """The write end of a pipe whose reader is gone."""
    read, write = os.pipe()
    os.close(read)
    return write


def call(cli, *words, **streams):
    """Runs a command with streams of the test's own."""
    process = subprocess.Popen([cli.program, *map(str, words)], stdin=subprocess.DEVNULL, text=True,
                               cwd=cli.folder, **{"stdout": subprocess.PIPE,
                                                  "stderr": subprocess.PIPE, **streams})
    return jobs.Ended(process, *process.communicate(timeout=jobs.DEADLINE))


def is_complete(cli, manifest):
    again = cli.run(manifest)
    assert again.code == 0 and "already finished" in again.err, again
    jobs.check_summary(again.json, total=10, items=20)
    assert cli.verify().code == 0


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_plan_stops_quietly_when_its_reader_goes(cli, form):
    manifest = cli.job(PLAIN, files=200, size=1)
    process = cli.start("plan", "-f", manifest, "--all", "-o", form)
    process.stdout.close()
    err = process.stderr.read()
    assert (process.wait(jobs.DEADLINE), err) == (0, "")
    process.stderr.close()


def test_a_run_needs_nobody_who_reads(cli):
    manifest = cli.job(PLAIN)
    gone = nobody_reads()
    ended = call(cli, "run", "-f", manifest, "--output", cli.out, stdout=gone, stderr=gone)
    os.close(gone)
    assert ended.code == 0
    is_complete(cli, manifest)


def test_a_result_for_a_terminal_that_was_closed(cli):
    manifest = cli.job(PLAIN)
    master, slave = pty.openpty()  # nobody's own: its end sends no signal
    os.close(master)
    ended = call(cli, "run", "-f", manifest, "--output", cli.out, stdout=slave, stderr=slave)
    os.close(slave)
    assert ended.code == 0
    is_complete(cli, manifest)


def test_a_drain_needs_nobody_who_reads(cli):
    manifest = cli.job(WAITS, files=200)
    env = {**os.environ, "STARTED": str(cli.folder / "started"), "GO": str(cli.folder / "go"),
           "MARK": str(cli.out)}
    gone = nobody_reads()
    process = subprocess.Popen(
        [cli.program, "run", "-f", str(manifest), "--output", str(cli.out), "-o", "json"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=gone, env=env, cwd=cli.folder,
        text=True)
    os.close(gone)
    jobs.wait_until((cli.folder / "started").exists, "a mini-batch runs")
    process.send_signal(signal.SIGINT)
    jobs.wait_until(lambda: not waits(process.pid, signal.SIGINT), "the signal was taken")
    (cli.folder / "go").touch()
    ended = jobs.Ended(process, process.communicate(timeout=jobs.DEADLINE)[0], "")
    assert ended.code == 130 and ended.json["state"] == "Unfinished", ended
    faults.nothing_is_left(cli.out)
    assert cli.run(manifest, env={"STARTED": env["STARTED"], "GO": env["GO"]}).code == 0


def waits(pid, number):
    """True while the program has not looked at a signal that was sent to it."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("ShdPnd:"):
            return int(line.split()[1], 16) & 1 << number - 1
    return False


@pytest.mark.parametrize("words", [["-o", "json"], []], ids=["json", "text"])
def test_a_lost_result_is_an_error(cli, words):
    manifest = cli.job(PLAIN)
    with open("/dev/full", "w", encoding="utf-8") as full:
        ended = call(cli, "run", "-f", manifest, "--output", cli.out, *words, stdout=full)
        assert ended.code == 3, ended
        assert "error: cannot write the result (No space left on device): stdout: " in ended.err
        for other in (["--version"], ["run", "--help"], ["help"], ["validate", "--fields"],
                      ["plan", "-f", manifest, "--all"]):
            assert call(cli, *other, stdout=full).code == 3, other
    is_complete(cli, manifest)


def test_messages_may_be_lost(cli):
    manifest = cli.job(PLAIN)
    with open("/dev/full", "w", encoding="utf-8") as full:
        ended = call(cli, "run", "-f", manifest, "--output", cli.out, stderr=full)
    assert ended.code == 0 and f"rows: {cli.out}" in ended.out, ended
    is_complete(cli, manifest)


@pytest.mark.parametrize("closed", ["0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"])
def test_closed_descriptors_do_not_lead_into_our_files(cli, closed):
    manifest = cli.job(PLAIN)
    subprocess.run(["sh", "-c", f'exec "$0" "$@" {closed}', cli.program, "run", "-f", manifest,
                    "--output", cli.out], cwd=cli.folder, check=True, timeout=jobs.DEADLINE,
                   capture_output=True)
    lock = (cli.out / ".paralleljob" / "lock").read_text(encoding="utf-8")
    assert lock.isdigit(), "only the number of the process, no message"
    is_complete(cli, manifest)


def test_what_nobody_foresaw_is_an_error(cli):
    for kilobytes in range(16000, 64000, 100):
        process = subprocess.run(
            ["sh", "-c", f'ulimit -v {kilobytes}; exec "$0" "$@"', cli.program, "validate",
             "--fields", "-o", "json"], capture_output=True, text=True, check=False)
        assert process.returncode != 0, "no limit was too low for the command, but not for an error"
        if process.returncode == 3:
            break
    told = "there is not enough memory"
    assert process.stderr.startswith(f"error: {told}: "), process
    assert told in json.loads(process.stdout)["errors"][0]["message"], process
