"""What a run leaves and says beside its rows: reports of a killed run, a pipeline's logs, notes."""

import json
import shutil
import signal
import sqlite3

import jobs

# Fails in mini-batch 1 and hangs in mini-batch 4 for as long as the run lives.
HANGS = '''
    import os, threading
    def run(mini_batch, context):
        if context.minibatch_index == 1:
            raise ValueError("cannot read page 1")
        if context.minibatch_index == 4:
            threading.Event().wait()
        return [os.path.basename(path) for path in mini_batch]
    '''
LOGS = '''
    import os
    def run(mini_batch):
        print("seen by the script", flush=True)
        return [os.path.basename(path) for path in mini_batch]
    '''
PIPELINE = """
type: pipeline
jobs:
  score:
    type: parallel
    inputs: {{files: {{type: uri_folder, path: ./data}}}}
    outputs: {{rows: {{type: uri_file}}}}
    input_data: ${{{{inputs.files}}}}
    mini_batch_size: "2"
    task:
      code: ./code
      entry_script: entry.py
      environment: {environment}
      append_row_to: ${{{{outputs.rows}}}}
      program_arguments: {arguments}
"""


def pipeline(cli, arguments="''", environment="{image: example/x}"):
    cli.job(LOGS, files=6)
    path = cli.folder / "pipeline.yml"
    path.write_text(PIPELINE.format(arguments=arguments, environment=environment))
    return path


def test_a_killed_run_leaves_its_progress_and_its_errors(cli):
    manifest = cli.job(HANGS, spec="retrySettings: {maxRetries: 0, timeoutSeconds: 600}")
    process = cli.start("run", "-f", manifest, "--output", cli.out)
    logs = cli.out / "logs"
    try:
        jobs.wait_until(lambda: list(logs.glob("job_progress_overview.*.txt"))
                        and list(logs.glob("user/error/*/*.txt"))
                        and (logs / "user" / "error.txt").is_file(), "reports while it runs")
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    (overview,) = logs.glob("job_progress_overview.*.txt")
    assert "Running" in overview.read_text() and "of 10 mini-batches" in overview.read_text()
    assert "cannot read page 1" in (logs / "user" / "error.txt").read_text()
    (errors,) = logs.glob("user/error/*/*.txt")
    assert 'Traceback (most recent call last):\n  File "entry.py", line' in errors.read_text()


def test_logs_are_copied_to_the_pipeline_only_when_asked(cli):
    ended = cli.run(pipeline(cli))
    assert ended.code == 0, ended
    assert list((cli.out / "logs").iterdir()) == []
    ended = cli.run(pipeline(cli, "--copy_logs_to_parent True"), "--fresh")
    assert ended.code == 0, ended
    step = cli.out / "steps" / "score" / "logs"
    names = sorted(path.relative_to(step) for path in step.rglob("*") if path.is_file())
    copied = cli.out / "logs" / "score"
    assert sorted(p.relative_to(copied) for p in copied.rglob("*") if p.is_file()) == names
    assert list(copied.glob("job_progress_overview.*.txt"))
    assert (copied / "job_result.txt").is_file()
    assert any("seen by the script" in path.read_text()
               for path in copied.glob("user/stdout/*/*.txt"))


def test_a_registered_environment_is_what_the_command_makes_of_it(cli):
    path = pipeline(cli, environment="azureml:my-env:3")
    ended = cli.run(path)
    assert ended.code == 0 and ended.err.count("note: ") == 1 and "my-env" in ended.err, ended
    checked = cli.call("validate", "-f", path)
    assert checked.code == 0 and "warning: " in checked.err and "my-env" in checked.err, checked
    for words in (["run", "--env", "venv", "--fresh", "--output", cli.out], ["plan"], ["convert"]):
        refused = cli.call(*words, "-f", path)
        assert refused.code == 2 and "--image my-env:3=" in refused.err, refused
        allowed = cli.call("convert", "-f", path, "--image", "my-env=example/x:1")
        assert allowed.code == 0 and "example/x:1" in allowed.out, allowed


def test_the_store_holds_the_spec_as_convert_prints_it(cli):
    manifest = cli.job(LOGS, files=6)
    assert cli.run(manifest).code == 0
    store = sqlite3.connect(cli.out / "state.db")
    tables = store.execute("select name from sqlite_master where type='table'").fetchall()
    text = b"\n".join(value if isinstance(value, bytes) else str(value).encode()
                      for (table,) in tables
                      for row in store.execute(f'select * from "{table}"') for value in row)
    store.close()
    assert b'"entryScript":"entry.py"' in text.replace(b": ", b":")


def test_every_field_is_listed_with_its_values(cli):
    listed = {field["field"]: field
              for field in json.loads(cli.call("validate", "--fields", "-o", "json").out)}
    assert listed["spec.errorThreshold"]["azure"] == "error_threshold"
    assert listed["spec.loggingLevel"]["values"] == "one of DEBUG, INFO, WARNING"
    assert listed["spec.podTemplate"]["used"] == "cluster"
    assert listed["spec.rerun"]["used"] == "not supported yet"
    assert "spec.errorThreshold: " in cli.call("validate", "--fields").out
    assert cli.call("validate").code == 2


def test_what_only_a_cluster_knows_is_said_once(cli):
    spec = ("podTemplate: {resources: {limits: {cpu: 1}}}\n"
            "work: {volume: {persistentVolumeClaim: {claimName: a}}}\n"
            "logs: none\nsuspend: true\ncancel: true\nmanagedBy: a.b/c\nttlSecondsAfterFinished: 6")
    ended = cli.run(cli.job(LOGS, files=6, spec=spec), "--set", "metadata.namespace=batch")
    assert ended.code == 0, ended
    for field in ("metadata.namespace", "spec.podTemplate", "spec.work.volume", "spec.logs",
                  "spec.suspend", "spec.cancel", "spec.managedBy", "spec.ttlSecondsAfterFinished"):
        assert ended.err.count(f"note: {field} ") == 1, (field, ended.err)


def test_the_deadline_holds_here_too(cli):
    spec = "activeDeadlineSeconds: 1\nretrySettings: {maxRetries: 0, timeoutSeconds: 600}"
    ended = cli.run(cli.job(HANGS, spec=spec))
    assert ended.code == 1 and ended.json["reason"] == "DeadlineExceeded", ended
    assert "note:" not in ended.err, ended


def test_what_comes_later_is_refused(cli):
    for line in ("rerun: again", "rerunPolicy: All", "rerunPolicy: FailedOnly"):
        ended = cli.run(cli.job(LOGS, files=6, spec=line))
        assert ended.code == 2 and "not supported yet" in ended.err, ended


def test_the_log_of_a_process_tells_an_ordinary_end_from_os_exit(cli):
    fine = cli.run(cli.job(LOGS, files=6))
    texts = [path.read_text() for path in (cli.out / "logs/sys/node").glob("*/process*.txt")]
    assert fine.code == 0 and any("ended: exited with code 0" in text for text in texts), texts
    assert not any("os._exit" in text for text in texts), texts
    shutil.rmtree(cli.out)
    leaves = "import os\ndef run(mini_batch):\n    os._exit(7)\n"
    died = cli.run(cli.job(leaves, files=2, spec="retrySettings: {maxRetries: 0}"))
    assert "exited with code 7 by os._exit" in json.dumps(died.json["errors"]), died
