"""Plays the agent over socket pairs: starts a zygote, asks for slots, sends frames."""

import array
import importlib.machinery
import json
import mmap
import os
import select
import socket
import struct
import subprocess
import sys
import time

from paralleljob import transport, wire
from paralleljob.channel import _read_memfd

DEADLINE = 60
RUNTIME = os.environ["PJ_PYTHON_RUNTIME"]


def transports():
    """"pure", and "native" where a module was built for this Python: that one must load."""
    if transport.native_module() is not None:
        return ["native", "pure"]
    for suffix in importlib.machinery.EXTENSION_SUFFIXES:
        built = os.path.join(RUNTIME, "_paralleljob_native" + suffix)
        if os.path.exists(built):
            raise RuntimeError("%s cannot be imported: %s" % (built, transport.why_pure()))
    return ["pure"]


def wait_readable(sock, deadline=DEADLINE):
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    assert poll.poll(deadline * 1000), "nothing came within the deadline"


def bytes_field(raw):
    return wire.write_varint(len(raw)) + raw


def encode_keys(kind, keys):
    out = bytes([kind]) + wire.write_varint(len(keys))
    for name, value in keys.items():
        out += bytes_field(name.encode()) + bytes_field(value.encode())
    return out


def encode_file(path, size=None, mtime_ns=None):
    found = os.stat(path) if size is None or mtime_ns is None else None
    size = found.st_size if size is None else size
    mtime_ns = found.st_mtime_ns if mtime_ns is None else mtime_ns
    return bytes_field(os.fsencode(path)) + wire.write_varint(size) + struct.pack("<q", mtime_ns)


def files_payload(paths, keys=None):
    files = [path if isinstance(path, bytes) else encode_file(path) for path in paths]
    return encode_keys(wire.FILES, keys or {}) + wire.write_varint(len(files)) + b"".join(files)


def range_entry(path, offset, length, records, header=0):
    tail = b"".join(wire.write_varint(value) for value in (offset, length, records, header))
    return encode_file(path) + tail


def table_payload(ranges, keys=None):
    head = encode_keys(wire.TABLE, keys or {}) + wire.write_varint(len(ranges))
    return head + b"".join(range_entry(*item) for item in ranges)


class Result:
    """One decoded result of a RESULTS frame."""

    def __init__(self, fields, tail):
        (self.mini_batch, self.attempt, self.status, self.flags, _, self.wall, self.load,
         self.run, self.cpu, self.total, self.returned, self.count) = fields  # fmt: skip
        self.rows, columns, category, message, shown = tail
        self.columns = json.loads(columns) if self.flags & wire.HAS_COLUMNS else None
        self.category = category.decode()
        self.message = message.decode()
        self.traceback = shown.decode()


def decode_results(body, count):
    at, out = 0, []
    for _ in range(count):
        fields = wire.RESULT.unpack_from(body, at)
        at += wire.RESULT.size
        tail = []
        for _ in range(5):
            (length,) = wire.LENGTH.unpack_from(body, at)
            at += 4
            tail.append(bytes(body[at : at + length]))
            assert len(tail[-1]) == length
            at += length
        out.append(Result(fields, tail))
    assert at == len(body)
    return out


class SlotEnd:
    """The agent's end of one slot."""

    def __init__(self, folder, number):
        self.sock, self.far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.page_fd = os.memfd_create("page")
        os.ftruncate(self.page_fd, wire.PAGE_BYTES)
        self.page = memoryview(mmap.mmap(self.page_fd, wire.PAGE_BYTES)).cast("Q")
        self.number = number
        self.folder = folder
        self.pid = None
        self.notes = []
        self.frames = 0
        self.results_frames = 0
        self.entry = 0
        names = [folder / ("%d.%s.txt" % (number, kind)) for kind in ("stdout", "stderr", "log")]
        flags = os.O_CREAT | os.O_WRONLY | os.O_APPEND
        self.logs = [os.open(name, flags, 0o600) for name in names]

    def fds(self):
        return [self.far.fileno(), self.page_fd] + self.logs

    def text(self, kind):
        return (self.folder / ("%d.%s.txt" % (self.number, kind))).read_text()

    def send(self, kind, body=b"", count=0, memfd=False):
        self.frames += 1
        head = wire.HEADER.pack(wire.MAGIC, kind, wire.FLAG_MEMFD * memfd, count, self.frames)
        if not memfd:
            self.sock.send(head + body)
            return
        fd = os.memfd_create("frame")
        os.write(fd, body)
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))]
        self.sock.sendmsg([head, wire.MEMFD_LENGTH.pack(len(body))], rights)
        os.close(fd)

    def run(self, batches, withdrawn=(), memfd=False):
        """batches: (mini_batch, attempt, payload); returns their page entries."""
        body, entries = b"", []
        for mini_batch, attempt, payload in batches:
            entry = self.entry % wire.PAGE_ENTRIES
            self.entry += 1
            entries.append(entry)
            self.page[entry * 4] = wire.WITHDRAWN if mini_batch in withdrawn else wire.SENT
            body += wire.ENTRY.pack(mini_batch, attempt, entry, len(payload)) + payload
        self.send(wire.RUN, body, len(batches), memfd)
        return entries

    def receive(self):
        wait_readable(self.sock)
        data, ancillary, _, _ = self.sock.recvmsg(1 << 17, socket.CMSG_SPACE(64))
        if not data:
            return None, 0, b""
        magic, kind, flags, count, _ = wire.HEADER.unpack_from(data)
        assert magic == wire.MAGIC and len(data) <= wire.FRAME_BYTES
        body = memoryview(data)[wire.HEADER.size :]
        if flags & wire.FLAG_MEMFD:
            fds = array.array("i", ancillary[0][2])
            body = _read_memfd(list(fds), body)
            for fd in fds:
                os.close(fd)
        return kind, count, body

    def expect(self, kind):
        """The next message that is no note; its JSON, if it has any."""
        while True:
            got, _, body = self.receive()
            if got == wire.NOTE:
                self.notes.append(json.loads(bytes(body))["message"])
                continue
            shown = bytes(body).decode(errors="replace")
            assert got == kind, "got type %s: %s; log: %s" % (got, shown, self.text("stderr"))
            return json.loads(bytes(body)) if len(body) else None

    def results(self, number):
        out = []
        while len(out) < number:
            kind, count, body = self.receive()
            if kind == wire.NOTE:
                self.notes.append(json.loads(bytes(body))["message"])
                continue
            assert kind == wire.RESULTS, "got %s; %s" % (kind, self.text("stderr"))
            self.results_frames += 1
            out += decode_results(body, count)
        assert len(out) == number
        return out

    def shutdown(self):
        self.send(wire.SHUTDOWN)
        self.expect(wire.BYE)


class Zygote:
    """A real zygote process and the slots that it forked."""

    def __init__(self, folder, transport, **job):
        self.folder = folder
        self.transport = transport
        self.code = folder / "code"
        self.code.mkdir(exist_ok=True)
        self.job = {
            "runtime_dir": RUNTIME, "entry_script": "score.py", "job_name": "job",
            "logs_dir": str(folder / "logs"), "output_dir": str(folder / "out"),
            "append_format": "text", "argv": [], "env": {}, "inputs": {}, **job,
        }  # fmt: skip
        self.slots = {}
        self.exits = {}
        self.process = None

    def script(self, text, name="score.py"):
        path = self.code / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return self

    def start(self):
        description = self.folder / "job.json"
        description.write_text(json.dumps(self.job))
        self.control, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = (
            "import sys; sys.path.insert(0, %r); from paralleljob import zygote; zygote.main()"
            % RUNTIME
        )
        environment = dict(os.environ)
        environment.pop("PYTHONPATH", None)
        environment["PARALLELJOB_TRANSPORT"] = self.transport

        def give_control():
            os.dup2(far.fileno(), 3)

        self.process = subprocess.Popen(
            [sys.executable, "-c", command, str(description)],
            env=environment, close_fds=False, preexec_fn=give_control,
        )  # fmt: skip
        far.close()
        self.hello = self.read()
        assert self.hello["op"] == "hello"
        return self

    def read(self):
        wait_readable(self.control)
        data = self.control.recv(1 << 16)
        return json.loads(data) if data else None

    def spawn(self, number=1, stdout=None, **more):
        slot = SlotEnd(self.folder, number)
        if stdout is not None:
            os.dup2(os.open(stdout, os.O_WRONLY), slot.logs[0])
        request = {
            "op": "spawn", "slot": 0, "process": number, "cwd": str(self.code), "env": {}, **more,
        }  # fmt: skip
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", slot.fds()))]
        self.control.sendmsg([json.dumps(request).encode()], rights)
        slot.far.close()
        for fd in slot.logs:
            os.close(fd)
        while slot.pid is None:
            message = self.read()
            if message["op"] == "exited":
                self.exits[message["pid"]] = message["status"]
            else:
                assert message["op"] == "spawned" and message["process"] == number
                slot.pid = message["pid"]
        self.slots[number] = slot
        return slot

    def ready(self, number=1, **more):
        slot = self.spawn(number, **more)
        slot.hello = slot.expect(wire.READY)
        return slot

    def kill(self, slot):
        self.control.send(json.dumps({"op": "kill", "pid": slot.pid}).encode())

    def exited(self, slot):
        while slot.pid not in self.exits:
            message = self.read()
            assert message["op"] == "exited"
            self.exits[message["pid"]] = message["status"]
        return self.exits[slot.pid]

    def close(self):
        if self.process is not None:
            self.control.close()
            self.process.wait(DEADLINE)


def wait_gone(pid, deadline=DEADLINE):
    """Until no process of that id lives (a zombie of somebody else's counts as gone)."""
    end = time.monotonic() + deadline
    while time.monotonic() < end:
        try:
            with open("/proc/%d/stat" % pid) as file:
                if file.read().rpartition(")")[2].split()[0] == "Z":
                    return
        except OSError:
            return
        os.sched_yield()
    raise AssertionError("process %d still lives" % pid)
