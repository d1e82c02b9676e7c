"""The run loop in pure Python: the same wire and the same results as the native module."""

import mmap
import os
import time

from . import wire
from .channel import Closed

_FLUSH_NS = 1000000
_LONG_NS = 500000


class _Outcome:
    """One attempt's answer, in the making."""

    __slots__ = ("status", "rows", "count", "returned", "columns", "error", "load", "run", "cpu")

    def __init__(self):
        self.status = wire.RUN_DONE
        self.rows = b""
        self.count = 0
        self.returned = 0
        self.columns = None
        self.error = (b"", b"", b"")
        self.load = self.run = self.cpu = 0


class Loop:
    """Takes frames until the agent says shutdown (serve returns True) or is gone (False)."""

    def __init__(self, channel, page_fd, program):
        self._channel = channel
        self._program = program
        self._map = mmap.mmap(page_fd, wire.PAGE_BYTES)
        self._page = memoryview(self._map).cast("Q")
        self._pid = os.getpid()
        self._batch = []
        self._batch_bytes = 0
        self._oldest = 0

    def serve(self):
        try:
            while True:
                kind, count, body = self._channel.receive()
                if kind == wire.SHUTDOWN:
                    return True
                if kind != wire.RUN:
                    raise wire.WireError("the agent sent a message of type %d" % kind)
                for mini_batch, attempt, entry, data in wire.split_run(body, count):
                    self._one(mini_batch, attempt, entry, data)
                self._flush()
        except Closed:
            return False

    def _one(self, mini_batch, attempt, entry, data):
        page, at = self._page, entry * 4
        if page[at] != wire.SENT:
            return
        started = time.monotonic_ns()
        if self._batch and started - self._oldest > _FLUSH_NS:
            self._flush()
        wall = time.time_ns()
        page[at + 1] = started
        page[at] = wire.LOADING
        total, outcome = self._attempt(mini_batch, attempt, data, at)
        if os.getpid() != self._pid:
            os._exit(0)  # a child that user code forked, and that came back out of run()
        self._add(mini_batch, attempt, wall, total, outcome)
        ended = time.monotonic_ns()
        page[at + 3] = ended
        page[at] = wire.ENDED
        if ended - started > _LONG_NS:
            self._flush()

    def _attempt(self, mini_batch, attempt, data, at):
        out = _Outcome()
        program, total = self._program, 0
        begin = time.monotonic_ns()
        cpu = time.process_time_ns()
        running = 0
        try:
            payload = wire.decode_payload(data)
            total = payload.items()
            arguments = [program.load(payload)]
            if program.takes_context:
                arguments.append(program.context(mini_batch, attempt, payload))
            running = time.monotonic_ns()
            out.load = running - begin
            self._page[at + 2] = running
            self._page[at] = wire.RUNNING
            try:
                result = program.run(*arguments)
            finally:
                if os.getpid() != self._pid:
                    os._exit(0)
                out.run = time.monotonic_ns() - running
            out.rows, out.count, out.returned, out.columns = program.finish(result)
            if program.count_rows and out.returned < total:
                out.status = wire.RUN_SHORT
                out.error = (b"ShortReturn", program.short(out.returned, total), b"")
        except BaseException as exc:  # SystemExit and KeyboardInterrupt end an attempt, not us
            out.status = wire.RUN_EXCEPTION if running else wire.LOAD_EXCEPTION
            if not running:
                out.load = time.monotonic_ns() - begin
            out.rows, out.count, out.returned, out.columns = b"", 0, 0, None
            out.error = program.failure(exc)
        out.cpu = time.process_time_ns() - cpu
        return total, out

    def _add(self, mini_batch, attempt, wall, total, out):
        flags = wire.HAS_COLUMNS if out.columns is not None else 0
        parts = [
            wire.RESULT.pack(
                mini_batch, attempt, out.status, flags, 0, wall, out.load, out.run, out.cpu,
                total, out.returned, out.count,
            )  # fmt: skip
        ]
        for piece in (out.rows, out.columns or b"") + tuple(out.error):
            parts.append(wire.LENGTH.pack(len(piece)))
            parts.append(piece)
        size = sum(len(part) for part in parts)
        if self._batch and self._batch_bytes + size + wire.HEADER.size > wire.FRAME_BYTES:
            self._flush()
        if not self._batch:
            self._oldest = time.monotonic_ns()
        self._batch.append(b"".join(parts))
        self._batch_bytes += size

    def _flush(self):
        if self._batch:
            body = self._batch[0] if len(self._batch) == 1 else b"".join(self._batch)
            count = len(self._batch)
            self._batch, self._batch_bytes = [], 0
            self._channel.send(wire.RESULTS, body, count)


