"""Runs paralleljob on generated jobs and reads times from what it leaves behind."""

import csv
import datetime
import json
import os
import pathlib
import shutil
import sqlite3
import subprocess
import textwrap
import threading
import time

MANIFEST = """\
apiVersion: paralleljob.dev/v1alpha1
kind: ParallelJob
metadata: {{name: {name}}}
spec:
  inputs:
    - {{name: data, type: {type}, path: {data}}}
  outputs:
    - {{name: rows, type: uri_file, path: {rows}}}
  inputData: ${{{{inputs.data}}}}
  miniBatchSize: {size}
  instanceCount: {instances}
  maxConcurrencyPerInstance: {slots}
  resourceMonitorIntervalSeconds: 0
  retrySettings: {{maxRetries: 2, timeoutSeconds: 60}}
  task:
    code: {{local: code}}
    entryScript: entry.py
    appendRowTo: ${{{{outputs.rows}}}}
"""


class Run:
    """One finished run."""

    def __init__(self, out, summary, seconds, peak_kib, started_ns):
        self.out, self.summary, self.seconds = out, summary, seconds
        self.peak_kib, self.started_ns = peak_kib, started_ns

    def attempts(self):
        path = pathlib.Path(self.summary["logs"], "sys", "job_report", "processed_mini-batches.csv")
        with open(path, encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def succeeded(self):
        return self.summary["miniBatches"]["succeeded"]

    def commits(self):
        """Transactions of the run's store: each write has the next version, the first one 1.

        To be asked before the job runs again: that takes the store away.
        """
        store = sqlite3.connect(self.out / "state.db")
        try:
            return store.execute("SELECT MAX(version) FROM (SELECT version FROM objects"
                                 " UNION ALL SELECT version FROM removed)").fetchone()[0]
        finally:
            store.close()

    def makespan(self):
        """Seconds from the first start to the last end of an attempt: without starting up."""
        first, last = float("inf"), 0.0
        for row in self.attempts():
            text = row["Start Time"].replace("Z", "+00:00")
            start = datetime.datetime.fromisoformat(text).timestamp()
            first, last = min(first, start), max(last, start + float(row["Elapsed Seconds"]))
        return last - first


class Program:
    """The built paralleljob."""

    def __init__(self, path, work):
        self.path, self.work = path, work

    def job(self, name, script, data, *, kind="uri_folder", rows="rows.txt", size=1, instances=1,
            slots=2):
        """Writes a job into the work folder; returns its manifest."""
        folder = self.work / "jobs" / name
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "code").mkdir(parents=True)
        (folder / "code" / "entry.py").write_text(textwrap.dedent(script), encoding="utf-8")
        manifest = folder / "job.yaml"
        manifest.write_text(MANIFEST.format(name=name, type=kind, data=data, rows=rows, size=size,
                                            instances=instances, slots=slots), encoding="utf-8")
        return manifest

    def run(self, manifest, *prefix, env=None):
        """Runs it from the start; fails loudly."""
        out = manifest.parent / "out"
        shutil.rmtree(out, ignore_errors=True)
        words = [*prefix, str(self.path), "run", "-f", str(manifest), "--output", str(out),
                 "-o", "json", "--quiet"]
        started_ns, started = time.time_ns(), time.perf_counter()
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   stdin=subprocess.DEVNULL, env={**os.environ, **(env or {})})
        peak = _Peak(process.pid)
        stdout, stderr = process.communicate()
        seconds = time.perf_counter() - started
        if process.returncode != 0:
            text = stderr.decode(errors="replace")
            raise SystemExit(f"error: {manifest} ended with {process.returncode}\n{text}")
        return Run(out, json.loads(stdout), seconds, peak.stop(), started_ns)

    def plan(self, manifest, items):
        """Seconds of a `plan` that finds so many items; another number ends the bench."""
        started = time.perf_counter()
        ended = subprocess.run([str(self.path), "plan", "-f", str(manifest), "-o", "json"],
                               check=True, capture_output=True)
        seconds = time.perf_counter() - started
        found = json.loads(ended.stdout)["items"]
        if found != items:
            raise SystemExit(f"error: {manifest} has {items} items, the plan counts {found}")
        return seconds

    def syncs(self, manifest):
        """(the run, its fsync and fdatasync calls counted by strace); None without strace."""
        if not shutil.which("strace"):
            return None
        trace = manifest.parent / "strace"
        run = self.run(manifest, "strace", "-f", "-e", "trace=fsync,fdatasync", "-o", str(trace))
        calls = trace.read_text(errors="replace").splitlines()
        return run, sum("sync(" in line for line in calls)


class _Peak:
    """Watches the highest resident size of one process, in KiB."""

    def __init__(self, pid):
        self.pid, self.kib, self.ended = pid, 0, threading.Event()
        self.thread = threading.Thread(target=self._watch)
        self.thread.start()

    def _watch(self):
        while not self.ended.wait(0.02):
            try:
                text = pathlib.Path(f"/proc/{self.pid}/status").read_text()
            except OSError:
                return
            for line in text.splitlines():
                if line.startswith("VmHWM"):
                    self.kib = max(self.kib, int(line.split()[1]))

    def stop(self):
        self.ended.set()
        self.thread.join()
        return self.kib
