"""What a slot runs: the user's functions, and how their data is loaded and their results written.

Both run loops (native and pure) drive one Program; it knows nothing of sockets or pages.
"""

import os
import stat
import sys
import time

from . import errors, rows, wire
from .entry import MiniBatchContext
from .errors import LoadError


class Program:
    """Belongs to the slot's main thread."""

    def __init__(self, job, script, note):
        self.job = job
        self.run = script.run
        self.takes_context = script.takes_context
        self.count_rows = bool(job.count_rows)
        self.append_format = job.append_format
        self._table = None
        self._notes = set()
        self._send_note = note
        self._write = rows.writer(job.append_format, job.header, self.note_once)

    def note_once(self, key, message):
        if key not in self._notes:
            self._notes.add(key)
            self._send_note(message)

    def note_totals(self):
        """At the end of the process."""
        if self._table is not None:
            self._table.note_totals()

    def note_newlines(self):
        rows.note_newlines(self.note_once)

    def load(self, payload):
        """Payload → the argument of run()."""
        if payload.kind == wire.FILES:
            for part in payload.parts:
                check_fingerprint(part)
            return [part.path for part in payload.parts]
        if self._table is None:
            from . import table  # imported by the zygote when the job has a table

            self._table = table.Reader(self.job.table, self.note_once)
        for part in payload.parts:
            check_fingerprint(part)
        return self._table.read(payload)

    def load_raw(self, data):
        """For the native loop: payload bytes → the argument of run()."""
        return self.load(wire.decode_payload(data))

    def context(self, mini_batch, attempt, payload):
        return MiniBatchContext(self.job, mini_batch, attempt, payload)

    def context_raw(self, mini_batch, attempt, data):
        return self.context(mini_batch, attempt, wire.decode_payload(data))

    def finish(self, result):
        """What run() returned → (rows, number of rows, items returned, columns as JSON or None)."""
        returned = rows.items_returned(result)
        if not self.append_format:
            return b"", 0, returned, None
        data, count, columns = self._write(result)
        rows.check_size(len(data))
        return data, count, returned, columns

    def failure(self, exc):
        return errors.describe(exc)

    @staticmethod
    def short(returned, total):
        return b"run() returned %d item%s for %d given: return one row per item, or set %s" % (
            returned,
            b"" if returned == 1 else b"s",
            total,
            b"successPolicy: NoException",
        )


def check_fingerprint(part):
    """The file must still be what was planned."""
    try:
        found = os.stat(part.path)
    except OSError as error:
        if isinstance(error, FileNotFoundError):
            raise LoadError("InputMissing", "input is gone: %s" % part.path) from None
        raise LoadError(
            "InputUnreadable", "input cannot be read: %s: %s" % (part.path, error.strerror)
        ) from None
    changes = []
    if not stat.S_ISREG(found.st_mode):
        changes.append("a %s, planned a file" % _kind(found.st_mode))
    if found.st_size != part.size:
        changes.append("size %d, planned %d" % (found.st_size, part.size))
    if part.mtime_ns != 0 and found.st_mtime_ns != part.mtime_ns:
        changes.append(
            "modified %s, planned %s" % (_utc(found.st_mtime_ns), _utc(part.mtime_ns))
        )
    if changes:
        raise LoadError(
            "InputChanged",
            "input changed after planning: %s: %s (plan again with --fresh)"
            % (part.path, "; ".join(changes)),
        )


def _kind(mode):
    kinds = {stat.S_IFIFO: "FIFO", stat.S_IFDIR: "folder", stat.S_IFSOCK: "socket"}
    return kinds.get(stat.S_IFMT(mode), "device")


def _utc(ns):
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ns // 10**9))
    return "%s.%09dZ" % (whole, ns % 10**9)


def flush_output():
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            # A closed or full log is the script's own loss.
            continue
