"""Where inputs and code come from: copies, symbolic links, and files in other folders."""

import json
import os
import re

import pytest

ECHO = '''
    import os
    def init():
        pass
    def run(mini_batch):
        return [open(path).read().strip() for path in mini_batch]
    '''
DOWNLOAD = ("--set", "spec.inputs[files].mode=download")


def rows(ended):
    with open(ended.json["outputs"]["rows"], encoding="utf-8") as file:
        return file.read().split()


def test_a_copy_holds_what_links_lead_to(cli):
    manifest = cli.job(ECHO, files=2)
    outside = cli.folder / "outside"
    (outside / "deeper").mkdir(parents=True)
    (outside / "one.txt").write_text("from outside\n")
    (outside / "deeper" / "two.txt").write_text("deeper\n")
    (cli.folder / "data" / "x.txt").symlink_to("../outside/one.txt")
    (cli.folder / "data" / "y").symlink_to(outside / "deeper")
    (cli.folder / "data" / "z").symlink_to(".")  # back to a folder above
    (cli.folder / "data" / "out").symlink_to(cli.out)  # and to the run's own
    ended = cli.run(manifest, *DOWNLOAD)
    assert ended.code == 0 and "leads back" in ended.err, ended
    assert rows(ended) == ["0", "1", "from", "outside", "deeper"], ended
    copies = list((cli.out / ".paralleljob" / "inputs").rglob("*"))
    assert copies and not [path for path in copies if path.is_symlink()]


def test_a_copy_is_made_again_until_there_is_a_plan_of_it(cli):
    manifest = cli.job(ECHO, files=1)
    data = cli.folder / "data" / "00000.txt"
    data.rename(cli.folder / "later")
    assert "EmptyInput" in cli.run(manifest, *DOWNLOAD).err
    (cli.folder / "later").rename(data)
    assert rows(cli.run(manifest, *DOWNLOAD)) == ["0"]
    data.write_text("new\n")
    assert rows(cli.run(manifest, *DOWNLOAD, "--fresh")) == ["new"]


def test_the_type_of_an_input_beside_is_checked_too(cli):
    manifest = cli.job(ECHO, files=1, spec="""
        inputs:
          - {name: files, type: uri_folder, path: data}
          - {name: beside, type: uri_file, path: code}""")
    text = manifest.read_text().replace(
        "  inputs:\n    - {name: files, type: uri_folder, path: data}\n", "", 1)
    manifest.write_text(text)
    for command in ("run", "plan"):
        ended = cli.call(command, "-f", manifest)
        assert ended.code == 2 and "inputs[beside]" in ended.err, ended
        assert "change its type to uri_folder" in ended.err, ended


def test_a_run_within_its_own_input_does_not_read_itself(cli):
    manifest = cli.job(ECHO, files=2)
    cli.out = cli.folder / "data" / "below" / "out"
    ended = cli.run(manifest)
    assert ended.code == 0 and rows(ended) == ["0", "1"], ended
    cli.out = cli.folder / "elsewhere"
    ended = cli.run(manifest)  # nor does the next one take its results for data
    assert ended.code == 0 and rows(ended) == ["0", "1"], ended
    assert f"left out a folder that paralleljob made: {cli.folder}/data/below/out" in ended.err


def test_results_do_not_go_among_the_data(cli):
    manifest = cli.job(ECHO, files=2)
    cli.out = cli.folder / "data"
    ended = cli.run(manifest)
    assert ended.code == 2 and "this folder is the data of input files" in ended.err, ended
    assert sorted(os.listdir(cli.out)) == ["00000.txt", "00001.txt"]


def test_results_do_not_go_among_the_code(cli):
    manifest = cli.job(ECHO, files=2)
    cli.out = cli.folder / "code"
    ended = cli.run(manifest)
    assert ended.code == 2 and "this folder is the job's code" in ended.err, ended
    assert "choose another --output" in ended.err and os.listdir(cli.out) == ["entry.py"], ended


def test_rows_that_nobody_collects_are_told(cli):
    manifest = cli.job(ECHO, files=2, append="",
                       spec="outputs: [{name: rows, type: uri_file, path: rows.txt}]")
    ended = cli.call("run", "-f", manifest, "--output", cli.out)
    assert ended.code == 0, ended
    assert "warning: spec.outputs[rows]: nobody writes to it" in ended.err
    assert "write appendRowTo (Azure: append_row_to): ${{outputs.rows}}" in ended.err
    assert f"note: output rows: nothing was written to {cli.out}/outputs/rows" in ended.err
    assert "rows:" not in ended.out
    assert cli.call("validate", "--strict", "-f", manifest).code == 2


def test_a_copied_mltable_reads_what_lies_beside_it_in_place(cli):
    manifest = cli.job(ECHO, files=3)
    table = cli.folder / "table"
    table.mkdir()
    (table / "own.txt").write_text("own\n")
    (table / "MLTable").write_text("paths: [{pattern: ../data/*.txt}, {file: ./own.txt}]\n")
    ended = cli.run(manifest, "--set", "spec.inputs[files].type=mltable", "--set",
                    "spec.inputs[files].mode=download", "--input", f"files={table}")
    assert ended.code == 0 and rows(ended) == ["0", "1", "2", "own"], ended


def test_a_component_of_another_folder_converts_to_a_manifest_that_runs(cli):
    cli.job(ECHO, files=2)
    parts = cli.folder / "parts"
    (cli.folder / "code").rename(parts if parts.mkdir() else parts / "code")
    (parts / "conda.yml").write_text("dependencies:\n- python>=3.8\n")
    (parts / "score.yml").write_text(json.dumps({
        "type": "parallel", "inputs": {"files": {"type": "uri_folder"}},
        "outputs": {"rows": {"type": "uri_file", "path": "rows.txt"}},
        "input_data": "${{inputs.files}}", "mini_batch_size": "2",
        "task": {"code": "./code", "entry_script": "entry.py", "append_row_to": "${{outputs.rows}}",
                 "environment": {"conda_file": "./conda.yml"}}}))
    pipeline = cli.folder / "pipeline.yml"
    pipeline.write_text(json.dumps({"type": "pipeline", "jobs": {"score": {
        "component": "./parts/score.yml",
        "inputs": {"files": {"type": "uri_folder", "path": "./elsewhere"}}}}}))
    # The path of the command line counts from where it was typed.
    ended = cli.call("convert", "-f", pipeline, "--input", "score.files=data")
    assert ended.code == 0 and "python>=3.8" in ended.out, ended
    manifest = cli.folder / "converted.yaml"
    manifest.write_text(ended.out)
    (parts / "conda.yml").unlink()
    ended = cli.run(manifest)
    assert ended.code == 0 and rows(ended) == ["0", "1"], ended
    again = cli.call("convert", "-f", manifest)
    assert again.code == 0 and again.out == manifest.read_text(), again


def test_more_processes_than_a_machine_can_hold_are_refused(cli):
    manifest = cli.job(ECHO)
    for field in ("instanceCount", "maxConcurrencyPerInstance"):
        ended = cli.run(manifest, "--set", f"spec.{field}=2147483647")
        assert ended.code == 2 and "1024 processes" in ended.err, ended
        assert ended.json["state"] == "NotStarted"



# Steps of an MLTable, the job's size, where the error is, what it says.
UNFIT = {
    "later": ("read_parquet: {}", "10kb", r"/data/MLTable:4:\d+: error: .*read_parquet"),
    "unknown": ("read_delimited: {delimter: ','}", "10kb",
                r"/data/MLTable:4:\d+: error: .*delimiter"),
    "size": ("read_delimited: {delimiter: ','}", "5",
             r"/job.yaml:\d+:\d+: error: spec.miniBatchSize: .*has no unit.*found .5.*5kb"),
    "list": ("", "10kb", r"/job.yaml:\d+:\d+: error: spec.miniBatchSize: .*list of files"),
}


@pytest.mark.parametrize("case", UNFIT)
@pytest.mark.parametrize("command", ["validate", "plan", "run"])
def test_an_mltable_is_read_before_anything_runs(cli, command, case):
    step, size, said = UNFIT[case]
    manifest = cli.job(ECHO, files=1)
    manifest.write_text(re.sub(r"miniBatchSize: .*", f"miniBatchSize: {size}", manifest.read_text())
                        .replace("type: uri_folder", "type: mltable", 1))
    (cli.folder / "data" / "MLTable").write_text(
        "paths:\n  - pattern: ./*.txt\n" + (f"transformations:\n  - {step}\n" if step else ""))
    ended = cli.call(command, "-f", manifest)
    assert ended.code == 2 and re.search(said, ended.err), ended
    assert not cli.out.exists()
