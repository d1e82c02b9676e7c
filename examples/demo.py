"""Runs every example on this machine; kills one half-way and lets it go on (`./dev demo`)."""

import argparse
import json
import os
import pathlib
import select
import shutil
import signal
import subprocess
import sys
import time

EXAMPLES = pathlib.Path(__file__).resolve().parent
# Example → the name of the input that its data goes to.
INPUTS = {"hello": "names", "iris": "flowers", "sales": "sales", "digits": "images"}
KILLED = "iris"
HALF_WAY = (0.3, 0.7)
# The killed example's script with a pause in each mini-batch, so that there is a half-way.
PAUSE_SECONDS = 0.15
SLOWLY = f"""\
import time
from score import init, run as score
def run(mini_batch):
    time.sleep({PAUSE_SECONDS})
    return score(mini_batch)
"""


def say(text):
    print(text, flush=True)


def make_data(name, folder):
    """The example's data, made once."""
    stamp = folder / ".made"
    source = EXAMPLES / name / "make_data.py"
    if not stamp.exists() or stamp.stat().st_mtime < source.stat().st_mtime:
        say(f"   making data in {folder}")
        subprocess.run([sys.executable, str(source), str(folder)], check=True)
        stamp.touch()


def slowed(options):
    """The killed example's manifest with a slower script, below the data folder."""
    folder = options.data / "slowed"
    shutil.copytree(EXAMPLES / KILLED / "src", folder / "src", dirs_exist_ok=True)
    (folder / "src" / "slowly.py").write_text(SLOWLY, encoding="utf-8")
    text = (EXAMPLES / KILLED / "job.yaml").read_text(encoding="utf-8")
    text = text.replace("entryScript: score.py", "entryScript: slowly.py")
    text = text.replace("path: model", f"path: {EXAMPLES / KILLED / 'model'}")
    manifest = folder / "job.yaml"
    manifest.write_text(text, encoding="utf-8")
    return manifest


def command(options, name, *more):
    manifest = slowed(options) if name == KILLED else EXAMPLES / name / "job.yaml"
    return [options.program, "run", "-f", str(manifest), "--input",
            f"{INPUTS[name]}={options.data / name}", "--output", str(options.output / name), *more]


def status(options, name):
    """What is committed: `paralleljob status -o json`, or None before there is anything."""
    found = subprocess.run([options.program, "status", str(options.output / name), "-o", "json"],
                           capture_output=True, text=True, check=False)
    try:
        return json.loads(found.stdout)["miniBatches"]
    except (ValueError, KeyError):
        return None


def share(counts):
    """How much of all is committed; 0 before there is anything."""
    if not counts or not counts["total"]:
        return 0
    return (counts["succeeded"] + counts["failed"]) / counts["total"]


def kill_half_way(options, name):
    """Starts the example, SIGKILLs the whole program while 30 to 70 % are committed.

    Returns how many were committed at the kill, of how many."""
    process = subprocess.Popen(command(options, name))
    ended = os.pidfd_open(process.pid)
    deadline = time.monotonic() + 120
    try:
        while share(status(options, name)) < HALF_WAY[0]:
            if time.monotonic() >= deadline:
                sys.exit(f"error: {name} did not get to {HALF_WAY[0]:.0%} in 120 s")
            if select.select([ended], [], [], 0.05)[0]:
                sys.exit(f"error: {name} ended before it could be killed, code {process.wait()}")
        process.kill()
        process.wait()
    finally:
        process.kill()  # nothing to a process that was waited for
        os.close(ended)
    counts = status(options, name)
    if not HALF_WAY[0] <= share(counts) <= HALF_WAY[1]:
        sys.exit(f"error: {name} was killed at {share(counts):.0%}, which is not half-way")
    return counts["succeeded"] + counts["failed"], counts["total"]


def resume(options, name, done, total):
    """The same command again. It must say that it goes on where the killed one was."""
    process = subprocess.Popen(command(options, name), stderr=subprocess.PIPE, text=True)
    told = []
    for line in process.stderr:
        told.append(line)
        sys.stderr.write(line)
    if process.wait() != 0:
        fail(options, name, process.returncode)
    expected = f"resumed at {done} of {total} mini-batches"
    if expected not in "".join(told):
        sys.exit(f"error: {name} did not say that it {expected}")
    verify(options, name)


def fail(options, name, code):
    sys.exit(f"error: {name} ended with code {code}; logs: {options.output / name / 'logs'}")


def verify(options, name):
    verified = subprocess.run([options.program, "verify", str(options.output / name)], check=False)
    if verified.returncode != 0:
        sys.exit(f"error: verify found differences in {options.output / name}")


def run(options, name):
    """Runs one example to its end, from the beginning."""
    code = subprocess.run(command(options, name, "--fresh"), check=False).returncode
    if code != 0:
        fail(options, name, code)
    verify(options, name)


def result_paths(options, name):
    """Output name → path of a finished example."""
    found = subprocess.run([*command(options, name), "-o", "json"], capture_output=True, text=True,
                           check=True)
    summary = json.loads(found.stdout)
    return summary["outputs"]


def show(options, name):
    for output, path in result_paths(options, name).items():
        say(f"   {name:7s} {output:11s} {path}")


def demo(options):
    for name in INPUTS:
        say(f"\n-- {name}: {(EXAMPLES / name / 'job.yaml').read_text().splitlines()[0][2:]}")
        make_data(name, options.data / name)
        if name != KILLED:
            run(options, name)
            continue
        say(f"   with a pause of {PAUSE_SECONDS} s in each mini-batch, so that there is a half-way")
        subprocess.run(["rm", "-rf", "--", str(options.output / name)], check=True)
        done, total = kill_half_way(options, name)
        say(f"\n   killed with SIGKILL when {done} of {total} mini-batches were saved;"
            " the same command again:")
        resume(options, name, done, total)
    say("\n-- results")
    for name in INPUTS:
        show(options, name)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", required=True, help="the built paralleljob")
    parser.add_argument("--data", type=pathlib.Path, required=True, help="folder for input data")
    parser.add_argument("--output", type=pathlib.Path, required=True, help="folder for results")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    demo(options)


if __name__ == "__main__":
    main()
