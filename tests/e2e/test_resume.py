"""A run that was stopped goes on where it was; a finished one is left alone."""

import pathlib
import signal

import pytest

import faults
import jobs

# Waits in each mini-batch (for an event that never comes) and leaves a trace of every call.
STEADY = '''
    import os, threading

    def run(mini_batch, context):
        with open(os.environ["TRACE"], "a") as trace:
            trace.write(f"{context.minibatch_index}\\n")
        threading.Event().wait(0.05)
        return [os.path.basename(path) for path in mini_batch]
    '''


def calls(trace):
    return [int(line) for line in trace.read_text().splitlines()]


def check_output(summary, files):
    lines = pathlib.Path(summary["outputs"]["rows"]).read_text().splitlines()
    assert lines == [f"{number:05d}.txt" for number in range(files)]


@pytest.mark.sanitized
def test_killed_half_way_and_resumed(cli):
    manifest, trace = cli.job(STEADY, files=200), cli.folder / "trace"
    env = {"TRACE": str(trace)}
    process = cli.start("run", "-f", manifest, "--output", cli.out, env=env)
    done, total = jobs.kill_between(cli, process, 0.3, 0.7)
    before = len(calls(trace))
    verified = cli.verify()
    assert verified.code == 0 and f"so far: {done} of {total}" in verified.out, verified
    ended = cli.run(manifest, env=env)
    assert ended.code == 0, ended
    assert f"resumed at {done} of {total}" in ended.err
    jobs.check_summary(ended.json, total=100, items=200)
    check_output(ended.json, 200)
    assert len(calls(trace)) - before == total - done, "what was committed must not run again"
    assert cli.verify().code == 0


def converted(cli, manifest, name):
    """The texts of a folder of `convert --out` beside the code."""
    done = cli.call("convert", "-f", manifest, "--out", cli.folder / name, "--input",
                    "files=pvc:data/files", "--output", "rows=pvc:data/rows.txt", "--image",
                    "job=team/job:1")
    assert done.code == 0, done
    return {file.name: file.read_text() for file in (cli.folder / name).iterdir()}


def test_code_beside_data_and_results(cli):
    """`code: {local: .}`: what runs, fetches and `convert --out` leave there is no code."""
    manifest = cli.job("""
        import os
        def run(mini_batch):
            names = sorted(name for name in os.listdir() if name != "__pycache__")
            return [" ".join(names)] * len(mini_batch)
        """, files=2)
    (cli.folder / "code" / "entry.py").rename(cli.folder / "entry.py")
    manifest.write_text(manifest.read_text().replace("local: code", "local: ."))
    cli.out = cli.folder / "first"
    assert cli.run(manifest).code == 0
    (cli.folder / "fetched" / ".paralleljob").mkdir(parents=True)
    (cli.folder / "fetched" / ".paralleljob" / "fetched.json").write_text("{}")
    texts = [converted(cli, manifest, name) for name in ("deploy", "again", "deploy")]
    assert texts[0] == texts[1] == texts[2], texts
    again = cli.run(manifest)
    assert again.code == 0 and "already finished" in again.err, again
    cli.out = cli.folder / "second"
    second = cli.run(manifest)
    assert second.code == 0, second
    seen = set(pathlib.Path(second.json["outputs"]["rows"]).read_text().splitlines())
    assert seen == {"code data entry.py job.yaml"}, seen
    cli.out = cli.folder / "first"
    assert "already finished" in cli.run(manifest).err


FAILS_FIRST = """
    import os, threading
    def run(mini_batch, context):
        if context.minibatch_index < 2:
            raise ValueError("an early one")
        open(os.environ["TRACE"], "a").close()
        threading.Event().wait(0.05)
        return mini_batch
    """


def test_progress_counts_what_earlier_starts_met(cli):
    manifest, trace = cli.job(FAILS_FIRST, files=200), cli.folder / "trace"
    words, env = ("run", "-f", manifest, "--output", cli.out), {"TRACE": str(trace)}
    process = cli.start(*words, env=env)
    jobs.wait_until(lambda: (jobs.committed(cli) or (0,))[0] > 5, "the first commits")
    process.send_signal(signal.SIGINT)
    process.communicate()
    ended = cli.call(*words, env=env)
    assert ended.code == 0 and "resumed at" in ended.err, ended
    last = [line for line in ended.err.splitlines() if line.startswith("100/100 ")][-1]
    summary = cli.call("status", cli.out, "-o", "json").json
    assert summary["miniBatches"]["failed"] == 2
    assert f"2 failed · {summary['retries']} retries" in last, ended


# As STEADY; and no call ends before as many instances as there are have begun one.
MEETING = '''
    import os, threading, time
    end = time.monotonic() + 60

    def run(mini_batch, context):
        with open(os.environ["TRACE"], "a") as trace:
            trace.write(f"{context.minibatch_index}\\n")
        open(os.path.join(os.environ["MEET"], os.environ["PARALLELJOB_NODE"]), "a").close()
        while len(os.listdir(os.environ["MEET"])) < int(os.environ["INSTANCES"]):
            assert time.monotonic() < end, "the others begin nothing"
            threading.Event().wait(0.01)
        threading.Event().wait(0.05)
        return [os.path.basename(path) for path in mini_batch]
    '''


def instances_at_work(cli, count):
    meet = cli.folder / f"meet{count}"
    meet.mkdir()
    return meet, {"TRACE": str(cli.folder / "trace"), "MEET": str(meet), "INSTANCES": str(count)}


@pytest.mark.parametrize("instances", [1, 3])
def test_killed_half_way_and_resumed_with_another_number_of_instances(cli, instances):
    manifest, trace = cli.job(MEETING, files=200), cli.folder / "trace"
    _, env = instances_at_work(cli, 2)
    process = cli.start("run", "-f", manifest, "--output", cli.out, env=env)
    done, total = jobs.kill_between(cli, process, 0.3, 0.7)
    before = len(calls(trace))
    met, env = instances_at_work(cli, instances)
    ended = cli.run(manifest, "--set", f"spec.instanceCount={instances}", env=env)
    assert ended.code == 0, ended
    assert f"resumed at {done} of {total}" in ended.err, ended
    jobs.check_summary(ended.json, total=100, items=200)
    check_output(ended.json, 200)
    assert len(calls(trace)) - before == total - done, "what was committed must not run again"
    assert sorted(path.name for path in met.iterdir()) == [
        f"instance-{number}" for number in range(instances)]
    assert cli.verify().code == 0, cli.verify()


def test_a_mini_batch_that_waits_for_its_retry_is_no_finding(cli):
    manifest = cli.job('''
        import os, threading
        def run(mini_batch, context):
            if context.minibatch_index == 3:
                if context.attempt == 1:
                    raise ValueError("not the first time")
                threading.Event().wait()
            return [os.path.basename(path) for path in mini_batch]
        ''')
    process = cli.start("run", "-f", manifest, "--output", cli.out)
    report = cli.out / "logs" / "sys" / "job_report" / "processed_mini-batches.csv"
    jobs.wait_until(lambda: report.exists() and "3" in [
        row["Mini-batch Id"] for row in jobs.processed({"logs": cli.out / "logs"})],
        "the failure is committed")
    jobs.wait_until(lambda: jobs.committed(cli) == (9, 10), "all others are committed")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    verified = cli.verify()
    assert verified.code == 0 and "so far: 9 of 10" in verified.out, verified


@pytest.mark.sanitized
def test_interrupted_run_drains_and_says_how_to_go_on(cli):
    manifest, trace = cli.job(STEADY, files=200), cli.folder / "trace"
    env = {"TRACE": str(trace)}
    process = cli.start("run", "-f", manifest, "--output", cli.out, "-o", "json", env=env)
    jobs.wait_until(lambda: trace.exists() and len(calls(trace)) > 10, "ten calls")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=jobs.DEADLINE)
    assert process.returncode == 130, err
    drained = jobs.Ended(process, out, err).json
    assert drained["state"] == "Unfinished"
    ran = len(calls(trace))
    assert drained["miniBatches"]["succeeded"] == ran, "a drain commits all that ran"
    ended = cli.run(manifest, env=env)
    assert ended.code == 0, ended
    assert sorted(calls(trace)) == list(range(100)), "nothing ran twice"
    check_output(ended.json, 200)


def test_a_finished_run_changes_nothing(cli):
    manifest, trace = cli.job(STEADY, files=20), cli.folder / "trace"
    env = {"TRACE": str(trace)}
    first = cli.run(manifest, env=env)
    assert first.code == 0, first
    output = pathlib.Path(first.json["outputs"]["rows"])
    before = output.stat()
    second = cli.run(manifest, env=env)
    assert second.code == 0 and second.json == first.json
    after = output.stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert len(calls(trace)) == 10


@pytest.mark.sanitized
def test_fresh_runs_again_and_removes_only_what_is_ours(cli):
    manifest, trace = cli.job(STEADY, files=20), cli.folder / "trace"
    env = {"TRACE": str(trace)}
    assert cli.run(manifest, env=env).code == 0
    (cli.out / "notes.txt").write_text("mine")
    again = cli.run(manifest, "--fresh", env=env)
    assert again.code == 0, again
    assert len(calls(trace)) == 20
    assert (cli.out / "notes.txt").read_text() == "mine"


def test_a_changed_script_is_not_mixed_into_an_unfinished_run(cli):
    manifest, trace = cli.job(STEADY, files=200), cli.folder / "trace"
    env = {"TRACE": str(trace)}
    process = cli.start("run", "-f", manifest, "--output", cli.out, env=env)
    jobs.kill_between(cli, process, 0.1, 0.9)
    entry = cli.folder / "code" / "entry.py"
    entry.write_text(entry.read_text() + "\nchanged = True\n")
    refused = cli.run(manifest, env=env)
    assert refused.code == 2, refused
    assert "--fresh" in refused.err and "code" in refused.err
    ended = cli.run(manifest, "--fresh", env=env)
    assert ended.code == 0, ended
    check_output(ended.json, 200)


def refused(cli, manifest, *more):
    """Runs over a folder where another job's run has ended; the answer, after nothing changed."""
    state = (cli.out / "state.db").read_bytes()
    ended = cli.run(manifest, *more)
    assert ended.code == 2 and ended.json["state"] == "NotStarted", ended
    assert "--fresh" in ended.err and "already" not in ended.err, ended
    assert (cli.out / "state.db").read_bytes() == state
    return ended.err


FINE = '''
    import os
    def run(mini_batch):
        return [os.path.basename(path) for path in mini_batch]
    '''


def test_a_finished_run_is_not_the_answer_to_another_job(cli):
    manifest = cli.job(FINE)
    assert cli.run(manifest).code == 0
    assert "`path: data`, is `path: nope`" in refused(cli, manifest, "--input", "files=nope")
    said = refused(cli, manifest, "--set", "spec.miniBatchSize=5")
    assert "(Complete)" in said and "miniBatchSize: 5" in said, said
    assert "other" in refused(cli, manifest, "--set", "metadata.name=other")
    (cli.folder / "data" / "more.txt").write_text("more")
    assert "input files changed" in refused(cli, manifest)
    assert cli.run(manifest, "--fresh").json["items"]["total"] == 21
    again = cli.run(manifest, "--set", "spec.instanceCount=1", "--env", "venv")
    assert again.code == 0 and "already finished" in again.err, again


def test_a_failed_run_is_not_the_answer_to_what_was_mended(cli):
    manifest = cli.job("import absent\ndef run(mini_batch):\n    return mini_batch\n")
    first = cli.run(manifest)
    assert first.code == 1, first
    again = cli.run(manifest)
    assert again.code == 1 and again.json == first.json and "already finished" in again.err, again
    said = refused(cli, manifest, "--set", "spec.activeDeadlineSeconds=60")
    assert "(Failed)" in said and "activeDeadlineSeconds was none, is 60" in said, said
    assert "--env was current, is venv" in refused(cli, manifest, "--env", "venv")
    said = refused(cli, manifest, "--set", "spec.task.environment.pip=[absent]")
    assert "`environment:` is new" in said, said
    cli.job(FINE)
    said = refused(cli, manifest)
    assert "changed since the run that has ended" in said and "code/entry.py" in said, said
    assert cli.run(manifest, "--fresh").code == 0


@pytest.mark.sanitized
def test_two_runs_over_one_folder(cli):
    manifest, trace = cli.job(STEADY, files=200), cli.folder / "trace"
    env = {"TRACE": str(trace)}
    first = cli.start("run", "-f", manifest, "--output", cli.out, env=env)
    jobs.wait_until(lambda: trace.exists(), "the first call")
    second = cli.run(manifest, env=env)
    assert second.code == 3, second
    assert str(first.pid) in second.err
    assert first.wait(timeout=jobs.DEADLINE) == 0, first.communicate()
    first.communicate()


@pytest.mark.sanitized
def test_status_tells_a_running_run_from_a_stopped_one(cli):
    manifest, trace = cli.job(STEADY, files=200), cli.folder / "trace"
    process = cli.start("run", "-f", manifest, "--output", cli.out, env={"TRACE": str(trace)})
    jobs.wait_until(lambda: (jobs.committed(cli) or (0,))[0] > 5, "the first commits")
    assert f"job: Running (process {process.pid})\n" in cli.call("status", cli.out).out
    running = cli.call("status", cli.out, "-o", "json").json
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert "job: Unfinished\n" in cli.call("status", cli.out).out
    stopped = cli.call("status", cli.out, "-o", "json").json
    assert (running["state"], stopped["state"]) == ("Running", "Unfinished")
    for summary in (running, stopped):
        assert summary["logs"] == str(cli.out / "logs") and summary["durationSeconds"] > 0, summary


def test_status_says_why_a_run_failed(cli):
    manifest = cli.job("def run(mini_batch):\n    raise OSError('no disk')\n",
                       spec="miniBatchErrorThreshold: 0\nretrySettings: {maxRetries: 0}")
    failed = cli.run(manifest)
    assert failed.code == 1, failed
    said = cli.call("status", cli.out).out
    assert f"job: Failed\n{failed.json['reason']}: {failed.json['message']}\n" in said, said


def test_nothing_is_left_running_after_a_kill(cli):
    manifest, trace = cli.job(STEADY, files=200), cli.folder / "trace"
    process = cli.start("run", "-f", manifest, "--output", cli.out,
                        env={"TRACE": str(trace), "MARK": str(cli.folder)})
    jobs.wait_until(lambda: trace.exists(), "the first call")
    assert faults.marked(cli.folder), "slots carry the mark"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    jobs.wait_until(lambda: not faults.marked(cli.folder), "slots and zygotes gone", 10)
