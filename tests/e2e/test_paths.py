"""Paths that lead in a circle, into locked folders, or are too long: an error that names them."""

import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest

import jobs

PLAIN = '''
    import os
    def init(): pass
    def run(mini_batch):
        return [os.path.basename(path) for path in mini_batch]
    '''
NOBODY = 65534


def refused(ended, code, *words):
    """An error with one line on stderr that holds all `words`; with -o json the object, too."""
    assert ended.code == code, ended
    said = [line for line in ended.err.splitlines() if "error: " in line]
    assert said and all(word in said[-1] for word in words), ended


@pytest.mark.parametrize("command", ["run", "plan", "validate"])
def test_an_input_that_leads_in_a_circle(cli, command):
    manifest = cli.job(PLAIN)
    loop = cli.folder / "loop"
    loop.symlink_to("loop")
    more = ["--strict"] if command == "validate" else ["--output", cli.out]
    ended = cli.call(command, "-f", manifest, "--input", f"files={loop}", "-o", "json", *more)
    assert ended.code == 2, ended
    told = ended.json["errors"][0]["message"] if command != "validate" else ended.out + ended.err
    assert "the input cannot be reached (Too many levels of symbolic links)" in told, ended
    if command != "validate":
        refused(ended, 2, str(loop), "--input files=PATH")
        assert ended.json["state"] == "NotStarted"


def test_links_in_the_code_that_lead_in_a_circle(cli):
    manifest = cli.job(PLAIN)
    (cli.folder / "code" / "loop").symlink_to("loop")
    (cli.folder / "code" / "here").symlink_to(".")
    (cli.folder / "code" / "nowhere").symlink_to("gone")
    ended = cli.run(manifest)
    assert ended.code == 0, ended
    jobs.check_summary(ended.json, total=10, items=20)
    again = cli.run(manifest)
    assert again.code == 0 and "already finished" in again.err, again


@pytest.mark.parametrize("command", ["status", "verify"])
def test_a_name_that_is_too_long(cli, command):
    name = cli.folder / ("x" * 300)
    refused(cli.call(command, f"{name}/", "-o", "json"), 2, "File name too long", str(name))
    refused(cli.call(command, f"{name}/"), 2, "File name too long", str(name))


@pytest.mark.parametrize("folder", ["", "scratch", "./scratch/../scratch"])
def test_where_scratch_folders_lie(cli, folder):
    manifest = cli.job(PLAIN)
    (cli.folder / "scratch").mkdir()
    assert cli.call("plan", "-f", manifest, env={"TMPDIR": folder}).code == 0
    ended = cli.run(manifest, env={"TMPDIR": folder})
    assert ended.code == 0, ended
    jobs.check_summary(ended.json, total=10, items=20)
    assert not list((cli.folder / "scratch").iterdir())


def test_a_scratch_folder_that_is_not_there(cli):
    ended = cli.run(cli.job(PLAIN), env={"TMPDIR": "/no/such/folder"})
    refused(ended, 2, "/no/such/folder", "TMPDIR")


@pytest.fixture
def open_cli(program):
    """The command line, reachable for every user of this machine, as pytest's folders are not."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        folder.chmod(0o777)
        copy = shutil.copy2(program, folder / "paralleljob")
        yield jobs.CommandLine(copy, folder)


def as_somebody_else(cli, *words):
    """Runs a command as a user whom permissions stop."""
    other = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    process = subprocess.Popen([str(cli.program), *map(str, words)], cwd=cli.folder, text=True,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE,
                               env={"PATH": "/usr/bin:/bin", "HOME": str(cli.folder),
                                    "PARALLELJOB_RUNTIME": str(cli.folder)}, **other)
    return jobs.Ended(process, *process.communicate(timeout=jobs.DEADLINE))


def locked(folder, mode):
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "a.txt").write_text("a\n", encoding="utf-8")
    folder.chmod(mode)
    return folder


def test_an_input_in_a_locked_folder(open_cli):
    cli = open_cli
    manifest = cli.job(PLAIN)
    data = locked(cli.folder / "locked", 0o600) / "inner"
    for command in ("run", "plan"):
        ended = as_somebody_else(cli, command, "-f", manifest, "--input", f"files={data}",
                                 "--output", cli.out, "-o", "json")
        refused(ended, 2, "the input cannot be reached (Permission denied)", str(data),
                "--input files=PATH")
        assert ended.json["state"] == "NotStarted"
    (cli.folder / "locked").chmod(0o700)


@pytest.mark.parametrize("mode", [0o700, 0o744], ids=["closed", "names only"])
def test_a_locked_folder_in_the_code(open_cli, mode):
    cli = open_cli
    manifest = cli.job(PLAIN)
    folder = locked(cli.folder / "code" / "locked", mode)
    ended = as_somebody_else(cli, "run", "-f", manifest, "--output", cli.out, "-o", "json")
    refused(ended, 3, "cannot read the code (Permission denied)", str(folder), "mend or remove it")
    assert ended.json["state"] == "NotStarted"
    folder.chmod(0o700)


def test_a_locked_folder_of_results(open_cli):
    cli = open_cli
    folder = locked(cli.folder / "locked", 0o600)
    for command in ("status", "verify"):
        ended = as_somebody_else(cli, command, f"{folder}/inner", "-o", "json")
        refused(ended, 3, "Permission denied", f"{folder}/inner")
    folder.chmod(0o700)
