"""The command line's manners: exit codes, errors with place and way out, help, plan, validate."""

import json
import re
import shlex
import shutil
import subprocess
import sys

import pytest

from conftest import EXAMPLES

FINE = '''
    import os
    def run(mini_batch):
        return [os.path.basename(path) for path in mini_batch]
    '''


@pytest.mark.parametrize("words", [[], ["fly"], ["run"], ["run", "--nonsense"], ["plan", "-f"],
                                   ["status"], ["run", "-f", "absent.yaml"]])
def test_bad_usage_is_2(cli, words):
    ended = cli.call(*words)
    assert ended.code == 2 and ended.err and not ended.out, ended


@pytest.mark.parametrize("typed, said", [
    ("rum -f job.yaml", "unknown command: rum: did you mean run?"),
    ("completion bash", "unknown command: completion: run, plan, "),
    ("run job.yaml", "a job file is named by -f: run: paralleljob run -f job.yaml"),
    ("run -f job.yaml --frsh", "unknown flag: run --frsh: did you mean --fresh?"),
    ("run -f job.yaml --env conda", "run: paralleljob run --help"),
    ("help rum", "unknown command: help: "), ("-f job.yaml", "a command is missing: run, ")])
def test_what_was_meant_is_said(cli, typed, said):
    ended = cli.call(*typed.split())
    assert ended.code == 2 and not ended.out, ended
    assert ended.err.startswith("error: ") and said in ended.err, ended


def test_help_as_a_command(cli):
    assert cli.call("help").out == cli.call("--help").out
    assert cli.call("help", "run").out == cli.call("run", "--help").out


def test_every_mistake_at_once_with_its_place(cli):
    manifest = cli.job(FINE, spec="miniBatchSise: 3\nretrySettings: {maxRetries: -4}\n"
                                  "loggingLevel: LOUD")
    ended = cli.call("validate", "-f", manifest)
    assert ended.code == 2, ended
    for text in ("miniBatchSise", "miniBatchSize", "maxRetries", "-4", "LOUD", "DEBUG"):
        assert text in ended.err, text
    assert len(re.findall(r"job\.yaml:\d+:\d+", ended.err)) >= 3, ended


def test_missing_input_is_named(cli):
    manifest = cli.job(FINE)
    ended = cli.run(manifest, "--input", "files=nowhere")
    assert ended.code == 2 and "nowhere" in ended.err, ended
    assert ended.json["state"] == "NotStarted"


def test_validate_says_of_a_missing_input_what_run_says(cli):
    manifest = cli.job(FINE)
    for given, message in (("nowhere", "the input does not exist"),
                           ("job.yaml", "the input is a file")):
        checked = cli.call("validate", "-f", manifest, "--input", f"files={given}")
        assert checked.code == 0 and "valid: 1 job" in checked.out, checked
        said = f"job.yaml: warning: spec.inputs[files].path: {message}: {cli.folder}/{given}"
        assert said in checked.err, checked
        strict = cli.call("validate", "--strict", "-f", manifest, "--input", f"files={given}")
        assert strict.code == 2 and message in strict.err, strict
        assert message in cli.run(manifest, "--input", f"files={given}").err
    assert not cli.call("validate", "-f", manifest).err


def test_a_missing_input_has_its_line_and_leaves_no_folder(cli):
    manifest = cli.job(FINE)
    manifest.write_text(manifest.read_text().replace("path: data", "path: dta"))
    line = next(number for number, text in enumerate(manifest.read_text().splitlines(), 1)
                if "path: dta" in text)
    place = rf"job\.yaml:{line}:\d+: "
    said = rf": spec\.inputs\[files\]\.path: the input does not exist: {cli.folder}/dta"
    for ended in (cli.run(manifest), cli.call("plan", "-f", manifest)):
        assert ended.code == 2 and re.search(place + "error" + said, ended.err), ended
    assert re.search(place + "warning" + said, cli.call("validate", "-f", manifest).err)
    assert not cli.out.exists()
    assert cli.run(cli.job(FINE)).code == 0
    manifest.write_text(manifest.read_text().replace("path: data", "path: dta"))
    assert cli.run(manifest, "--fresh").code == 2
    assert cli.verify().code == 0, "the earlier run is still there"


def test_unknown_input_name_is_named(cli):
    ended = cli.run(cli.job(FINE), "--input", "fils=data")
    assert ended.code == 2 and "fils" in ended.err, ended


def test_empty_input(cli):
    (cli.folder / "empty").mkdir()
    ended = cli.run(cli.job(FINE), "--input", f"files={cli.folder / 'empty'}")
    assert ended.code == 2 and "EmptyInput" in ended.err, ended


def test_zero_instances(cli):
    ended = cli.run(cli.job(FINE), "--set", "spec.instanceCount=0")
    assert ended.code == 2 and "instanceCount" in ended.err, ended


def test_set_changes_a_field(cli):
    ended = cli.run(cli.job(FINE), "--set", "spec.miniBatchSize=5")
    assert ended.code == 0 and ended.json["miniBatches"]["total"] == 4, ended


def test_plan_prints_without_running(cli):
    manifest = cli.job("raise SystemExit('must not run')")
    ended = cli.call("plan", "-f", manifest, "-o", "json")
    assert ended.code == 0, ended
    assert "10" in ended.out and not cli.out.exists()
    lines = cli.call("plan", "-f", manifest, "--all", "-o", "json").out.splitlines()
    assert len(lines) == 10 and all(json.loads(line) for line in lines)


def test_plan_leaves_out_what_a_run_leaves(cli):
    """Data beside the manifest: `.` holds the folder of results, by default or by --output."""
    manifest = cli.job(FINE, files=6)
    words = ("-f", manifest, "--input", f"files={cli.folder}", "-o", "json")
    for more in ((), ("--output", "results/x")):
        before = cli.call("plan", *words, *more).json
        ran = cli.call("run", *words, *more)
        assert ran.code == 0 and ran.json["items"]["total"] == before["items"], ran
        after = cli.call("plan", *words, *more).json
        assert (after["items"], after["hash"]) == (before["items"], before["hash"])
        shutil.rmtree(cli.folder / (more[1] if more else "job-output"))


def test_status_of_a_folder_without_a_run(cli):
    ended = cli.call("status", cli.folder)
    assert ended.code == 2 and str(cli.folder) in ended.err, ended


def test_a_local_run_is_no_job_of_a_cluster(cli):
    assert cli.run(cli.job(FINE)).code == 0
    env = {"KUBECONFIG": "", "HOME": str(cli.folder), "KUBERNETES_SERVICE_HOST": ""}
    for words in (["status"], ["status", "nope"], ["logs", "nope"]):
        ended = cli.call(*words, env=env)
        assert ended.code == 2 and "for a local run: paralleljob status DIR" in ended.err, ended
    assert "error: no folder nope here, and no cluster: " in cli.call("status", "nope", env=env).err
    lost = cli.call("doctor", env=env)
    assert lost.code == 3 and "local run" not in lost.out + lost.err, lost
    for command in ("logs", "errors", "top", "fetch"):
        for name in (cli.out, "out", "./else"):
            ended = cli.call(command, name, env=env)
            assert ended.code == 2 and f"{command} is for a job of a cluster" in ended.err, ended
            assert f"paralleljob status {name}; its logs are in {name}/logs" in ended.err, ended


def test_no_colours_and_no_cursor_movement_without_a_terminal(cli):
    ended = cli.call("run", "-f", cli.job(FINE), "--output", cli.out)
    assert ended.code == 0 and "\x1b" not in ended.out + ended.err and "\r" not in ended.err, ended


def test_verify_finds_damage(cli):
    ended = cli.run(cli.job(FINE))
    with open(ended.json["outputs"]["rows"], "r+", encoding="utf-8") as file:
        file.write("X")
    damaged = cli.verify()
    assert damaged.code == 1 and "output file" in damaged.err, damaged


def test_packages_on_a_cluster_are_the_images(cli):
    """The refusal of a Conda file names the packages and the very command to type."""
    out = cli.folder / "deploy"
    typed = ["convert", "-f", EXAMPLES / "digits/pipeline.yml", "--out", out, "--input",
             "images=pvc:data/images", "--output", "identified=pvc:data/identified.txt"]
    refused = cli.call(*typed)
    assert refused.code == 2 and "numpy, pandas, scikit-learn, pillow" in refused.err, refused
    found = re.search(r"type: paralleljob (.* --image identify=REFERENCE)$", refused.err, re.M)
    assert found and not out.exists(), refused
    done = cli.call(*shlex.split(found[1].replace("REFERENCE", "team/digits:1")))
    assert done.code == 0 and "note: spec.task.environment" in done.err, done
    made = cli.call("convert", "-f", out / "paralleljob.yaml", "-o", "json").json
    assert made["spec"]["task"]["environment"] == {"image": "team/digits:1"}


@pytest.mark.parametrize("other", [["-f"], ["--instance", "0"], ["-c", "user"], ["--tail", "3"]])
def test_logs_of_a_mini_batch_take_nothing_that_would_be_ignored(cli, other):
    ended = cli.call("logs", "iris", "--mini-batch", "1", *other)
    assert ended.code == 2 and re.search("--[a-z-]+ excludes --[a-z-]+", ended.err), ended
    assert "--mini-batch" in ended.err, ended


def most_memory(cli, *words):
    """Bytes of resident memory that a command had at most."""
    script = ("import resource, subprocess, sys\n"
              "done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)\n"
              "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)\n"
              "sys.exit(done.returncode)\n")
    done = subprocess.run([sys.executable, "-c", script, cli.program, *map(str, words)],
                          capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done
    return int(done.stdout)


def test_planning_a_large_table_takes_no_more_memory(cli):
    """50 times the bytes, 50 times the mini-batches: memory stays where it was."""
    manifest = cli.job(FINE, size="4kb")
    text = manifest.read_text()
    manifest.write_text(text.replace("uri_folder, path: data", "mltable, path: table"))
    table = cli.folder / "table"
    table.mkdir()
    (table / "MLTable").write_text(
        "paths:\n  - file: ./rows.csv\ntransformations:\n  - read_delimited: {delimiter: ','}\n")
    used = []
    for times in (1, 50):
        with open(table / "rows.csv", "w", encoding="utf-8") as file:
            file.write("id,name\n")
            for number in range(40_000 * times):
                file.write(f"{number},somebody of that name\n")
        used.append(most_memory(cli, "plan", "-f", manifest, "-o", "json"))
    assert used[1] < used[0] + (8 << 20), used


def test_planning_many_files_takes_few_bytes_for_each(cli):
    used = []
    for files in (5_000, 50_000):
        manifest = cli.job(FINE, files=files)
        used.append(most_memory(cli, "plan", "-f", manifest, "-o", "json"))
    assert used[1] < used[0] + 100 * 45_000, used
