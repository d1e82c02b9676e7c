"""What a run prints for people: every output has a path, and no wall of errors."""

import textwrap

import pytest

PLAIN = '''
    import os
    def init(): pass
    def run(mini_batch):
        return [os.path.basename(path) for path in mini_batch]
    '''
PIPELINE = '''
    type: pipeline
    display_name: p
    jobs:
      STEP:
        type: parallel
        inputs: {files: {type: uri_folder, path: ./data}}
        outputs:
          rows: {type: uri_file}
        input_data: ${{inputs.files}}
        mini_batch_size: "2"
        max_concurrency_per_instance: 1
        resources: {instance_count: 1}
        task: {type: run_function, code: ./code, entry_script: entry.py,
               append_row_to: "${{outputs.rows}}"}
    '''


@pytest.fixture
def pipeline(cli):
    """A function: the name of its step → a pipeline that none of its own outputs names."""
    cli.job(PLAIN)

    def write(step):
        file = cli.folder / "pipeline.yml"
        file.write_text(textwrap.dedent(PIPELINE).replace("STEP", step), encoding="utf-8")
        return file

    return write


def run_as_text(cli, manifest):
    return cli.call("run", "-f", manifest, "--output", cli.out)


def test_the_outputs_of_a_step_are_named(cli, pipeline):
    ended = run_as_text(cli, pipeline("score"))
    assert ended.code == 0, ended
    assert f"score.rows: {cli.out}/steps/score/outputs/rows\n" in ended.out, ended


def tree(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_renamed_step_changes_nothing_in_a_finished_folder(cli, pipeline):
    assert cli.run(pipeline("score")).code == 0
    before = tree(cli.out)
    other = cli.run(pipeline("another"))
    assert other.code == 2 and "its step was score, is another" in other.err, other
    assert tree(cli.out) == before
    assert cli.verify().code == 0
    again = run_as_text(cli, pipeline("score"))
    assert again.code == 0 and "already finished" in again.err, again


def test_ten_kinds_of_errors_are_enough_to_read(cli):
    manifest = cli.job('''
        import os
        def init(): pass
        def run(mini_batch):
            name = os.path.basename(mini_batch[0]).split(".")[0]
            raise ValueError("kind " + "".join(chr(ord("a") + int(digit)) for digit in name))
        ''', files=15, size=1, spec="retrySettings: {maxRetries: 0}\nerrorThreshold: -1")
    ended = run_as_text(cli, manifest)
    assert ended.code == 1, ended
    assert ended.err.count(" × ") == 10, ended
    assert f"and 5 more kinds of errors: `paralleljob status {cli.out}` lists all" in ended.err
    listed = cli.call("status", cli.out)
    assert listed.out.count(" × ") == 15, listed


UNLUCKY = """
    import os
    def run(mini_batch, context):
        mark = os.path.join(os.environ["MARKS"], str(context.minibatch_index))
        if not os.path.exists(mark):
            open(mark, "w").close()
            raise RuntimeError("first time unlucky")
        return mini_batch
    """


def test_errors_that_a_retry_mended_are_told_as_such(cli):
    manifest = cli.job(UNLUCKY, files=1, size=1)
    ended = cli.call("run", "-f", manifest, "--output", cli.out, env={"MARKS": str(cli.folder)})
    assert ended.code == 0, ended
    assert "1 of 1 mini-batch succeeded, 0 failed, 1 retry, " in ended.err, ended
    assert "1 × RuntimeError: first time unlucky (succeeded later)\n" in ended.err, ended
    (log,) = [line.split("see ")[1] for line in ended.err.splitlines() if "see " in line]
    assert log.startswith(f"{cli.out}/logs/"), log
    with open(log, encoding="utf-8") as file:
        text = file.read()
    assert "first time unlucky" in text and "log: " not in text, text
    listed = cli.call("status", cli.out).out
    assert "1 × RuntimeError: first time unlucky (succeeded later)\n" in listed, listed
    assert "1 of 1 mini-batch committed, 0 failed, 1 retry; 1 of 1 item succeeded" in listed


def test_a_job_in_which_nothing_succeeds_is_warned_of(cli):
    manifest = cli.job("def run(mini_batch):\n    raise ValueError('x')\n", files=2, append=None)
    ended = cli.run(manifest, "--set", "spec.retrySettings={maxRetries: 0}")
    assert ended.code == 0 and ended.json["state"] == "Complete", ended
    assert "warning: the job is complete, but not one mini-batch succeeded" in ended.err, ended
    assert "warning: the job is complete" not in cli.run(cli.job(PLAIN), "--fresh").err


def test_a_cause_is_told_once(cli):
    manifest = cli.job(PLAIN)
    (cli.folder / "code" / "entry.py").write_text("x = globals()\n")
    ended = cli.run(manifest)
    assert ended.code == 1, ended
    assert ended.json["message"].count("has no function run(mini_batch)") == 1, ended
    assert "user/stderr" in (cli.out / "logs" / "job_result.txt").read_text()
