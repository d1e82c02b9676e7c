"""stdout, stderr and logging of a slot: into its log files, never into the protocol."""

import errno
import io
import logging
import os
import sys

_TAIL = 400  # bytes of the last write that are remembered
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EIO)


LIMIT = 64 << 20  # bytes that one process may write to one of its logs
_LAST = b"\nparalleljob: this log has reached its limit of 64 MiB; the rest is dropped\n"


class LogFile(io.FileIO):
    """A file that drops what does not fit on a full disk, and what goes over LIMIT: a log must
    neither fail a mini-batch nor fill the disk that the rows need."""

    dropped = 0  # for lack of space
    cut = 0  # over the limit

    def __init__(self, *args, **named):
        super().__init__(*args, **named)
        self._left = LIMIT
        self.tail = b""

    def write(self, data):
        self.tail = bytes(data[-_TAIL:])
        size = len(data)
        if size <= self._left:
            self._left -= size
            return self._put(data)
        self._put(data[: self._left])
        if LogFile.cut == 0 or self._left:
            self._put(_LAST)
        LogFile.cut += size - self._left
        self._left = 0
        return size

    def _put(self, data):
        try:
            return super().write(data)
        except OSError as error:
            if error.errno not in _FULL:
                raise
            LogFile.dropped += len(data)
            return len(data)


def open_text(fd, closefd):
    raw = LogFile(fd, "w", closefd=closefd)
    return io.TextIOWrapper(
        io.BufferedWriter(raw), "utf-8", "backslashreplace", line_buffering=True
    )


def redirect(stdout_fd, stderr_fd):
    """Descriptors 0, 1, 2 and sys.std* become /dev/null (at its end) and the two logs."""
    null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    os.dup2(null, 0, inheritable=True)
    os.close(null)
    for source, target in ((stdout_fd, 1), (stderr_fd, 2)):
        os.dup2(source, target, inheritable=True)
        os.close(source)
    sys.stdin = sys.__stdin__ = io.TextIOWrapper(io.FileIO(0, "r", closefd=False), "utf-8")
    sys.stdout = sys.__stdout__ = open_text(1, False)
    sys.stderr = sys.__stderr__ = open_text(2, False)


def last_error_line():
    """What stderr ends with, for whoever has to say why a script gave up; may be empty."""
    try:
        sys.__stderr__.flush()
        lines = sys.__stderr__.buffer.raw.tail.decode("utf-8", "replace").split("\n")
    except (AttributeError, OSError, ValueError):  # the script did something to it
        return ""
    written = [line.strip() for line in lines if line.strip()]
    return written[-1] if written else ""


def capture_logging(log_fd, level):
    """The root logger writes to the process log."""
    handler = logging.StreamHandler(open_text(log_fd, True))
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(getattr(logging, level, logging.INFO))
    return handler
