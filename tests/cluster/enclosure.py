"""A network, processes and mounts of their own, in which a whole cluster lives and ends."""

import json
import os
import pathlib
import signal
import subprocess
import threading
import time

INSIDE = "/run/paralleljob"  # where the enclosure sees its folder: short enough for sockets
# What Kubernetes and containerd keep at fixed places is the enclosure's own there.
PRIVATE = ("/run/containerd", "/run/netns", "/var/lib/cni", "/var/lib/kubelet", "/var/log/pods",
           "/var/log/containers")
WAY_OUT = "use a virtual machine or a privileged container"

# $1 its folder, $2 the first process, then addresses. Tells its process id as the outside sees it.
FIRST = f"""set -eu
folder=$1 first=$2; shift 2
read -r pid rest </proc/self/stat
mount --make-rprivate /
mkdir -p {INSIDE} {' '.join(PRIVATE)}
mount --bind "$folder" {INSIDE}
for place in {' '.join(PRIVATE)}; do mount -t tmpfs -o mode=0755 tmpfs "$place"; done
mount -t proc proc /proc
mount --make-rshared /
ip link set lo up
for address; do ip address add "$address/32" dev lo; done
echo 1 >/proc/sys/net/ipv4/ip_forward
echo "$pid" >"{INSIDE}/first.new"
mv "{INSIDE}/first.new" "{INSIDE}/first"
exec "$first"
"""

# What nodes need of a machine, tried out and forgotten.
PROBE = """set -e
mount --make-rprivate /
mount -t proc proc /proc
ip link add probe0 type bridge
ip link add probe1 type veth peer name probe2
"""


class CannotRun(Exception):
    """This machine cannot hold a cluster; the message says why and what would help."""


def check_machine() -> None:
    """Raises CannotRun unless this process may make an enclosure and containers in it."""
    if os.geteuid() != 0:
        raise CannotRun("a cluster needs root: sudo ./dev cluster …")
    if not _root_is_a_mount():
        raise CannotRun("/ is no mount point, as in a chroot, and a cluster's mounts need one: "
                        "mount --bind DIR DIR before chroot DIR, or " + WAY_OUT)
    done = subprocess.run([*_unshare(), "sh", "-c", PROBE], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, check=False)
    if done.returncode:
        raise CannotRun("this machine lets nobody make namespaces, mounts, bridges or veth pairs "
                        f"({done.stderr.strip()}): {WAY_OUT}")
    for controller in ("memory", "pids", "cpu"):
        if not any(os.access(root, os.W_OK) for root in _control_groups(controller)):
            raise CannotRun(f"the {controller} controller of the control groups is missing or "
                            f"cannot be written: {WAY_OUT}")


def _root_is_a_mount() -> bool:
    """Also true where nothing tells: the probe finds out then."""
    try:
        mounts = pathlib.Path("/proc/self/mountinfo").read_text().splitlines()
    except OSError:
        return True
    return any(line.split()[4] == "/" for line in mounts)


def _unshare() -> list:
    return ["unshare", "--net", "--mount", "--pid", "--fork"]


def _control_groups(controller: str) -> list:
    """The roots of the hierarchies (version 1 or 2) that offer a controller."""
    unified = pathlib.Path("/sys/fs/cgroup")
    controllers = unified / "cgroup.controllers"
    if controllers.is_file() and controller in controllers.read_text().split():
        return [unified]
    return [path for path in (unified / controller,) if path.is_dir()]


def wait_until(what: str, seconds: float, condition, pause: float = 0.05):
    """The first true value of condition(), or TimeoutError after so many seconds."""
    deadline = time.monotonic() + seconds
    never = threading.Event()
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds:g} s")
        never.wait(pause)
    return value


class Enclosure:
    """One first process holds it; when that one ends, the kernel ends everything inside.

    Whatever is known of it lies in `folder`, so any process of this machine may use it by name.
    Processes are named; their ids are those of the inside. Not for use by several threads.
    """

    def __init__(self, folder: pathlib.Path):
        self.folder = folder

    def create(self, first: str, addresses: list, dies_with_caller: bool) -> None:
        """In an empty folder. dies_with_caller: ends with the thread that calls this."""
        argv = [*_unshare(), "--kill-child=KILL", "sh", "-c", FIRST, "sh", str(self.folder), first,
                *addresses]
        if dies_with_caller:
            argv = ["setpriv", "--pdeathsig", "KILL", *argv]
        log = self.folder / "first.log"
        with open(log, "wb") as output:
            process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=output,
                                       stderr=output, start_new_session=True, env=_environment())
        told = self.folder / "first"
        wait_until("the enclosure", 20, lambda: told.exists() or process.poll() is not None)
        if process.poll() is not None:
            raise CannotRun(f"cannot make an enclosure: {log.read_text().strip()}; {WAY_OUT}")
        pid = int(told.read_text())
        (self.folder / "enclosure.json").write_text(
            json.dumps({"pid": pid, "started": _start_time(pid)}))

    @property
    def pid(self) -> int:
        """The first process, as the outside sees it; 0 when the enclosure is gone."""
        try:
            known = json.loads((self.folder / "enclosure.json").read_text())
        except (OSError, ValueError):
            return 0
        return known["pid"] if _start_time(known["pid"]) == known["started"] else 0

    def enter(self, argv: list, network_only: bool = True) -> list:
        """The command that runs argv inside. network_only: with this machine's files and ids."""
        options = ["--net"] if network_only else ["--net", "--mount", "--pid"]
        return ["nsenter", "--target", str(self._pid()), *options, *map(str, argv)]

    def start(self, name: str, argv: list) -> None:
        """Starts a process called `name`, with `name`.log and `name`.pid in the folder."""
        script = f'cd {INSIDE}; setsid "$@" >>"{name}.log" 2>&1 </dev/null & echo $!'
        told = subprocess.run(self.enter(["sh", "-c", script, "sh", *argv], network_only=False),
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              check=False, env=_environment())
        if told.returncode:
            raise RuntimeError(f"{name} does not start: {told.stderr.strip()}")
        (self.folder / f"{name}.pid").write_text(told.stdout)

    def running(self, name: str) -> bool:
        pid = self._inner_pid(name)
        seen_inside = pathlib.Path("/proc", str(self.pid), "root", "proc")
        return pid != 0 and _start_time(pid, seen_inside) != 0

    def log_end(self, name: str) -> str:
        """The last lines of its log, for error messages."""
        log = self.folder / f"{name}.log"
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        return "\n".join([f"{log} ends with:", *lines[-20:]])

    def wait_for(self, what: str, seconds: float, condition, *names: str) -> None:
        """wait_until, for something that the processes of those names shall do: an error shows the
        end of their logs, and none is waited for that has ended."""
        def probe():
            for name in names:
                if not self.running(name):
                    raise RuntimeError(f"{what}: {name} ended; {self.log_end(name)}")
            return condition()

        try:
            wait_until(what, seconds, probe)
        except TimeoutError as error:
            raise TimeoutError("\n".join([str(error), *map(self.log_end, names)])) from None

    def send(self, name: str, number: int) -> None:
        if not self.running(name):
            raise RuntimeError(f"{name} is not running; {self.log_end(name)}")
        kill = ["kill", f"-{int(number)}", str(self._inner_pid(name))]
        subprocess.run(self.enter(["/bin/sh", "-c", " ".join(kill)], network_only=False),
                       stdin=subprocess.DEVNULL, check=True)

    def stop(self, name: str, number: int = signal.SIGTERM, seconds: float = 30) -> None:
        """Signals `name` and waits for its end."""
        self.send(name, number)
        wait_until(f"the end of {name}", seconds, lambda: not self.running(name), 0.01)
        (self.folder / f"{name}.pid").unlink()

    def names(self) -> list:
        """Of all processes that were started and not stopped, running or not."""
        return sorted(path.stem for path in self.folder.glob("*.pid"))

    def end(self) -> None:
        """Ends everything inside, at once. Harmless when nothing is left."""
        pid = self.pid
        if not pid:
            return
        handle = os.pidfd_open(pid)  # not another process that gets the same id meanwhile
        try:
            if self.pid == pid:
                signal.pidfd_send_signal(handle, signal.SIGKILL)
            wait_until("the end of the enclosure", 30, lambda: not self.pid, 0.01)
        finally:
            os.close(handle)

    def _pid(self) -> int:
        pid = self.pid
        if not pid:
            raise RuntimeError(f"no cluster is up in {self.folder}: ./dev cluster up")
        return pid

    def _inner_pid(self, name: str) -> int:
        try:
            return int((self.folder / f"{name}.pid").read_text())
        except OSError:
            return 0


def _environment() -> dict:
    """Nothing of the caller's: no proxies, no settings, no language."""
    return {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": INSIDE,
            "LC_ALL": "C.UTF-8"}


def _start_time(pid: int, proc: pathlib.Path = pathlib.Path("/proc")) -> int:
    """When a process began, in the kernel's ticks; 0 when there is none, or only its corpse.

    A first thread may be gone before the others, which still hold the sockets: no corpse yet.
    """
    try:
        fields = (proc / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    state, threads, began = fields[0], int(fields[17]), int(fields[19])
    return 0 if state in "ZX" and threads <= 1 else began
