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
    global trace
    trace = os.open(os.environ["PJ_TRACE"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

def run(mini_batch, context):
    number = context.minibatch_index
    os.write(trace, b"%d %d\\n" % (number, context.attempt))
    slow = number < int(os.environ["PJ_SLOW"])
    pause = float(os.environ["PJ_PAUSE"]) * (8 if slow else 1)
    if pause:
        select.select([], [], [], pause)
    if number == int(os.environ["PJ_BAD"]):
        raise OSError("no way through %d" % number)
    if number % 17 == 5 and context.attempt == 1:
        raise ValueError("first attempt of %d" % number)
    names = [os.path.basename(path) for path in mini_batch]
    if os.environ["PJ_COLUMNS"]:
        return [{"name": name, "batch": number} for name in names]
    return ["%s of %d" % (name, number) for name in names]
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
    - {{name: rows, type: uri_file, path: {rows}}}
  inputData: ${{{{inputs.files}}}}
  miniBatchSize: 2
  instanceCount: 2
  maxConcurrencyPerInstance: 1
  resourceMonitorIntervalSeconds: 0
  retrySettings: {{maxRetries: 6}}
  miniBatchErrorThreshold: {threshold}
  task:
    code: {{local: {code}}}
    entryScript: score.py
    appendRowTo: ${{{{outputs.rows}}}}
'''


class Job:
    """Files, script and manifest in `folder`; runs go to folders of their own.

    `slow`: the first half takes eight times as long, so that its owner is robbed. `columns`: rows
    with named columns. `bad`: a mini-batch that fails for good, and the job with it.
    """

    def __init__(self, program: str, folder: pathlib.Path, files: int, pause: float, *,
                 slow: bool = False, columns: bool = False, bad: int = -1):
        self.program, self.folder = program, folder
        self.mini_batches = (files + 1) // 2
        self.settings = {"PJ_PAUSE": str(pause), "PJ_SLOW": str(self.mini_batches // 2 * slow),
                         "PJ_COLUMNS": "yes" * columns, "PJ_BAD": str(bad)}
        self.rows = "rows.csv" if columns else "rows.txt"
        data, code = folder / "data", folder / "code"
        data.mkdir(parents=True)
        code.mkdir()
        for i in range(files):
            (data / f"{i:05d}.txt").write_text(f"{i}")
        (code / "score.py").write_text(SCRIPT)
        self.manifest = folder / "job.yaml"
        self.manifest.write_text(MANIFEST.format(data=data, code=code, rows=self.rows,
                                                 threshold=0 if bad >= 0 else -1))
        line = "{name},{batch}\n" if columns else "{name} of {batch}\n"
        self.expected = "name,batch\n" * columns + "".join(
            line.format(name=f"{i:05d}.txt", batch=i // 2) for i in range(files))

    def start(self, out: pathlib.Path, fault: str = "", tick_ms: int = 10) -> subprocess.Popen:
        env = dict(os.environ, PJ_TRACE=str(out) + ".trace", **self.settings)
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


def finish(process: subprocess.Popen, seconds: float = 60, end: int = 0) -> dict:
    """Waits for a run that must end with this exit code; its JSON."""
    out, err = process.communicate(timeout=seconds)
    assert process.returncode == end, f"exit {process.returncode}: {err}\n{out}"
    return json.loads(out.splitlines()[-1])


def wait_killed(process: subprocess.Popen, seconds: float = 60, ends: tuple = (0,)) -> bool:
    """True if the run ended by SIGKILL, false if it came to its end before its fault point."""
    _, err = process.communicate(timeout=seconds)
    assert process.returncode in (*ends, -signal.SIGKILL), f"exit {process.returncode}: {err}"
    return process.returncode == -signal.SIGKILL


def check_finished(job: Job, out: pathlib.Path, before: dict) -> None:
    """Output whole and in order; ledger, segments, reports agree; nothing ran after its commit.

    `before` maps each mini-batch committed at a kill to the number of calls traced by then.
    """
    assert (out / "outputs/rows" / job.rows).read_text() == job.expected
    calls = check_calls(job, out, before)
    assert set(calls) == set(range(job.mini_batches)), "a mini-batch never ran"


def check_failed(job: Job, out: pathlib.Path, summary: dict, before: dict) -> None:
    """The same of a job that failed: what it has done stands in the partial output."""
    assert summary["state"] == "Failed", summary
    assert summary["reason"] == "MiniBatchErrorThresholdExceeded", summary
    lines = (out / "outputs/rows" / f"{job.rows}.partial").read_text().splitlines(keepends=True)
    done = set(lines)
    assert lines == [line for line in job.expected.splitlines(keepends=True) if line in done]
    assert len(lines) == summary["items"]["succeeded"], summary
    check_calls(job, out, before)


def check_calls(job: Job, out: pathlib.Path, before: dict) -> collections.Counter:
    verified = subprocess.run([job.program, "verify", str(out)], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, check=False)
    assert verified.returncode == 0, verified.stderr
    calls = job.trace(out)
    again = {i: (n, calls[i]) for i, n in before.items() if calls[i] != n}
    assert not again, f"run() was called after the commit: {again}"
    return calls


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
