"""`./dev cluster`: what it answers, and that it never leaves or takes anything that is not its."""

import pathlib
import re
import signal
import subprocess
import sys

import pytest

import enclosure
import kube_cluster
import programs

COMMAND = pathlib.Path(__file__).with_name("cluster.py")
CANNOT_RUN = 77


class Command:
    """The command line over one cluster."""

    def __init__(self, cache, name):
        self.argv = [sys.executable, str(COMMAND), "--cache", str(cache), "--name", name]
        self.cluster = kube_cluster.Cluster(cache / "cluster" / name, programs.Programs(cache))

    def __call__(self, *arguments, before=(), given=None):
        return subprocess.run([*before, *self.argv, *arguments], capture_output=True, text=True,
                              check=False, timeout=120, input=given,
                              stdin=subprocess.DEVNULL if given is None else None)


@pytest.fixture(name="command")
def command_fixture(able, found_programs):
    name = kube_cluster.name_of(__file__, "command")
    command = Command(found_programs.cache, name)
    command("down")
    yield command
    command("down")


def test_up_twice_status_exec_and_down(command):
    assert command("status").returncode == 3
    assert command("exec", "true").returncode == 3
    first = command("up", "--nodes", "0")
    assert first.returncode == 0 and "is up after" in first.stdout, first.stderr
    pid = command.cluster.home.pid
    again = command("up", "--nodes", "0")
    assert again.returncode == 0 and "was up after" in again.stdout, again.stderr
    assert command.cluster.home.pid == pid
    assert re.findall(r"^(\w+) +(\S+)$", command("status").stdout, re.M) == [
        ("running", name) for name in ("apiserver", "controller-manager", "etcd")]
    made = command("exec", "kubectl", "create", "-f", "-", given=(
        '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "given"}}'))
    assert made.stdout == "configmap/given created\n", made.stderr
    assert command("exec", "sh", "-c", "exit 5").returncode == 5
    assert command("exec", "--", "sh", "-c", "exit 6").returncode == 6
    assert command("down").returncode == 0
    assert command.cluster.home.pid == 0 and not command.cluster.folder.exists()
    assert command("down").returncode == 0


def test_what_a_killed_start_left_is_cleared(command):
    starting = subprocess.Popen([*command.argv, "up", "--nodes", "1"], stdin=subprocess.DEVNULL,
                                stdout=subprocess.DEVNULL)
    enclosure.wait_until("a started containerd", 60,
                         (command.cluster.folder / "containerd-1.pid").exists)
    starting.kill()
    starting.wait()
    half = command.cluster.home.pid
    assert half and command("status").returncode == 3
    assert command("up", "--nodes", "0").returncode == 0
    assert command.cluster.home.pid not in (0, half)
    assert command.cluster.home.names() == ["apiserver", "controller-manager", "etcd"]


def test_a_cluster_whose_first_process_died_is_down(command):
    assert command("up", "--nodes", "0").returncode == 0
    subprocess.run(["kill", "-9", str(command.cluster.home.pid)], check=True)
    enclosure.wait_until("its end", 20, lambda: not command.cluster.home.pid)
    assert command("status").returncode == 3
    assert command("up", "--nodes", "0").returncode == 0


def test_stop_tells_what_does_not_run(command):
    assert command("up", "--nodes", "0").returncode == 0
    command.cluster.home.stop("controller-manager", signal.SIGKILL)
    with pytest.raises(RuntimeError, match="controller-manager is not running"):
        command.cluster.home.send("controller-manager", signal.SIGTERM)


def test_a_machine_that_cannot_hold_a_cluster_says_so(command):
    weak = ("setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin")
    for arguments in (("check",), ("up", "--nodes", "0")):
        done = command(*arguments, before=weak)
        assert done.returncode == CANNOT_RUN
        assert done.stderr.startswith("CANNOT RUN A CLUSTER HERE: this machine lets nobody make")
    nobody = command("check", before=("setpriv", "--reuid", "65534", "--clear-groups",
                                      "--inh-caps", "+dac_read_search", "--ambient-caps",
                                      "+dac_read_search"))
    assert nobody.returncode == CANNOT_RUN and "needs root" in nobody.stderr


# $1 a folder: the same system below it, where / is no mount point. Then a command.
CHROOT = """set -eu
folder=$1; shift
mount -t tmpfs tmpfs "$folder"
for entry in /*; do
  if [ -L "$entry" ]; then mkdir -p "$folder/root"; cp -P "$entry" "$folder/root/"
  elif [ -d "$entry" ]; then
    mkdir -p "$folder/root$entry"; mount --rbind "$entry" "$folder/root$entry"
  fi
done
exec chroot "$folder/root" "$@"
"""


def test_a_root_that_is_no_mount_point_is_said_to_be_none(command, tmp_path):
    done = command("check", before=("unshare", "--mount", "sh", "-c", CHROOT, "sh", tmp_path))
    assert done.returncode == CANNOT_RUN
    assert done.stderr.startswith("CANNOT RUN A CLUSTER HERE: / is no mount point"), done


def test_a_program_that_is_not_there_is_named(command):
    assert command("up", "--nodes", "0").returncode == 0
    for name, told in (("paralleljob", "./dev build makes it"), ("no-such", "on the PATH")):
        done = command("exec", name, before=("env", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"))
        assert done.returncode == 1 and done.stderr.startswith("error: there is no"), done
        assert name in done.stderr and told in done.stderr, done
    done = command("up", "--nodes", "1", before=("env", "PATH=/nowhere"))
    assert done.returncode == 1 and done.stderr.startswith("error: there is no"), done


def test_help_names_every_command(command):
    text = command("--help").stdout
    for name in ("up", "down", "status", "exec", "load", "77"):
        assert re.search(rf"\b{name}\b", text)


def test_go_is_judged_by_its_version(tmp_path):
    for said, version in (("go1.26.6", (1, 26)), ("go1.19", (1, 19)), ("devel", (0, 0))):
        go = tmp_path / "go"
        go.write_text(f"#!/bin/sh\necho {said}\n")
        go.chmod(0o755)
        assert programs.go_version(str(go)) == version
