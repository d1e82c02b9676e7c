"""`verify` finds each of a set of deliberate damages, one at a time on a copy of a good run."""

import shutil
import sqlite3

import pytest

import jobs

SCRIPT = '''
    import os
    def run(mini_batch, context):
        if context.minibatch_index == 3 and context.attempt == 1:
            raise ValueError("not the first time")
        return [os.path.basename(path) for path in mini_batch]
    '''


@pytest.fixture(scope="module")
def good(program, tmp_path_factory):
    """A finished run that verifies."""
    cli = jobs.CommandLine(program, tmp_path_factory.mktemp("good"))
    ended = cli.run(cli.job(SCRIPT))
    assert ended.code == 0, ended
    assert cli.verify().code == 0, cli.verify()
    return cli


def rows(out):
    return out / "outputs" / "rows" / "rows.txt"


def edit(path, change):
    """Replaces the content of `path` by change(content)."""
    before = path.read_bytes()
    after = change(before)
    assert after != before
    path.write_bytes(after)


def edit_lines(path, change):
    edit(path, lambda raw: b"".join(change(raw.splitlines(keepends=True))))


def flip(raw):
    return raw[:5] + bytes([raw[5] ^ 1]) + raw[6:]


def segment(out, kind):
    """A segment's file that is not empty."""
    return next(path for path in sorted(out.rglob(f"*.{kind}")) if path.stat().st_size > 40)


def report(out):
    return out / "logs" / "sys" / "job_report" / "processed_mini-batches.csv"


def beside(path, name):
    return path.parent / name


def objects(out, sql):
    """One statement on state.db, which must change something; its log is written back first."""
    with sqlite3.connect(out / "state.db") as db:
        assert db.execute(sql).rowcount >= 1, sql
    db.close()


def in_result(out, before, after):
    """The result object with another text, its checksum made to fit: as a forger would do it."""
    db = sqlite3.connect(out / "state.db")
    ((row, resource, ns, name, version, body),) = db.execute(
        "SELECT id, resource, ns, name, version, body FROM objects WHERE name LIKE '%result'")
    body = bytes(body)
    assert before in body
    body = body.replace(before, after, 1)
    crc = crc32c(body, crc32c(head(resource, ns, name, version)))
    db.execute("UPDATE objects SET body = ?, crc = ? WHERE id = ?", (body, crc, row))
    db.commit()
    db.close()


def head(resource, ns, name, version):
    out = b""
    for text in (resource, ns, name):
        raw = text if isinstance(text, bytes) else text.encode()
        assert len(raw) < 128
        out += bytes([len(raw)]) + raw
    return out + version.to_bytes(8, "little")


def crc32c(data, crc=0):
    crc ^= 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


DAMAGES = {
    "a row changed": (lambda out: edit(rows(out), flip), "checksum of the output file"),
    "a row removed": (lambda out: edit_lines(rows(out), lambda l: l[1:]), "bytes of the output"),
    "a row twice": (lambda out: edit_lines(rows(out), lambda l: l[:1] + l), "bytes of the output"),
    "two rows swapped": (lambda out: edit_lines(rows(out), lambda l: [l[1], l[0]] + l[2:]),
                         "checksum of the output file"),
    "output cut off": (lambda out: edit(rows(out), lambda raw: raw[:-4]), "bytes of the output"),
    "output removed": (lambda out: rows(out).unlink(), "rows.txt"),
    "segment's rows flipped": (lambda out: edit(segment(out, "rows"), flip), "mini-batch"),
    "segment's index flipped": (lambda out: edit(segment(out, "index"), flip), "index"),
    "segment's attempts flipped": (lambda out: edit(segment(out, "attempts"), flip), "checksum"),
    "attempts cut off": (lambda out: edit(segment(out, "attempts"), lambda raw: raw[:-1]),
                         "were committed"),
    "segment removed": (lambda out: segment(out, "rows").unlink(), "missing"),
    "report's row removed": (lambda out: edit_lines(report(out), lambda l: l[:-1]),
                             "processed_mini-batches.csv"),
    "report's row twice": (lambda out: edit_lines(report(out), lambda l: l + l[-1:]),
                           "processed_mini-batches.csv"),
    "report's row replaced": (lambda out: edit_lines(report(out), lambda l: l[:-1] + [l[1]]),
                              "processed_mini-batches.csv"),
    "report's status changed": (
        lambda out: edit(report(out), lambda raw: raw.replace(b"RUN_DONE", b"RUN_SHORT", 1)),
        "processed_mini-batches.csv"),
    "report removed": (lambda out: report(out).unlink(), "processed_mini-batches.csv"),
    "node's summary changed": (
        lambda out: edit(beside(report(out), "node_summary.csv"), flip), "node_summary.csv"),
    "process's summary cut off": (
        lambda out: edit_lines(beside(report(out), "process_summary.csv"), lambda l: l[:-1]),
        "process_summary.csv"),
    "process's summary removed": (
        lambda out: beside(report(out), "process_summary.csv").unlink(), "process_summary.csv"),
    "word of the end changed": (
        lambda out: edit(out / "logs/job_result.txt", lambda raw: b"Failed" + raw[8:]),
        "job_result.txt"),
    "overview of errors removed": (lambda out: (out / "logs/user/error.txt").unlink(),
                                   "error.txt"),
    "plan flipped": (lambda out: edit(next(out.rglob("plan")), flip), "plan"),
    "record flipped": (
        lambda out: objects(out, "UPDATE objects SET crc = crc + 1 WHERE name LIKE '%-s-0'"),
        "checksum"),
    "record removed": (lambda out: objects(out, "DELETE FROM objects WHERE name LIKE '%-s-0'"),
                       "shard"),
    "result removed": (lambda out: objects(out, "DELETE FROM objects WHERE name LIKE '%result'"),
                       "result"),
    "counter in the result": (
        lambda out: in_result(out, b'\\"succeeded\\":10', b'\\"succeeded\\":11'), "succeeded"),
    "total in the result": (
        lambda out: in_result(out, b'\\"total\\":10', b'\\"total\\":19'), "in all"),
    "not run in the result": (
        lambda out: in_result(out, b'\\"notRun\\":0', b'\\"notRun\\":1'), "not run"),
    "state in the result": (
        lambda out: in_result(out, b'\\"Complete\\"', b'\\"Failedxx\\"'), "state"),
    "retries in the result": (
        lambda out: in_result(out, b'\\"retries\\":1', b'\\"retries\\":0'), "retries"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_found_and_named(good, tmp_path, damage):
    cli = jobs.CommandLine(good.program, tmp_path)
    shutil.copytree(good.out, cli.out)
    change, words = DAMAGES[damage]
    change(cli.out)
    found = cli.verify()
    assert found.code == 1 and words in found.err, found
    told = cli.call("verify", cli.out, "-o", "json")
    assert told.code == 1 and not told.json.get("verified"), told


def test_a_copy_is_looked_at_itself(good, tmp_path):
    cli = jobs.CommandLine(good.program, tmp_path)
    shutil.copytree(good.out, cli.out)
    assert cli.verify().code == 0, cli.verify()
    for damaged, words in ((rows(cli.out), "output file"), (report(cli.out), report(cli.out).name)):
        kept = damaged.read_bytes()
        edit(damaged, lambda raw: raw[:-1])
        found = cli.verify()
        assert found.code == 1 and words in found.err, found
        assert good.verify().code == 0, "the original is whole"
        damaged.write_bytes(kept)
    assert cli.verify().code == 0, cli.verify()


def test_a_moved_run_verifies(good, tmp_path):
    """And whoever asks for its paths gets those where it lies now."""
    cli = jobs.CommandLine(good.program, tmp_path)
    manifest = cli.job(SCRIPT)
    ended, before = cli.run(manifest), cli.out
    assert ended.code == 0, ended
    cli.out = cli.out.rename(tmp_path / "elsewhere")
    assert cli.verify().code == 0, cli.verify()
    for asked in (cli.call("status", cli.out, "-o", "json"), cli.run(manifest)):
        assert asked.code == 0 and f"{before}/" not in asked.out, asked
        assert asked.json["outputs"] == {"rows": str(rows(cli.out))}, asked
        assert asked.json["logs"] == str(cli.out / "logs"), asked
    assert "already finished" in cli.run(manifest).err
    rows(cli.out).unlink()
    found = cli.verify()
    assert found.code == 1 and str(rows(cli.out)) in found.err, found
