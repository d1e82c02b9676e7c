"""A slot from hello to bye, run()'s kinds of ends, and what scripts may do to us."""

import json
import os
import signal

import pytest
from harness import encode_file, files_payload, wait_gone

from paralleljob import wire

ECHO = """
import os
def init(): pass
def run(mini_batch):
    return [os.path.basename(p) for p in mini_batch]
"""


def test_file_list_to_rows(zygote, files, transport):
    z = zygote().script(ECHO).start()
    slot = z.ready()
    assert slot.hello["transport"] == transport == z.hello["transport"]
    assert slot.hello["pid"] == slot.pid and slot.hello["maxFrame"] == wire.FRAME_BYTES
    paths = files(5)
    entries = slot.run([(7, 1, files_payload(paths[:3])), (8, 2, files_payload(paths[3:]))])
    first, second = slot.results(2)
    assert first.rows == b"file000.txt\nfile001.txt\nfile002.txt\n"
    assert (first.mini_batch, first.attempt, first.status) == (7, 1, wire.RUN_DONE)
    assert (first.total, first.returned, first.count) == (3, 3, 3)
    assert (second.mini_batch, second.attempt, second.rows) == (
        8, 2, b"file003.txt\nfile004.txt\n",
    )  # fmt: skip
    for entry, result in zip(entries, (first, second)):
        state, started, run, end = slot.page[entry * 4 : entry * 4 + 4]
        assert state == wire.ENDED and 0 < started <= run <= end
        assert result.run >= 0 and result.load >= 0 and result.cpu >= 0 and result.wall > 0
    slot.shutdown()
    assert z.exited(slot) == 0


def test_many_to_a_frame_come_back_in_few_messages(zygote, files):
    z = zygote().script(ECHO).start()
    slot = z.ready()
    payload = files_payload(files(1))
    slot.run([(number, 1, payload) for number in range(64)])
    results = slot.results(64)
    assert [r.mini_batch for r in results] == list(range(64))
    assert slot.results_frames < 64


def test_withdrawn_entries_are_skipped_silently(zygote, files):
    z = zygote().script(ECHO).start()
    slot = z.ready()
    payload = files_payload(files(1))
    entries = slot.run([(n, 1, payload) for n in range(4)], withdrawn=(1, 3))
    assert [r.mini_batch for r in slot.results(2)] == [0, 2]
    assert slot.page[entries[1] * 4] == wire.WITHDRAWN
    assert slot.page[entries[3] * 4] == wire.WITHDRAWN


def test_frames_and_results_by_memfd(zygote, files):
    z = zygote().script(
        "def run(b):\n    return ['x' * 70000, 'é'] if len(b) == 1 else b\n"
    ).start()  # fmt: skip
    slot = z.ready()
    assert any("init" in note for note in slot.notes)
    paths = files(2)
    many = files_payload(paths * 2000)
    assert len(many) > wire.FRAME_BYTES
    slot.run([(1, 1, many)], memfd=True)
    (result,) = slot.results(1)
    assert result.rows.decode().split("\n")[:-1] == paths * 2000
    slot.run([(2, 1, files_payload(paths[:1]))])
    assert slot.results(1)[0].rows == b"x" * 70000 + "\né\n".encode()


def test_context(zygote, files, tmp_path):
    z = zygote(inputs={"pictures": str(tmp_path / "data")}).script(
        "import json\n"
        "def init(): pass\n"
        "def run(mini_batch, context):\n"
        "    d = context.dataset\n"
        "    return [json.dumps([context.minibatch_index, context.partition_key_value,\n"
        "        context.attempt, context.job_name, context.output_dir, d.name, len(d.paths)])]\n"
    ).start()  # fmt: skip
    slot = z.ready()
    slot.run([(41, 3, files_payload(files(2), {"Store": "1000", "Brand": "täglich"}))])
    got = json.loads(slot.results(1)[0].rows)
    assert got == [
        41, {"Store": "1000", "Brand": "täglich"}, 3, "job", str(tmp_path / "out"), "pictures", 2,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "signature,expected",
    [("b", "1"), ("b, c", "MiniBatchContext"), ("b, limit=3", "3"), ("b, context=None", "Mini"),
     ("*b", "1")],
)  # fmt: skip
def test_second_parameter(zygote, files, signature, expected):
    last = "limit" if "limit" in signature else "context" if "context" in signature else "c"
    body = "type(c).__name__" if last == "c" and ", c" in signature else "len(b)"
    body = "limit" if last == "limit" else "type(context).__name__" if last == "context" else body
    z = zygote().script("def run(%s):\n    return [%s]\n" % (signature, body)).start()
    slot = z.ready()
    slot.run([(1, 1, files_payload(files(1)))])
    assert slot.results(1)[0].rows.decode().startswith(expected)


@pytest.mark.parametrize(
    "body,category,message",
    [
        ("raise ValueError('bad thing')", "ValueError", "ValueError: bad thing"),
        ("raise SystemExit(3)", "SystemExit", "SystemExit: 3"),
        ("raise KeyboardInterrupt()", "KeyboardInterrupt", "KeyboardInterrupt"),
        ("import sys; sys.exit()", "SystemExit", "SystemExit"),
        ("return None", "TypeError", "TypeError: run() returned NoneType"),
        ("return 'text'", "TypeError", "TypeError: run() returned str"),
        ("yield 1", "TypeError", "TypeError: run() returned generator"),
        ("return [Bad()]", "ZeroDivisionError", "ZeroDivisionError"),
        ("return run(b)", "RecursionError", "RecursionError"),
        ("raise ValueError('a\\x1b[31m\\udc80')", "ValueError", "ValueError: a\\x1b[31m\\udc80"),
        ("raise Mute()", "Mute", "Mute: <str() of it failed>"),
    ],
)
def test_failures_name_their_cause_and_the_slot_goes_on(zygote, files, body, category, message):
    z = zygote().script(
        "class Bad:\n    def __str__(self): return str(1 // 0)\n"
        "class Mute(Exception):\n    def __str__(self): raise OSError()\n"
        "def run(b):\n    if len(b) == 2: return ['fine']\n    %s\n" % body
    ).start()  # fmt: skip
    slot = z.ready()
    slot.run([(1, 1, files_payload(files(1))), (2, 1, files_payload(files(2)))])
    bad, good = slot.results(2)
    if body != "yield 1":
        assert good.rows == b"fine\n" and good.status == wire.RUN_DONE
    assert bad.status == wire.RUN_EXCEPTION and bad.category == category
    assert bad.message.startswith(message) and bad.rows == b""
    assert "paralleljob" not in bad.traceback and "pure.py" not in bad.traceback
    if "raise ValueError" in body:
        assert "score.py" in bad.traceback
    assert bad.total == 1 and bad.returned == 0


def test_short_returns_keep_their_rows(zygote, files):
    z = zygote(count_rows=True).script("def run(b): return b[:1]\n").start()
    slot = z.ready()
    paths = files(3)
    slot.run([(1, 1, files_payload(paths)), (2, 1, files_payload(paths[:1]))])
    short, whole = slot.results(2)
    assert short.status == wire.RUN_SHORT and short.rows.decode() == paths[0] + "\n"
    assert (short.total, short.returned) == (3, 1)
    assert "1 item for 3 given: return one row per item" in short.message
    assert "or set successPolicy: NoException" in short.message
    assert whole.status == wire.RUN_DONE


def test_items_are_counted_from_the_plan(zygote, files):
    z = zygote(count_rows=True).script("def run(b):\n    b.clear()\n    return []\n").start()
    slot = z.ready()
    slot.run([(1, 1, files_payload(files(2)))])
    (result,) = slot.results(1)
    assert result.status == wire.RUN_SHORT and result.total == 2


def test_without_append_nothing_is_formatted(zygote, files):
    z = zygote(append_format="").script(
        "class Bad:\n    def __str__(self): raise OSError\n"
        "def run(b): return [Bad()] * 3\n"
    ).start()  # fmt: skip
    slot = z.ready()
    slot.run([(1, 1, files_payload(files(1)))])
    (result,) = slot.results(1)
    assert (result.status, result.rows, result.returned) == (wire.RUN_DONE, b"", 3)


def test_changed_and_missing_inputs(zygote, files):
    z = zygote().script(ECHO).start()
    slot = z.ready()
    path = files(1)[0]
    size, mtime = os.stat(path).st_size, os.stat(path).st_mtime_ns
    cases = [
        encode_file(path, size + 1, mtime),
        encode_file(path, size, mtime - 10**9),
        encode_file(path + ".gone", size, mtime),
        encode_file(path, size, mtime),
        encode_file(path, size, 0),  # a time that is not known is not compared
        encode_file(path, size + 1, 0),
    ]
    slot.run([(n, 1, files_payload([case])) for n, case in enumerate(cases)])
    bigger, older, gone, fine, timeless, other = slot.results(6)
    assert {r.status for r in (bigger, older, gone, other)} == {wire.LOAD_EXCEPTION}
    assert bigger.category == "InputChanged" and "planned %d" % (size + 1) in bigger.message
    assert "modified" in older.message and path in older.message
    assert gone.category == "InputMissing" and path + ".gone" in gone.message
    assert fine.status == timeless.status == wire.RUN_DONE and bigger.run == 0
    assert other.category == "InputChanged" and "modified" not in other.message


@pytest.mark.parametrize(
    "script,category,message",
    [
        ("def run(b:\n  pass\n", "EntryScriptFailed", "SyntaxError"),
        ("import no_such_module\n", "EntryScriptFailed", "ModuleNotFoundError"),
        ("x = 1\n", "EntryScriptFailed", "no function run(mini_batch)"),
        ("async def run(b): return b\n", "EntryScriptFailed", "is async"),
        ("def run(): return []\n", "EntryScriptFailed", "takes 0 parameters"),
        ("def run(a, b, c): return []\n", "EntryScriptFailed", "takes 3 parameters"),
        ("def run(a, *, key): return []\n", "EntryScriptFailed", "requires the keyword 'key'"),
        ("def init(x): pass\ndef run(a): return []\n", "EntryScriptFailed", "no parameters"),
        ("run = 3\n", "EntryScriptFailed", "is no function"),
        ("raise SystemExit(9)\n", "EntryScriptFailed", "SystemExit: 9"),
        ("def init(): 1 // 0\ndef run(b): return b\n", "InitFailed", "ZeroDivisionError"),
        ("def init(): exit(4)\ndef run(b): return b\n", "InitFailed", "SystemExit: 4"),
        (
            "import argparse\n"
            "def init(): argparse.ArgumentParser().parse_args(['--factor'])\n"
            "def run(b): return b\n",
            "InitFailed",
            "SystemExit: 2 (score.py: error: unrecognized arguments: --factor)",
        ),
    ],
)
def test_scripts_that_do_not_start(zygote, script, category, message):
    z = zygote().script(script).start()
    slot = z.spawn()
    error = slot.expect(wire.INIT_ERROR)
    assert error["category"] == category and message in error["message"]
    assert "paralleljob/" not in error["traceback"] and "importlib" not in error["traceback"]
    if message in ("SyntaxError", "ZeroDivisionError"):
        assert "score.py" in error["traceback"]
    assert os.WEXITSTATUS(z.exited(slot)) == 1


def test_missing_entry_script(zygote):
    z = zygote(entry_script="absent.py").start()
    error = z.spawn().expect(wire.INIT_ERROR)
    assert "absent.py" in error["message"]


def test_dotted_module_and_module_name(zygote, files):
    z = zygote(entry_script="pack.deep.score", argv=["--x", "1"])
    z.script("", "pack/__init__.py").script("", "pack/deep/__init__.py")
    z.script(
        "import sys\nname = __name__\ndef init(): pass\n"
        "def run(b): return [name, sys.argv[1:], sys.path[0]]\n",
        "pack/deep/score.py",
    )
    slot = z.start().ready()
    slot.run([(1, 1, files_payload(files(1)))])
    rows = slot.results(1)[0].rows.decode()
    assert rows == "pack.deep.score\n['--x', '1']\n%s\n" % z.code


def test_surroundings_of_a_script(zygote, files, tmp_path):
    z = zygote(env={"FROM_JOB": "1", "GONE": "x"}, logging_level="DEBUG").script(
        "import os, sys, logging, json\n"
        "from azureml_user.parallel_run import EntryScript\n"
        "import paralleljob\n"
        "def init():\n"
        "    print('out'); print('err', file=sys.stderr); logging.debug('logged')\n"
        "    EntryScript().logger.info('entry')\n"
        "    os.system('echo child')\n"
        "def run(b):\n"
        "    e = EntryScript()\n"
        "    assert e is paralleljob.EntryScript()\n"
        "    return [json.dumps([os.getcwd(), os.environ['FROM_JOB'], os.environ.get('GONE'),\n"
        "        os.environ['CUDA_VISIBLE_DEVICES'], sys.stdin.read(), e.agent_name,\n"
        "        e.output_dir, e.working_dir, e.log_dir, __name__,\n"
        "        os.getpgid(0) == os.getpid()])]\n"
    ).start()  # fmt: skip
    slot = z.ready(5, env={"CUDA_VISIBLE_DEVICES": "3", "GONE": None})
    slot.run([(1, 1, files_payload(files(1)))])
    got = json.loads(slot.results(1)[0].rows)
    out, log_dir = str(tmp_path / "out"), str(tmp_path / "logs/user/entry_script_log/instance-0")
    code = str(z.code)
    assert got == [code, "1", None, "3", "", "process005", out, code, log_dir, "score", True]
    slot.shutdown()
    z.exited(slot)
    assert slot.text("stdout") == "out\nchild\n"
    assert slot.text("stderr") == "err\n"
    assert "DEBUG root: logged" in slot.text("log") and "entry" in slot.text("log")


def test_users_json_is_the_users(zygote, files):
    z = zygote().script("VALUE = 'mine'\n", "json.py").script("VALUE = 'log'\n", "logging.py")
    z.script("import json, logging\ndef run(b): return [json.VALUE + logging.VALUE]\n")
    slot = z.start().ready()
    slot.run([(1, 1, files_payload(files(1)))])
    assert slot.results(1)[0].rows == b"minelog\n"


def test_shutdown_runs_once_and_may_fail(zygote):
    z = zygote().script(
        "import atexit\natexit.register(lambda: print('atexit'))\n"
        "def run(b): return b\n"
        "def shutdown():\n    print('down')\n    raise OSError('late')\n"
    ).start()  # fmt: skip
    slot = z.ready()
    slot.shutdown()
    assert z.exited(slot) == 0
    assert slot.text("stdout") == "down\natexit\n"
    assert any("OSError: late" in note for note in slot.notes)


def test_a_spare_waits_and_then_becomes_the_slot(zygote, files, tmp_path):
    z = zygote().script("import os\ndef run(b): return [os.getcwd(), os.environ['X']]\n").start()
    slot = z.spawn(user=False, cwd="/nowhere")
    other = tmp_path / "copy"
    other.mkdir()
    (other / "score.py").write_text((z.code / "score.py").read_text())
    start = {"slot": 1, "cwd": str(other), "env": {"X": "y"}}
    slot.send(wire.START, json.dumps(start).encode())
    slot.expect(wire.READY)
    slot.run([(1, 1, files_payload(files(1)))])
    assert slot.results(1)[0].rows.decode() == "%s\ny\n" % other


def test_a_spare_that_was_not_needed(zygote):
    z = zygote().script("print('never')\n").start()
    slot = z.spawn(user=False)
    slot.shutdown()
    assert z.exited(slot) == 0 and slot.text("stdout") == ""


def test_kill_takes_the_group_and_what_left_it(zygote, files, tmp_path):
    z = zygote().script(
        "import os, threading\n"
        "def run(b):\n"
        "    for leave in (False, True):\n"
        "        if os.fork() == 0:\n"
        "            if leave: os.setsid()\n"
        "            print(os.getpid(), flush=True)\n"
        "            threading.Event().wait()\n"
        "    threading.Event().wait()\n"
    ).start()  # fmt: skip
    slot = z.ready()
    (entry,) = slot.run([(1, 1, files_payload(files(1)))])
    while slot.text("stdout").count("\n") < 2 or slot.page[entry * 4] != wire.RUNNING:
        os.sched_yield()
    z.kill(slot)
    assert os.WTERMSIG(z.exited(slot)) == signal.SIGKILL
    for pid in slot.text("stdout").split():
        wait_gone(int(pid))


def test_everything_ends_with_the_control_socket(zygote):
    z = zygote().script(
        "import os, threading\n"
        "def init():\n"
        "    if os.fork() == 0:\n"
        "        os.setsid(); print(os.getpid(), flush=True); threading.Event().wait()\n"
        "def run(b): return b\n"
    ).start()  # fmt: skip
    slots = [z.ready(number) for number in (1, 2)]
    while not all(slot.text("stdout").endswith("\n") for slot in slots):
        os.sched_yield()
    z.close()
    for slot in slots:
        wait_gone(slot.pid)
        wait_gone(int(slot.text("stdout")))


def test_slots_end_when_the_zygote_is_killed(zygote):
    z = zygote().script("def run(b): return b\n").start()
    slot = z.ready()
    z.process.kill()
    z.process.wait()
    wait_gone(slot.pid)


def test_slot_ends_when_the_agents_end_closes(zygote):
    z = zygote().script("def run(b): return b\n").start()
    slot = z.ready()
    slot.sock.close()
    assert z.exited(slot) == 0


def test_deaths_are_reported(zygote, files):
    # SIGABRT: of a SIGSEGV a sanitizer would make a report.
    z = zygote().script(
        "import os\ndef run(b): os._exit(7) if len(b) == 1 else os.kill(os.getpid(), 6)\n"
    ).start()  # fmt: skip
    first, second = z.ready(1), z.ready(2)
    first.run([(1, 1, files_payload(files(1)))])
    assert os.WEXITSTATUS(z.exited(first)) == 7
    (entry,) = second.run([(2, 1, files_payload(files(2)))])
    assert os.WTERMSIG(z.exited(second)) == 6
    assert second.page[entry * 4] == wire.RUNNING


def test_a_forked_child_cannot_answer(zygote, files):
    z = zygote().script(
        "import os\n"
        "def run(b):\n"
        "    pid = os.fork()\n"
        "    if pid == 0:\n"
        "        if len(b) == 2: raise ValueError('child')\n"
        "        return ['child']\n"
        "    assert os.waitpid(pid, 0)[1] == 0\n"
        "    return ['parent']\n"
    ).start()  # fmt: skip
    slot = z.ready()
    slot.run([(1, 1, files_payload(files(1))), (2, 1, files_payload(files(2)))])
    assert [r.rows for r in slot.results(2)] == [b"parent\n", b"parent\n"]


def test_a_child_forked_in_init_cannot_become_a_slot(zygote, files):
    z = zygote().script(
        "import os\ndef init(): os.fork()\ndef run(b): return [os.getpid()]\n"
    ).start()  # fmt: skip
    slot = z.ready()
    slot.run([(1, 1, files_payload(files(1)))])
    assert slot.results(1)[0].rows.decode() == "%d\n" % slot.pid
    slot.shutdown()


def test_closing_every_descriptor_harms_only_itself(zygote, files):
    script = "import os\ndef run(b):\n    os.closerange(0, 4096)\n    return b\n"
    z = zygote().script(script).start()
    slot = z.ready()
    slot.run([(1, 1, files_payload(files(1)))])
    status = z.exited(slot)
    assert os.WIFEXITED(status) and os.WEXITSTATUS(status) == 70
    assert z.ready(2).pid


def test_closed_stdout_fails_no_other_process(zygote, files):
    z = zygote().script(
        "import sys\ndef run(b):\n    sys.stdout.close()\n    print('x')\n    return b\n"
    ).start()  # fmt: skip
    slot = z.ready()
    slot.run([(1, 1, files_payload(files(1)))])
    (result,) = slot.results(1)
    assert result.status == wire.RUN_EXCEPTION and "closed file" in result.message
    slot.shutdown()
    assert z.exited(slot) == 0


def test_logs_on_a_full_disk_are_dropped_and_counted(zygote, files):
    z = zygote().script("def run(b):\n    print('x' * 1000)\n    return b\n").start()
    slot = z.ready(stdout="/dev/full")
    slot.run([(1, 1, files_payload(files(1)))])
    assert slot.results(1)[0].status == wire.RUN_DONE
    slot.shutdown()
    assert any("1001 bytes of the script's logs were dropped" in note for note in slot.notes)


def test_rows_beyond_the_limit_fail_their_attempt(zygote, files, transport):
    if transport == "native" and os.environ.get("PARALLELJOB_LONG", "0") in ("", "0"):
        pytest.skip("takes 2 GiB of memory: with ./dev test --all")
    z = zygote().script("def run(b): return ['x' * (1 << 20)] * 1025\n").start()
    slot = z.ready()
    slot.run([(1, 1, files_payload(files(1)))])
    (result,) = slot.results(1)
    assert result.status == wire.RUN_EXCEPTION and "limit of one mini-batch" in result.message


def test_long_errors_are_bounded(zygote, files):
    z = zygote().script("def run(b): raise ValueError('ä' * 200000 + 'end')\n").start()
    slot = z.ready()
    slot.run([(1, 1, files_payload(files(1)))])
    (result,) = slot.results(1)
    assert len(result.message.encode()) <= wire.MESSAGE_BYTES and result.message.endswith("end")
    assert len(result.traceback.encode()) <= wire.TRACEBACK_BYTES


def test_results_do_not_wait_for_a_later_long_run(zygote, files):
    z = zygote().script(
        "import threading\n"
        "def run(b):\n"
        "    threading.Event().wait(0.01 if len(b) == 1 else None)\n"
        "    return b\n"
    ).start()  # fmt: skip
    slot = z.ready()
    slot.run([(1, 1, files_payload(files(1))), (2, 1, files_payload(files(2)))])
    assert slot.results(1)[0].mini_batch == 1
    z.kill(slot)
    z.exited(slot)


@pytest.mark.parametrize("body", [b"", b"\x01", wire.ENTRY.pack(1, 1, 999, 0), b"\0" * 40])
def test_broken_frames_end_the_slot_with_a_reason(zygote, body):
    z = zygote().script("def run(b): return b\n").start()
    slot = z.ready()
    slot.send(wire.RUN, body, 1)
    status = z.exited(slot)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0:
        raise AssertionError("a broken frame must not look like a good end")


def test_broken_payload_is_a_load_exception(zygote):
    z = zygote().script("def run(b): return b\n").start()
    slot = z.ready()
    slot.run([(1, 1, b"\x01\x00\x05ab"), (2, 1, b"\x09\x00\x00")])
    assert [r.status for r in slot.results(2)] == [wire.LOAD_EXCEPTION] * 2
