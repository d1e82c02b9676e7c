"""Full and read-only disks, inputs that are missing or change: told clearly, and gone on from."""

import os
import pathlib
import re

import pytest

import faults
import jobs

FILES = 200
needs_root = pytest.mark.skipif(os.geteuid() != 0,
                                reason="NOT RUN: full disks are mounted, which only root may do")
ECHO = '''
    import os
    def run(mini_batch):
        return [os.path.basename(path) for path in mini_batch]
    '''


@pytest.fixture
def disk(cli):
    """A small disk under the folder of results."""
    with faults.SmallDisk(cli.folder / "small", 8192) as disk:
        cli.out = disk.folder / "out"
        yield disk


def stopped_for_space(ended, disk):
    """Exit 3, in order, with file system, free and needed bytes and the way out."""
    assert ended.code == 3, ended
    assert re.search(rf"the file system {disk.folder} has \d+ bytes free", ended.err), ended
    assert "needed" in ended.err and "start the same command again" in ended.err, ended
    assert "Traceback" not in ended.err, ended


def complete(cli, manifest, files=FILES, env=None):
    ended = cli.run(manifest, env=env)
    assert ended.code == 0, ended
    jobs.check_summary(ended.json, total=files // 2, items=files)
    assert cli.verify().code == 0, cli.verify()
    return pathlib.Path(ended.json["outputs"]["rows"]).read_text()


@needs_root
def test_a_disk_of_any_size_stops_the_run_in_order_and_a_larger_one_ends_it(cli):
    manifest = cli.job(faults.LINES, files=FILES)
    stopped_in = set()
    for kilobytes in (4, 24, 48, 72, 96, 120, 160, 200, 260, 320, 380, 440, 520, 600):
        with faults.SmallDisk(cli.folder / f"disk{kilobytes}", kilobytes) as disk:
            cli.out = disk.folder / "out"
            ended = cli.run(manifest, "--tick-ms", "5", env={"MARK": str(cli.out)})
            if ended.code == 0:
                break
            stopped_for_space(ended, disk)
            faults.nothing_is_left(cli.out)
            stopped_in.add(ended.json["state"])
            disk.resize(8192)
            assert complete(cli, manifest) == faults.lines(FILES), f"{kilobytes} kB"
    assert stopped_in == {"NotStarted", "Unfinished"}, stopped_in


@needs_root
def test_a_disk_that_fills_while_slots_run(cli, disk):
    waits = '''
        import os, threading
        def run(mini_batch, context):
            if context.minibatch_index > 20:
                open(os.environ["REACHED"], "w").close()
                while not os.path.exists(os.environ["GO"]):
                    threading.Event().wait(0.01)
            return ["%s %s" % (os.path.basename(path), "x" * 1000) for path in mini_batch]
        '''
    env = {"REACHED": str(cli.folder / "reached"), "GO": str(cli.folder / "go")}
    manifest = cli.job(waits, files=FILES)
    process = cli.start("run", "-f", manifest, "--output", cli.out, "-o", "json", env=env)
    jobs.wait_until((cli.folder / "reached").exists, "half of it")
    jobs.wait_until(lambda: (jobs.committed(cli) or (0, 0))[0] > 10, "something committed")
    disk.fill(leave=0)
    (cli.folder / "go").touch()
    ended = jobs.Ended(process, *process.communicate(timeout=jobs.DEADLINE))
    stopped_for_space(ended, disk)
    assert ended.json["state"] == "Unfinished" and ended.json["miniBatches"]["succeeded"] > 10
    stopped_for_space(cli.run(manifest, env=env), disk)  # no room yet: said again, nothing lost
    (disk.folder / "ballast").unlink()
    assert complete(cli, manifest, env=env) == faults.lines(FILES)


@needs_root
@pytest.mark.parametrize("leave", [0, 4096, 12288, 150_000])
def test_a_disk_that_fills_before_the_seal_is_told_at_once(cli, disk, leave):
    # shutdown() comes after the last commit and before the seal.
    script = faults.FILL + faults.LINES + '''
    def shutdown():
        fill()
    '''
    manifest = cli.job(script, files=FILES, spec="resourceMonitorIntervalSeconds: 0")
    manifest.write_text(manifest.read_text().replace("instanceCount: 2", "instanceCount: 1"))
    env = {"DISK": str(disk.folder), "ONCE": str(cli.folder / "once"), "LEAVE": str(leave)}
    start = os.times().elapsed
    ended = cli.run(manifest, "--tick-ms", "5", env=env)
    took = os.times().elapsed - start
    stopped_for_space(ended, disk)
    assert ended.json["miniBatches"]["succeeded"] == FILES // 2, "all was committed before"
    if leave in (0, 150_000):  # between them either may be the first that does not fit
        assert ("needed for the output" in ended.err) == (leave > 0), ended
    assert took < 15, "a definite answer must not be asked for again and again"
    (disk.folder / "ballast").unlink()
    assert complete(cli, manifest, env=env) == faults.lines(FILES)


@needs_root
def test_a_full_disk_does_not_run_mini_batches_for_ever_when_columns_cannot_be_fixed(cli, disk):
    table = faults.FILL + '''
    def run(mini_batch):
        with open(os.environ["TRACE"], "a") as trace:
            trace.write("x")
        fill()
        return [{"name": os.path.basename(path)} for path in mini_batch]
    '''
    manifest = cli.job(table, files=20, append="rows.csv")
    env = {"DISK": str(disk.folder), "ONCE": str(cli.folder / "once"),
           "TRACE": str(cli.folder / "trace"), "LEAVE": "0"}
    stopped_for_space(cli.run(manifest, env=env), disk)
    assert (cli.folder / "trace").stat().st_size <= 20
    (disk.folder / "ballast").unlink()
    names = "".join(f"{number:05d}.txt\n" for number in range(20))
    assert complete(cli, manifest, files=20, env=env) == "name\n" + names


@needs_root
def test_a_read_only_disk(cli, disk):
    manifest = cli.job(ECHO)
    disk.read_only(True)
    ended = cli.run(manifest)
    assert ended.code == 3 and "Read-only file system" in ended.err, ended
    assert str(disk.folder) in ended.err and ended.json["state"] == "NotStarted"
    disk.read_only(False)
    assert cli.run(manifest).code == 0


def test_a_folder_of_results_that_cannot_be_one(cli):
    manifest = cli.job(ECHO)
    cli.out = manifest / "out"
    ended = cli.run(manifest)
    assert ended.code in (2, 3) and str(manifest) in ended.err, ended
    assert ended.json["state"] == "NotStarted"


def test_an_input_that_comes_later(cli):
    manifest = cli.job(ECHO)
    (cli.folder / "data").rename(cli.folder / "elsewhere")
    ended = cli.run(manifest)
    assert ended.code == 2 and f"{cli.folder}/data" in ended.err and "--input" in ended.err, ended
    assert not cli.out.exists(), "nothing was begun"
    (cli.folder / "elsewhere").rename(cli.folder / "data")
    ended = cli.run(manifest)
    assert ended.code == 0, ended


def test_an_input_folder_that_is_filled_later(cli):
    manifest = cli.job(ECHO)
    full = cli.folder / "full"
    (cli.folder / "data").rename(full)
    (cli.folder / "data").mkdir()
    ended = cli.run(manifest)
    assert ended.code == 2 and "EmptyInput" in ended.err and "/data" in ended.err, ended
    status = cli.call("status", cli.out)
    assert status.code == 2 and str(cli.out) in status.err, status
    assert "ended before its plan" in status.err and "start the job" in status.err, status
    for path in full.iterdir():
        path.rename(cli.folder / "data" / path.name)
    ended = cli.run(manifest)
    assert ended.code == 0, ended
    jobs.check_summary(ended.json, total=10, items=20)


def lengthen(path):
    with open(path, "a", encoding="utf-8") as file:
        file.write("more\n")


def make_fifo(path):
    path.unlink()
    os.mkfifo(path)


def make_folder(path):
    path.unlink()
    path.mkdir()


CHANGES = {
    "size": (lengthen, "size 7, planned 2"),
    "time": (lambda path: os.utime(path, ns=(1, 1)), "modified 1970-01-01T00:00:00.000000001Z"),
    "gone": (lambda path: path.unlink(), "input is gone"),
    "fifo": (make_fifo, "a FIFO, planned a file"),
    "folder": (make_folder, "a folder, planned a file"),
}


# A script that waits, once started, until GO is there; its run() ends with what is put behind it.
WAITS = '''
    import os, threading
    def init():
        open(os.environ["STARTED"], "w").close()
        while not os.path.exists(os.environ["GO"]):
            threading.Event().wait(0.01)
    def run(mini_batch):
        '''


def run_with_a_change(cli, manifest, change):
    """Runs a job of WAITS, and changes its data when it is planned and started."""
    env = {"STARTED": str(cli.folder / "started"), "GO": str(cli.folder / "go")}
    process = cli.start("run", "-f", manifest, "--output", cli.out, "-o", "json", env=env)
    jobs.wait_until((cli.folder / "started").exists, "planned and started")
    change()
    (cli.folder / "go").touch()
    ended = jobs.Ended(process, *process.communicate(timeout=jobs.DEADLINE))
    assert ended.code == 0, ended
    return ended


def test_inputs_that_change_after_planning_cost_only_their_mini_batches(cli):
    script = WAITS + "return [os.path.basename(path) for path in mini_batch]"
    manifest = cli.job(script, files=20, spec="retrySettings: {maxRetries: 0, timeoutSeconds: 20}")

    def change_all():
        for number, (change, _) in enumerate(CHANGES.values()):
            change(cli.folder / "data" / f"{4 * number:05d}.txt")  # one in each second mini-batch

    ended = run_with_a_change(cli, manifest, change_all)
    assert ended.json["miniBatches"]["failed"] == len(CHANGES), ended
    rows = {int(row["Mini-batch Id"]): row for row in jobs.processed(ended.json)}
    groups = " ".join(group["message"] for group in ended.json["errors"])
    for number, (_, words) in enumerate(CHANGES.values()):
        row = rows.pop(2 * number)
        assert row["Status"] == "LOAD_EXCEPTION", row
        assert words in row["Error Message"] and f"{4 * number:05d}.txt" in row["Error Message"]
        assert f"{4 * number:05d}.txt" in groups, groups
    assert all(row["Status"] == "RUN_DONE" for row in rows.values())
    assert cli.verify().code == 0, cli.verify()


def test_a_table_that_became_a_fifo_fails_its_mini_batches_without_hanging(cli):
    data = cli.folder / "table"
    data.mkdir()
    for name in ("a", "b"):
        (data / f"{name}.csv").write_text("n\n" + "".join(f"{n}\n" for n in range(50)))
    (data / "MLTable").write_text("paths:\n  - pattern: ./*.csv\ntransformations:\n"
                                  "  - read_delimited:\n      delimiter: ','\n")
    manifest = cli.job(WAITS + "return mini_batch", size='"10rows"',
                       spec="retrySettings: {maxRetries: 0, timeoutSeconds: 20}")
    manifest.write_text(manifest.read_text().replace("type: uri_folder, path: data",
                                                     "type: mltable, mode: direct, path: table"))
    ended = run_with_a_change(cli, manifest, lambda: make_fifo(data / "b.csv"))
    assert ended.json["miniBatches"]["failed"] == 5, ended
    assert "a FIFO, planned a file" in ended.json["errors"][0]["message"]
    assert cli.verify().code == 0, cli.verify()
