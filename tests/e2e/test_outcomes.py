"""Failures: what they cost, how they are named, and the exit code."""

import os
import pathlib
import sqlite3
import subprocess
import sys

import pytest

import jobs

FINE = '''
    import os
    def run(mini_batch):
        return [os.path.basename(path) for path in mini_batch]
    '''
RAISES = '''
    import os
    def run(mini_batch, context):
        if context.minibatch_index in (2, 5):
            raise ValueError(f"cannot read page {context.minibatch_index}")
        return [os.path.basename(path) for path in mini_batch]
    '''
RAISES_ONCE = '''
    import os
    def run(mini_batch, context):
        if context.attempt == 1:
            raise RuntimeError("not the first time")
        return [os.path.basename(path) for path in mini_batch]
    '''
RETRIES = "retrySettings: {maxRetries: 1, timeoutSeconds: 60}"


@pytest.mark.sanitized
def test_failed_mini_batches_are_tolerated_named_and_left_out(cli):
    ended = cli.run(cli.job(RAISES, spec=RETRIES))
    assert ended.code == 0, ended
    summary = ended.json
    assert summary["miniBatches"] == {"total": 10, "succeeded": 8, "failed": 2, "notRun": 0}
    assert summary["items"] == {"total": 20, "succeeded": 16, "failed": 4}
    assert summary["retries"] == 2
    (group,) = summary["errors"]
    assert group["count"] == 4 and group["miniBatches"] == [2, 5]
    assert "cannot read page" in group["message"] and not group["recovered"]
    lines = pathlib.Path(summary["outputs"]["rows"]).read_text().splitlines()
    assert lines == [f"{n:05d}.txt" for n in range(20) if n // 2 not in (2, 5)]
    attempts = [row for row in jobs.processed(summary) if row["Mini-batch Id"] == "2"]
    assert [row["Picked Count"] for row in attempts] == ["1", "2"]
    assert all(row["Status"] == "RUN_EXCEPTION" for row in attempts)
    assert cli.verify().code == 0


def test_more_rows_than_items_are_allowed_and_told(cli):
    manifest = cli.job("def run(mini_batch):\n    return [*mini_batch, 'and one more']\n", files=4)
    ended = cli.call("run", "-f", manifest, "--output", cli.out)
    assert ended.code == 0, ended
    assert "2 mini-batches returned more rows than they had items" in ended.err
    rows = pathlib.Path(cli.out, "outputs/rows/rows.txt").read_text().splitlines()
    assert len(rows) == 6 and rows.count("and one more") == 2
    result = pathlib.Path(cli.out, "logs/job_result.txt").read_text()
    assert "2 mini-batches returned more rows than items" in result


@pytest.mark.sanitized
def test_a_threshold_fails_the_job_with_exit_code_1(cli):
    spec = RETRIES + "\nminiBatchErrorThreshold: 1"
    ended = cli.run(cli.job(RAISES, spec=spec))
    assert ended.code == 1, ended
    summary = ended.json
    assert summary["state"] == "Failed" and summary["reason"] == "MiniBatchErrorThresholdExceeded"
    assert "cannot read page" in ended.err + summary["message"]
    for path in summary["outputs"].values():
        assert path.endswith(".partial") and pathlib.Path(path).is_file()


def test_a_threshold_that_is_just_met_does_not_fail(cli):
    ended = cli.run(cli.job(RAISES, spec=RETRIES + "\nminiBatchErrorThreshold: 2"))
    assert ended.code == 0, ended


def test_a_retry_recovers(cli):
    ended = cli.run(cli.job(RAISES_ONCE, spec=RETRIES))
    assert ended.code == 0, ended
    summary = ended.json
    assert summary["miniBatches"]["succeeded"] == 10 and summary["retries"] == 10
    assert all(group["recovered"] for group in summary["errors"])


@pytest.mark.sanitized
@pytest.mark.parametrize("script, word", [
    ("import no_such_module_anywhere\ndef run(b):\n    return b\n",
     "or run with --env venv --fresh, which installs what the job names in task.environment: "
     "{pip: [PACKAGE]}"),
    ("def init():\n    raise OSError('no model')\ndef run(b):\n    return b\n", "no model"),
    ("import os\ndef init():\n    os._exit(7)\ndef run(b):\n    return b\n", "7"),
])
def test_a_script_that_never_starts_fails_with_its_cause(cli, script, word):
    ended = cli.run(cli.job(script))
    assert ended.code == 1 and ended.json["state"] == "Failed", ended
    assert word in ended.json["message"], ended


def test_what_a_kept_environment_lacks_is_named_in_the_job(cli):
    """Nobody installs into an environment of the cache; and tables need pandas."""
    kept = cli.folder / "paralleljob" / "envs" / "0123"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", kept], check=True)
    env = {"PARALLELJOB_PYTHON": str(kept / "bin" / "python3"), "PYTHONPATH": ""}
    manifest = cli.job("import no_such_module_anywhere\ndef run(b):\n    return b\n")
    said = cli.run(manifest, env=env).json["message"]
    assert "name its package in the job: task.environment: {pip: [PACKAGE]}" in said, said
    assert "install it for" not in said, said
    manifest = cli.job("def run(b):\n    return b\n", size="1kb")
    text = manifest.read_text()
    manifest.write_text(text.replace("uri_folder, path: data", "mltable, path: data"))
    (cli.folder / "data" / "MLTable").write_text(
        "paths:\n  - file: ./00000.txt\n"
        "transformations:\n  - read_delimited: {header: no_header}\n")
    said = cli.run(manifest, "--fresh", env=env).json["message"]
    assert "with --env venv --fresh, which installs what the job names" in said, said
    assert "task.environment: {pip: [pandas]}" in said, said
    old = cli.folder / "old" / "pandas"
    old.mkdir(parents=True)
    (old / "__init__.py").write_text("__version__ = '1.1.5'\n")
    said = cli.run(manifest, "--fresh", env={**env, "PYTHONPATH": str(old.parent)}).json["message"]
    assert "pandas 1.1.5" in said and "too old, 1.5 is needed" in said, said
    assert "task.environment: {pip: ['pandas>=1.5']}" in said, said


def test_the_making_of_an_environment_is_told(cli):
    manifest, env = cli.job(FINE), {"XDG_CACHE_HOME": str(cli.folder / "cache")}
    first = cli.run(manifest, "--env", "venv", env=env)
    assert first.code == 0 and first.err.count("note: making an environment") == 1, first
    again = cli.run(manifest, "--env", "venv", "--fresh", env=env)
    assert again.code == 0 and "making an environment" not in again.err, again


@pytest.mark.sanitized
def test_a_hanging_call_is_killed_and_named(cli):
    hangs = '''
        import os, threading
        def run(mini_batch, context):
            if context.minibatch_index == 3:
                threading.Event().wait()
            return [os.path.basename(path) for path in mini_batch]
        '''
    spec = "retrySettings: {maxRetries: 0, timeoutSeconds: 1}"
    ended = cli.run(cli.job(hangs, spec=spec))
    assert ended.code == 0, ended
    assert ended.json["miniBatches"]["failed"] == 1
    (row,) = [row for row in jobs.processed(ended.json) if row["Mini-batch Id"] == "3"]
    assert row["Status"] == "RUN_TIMEOUT"
    (errors,) = pathlib.Path(ended.json["logs"], "user", "error").glob("*/*.txt")
    assert 'File "entry.py", line 5 in run' in errors.read_text()


WAITS_FOR_ALL_OTHERS = '''
    import os, pathlib, threading
    def init():
        # The second slot comes when the first one is stuck for long.
        try:
            os.close(os.open(os.environ["MARKS"] + ".first", os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            threading.Event().wait(float(os.environ["LATER"]))
    def run(mini_batch, context):
        marks = pathlib.Path(os.environ["MARKS"])
        if context.minibatch_index != int(os.environ["WAITS"]):
            (marks / str(context.minibatch_index)).touch()
            return mini_batch
        while len(list(marks.iterdir())) < int(os.environ["OTHERS"]):
            threading.Event().wait(0.02)
        return mini_batch
    '''


@pytest.mark.parametrize("count, waits", [(4, 0), (4, 2), (200, 0), (200, 100), (200, 199)])
@pytest.mark.parametrize("instances, later", [(1, 0), (2, 0), (1, 0.8)])
def test_nothing_waits_for_one_that_takes_long(cli, count, waits, instances, later):
    """Neither in its slot's queue nor below its instance's horizon: the other slot does it."""
    manifest = cli.job(WAITS_FOR_ALL_OTHERS, files=count, size=1,
                       spec="retrySettings: {maxRetries: 0, timeoutSeconds: 60}")
    text = manifest.read_text().replace("instanceCount: 2", f"instanceCount: {instances}")
    manifest.write_text(text.replace("PerInstance: 1", f"PerInstance: {2 // instances}"))
    marks = cli.folder / "marks"
    marks.mkdir()
    ended = cli.run(manifest, env={"MARKS": str(marks), "WAITS": str(waits),
                                   "OTHERS": str(count - 1), "LATER": str(later)})
    assert ended.code == 0, ended
    assert ended.json["miniBatches"]["succeeded"] == count, ended


def test_a_hanging_init_says_where(cli):
    hangs = """
        import threading
        def init():
            threading.Event().wait()
        def run(mini_batch):
            return mini_batch
        """
    ended = cli.run(cli.job(hangs, spec="initTimeoutSeconds: 1"))
    assert ended.code == 1, ended
    said = ended.json["message"]
    assert "init() did not return within 1 s" in said, said
    assert 'File "entry.py", line 4 in init' in said, said


@pytest.mark.sanitized
@pytest.mark.parametrize("how, word", [
    ("os._exit(9)", "9"), ("os.kill(os.getpid(), 11)", "SIGSEGV"),
    ("os.kill(os.getpid(), 9)", "SIGKILL")])
def test_a_dying_process_is_named_and_costs_only_its_mini_batch(cli, how, word):
    dies = f'''
        import os
        def run(mini_batch, context):
            if context.minibatch_index == 3:
                {how}
            return [os.path.basename(path) for path in mini_batch]
        '''
    ended = cli.run(cli.job(dies, spec="retrySettings: {maxRetries: 0, timeoutSeconds: 60}"))
    assert ended.code == 0, ended
    assert ended.json["miniBatches"]["failed"] == 1
    (row,) = [row for row in jobs.processed(ended.json) if row["Mini-batch Id"] == "3"]
    assert row["Status"] == "PROCESS_DIED" and word in row["Error Message"]


def test_fewer_rows_than_items_fail_the_mini_batch_but_are_published(cli):
    short = '''
        import os
        def run(mini_batch, context):
            rows = [os.path.basename(path) for path in mini_batch]
            return rows[:1] if context.minibatch_index == 4 else rows
        '''
    ended = cli.run(cli.job(short, spec="retrySettings: {maxRetries: 1, timeoutSeconds: 60}"))
    assert ended.code == 0, ended
    assert ended.json["items"] == {"total": 20, "succeeded": 19, "failed": 1}
    assert ended.json["miniBatches"]["failed"] == 1
    lines = pathlib.Path(ended.json["outputs"]["rows"]).read_text().splitlines()
    assert lines == [f"{n:05d}.txt" for n in range(20) if n != 9]


LONG_ERRORS = '''
    def run(mini_batch, context):
        word = "".join(chr(ord("a") + int(digit)) for digit in str(context.minibatch_index))
        raise ValueError(word + '"\\\\' * 1940)
    '''


def test_many_long_errors_fit_into_the_result(cli):
    manifest = cli.job(LONG_ERRORS, files=300, size=1, append="",
                       spec="retrySettings: {maxRetries: 0}\nminiBatchErrorThreshold: 299")
    ended = cli.run(manifest)
    assert ended.code == 1, ended
    assert ended.json["miniBatches"]["failed"] == 300
    groups = ended.json["errors"]
    assert len(groups) == 256 and sum(group["count"] for group in groups) == 300
    assert cli.verify().code == 0, cli.verify()
    # As it was left by a program that had made a result too large to be stored.
    with sqlite3.connect(cli.out / "state.db") as db:
        assert db.execute("DELETE FROM objects WHERE name LIKE '%result'").rowcount == 1
    db.close()
    again = cli.run(manifest)
    assert again.code == 1 and again.json["errors"] == groups, again


def test_more_columns_than_can_be_kept_fail_their_mini_batches(cli):
    manifest = cli.job('''
        def run(mini_batch):
            return [dict.fromkeys(f"column{n:06d}" for n in range(90_000))] * len(mini_batch)
        ''', files=4, append="rows.csv", spec=RETRIES)
    ended = cli.run(manifest)
    assert ended.code == 1 and ended.json["reason"] == "NoItemSucceeded", ended
    assert ended.json["retries"] == 2, "each is charged"
    assert "SchemaTooLarge: the names of 90000 columns" in ended.json["errors"][0]["message"], ended


SHORT_WITH_OTHER_COLUMNS = '''
    import os
    def run(mini_batch, context):
        if context.minibatch_index == 0 and context.attempt <= int(os.environ["SHORT"]):
            return [{"short": 1}]
        return [{"name": os.path.basename(path)} for path in mini_batch]
    '''


def run_short(cli, files, attempts):
    manifest = cli.job(SHORT_WITH_OTHER_COLUMNS, files=files, append="rows.csv", spec=RETRIES)
    ended = cli.run(manifest, "--set", "spec.instanceCount=1", env={"SHORT": str(attempts)})
    assert ended.code == 0, ended
    return ended.json, pathlib.Path(ended.json["outputs"]["rows"]).read_text()


def test_a_short_attempt_that_is_repeated_fixes_no_columns(cli):
    summary, rows = run_short(cli, files=20, attempts=1)
    assert rows == "name\n" + "".join(f"{number:05d}.txt\n" for number in range(20))
    assert summary["miniBatches"]["failed"] == 0 and summary["retries"] == 1
    assert [group["recovered"] for group in summary["errors"]] == [True]


def test_the_last_short_attempt_is_published_with_its_columns(cli):
    summary, rows = run_short(cli, files=2, attempts=2)
    assert rows == "short\n1\n"
    assert summary["items"] == {"total": 2, "succeeded": 1, "failed": 1}


@pytest.mark.sanitized
def test_output_of_the_script_goes_to_its_logs(cli):
    prints = '''
        import logging, os, sys
        def run(mini_batch):
            print("to stdout", flush=True)
            print("to stderr", file=sys.stderr, flush=True)
            logging.getLogger(__name__).warning("to the log")
            return [os.path.basename(path) for path in mini_batch]
        '''
    ended = cli.run(cli.job(prints))
    assert ended.code == 0, ended
    user = pathlib.Path(ended.json["logs"]) / "user"
    for folder, text in [("stdout", "to stdout"), ("stderr", "to stderr"),
                         ("entry_script_log", "to the log")]:
        found = [path for path in (user / folder).rglob("*.txt") if text in path.read_text()]
        assert found, f"{text} in no file below {user / folder}"


@pytest.mark.parametrize("set_by", ["nobody", "the job", "the caller"])
def test_threads_of_libraries_do_not_exceed_the_cores(cli, set_by):
    script = """
        import os
        def run(mini_batch):
            return [os.environ["OMP_NUM_THREADS"]] * len(mini_batch)
        """
    spec = "environmentVariables: {OMP_NUM_THREADS: '7'}" if set_by == "the job" else RETRIES
    manifest = cli.job(script, spec=spec)  # two instances with a process each
    caller = {"OMP_NUM_THREADS": "7"} if set_by == "the caller" else None
    ended = cli.run(manifest, env=caller)
    assert ended.code == 0, ended
    rows = pathlib.Path(ended.json["outputs"]["rows"]).read_text().split()
    cores = len(os.sched_getaffinity(0))
    assert set(rows) == {str(max(1, cores // 2)) if set_by == "nobody" else "7"}


def test_log_folder_is_complete(cli):
    ended = cli.run(cli.job(RAISES, spec=RETRIES))
    logs = pathlib.Path(ended.json["logs"])
    wanted = ["job_result.txt", "readme.txt", "user/error.txt",
              "sys/job_report/processed_mini-batches.csv", "sys/job_report/node_summary.csv",
              "sys/job_report/process_summary.csv"]
    assert [name for name in wanted if not (logs / name).is_file()] == []
    assert list(logs.glob("job_progress_overview.*.txt"))
    assert list(logs.glob("sys/node/*/process*.txt")) and list(logs.glob("user/error/*/*.txt"))
    assert "cannot read page" in (logs / "user" / "error.txt").read_text()


def test_instances_of_one_machine_share_out_its_gpus(cli):
    script = """
        import os, select, time
        marks = os.environ["MARKS"]
        def init():
            open(marks + "/" + os.environ["PARALLELJOB_NODE"], "w").close()
            end = time.monotonic() + 60
            while len(os.listdir(marks)) < 2 and time.monotonic() < end:
                select.select([], [], [], 0.01)
        def run(mini_batch):
            return [os.environ["PARALLELJOB_NODE"] + os.environ["CUDA_VISIBLE_DEVICES"]]
        """
    (cli.folder / "marks").mkdir()
    ended = cli.run(cli.job(script, size=1), env={"CUDA_VISIBLE_DEVICES": "4,7",
                                                  "MARKS": str(cli.folder / "marks")})
    assert ended.code == 0, ended
    with open(ended.json["outputs"]["rows"], encoding="utf-8") as file:
        assert set(file.read().split()) <= {"instance-04", "instance-17"}
