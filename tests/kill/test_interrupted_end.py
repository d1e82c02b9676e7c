"""Ctrl-C while the results are put together: what is saved is told, and the next start goes on."""

import json
import os
import signal
import subprocess
import textwrap

import pytest

FILES = 12
PIPELINE = """\
type: pipeline
outputs: {all: {type: uri_file}}
jobs:
  copy:
    type: parallel
    mini_batch_size: "1"
    resources: {instance_count: 2}
    max_concurrency_per_instance: 1
    inputs: {files: {type: uri_folder, path: "%s/data"}}
    outputs: {rows: "${{parent.outputs.all}}"}
    input_data: ${{inputs.files}}
    task:
      type: run_function
      code: ./code
      entry_script: entry.py
      append_row_to: ${{outputs.rows}}
"""
SCRIPT = """\
import os
def run(mini_batch):
    return [os.path.basename(path) for path in mini_batch]
"""


@pytest.fixture(name="run")
def fixture_run(program, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "code").mkdir()
    for number in range(FILES):
        (tmp_path / "data" / f"{number:02d}").touch()
    (tmp_path / "code/entry.py").write_text(SCRIPT)
    (tmp_path / "pipeline.yml").write_text(
        textwrap.dedent(PIPELINE).replace("%s", str(tmp_path)))

    def run(command="run", **environment):
        words = {"run": ("run", "-f", tmp_path / "pipeline.yml", "--output", tmp_path / "out"),
                 "status": ("status", tmp_path / "out")}[command]
        return subprocess.run([program, *words, "-o", "json"], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, check=False, timeout=120,
                              env={**os.environ, **environment})

    return run


@pytest.mark.parametrize("point", ["after_seal", "publish_copied"])
def test_a_signal_while_results_are_put_together_is_told(run, point):
    """The program sends the signal to itself there."""
    ended = run(PARALLELJOB_FAULT=f"{point}:1", PARALLELJOB_FAULT_SIGNAL=str(int(signal.SIGTERM)))
    assert ended.returncode == 130, ended
    assert "the same command goes on from there" in ended.stderr, ended
    counts = {"total": FILES, "succeeded": FILES, "failed": 0, "notRun": 0}
    for told in (json.loads(ended.stdout), json.loads(run("status").stdout)):
        (step,) = told["steps"]
        assert told["state"] == step["state"] == "Unfinished", told
        assert told["miniBatches"] == step["miniBatches"] == counts, told
        assert step["name"] == "copy", told
    again = run()
    assert again.returncode == 0, again
    with open(json.loads(again.stdout)["outputs"]["all"], encoding="utf-8") as rows:
        assert rows.read() == "".join(f"{number:02d}\n" for number in range(FILES))
