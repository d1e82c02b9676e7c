"""Runs the command line and reads what it leaves behind."""

import csv
import json
import os
import pathlib
import select
import signal
import subprocess
import textwrap
import time

DEADLINE = 120.0


class Ended:
    """One finished command."""

    def __init__(self, process, stdout, stderr):
        self.code, self.out, self.err = process.returncode, stdout, stderr

    @property
    def json(self):
        """The one object on stdout."""
        return json.loads(self.out)

    def __repr__(self):
        return f"exit code {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


class CommandLine:
    """`paralleljob`, and a scratch folder for jobs of a test's own."""

    def __init__(self, program, folder):
        self.program, self.folder, self.out = program, folder, folder / "out"

    def start(self, *words, env=None):
        return subprocess.Popen([self.program, *map(str, words)], stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                env={**os.environ, **(env or {})}, cwd=self.folder)

    def call(self, *words, env=None):
        """Runs a command to its end."""
        process = self.start(*words, env=env)
        try:
            stdout, stderr = process.communicate(timeout=DEADLINE)
        except subprocess.TimeoutExpired:
            process.kill()
            stdout, stderr = process.communicate()
            raise AssertionError(f"no end within {DEADLINE} s: {words}\n{stderr}") from None
        return Ended(process, stdout, stderr)

    def run(self, manifest, *more, env=None):
        """`run -o json` with the results in self.out."""
        return self.call("run", "-f", manifest, "--output", self.out, "-o", "json", *more, env=env)

    def verify(self):
        return self.call("verify", self.out)

    def job(self, script, *, name="job", files=20, size=2, spec="", task="", append="rows.txt"):
        """Writes script, data and manifest of a small job over files; returns the manifest."""
        code, data = self.folder / "code", self.folder / "data"
        code.mkdir(exist_ok=True)
        data.mkdir(exist_ok=True)
        (code / "entry.py").write_text(textwrap.dedent(script), encoding="utf-8")
        for number in range(files):
            (data / f"{number:05d}.txt").write_text(f"{number}\n", encoding="utf-8")
        lines = ["apiVersion: paralleljob.dev/v1alpha1", "kind: ParallelJob", "metadata:",
                 f"  name: {name}", "spec:", "  inputs:",
                 "    - {name: files, type: uri_folder, path: data}",
                 "  inputData: ${{inputs.files}}", f"  miniBatchSize: {size}",
                 "  instanceCount: 2", "  maxConcurrencyPerInstance: 1",
                 *(["  " + line for line in textwrap.dedent(spec).strip().splitlines()]),
                 "  task:", "    code: {local: code}", "    entryScript: entry.py",
                 *(["    " + line for line in textwrap.dedent(task).strip().splitlines()])]
        if append:
            lines[7:7] = ["  outputs:", f"    - {{name: rows, type: uri_file, path: {append}}}"]
            lines.append("    appendRowTo: ${{outputs.rows}}")
        manifest = self.folder / "job.yaml"
        manifest.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return manifest


def wait_until(condition, what, deadline=DEADLINE):
    """Polls `condition` until it is true; its value is returned."""
    end = time.monotonic() + deadline
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"not within {deadline} s: {what}"
        select.select([], [], [], 0.02)


def committed(cli):
    """(committed, total) of the run in cli.out; None before its plan stands."""
    ended = cli.call("status", cli.out, "-o", "json")
    if ended.code != 0:
        return None
    counts = ended.json["miniBatches"]
    return counts["succeeded"] + counts["failed"], counts["total"]


def kill_between(cli, process, low, high):
    """SIGKILLs the program once `low` of all is committed; asserts that less than `high` was."""
    def far_enough():
        assert process.poll() is None, "ended before it could be killed"
        counts = committed(cli)
        return counts and counts[1] and counts[0] >= low * counts[1]

    wait_until(far_enough, f"{low:.0%} committed")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    done, total = committed(cli)
    assert low * total <= done <= high * total, f"killed at {done} of {total}"
    return done, total


def processed(summary):
    """Rows of processed_mini-batches.csv, one dict an attempt."""
    path = pathlib.Path(summary["logs"]) / "sys" / "job_report" / "processed_mini-batches.csv"
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def shares(summary):
    """Instance → its share of all mini-batches, as node_summary.csv says."""
    path = pathlib.Path(summary["logs"]) / "sys" / "job_report" / "node_summary.csv"
    with open(path, encoding="utf-8", newline="") as file:
        counts = {row["Node"]: int(row["Mini-batches"]) for row in csv.DictReader(file)}
    assert sum(counts.values()) == summary["miniBatches"]["total"]
    return {node: count / sum(counts.values()) for node, count in counts.items()}


def check_summary(summary, *, total, items):
    """A complete job whose counters add up."""
    assert summary["state"] == "Complete", summary
    assert summary["miniBatches"] == {"total": total, "succeeded": total, "failed": 0, "notRun": 0}
    assert summary["items"] == {"total": items, "succeeded": items, "failed": 0}
    assert summary["errors"] == []
    rows = processed(summary)
    assert sorted(int(row["Mini-batch Id"]) for row in rows) == list(range(total))
    assert sum(int(row["Total"]) for row in rows) == items
