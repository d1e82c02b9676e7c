"""Scripts that misbehave in whole runs: the rest of the job ends well, and the cause is named."""

import pathlib
import textwrap

import pytest

import faults
import jobs

# What run() does in one mini-batch → (statements, status of its attempts, words of its error).
# An empty status: harmless, it succeeds.
RUNS = {
    "raises": ("raise ValueError('bad page')", "RUN_EXCEPTION", "bad page"),
    "exits": ("sys.exit(4)", "RUN_EXCEPTION", "SystemExit: 4"),
    "recurses": ("return run(mini_batch, context)", "RUN_EXCEPTION", "RecursionError"),
    "hangs": ("threading.Event().wait()", "RUN_TIMEOUT", "did not return within 1 s"),
    "keeps the GIL": ("ctypes.PyDLL(None).pause()", "RUN_TIMEOUT", "did not return within 1 s"),
    "blocks signals and hangs": ("signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\n"
                                 "threading.Event().wait()", "RUN_TIMEOUT", "did not return"),
    "prints without end": ("while True: print('x' * 4095)", "RUN_TIMEOUT", "did not return"),
    "writes without end": ("while True: os.write(2, b'y' * 4095)", "RUN_TIMEOUT",
                           "did not return"),
    "os._exit": ("os._exit(9)", "PROCESS_DIED", "exited with code 9"),
    "segfault": ("ctypes.string_at(0)", "PROCESS_DIED", "SIGSEGV"),
    "abort": ("os.abort()", "PROCESS_DIED", "SIGABRT"),
    "SIGKILL": ("os.kill(os.getpid(), 9)", "PROCESS_DIED", "SIGKILL"),
    "closes every descriptor": ("os.closerange(0, 65536)", "PROCESS_DIED", "connection"),
    "wrong type": ("return 5", "RUN_EXCEPTION", "run() returned int"),
    "None": ("return None", "RUN_EXCEPTION", "run() returned NoneType"),
    "too few rows": ("return []", "RUN_SHORT", "0 items for 2"),
    "no memory": ("resource.setrlimit(resource.RLIMIT_AS, (1 << 32, 1 << 32))\n"
                  "bytearray(1 << 40)", "RUN_EXCEPTION", "MemoryError"),
    "row that cannot be told": ("return [Bad(), Bad()]", "RUN_EXCEPTION", "ZeroDivisionError"),
    "closed stdout": ("sys.stdout.close()\nprint('x')", "RUN_EXCEPTION", "closed file"),
    "forks and both return": ("os.fork()", "", ""),
    "leaves a child": ("if os.fork() == 0: threading.Event().wait()", "", ""),
    "leaves a daemon": ("if os.fork() == 0:\n"
                        "    os.setsid()\n"
                        "    if os.fork() == 0: threading.Event().wait()\n"
                        "    os._exit(0)", "", ""),
    "newlines and NUL": ("return ['one\\ntwo', 'nul\\0nul']", "", ""),
    "no UTF-8": ("return ['\\udc80', b'\\xff']", "", ""),
}

HEAD = '''
import ctypes, os, resource, signal, sys, threading

class Bad:
    def __str__(self): return str(1 // 0)

def run(mini_batch, context):
'''


def script():
    """run() of which mini-batch n does the n-th thing, and the rest behave."""
    text = HEAD
    for number, (statements, _, _) in enumerate(RUNS.values()):
        text += f"    if context.minibatch_index == {number}:\n"
        text += textwrap.indent(statements, " " * 8) + "\n"
    return text + "    return [os.path.basename(path) for path in mini_batch]\n"


@pytest.fixture(scope="module")
def ran(program, tmp_path_factory):
    """One run of all of them, each with one retry."""
    cli = jobs.CommandLine(program, tmp_path_factory.mktemp("misbehaving"))
    manifest = cli.job(script(), files=80, spec="retrySettings: {maxRetries: 1, timeoutSeconds: 1}")
    return cli, cli.run(manifest, env={"MARK": str(cli.out)})


def test_the_others_finish_and_nothing_is_left(ran):
    cli, ended = ran
    assert ended.code == 0, ended
    bad = [number for number, (_, status, _) in enumerate(RUNS.values()) if status]
    counts = ended.json["miniBatches"]
    rows = jobs.processed(ended.json)
    failed = {int(row["Mini-batch Id"]) for row in rows if row["Status"] != "RUN_DONE"
              and row["Picked Count"] == "2"}
    assert failed == set(bad) and counts["failed"] == len(bad), counts
    assert counts["succeeded"] == 40 - len(bad)
    assert cli.verify().code == 0, cli.verify()
    faults.nothing_is_left(cli.out)
    lines = pathlib.Path(ended.json["outputs"]["rows"]).read_bytes()
    good = [f"{n:05d}.txt\n".encode() for n in range(2 * len(RUNS), 80)]
    assert lines.endswith(b"".join(good)), lines
    assert b"one\ntwo\nnul\0nul\n" in lines


@pytest.mark.parametrize("name", [name for name, (_, status, _) in RUNS.items() if status])
def test_each_cause_is_named(ran, name):
    _, ended = ran
    number = list(RUNS).index(name)
    _, status, words = RUNS[name]
    attempts = [row for row in jobs.processed(ended.json) if int(row["Mini-batch Id"]) == number]
    assert [row["Picked Count"] for row in attempts] == ["1", "2"], attempts
    assert attempts[1]["Status"] == status and words in attempts[1]["Error Message"], attempts
    groups = [group for group in ended.json["errors"] if number in group["miniBatches"]]
    assert any(words in group["message"] for group in groups), groups


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_endless_output_ends_at_the_limit_of_a_log(ran, stream):
    """Python counts what it writes itself; the rest is cut back."""
    _, ended = ran
    logs = list((pathlib.Path(ended.json["logs"]) / "user" / stream).rglob("*.txt"))
    assert all(path.stat().st_size <= (64 << 20) + 400 for path in logs), logs
    ends = [path.read_bytes()[-200:] for path in logs if path.stat().st_size > 64 << 20]
    assert ends and all(b"its limit of 64 MiB; the rest is dropped" in end for end in ends), ends


def test_a_crash_leaves_the_scripts_stack_in_the_log(ran):
    _, ended = ran
    logs = (pathlib.Path(ended.json["logs"]) / "user" / "stderr").rglob("*.txt")
    text = "".join(path.read_text(errors="replace") for path in logs)
    stacks = text.split("Fatal Python error: ")[1:]
    for what in ("Segmentation fault", "Aborted"):
        found = [stack for stack in stacks if stack.startswith(what)]
        assert len(found) == 2 and all("entry.py" in stack for stack in found), text[-4000:]


FINE = "def run(mini_batch):\n    return mini_batch\n"
NEVER = {  # scripts that never come up → words of the cause
    "syntax error": ("exec('def run(mini_batch:')\n", "SyntaxError"),
    "no run": ("from os.path import *\n", "no function run(mini_batch)"),
    "async run": ("exec('async def run(mini_batch): return mini_batch')\n", "async"),
    "import fails": ("import no_such_module\n" + FINE, "no_such_module"),
    "import exits": ("import os\nos._exit(3)\n" + FINE, "exited with code 3"),
    "init raises": ("def init():\n    raise OSError('no model')\n" + FINE, "no model"),
    "init raises beside a thread": (
        "import threading\ndef init():\n"
        "    threading.Thread(target=threading.Event().wait).start()\n"
        "    raise OSError('no model')\n" + FINE, "no model"),
    "init hangs": ("import threading\ndef init():\n    threading.Event().wait()\n" + FINE,
                   "init() did not return within 1 s"),
    "init dies": ("import os\ndef init():\n    os._exit(7)\n" + FINE, "exited with code 7"),
    "init segfaults": ("import ctypes\ndef init():\n    ctypes.string_at(0)\n" + FINE, "SIGSEGV"),
}


@pytest.mark.parametrize("name", NEVER)
def test_a_script_that_never_comes_up_fails_the_job_with_its_cause(cli, name):
    text, words = NEVER[name]
    limit = 1 if name == "init hangs" else 600
    ended = cli.run(cli.job(text, files=4, spec=f"initTimeoutSeconds: {limit}"),
                    env={"MARK": str(cli.out)})
    assert ended.code == 1, ended
    assert ended.json["state"] == "Failed" and words in ended.json["message"], ended
    assert words in ended.err or words in ended.json["message"]
    assert ended.json["miniBatches"]["notRun"] == 2
    faults.nothing_is_left(cli.out)
    assert cli.verify().code == 0, cli.verify()


@pytest.mark.parametrize("text, place, words", [
    ("def run(mini_batch:\n    pass\n", "entry.py:1:1: error: syntax error", "syntax error"),
    ("x = 1\n", "entry.py: error: ", "no function run(mini_batch)"),
    ("x = 1\nasync def run(mini_batch):\n    return mini_batch\n", "entry.py:2:1: ", "async")])
def test_a_script_that_cannot_run_is_refused_before_anything_is_written(cli, text, place, words):
    manifest = cli.job(text)
    checked = cli.call("validate", "-f", manifest)
    for more in ([], ["--env", "venv"]):
        ended = cli.run(manifest, *more)
        assert ended.code == 2 and place in ended.err and words in ended.err, ended
        assert ended.json["state"] == "NotStarted" and words in ended.json["errors"][0]["message"]
        assert checked.code == 2 and checked.err == ended.err, checked
    assert not cli.out.exists()


@pytest.mark.parametrize("ends", ["raise OSError('late')", "os._exit(5)", "ctypes.string_at(0)",
                                  "os.closerange(0, 65536)", "os.fork()"])
def test_shutdown_never_fails_the_job(cli, ends):
    text = ("import ctypes, os\n" + "def run(mini_batch):\n"
            "    return [os.path.basename(path) for path in mini_batch]\n"
            f"def shutdown():\n    {ends}\n")
    ended = cli.run(cli.job(text), env={"MARK": str(cli.out)})
    assert ended.code == 0, ended
    jobs.check_summary(ended.json, total=10, items=20)
    faults.nothing_is_left(cli.out)


def test_modules_that_shadow_the_standard_library(cli):
    manifest = cli.job('''
        import json, logging, random
        def run(mini_batch):
            return [json.NAME + logging.NAME + random.NAME for path in mini_batch]
        ''')
    for name in ("json", "logging", "random", "select", "socket"):
        (cli.folder / "code" / f"{name}.py").write_text(f"NAME = '{name}'\n")
    ended = cli.run(manifest)
    assert ended.code == 0, ended
    rows = pathlib.Path(ended.json["outputs"]["rows"]).read_text()
    assert rows == "jsonloggingrandom\n" * 20
