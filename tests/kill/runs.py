"""One job that is killed and resumed, and everything that must hold about it afterwards."""

import collections
import json
import os
import pathlib
import select
import signal
import subprocess
import time

SCRIPT = '''
import os, select

def init():
    global trace, pause
    trace = os.open(os.environ["PJ_TRACE"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    pause = float(os.environ["PJ_PAUSE"])

def run(mini_batch, context):
    os.write(trace, b"%d %d\\n" % (context.minibatch_index, context.attempt))
    if pause:
        select.select([], [], [], pause)
    if context.minibatch_index % 17 == 5 and context.attempt == 1:
        raise ValueError("first attempt of %d" % context.minibatch_index)
    return ["%s of %d" % (os.path.basename(path), context.minibatch_index) for path in mini_batch]
'''

MANIFEST = '''
apiVersion: paralleljob.dev/v1alpha1
kind: ParallelJob
metadata:
  name: killed
spec:
  inputs:
    - {{name: files, type: uri_folder, path: {data}}}
  outputs:
    - {{name: rows, type: uri_file, path: rows.txt}}
  inputData: ${{{{inputs.files}}}}
  miniBatchSize: 2
  instanceCount: 2
  maxConcurrencyPerInstance: 1
  resourceMonitorIntervalSeconds: 0
  retrySettings: {{maxRetries: 6}}
  task:
    code: {{local: {code}}}
    entryScript: score.py
    appendRowTo: ${{{{outputs.rows}}}}
'''


class Job:
    """Files, script and manifest in `folder`; runs go to folders of their own."""

    def __init__(self, program: str, folder: pathlib.Path, files: int, pause: float):
        self.program, self.folder, self.pause = program, folder, pause
        self.mini_batches = (files + 1) // 2
        data, code = folder / "data", folder / "code"
        data.mkdir(parents=True)
        code.mkdir()
        for i in range(files):
            (data / f"{i:05d}.txt").write_text(f"{i}")
        (code / "score.py").write_text(SCRIPT)
        self.manifest = folder / "job.yaml"
        self.manifest.write_text(MANIFEST.format(data=data, code=code))
        self.expected = "".join(f"{i:05d}.txt of {i // 2}\n" for i in range(files))

    def start(self, out: pathlib.Path, fault: str = "", tick_ms: int = 10) -> subprocess.Popen:
        env = dict(os.environ, PJ_TRACE=str(out) + ".trace", PJ_PAUSE=str(self.pause))
        env.pop("PARALLELJOB_FAULT", None)
        if fault:
            env["PARALLELJOB_FAULT"] = fault
        argv = [self.program, "run", "-f", str(self.manifest), "--output", str(out), "-o", "json"]
        return subprocess.Popen(
            argv + ["--tick-ms", str(tick_ms)], env=env, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def status(self, out: pathlib.Path) -> dict:
        """The committed state, or {} before a plan stands."""
        if not (out / "state.db").exists():
            return {}
        done = subprocess.run([self.program, "status", str(out), "-o", "json"],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        return json.loads(done.stdout) if done.returncode == 0 else {}

    def committed(self, out: pathlib.Path) -> set:
        ranges = self.status(out).get("committed", [])
        return {i for begin, end in ranges for i in range(begin, end)}

    def trace(self, out: pathlib.Path) -> collections.Counter:
        path = pathlib.Path(str(out) + ".trace")
        if not path.exists():
            return collections.Counter()
        return collections.Counter(int(line.split()[0]) for line in path.read_text().splitlines())


def finish(process: subprocess.Popen, seconds: float = 60) -> dict:
    """Waits for the end of a run that must succeed; its JSON."""
    out, err = process.communicate(timeout=seconds)
    assert process.returncode == 0, f"exit {process.returncode}: {err}\n{out}"
    return json.loads(out.splitlines()[-1])


def wait_killed(process: subprocess.Popen, seconds: float = 60) -> bool:
    """True if the run ended by SIGKILL, false if it came to its end before its fault point."""
    _, err = process.communicate(timeout=seconds)
    assert process.returncode in (0, -signal.SIGKILL), f"exit {process.returncode}: {err}"
    return process.returncode == -signal.SIGKILL


def check_finished(job: Job, out: pathlib.Path, before: dict) -> None:
    """Output whole and in order; ledger, segments, reports agree; nothing ran after its commit.

    `before` maps each mini-batch committed at a kill to the number of calls traced by then.
    """
    assert (out / "outputs/rows/rows.txt").read_text() == job.expected
    verified = subprocess.run([job.program, "verify", str(out)], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, check=False)
    assert verified.returncode == 0, verified.stderr
    calls = job.trace(out)
    assert set(calls) == set(range(job.mini_batches)), "a mini-batch never ran"
    again = {i: (n, calls[i]) for i, n in before.items() if calls[i] != n}
    assert not again, f"run() was called after the commit: {again}"


def wait_committed(job: Job, process: subprocess.Popen, out: pathlib.Path, share: float,
                   seconds: float = 30) -> None:
    """Waits until that share of the mini-batches is committed, or the run is over."""
    deadline = time.monotonic() + seconds
    while process.poll() is None and len(job.committed(out)) < share * job.mini_batches:
        assert time.monotonic() < deadline, f"not {share:.0%} committed after {seconds} s"


def note_committed(job: Job, out: pathlib.Path, before: dict) -> float:
    """Remembers how often each committed mini-batch had run; the share committed.

    The calls are counted second: what was committed before runs no more, dead program or not.
    """
    committed = job.committed(out)
    calls = job.trace(out)
    for i in committed:
        before.setdefault(i, calls[i])
    return len(committed) / job.mini_batches


def descendants_of(pid: int) -> list:
    """Live processes below `pid`, by /proc; the guardian's are found through its own session."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                stat = pathlib.Path(f"/proc/{entry}/stat").read_text()
            except OSError:
                continue
            parents[int(entry)] = int(stat.rsplit(")", 1)[1].split()[1])
    found, frontier = [], [pid]
    while frontier:
        top = frontier.pop()
        below = [p for p, parent in parents.items() if parent == top]
        found += below
        frontier += below
    return found


def command_line(pid: int) -> str:
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def wait_gone(pids: list, seconds: float = 10) -> list:
    """Waits until the processes have ended; those that have not."""
    deadline = time.monotonic() + seconds
    for pid in pids:
        try:
            fd = os.pidfd_open(pid)
        except OSError:
            continue
        try:
            select.select([fd], [], [], max(0, deadline - time.monotonic()))
        finally:
            os.close(fd)
    return [pid for pid in pids if pathlib.Path(f"/proc/{pid}").exists() and not is_zombie(pid)]


def is_zombie(pid: int) -> bool:
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True
