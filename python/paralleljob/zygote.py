"""The zygote: imports what slots need, then forks one on each request; reaps, reports, kills.

Control messages: worker/wire.h. Ends, with all its slots, when its socket closes.
"""

import gc
import json
import os
import select
import signal
import sys
import time
import traceback
import warnings

import _socket

from . import channel, job, pandas_version, slot, system, transport

_CONTROL_FD = 3
_DESCRIPTION_FD = 4
_SPAWN_FDS = 5
_STACK_SECONDS = 0.05  # that a slot gets to write its stacks before it is killed


class Zygote:
    """Single-threaded. `children` holds the pids of living slots."""

    def __init__(self, description, control_fd=_CONTROL_FD):
        self._job = description
        self._control = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET, 0, control_fd)
        self._control.setblocking(True)
        os.set_inheritable(control_fd, False)
        self._prctl = system.load_prctl()
        self._children = set()
        self._dying = {}  # pid of a slot that writes its stacks: when it is killed
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)

    def serve(self):
        """Until the agent's end closes; then kills what still lives."""
        system.adopt_orphans(self._prctl)
        signal.signal(signal.SIGCHLD, _on_child)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        self._say_hello()
        poll = select.poll()
        poll.register(self._control.fileno(), select.POLLIN)
        poll.register(self._wake_read, select.POLLIN)
        open_ = True
        while open_:
            for fd, _ in poll.poll(self._milliseconds_to_kill()):
                if fd == self._wake_read:
                    self._reap()
                else:
                    open_ = self._handle_message()
            self._kill_dying()
        self._kill_all()

    def _say_hello(self):
        pandas = sys.modules.get("pandas")
        self._send(
            {
                "op": "hello",
                "pid": os.getpid(),
                "python": "%d.%d.%d" % sys.version_info[:3],
                "transport": transport.name(),
                "pandas": getattr(pandas, "__version__", ""),
                "why_pure": transport.why_pure(),
            }
        )

    def _send(self, message):
        try:
            self._control.send(json.dumps(message).encode("ascii"), _socket.MSG_NOSIGNAL)
        except (BrokenPipeError, ConnectionResetError):
            self._kill_all()
            os._exit(0)

    def _handle_message(self):
        try:
            data, ancillary, _, _ = self._control.recvmsg(
                1 << 20, _socket.CMSG_SPACE(64), _socket.MSG_CMSG_CLOEXEC
            )
        except ConnectionResetError:
            return False
        fds = channel.received_fds(ancillary)
        if not data:
            return False
        request = json.loads(data.decode("utf-8"))
        if request.get("op") == "spawn" and len(fds) == _SPAWN_FDS:
            self._spawn(request, fds)
        elif request.get("op") == "kill":
            self._kill(int(request["pid"]), bool(request.get("stack")))
        else:
            sys.stderr.write("paralleljob zygote: message not understood: %r\n" % (request,))
        for fd in fds:
            os.close(fd)
        return True

    def _spawn(self, request, fds):
        parent = os.getpid()
        pid = _fork()
        if pid == 0:
            self._become_slot(parent, request, fds)
        self._children.add(pid)
        self._send({"op": "spawned", "process": request.get("process", 0), "pid": pid})

    def _become_slot(self, parent, request, fds):
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.setsid()
            system.end_with_parent(self._prctl, parent)
            system.adopt_orphans(self._prctl)
            self._control.close()
            os.close(self._wake_read)
            os.close(self._wake_write)
            slot.Slot(self._job, request, fds).main()
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(slot.SETUP_FAILED)

    def _kill(self, pid, with_stack):
        if pid not in self._children:
            return
        if with_stack:
            _signal_one(pid, system.STACK_SIGNAL)
            self._dying[pid] = time.monotonic() + _STACK_SECONDS
        else:
            _kill_group(pid)

    def _milliseconds_to_kill(self):
        if not self._dying:
            return None
        return max(0.0, min(self._dying.values()) - time.monotonic()) * 1000

    def _kill_dying(self):
        now = time.monotonic()
        for pid in [pid for pid, due in self._dying.items() if due <= now]:
            del self._dying[pid]
            _kill_group(pid)

    def _reap(self):
        try:
            while os.read(self._wake_read, 4096):
                continue
        except BlockingIOError:
            pass  # drained
        while True:
            # Not yet reaped: its pid, and so its group, cannot be anybody else's.
            ended = _waitid(os.WNOHANG | os.WNOWAIT)
            if ended is None:
                return
            self._bury(ended)

    def _bury(self, pid):
        known = pid in self._children
        self._dying.pop(pid, None)
        if known:
            _kill_group(pid)
        _, status = os.waitpid(pid, 0)
        if known:
            self._children.discard(pid)
            self._kill_orphans()
            self._send({"op": "exited", "pid": pid, "status": status})

    def _kill_orphans(self):
        """What a dead slot's script left behind (setsid, daemons) has become our child."""
        for pid in system.children():
            if pid not in self._children:
                _kill_one(pid)

    def _kill_all(self):
        for pid in list(self._children):
            _kill_group(pid)
        self._children.clear()
        while system.children():
            self._kill_orphans()
            try:
                os.waitpid(-1, 0)
            except ChildProcessError:
                return


def _fork():
    with warnings.catch_warnings():
        # numpy's threads make newer Pythons warn of fork; they hold no lock of ours.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _on_child(_number, _frame):
    """Only so that the wake-up descriptor is written."""


def _waitid(options):
    try:
        ended = os.waitid(os.P_ALL, 0, os.WEXITED | options)
    except ChildProcessError:
        return None
    return ended.si_pid if ended is not None else None


def _kill_group(pid):
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        _kill_one(pid)


def _kill_one(pid):
    _signal_one(pid, signal.SIGKILL)


def _signal_one(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _import_runtime(description):
    """Everything that a slot may need later, before any user code can be in its way."""
    if description.import_pandas:
        try:
            import pandas
        except ImportError:
            return  # the slots say so, as an error of the script's environment
        if pandas_version.problem(pandas):
            return  # likewise; our reader may not even be importable with it
        from . import table  # noqa: F401


def main():
    description = job.load(sys.argv[1])
    if sys.argv[1] == "/proc/self/fd/%d" % _DESCRIPTION_FD:
        os.close(_DESCRIPTION_FD)
    _import_runtime(description)
    zygote = Zygote(description)
    gc.collect()
    gc.freeze()
    zygote.serve()
    os._exit(0)
