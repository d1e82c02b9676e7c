"""The few calls to Linux that Python has no name for."""

import os
import signal

# Asks a slot for the stacks of its threads; no library is known to use the last signal.
STACK_SIGNAL = signal.SIGRTMAX

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_HIGH = 700


def load_prctl():
    """prctl through the native module, else ctypes, else a function that does nothing."""
    from .transport import native_module

    native = native_module()
    if native is not None:
        return native.prctl
    try:
        import ctypes

        libc = ctypes.CDLL(None, use_errno=True)
    except (ImportError, OSError):
        return lambda option, value: -1
    return lambda option, value: libc.prctl(option, value, 0, 0, 0)


def end_with_parent(prctl, parent):
    """SIGKILL for this process when its parent dies, however it dies."""
    prctl(_PR_SET_PDEATHSIG, 9)
    if os.getppid() != parent:
        os._exit(0)


def adopt_orphans(prctl):
    prctl(_PR_SET_CHILD_SUBREAPER, 1)


def move_high(fd):
    """The descriptor's copy far above those that scripts close or reuse; not inherited by exec."""
    import fcntl

    for lowest in (_HIGH, 100, 10):
        try:
            moved = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, lowest)
        except OSError:
            continue
        os.close(fd)
        return moved
    os.set_inheritable(fd, False)
    return fd


def children():
    """pids of this process's children, those of dead children included that came to us."""
    try:
        with open("/proc/self/task/%d/children" % os.getpid()) as file:
            return [int(pid) for pid in file.read().split()]
    except OSError:
        return _children_by_stat()


def _children_by_stat():
    me, found = os.getpid(), []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open("/proc/%s/stat" % name) as file:
                fields = file.read().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == me:
            found.append(int(name))
    return found
