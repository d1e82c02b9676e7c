"""One function a measure. Each returns rows (who, value, unit, remark), ours first."""

import heapq
import os
import pathlib
import random
import statistics
import subprocess
import sys
import time

ALL = {}
TICK_SECONDS = 0.2  # of a local run

NOOP = '''
    def run(mini_batch):
        return mini_batch
    '''
# It takes exactly that long, as peers.nap() does: a sleep alone ends late by what the kernel likes.
NAP = '''
    import os, time
    SECONDS = float(os.environ["NAP"])
    def run(mini_batch):
        end = time.perf_counter() + SECONDS
        time.sleep(SECONDS - 0.0003)
        while time.perf_counter() < end:
            pass
        return mini_batch
    '''
UNEVEN = '''
    import os, time
    def init():
        global slower
        slower = 3 if os.environ["PARALLELJOB_NODE"] == "instance-1" else 1
    def run(mini_batch):
        with open(mini_batch[0]) as file:
            time.sleep(float(file.read()) * slower)
        return mini_batch
    '''
STAMP = '''
    import os, time
    def run(mini_batch):
        with open(os.environ["STAMP"], "a") as file:
            file.write(f"{time.time_ns()}\\n")
        return [1] * len(mini_batch)
    '''
KILLED = '''
    import os, signal, time
    def run(mini_batch, context):
        if context.minibatch_index % 10 == 5:
            with open(os.environ["STAMP"], "a") as file:
                file.write(f"{context.minibatch_index} {time.time_ns()}\\n")
            if context.attempt == 1:
                os.kill(os.getpid(), signal.SIGKILL)
        return mini_batch
    '''
SCORE = '''
    import numpy as np
    WEIGHTS = np.linspace(-1, 1, 10)
    def run(frame):
        out = frame[["c0", "c1"]].copy()
        out["score"] = frame.to_numpy() @ WEIGHTS
        return out
    '''


class Bench:
    """What a measure needs: our program, the peers, a folder, how often."""

    def __init__(self, program, peers, work, repeat):
        self.program, self.peers, self.work, self.repeat = program, peers, work, repeat

    def files(self, count):
        """A folder of `count` small files in folders of 1,000, made once."""
        folder = self.work / f"files-{count}"
        if not (self.work / f"files-{count}.made").exists():
            for number in range(count):
                if number % 1000 == 0:
                    (folder / f"{number // 1000:04d}").mkdir(parents=True, exist_ok=True)
                (folder / f"{number // 1000:04d}" / f"{number:07d}").touch()
            (self.work / f"files-{count}.made").touch()
        return folder

    def flat_files(self, count):
        """A folder of `count` empty files, made once."""
        folder, made = self.work / f"flat-{count}", self.work / f"flat-{count}.made"
        if not made.exists():
            folder.mkdir(exist_ok=True)
            for number in range(count):
                (folder / f"{number:07d}").touch()
            made.touch()
        return folder

    def table(self, rows):
        """An MLTable folder with `rows` × 10 floats, made once; returns the CSV file."""
        import numpy as np

        folder = self.work / f"table-{rows}"
        target, made = folder / "data.csv", folder / ".made"
        if not made.exists():
            folder.mkdir(exist_ok=True)
            values = np.random.Generator(np.random.PCG64(7)).random((rows, 10))
            header = ",".join(f"c{number}" for number in range(10))
            np.savetxt(target, values, fmt="%.6f", delimiter=",", header=header, comments="")
            write_mltable(folder, quoted=False)
            made.touch()
        warm(target)
        return target

    def quoted_table(self, rows):
        """As table(), but that the last column is text, with a newline in every fourth row."""
        folder = self.work / f"quoted-{rows}"
        target, made = folder / "data.csv", folder / ".made"
        if not made.exists():
            folder.mkdir(exist_ok=True)
            source = random.Random(7)
            block = "".join(
                ",".join(f"{source.random():.6f}" for _ in range(9))
                + (',"two\nlines"\n' if row % 4 == 0 else ",text\n") for row in range(1000))
            with open(target, "w", encoding="utf-8", newline="") as file:
                file.write(",".join(f"c{number}" for number in range(10)) + "\n")
                for _ in range(rows // 1000):
                    file.write(block)
            write_mltable(folder, quoted=True)
            made.touch()
        warm(target)
        return target

    def times(self, function):
        """Median of repeated calls, and the range as a remark."""
        values = [function() for _ in range(self.repeat)]
        if any(value is None for value in values):
            return None, "not installed"
        return statistics.median(values), f"[{min(values):.3g} – {max(values):.3g}]"


def warm(path):
    """Into the page cache, right before use: some kernels take idle pages back by themselves."""
    with open(path, "rb", buffering=0) as file:
        while file.read(1 << 22):
            pass


def write_mltable(folder, quoted):
    folder.joinpath("MLTable").write_text(
        "paths:\n  - file: ./data.csv\ntransformations:\n  - read_delimited:\n"
        "      delimiter: ','\n      encoding: utf8\n      header: all_files_same_headers\n"
        f"      support_multi_line: {str(quoted).lower()}\n", encoding="utf-8")


def measure(function):
    ALL[function.__name__] = function
    return function


def peer_rows(bench, names, workload, scale, unit, **arguments):
    rows = []
    for peer, label in names:
        def once(peer=peer):
            value = bench.peers.ask(peer, workload, **arguments)
            return None if value is None else value * scale
        value, remark = bench.times(once)
        rows.append((label, value, unit, remark))
    return rows


# What this machine's timer and scheduler leave of the ideal.
NO_COORDINATION = ("bare", "two bare loops, half each (attainable)")
LIBRARIES = [("pool", "multiprocessing.Pool, chunksize 1"),
             ("pool64", "multiprocessing.Pool, chunks of 64 (no single retry)"),
             ("executor", "ProcessPoolExecutor"), ("joblib", "joblib (loky), batch 1"),
             ("dask", "Dask distributed"), ("ray", "Ray tasks")]
SLOW_ONES = ("dask", "ray", "joblib")


def succeeded(run, count):
    """`run`, when each mini-batch came to its end; a number about less work ends the bench."""
    if run.succeeded() != count:
        raise SystemExit(f"error: {run.out}: {run.succeeded()} of {count} mini-batches succeeded")
    return run


def per_tick(run, calls):
    return calls / max(1, run.makespan() / TICK_SECONDS)


def durability(bench, manifest, commits):
    """In words: commits per tick of 200 ms, and the fsyncs of one more run, under strace."""
    text = f"{statistics.median(commits):.1f} commits a tick"
    traced = bench.program.syncs(manifest)
    if traced is None:
        return text + "; fsyncs not counted: no strace"
    run, calls = traced
    return text + f"; {calls} fsyncs a run, {per_tick(run, calls):.1f} a tick (under strace)"


@measure
def noop(bench):
    """no-op mini-batch, 2 slots; retries, timeouts, rows and durable progress on: µs each"""
    count = 100_000
    manifest = bench.program.job("noop", NOOP, bench.files(count))
    commits = []

    def once():
        run = succeeded(bench.program.run(manifest), count)
        commits.append(per_tick(run, run.commits()))
        return run.makespan() / count * 1e6

    value, remark = bench.times(once)
    rows = [("paralleljob", value, "µs", f"{remark}; {durability(bench, manifest, commits)}")]
    for peer in LIBRARIES:
        few = 5_000 if peer[0] in SLOW_ONES else count
        rows += peer_rows(bench, [peer], "map", 1e6 / few, "µs", count=few)
    return rows


def makespan(bench, seconds, count):
    manifest = bench.program.job(f"nap-{count}", NAP, bench.files(count))
    ideal = count * seconds / 2
    env = {"NAP": str(seconds)}
    value, remark = bench.times(lambda: succeeded(
        bench.program.run(manifest, env=env), count).makespan() / ideal)
    rows = [("paralleljob", value, "÷ ideal", remark)]
    return rows + peer_rows(bench, [NO_COORDINATION, *LIBRARIES], "map", 1 / ideal, "÷ ideal",
                            count=count, seconds=seconds)


@measure
def nap1(bench):
    """makespan ÷ ideal, 4,000 mini-batches of exactly 1 ms, 2 slots"""
    return makespan(bench, 0.001, 4_000)


@measure
def nap10(bench):
    """makespan ÷ ideal, 1,000 mini-batches of exactly 10 ms, 2 slots"""
    return makespan(bench, 0.010, 1_000)


def greedy(durations, speeds):
    """Makespan when whoever is free first takes the next one."""
    free = [(0.0, number) for number in range(len(speeds))]
    end = 0.0
    for duration in durations:
        at, who = heapq.heappop(free)
        heapq.heappush(free, (at + duration * speeds[who], who))
        end = max(end, at + duration * speeds[who])
    return end


@measure
def skew(bench):
    """two instances, skewed mini-batches, one instance 3 × slower: makespan ÷ greedy bound"""
    source = random.Random(5)
    durations = [min(source.lognormvariate(-5.0, 1.0), 0.2) for _ in range(1_000)]
    folder = bench.work / "skewed"
    folder.mkdir(exist_ok=True)
    for number, duration in enumerate(durations):
        (folder / f"{number:04d}").write_text(f"{duration:.6f}")
    manifest = bench.program.job("skew", UNEVEN, folder, instances=2, slots=1)
    bound = greedy(durations, [1, 3])
    value, remark = bench.times(lambda: succeeded(
        bench.program.run(manifest), len(durations)).makespan() / bound)
    half = len(durations) // 2
    static = max(sum(durations[:half]), 3 * sum(durations[half:])) / bound
    return [("paralleljob", value, "÷ bound", remark),
            ("static halves (computed)", static, "÷ bound", "an Indexed Job, Pool with two chunks")]


def start_once(bench, manifest):
    stamp = manifest.parent / "stamp"
    stamp.unlink(missing_ok=True)
    run = bench.program.run(manifest, env={"STAMP": str(stamp)})
    return (min(map(int, stamp.read_text().split())) - run.started_ns) / 1e6


@measure
def start(bench):
    """command start → first run(), file list: ms"""
    manifest = bench.program.job("start", STAMP, bench.files(100))
    value, remark = bench.times(lambda: start_once(bench, manifest))
    rows = [("paralleljob", value, "ms", remark)]
    for peer, label in [("python", "bare Python"), ("pool", "multiprocessing.Pool"),
                        ("executor", "ProcessPoolExecutor"), ("joblib", "joblib"),
                        ("dask", "Dask distributed"), ("ray", "Ray")]:
        def once(name=peer):
            began = time.time_ns()
            first = bench.peers.ask(name, "first")
            return None if first is None else (first - began) / 1e6
        rows.append((label, *insert_unit(bench.times(once), "ms")))
    return rows


def insert_unit(timed, unit):
    return timed[0], unit, timed[1]


@measure
def table(bench):
    """command start → first run() of a table, beside importing pandas: ms"""
    manifest = bench.program.job("table", STAMP, bench.table(20_000).parent, kind="mltable",
                                 size="100kb")

    def pandas_alone():
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import pandas"], check=True)
        return (time.perf_counter() - began) * 1e3

    return [("paralleljob", *insert_unit(bench.times(lambda: start_once(bench, manifest)), "ms")),
            ("python -c 'import pandas'", *insert_unit(bench.times(pandas_alone), "ms"))]


@measure
def kill(bench):
    """SIGKILL of a slot → its mini-batch running again: ms"""
    manifest = bench.program.job("kill", KILLED, bench.files(100))
    stamp = manifest.parent / "stamp"

    def once():
        stamp.unlink(missing_ok=True)
        bench.program.run(manifest, env={"STAMP": str(stamp)})
        seen = {}
        for line in stamp.read_text().splitlines():
            index, when = map(int, line.split())
            seen.setdefault(index, []).append(when)
        return statistics.median((whens[1] - whens[0]) / 1e6 for whens in seen.values())

    return [("paralleljob", *insert_unit(bench.times(once), "ms")),
            ("ProcessPoolExecutor", None, "ms", "the whole pool breaks"),
            ("multiprocessing.Pool", None, "ms", "the task is lost, the caller waits for ever")]


@measure
def plan(bench):
    """planning a CSV (page cache warm): GB/s, larger is better"""
    rows = 10_000_000
    source = bench.table(rows)
    size = source.stat().st_size / 1e9
    result = []
    for table, label in [(source, "paralleljob"),
                         (bench.quoted_table(rows), "paralleljob, quoted newlines")]:
        manifest = bench.program.job("plan", NOOP, table.parent, kind="mltable", size="1mb")
        def ours(table=table, manifest=manifest):
            warm(table)
            return table.stat().st_size / 1e9 / bench.program.plan(manifest, rows)
        value, remark = bench.times(ours)
        result.append((label, value, "GB/s", remark))
    for peer, label in [("wc", "wc -l"), ("pandas", "pandas.read_csv")]:
        def once(name=peer):
            warm(source)
            return size / bench.peers.ask(name, "plan", path=str(source))
        result.append((label, *insert_unit(bench.times(once), "GB/s")))
    return result


@measure
def million(bench):
    """planning 1,000,000 files (size and mtime of each, sorted): s"""
    folder = bench.flat_files(1_000_000)
    manifest = bench.program.job("million", NOOP, folder, size=10)
    value, remark = bench.times(lambda: bench.program.plan(manifest, 1_000_000))
    return [("paralleljob", value, "s", remark),
            *peer_rows(bench, [("scandir", "sorted os.scandir with stat"),
                               ("find", "find, without stat")], "plan", 1, "s", path=str(folder))]


@measure
def memory(bench):
    """resident memory of the program at 1,000,000 mini-batches: MB"""
    manifest = bench.program.job("memory", NOOP, bench.flat_files(1_000_000))
    run = succeeded(bench.program.run(manifest), 1_000_000)
    return [("paralleljob", run.peak_kib / 1024, "MB",
             f"{run.makespan():.1f} s from the first start to the last end")]


@measure
def score(bench):
    """a CSV (2 M rows × 10) scored by a numpy model into one CSV: s, start-up included"""
    source = bench.table(2_000_000)
    manifest = bench.program.job("score", SCORE, source.parent, kind="mltable", size="4mb",
                                 rows="rows.csv")
    value, remark = bench.times(lambda: bench.program.run(manifest).seconds)
    target = str(pathlib.Path(bench.work, "scored.csv"))
    names = [("plain", "plain pandas, one process"), ("chunks", "pandas chunks + Pool"),
             ("ranges", "byte ranges by hand + Pool"), ("dask", "Dask DataFrame"),
             ("ray", "Ray Data")]
    rows = [("paralleljob", value, "s", remark)]
    rows += peer_rows(bench, names, "score", 1, "s", source=str(source), target=target)
    if os.path.exists(target):
        os.unlink(target)
    return rows
