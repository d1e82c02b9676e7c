"""The slot's socket: frames in, frames out, large ones by memfd. Pure Python; also what the native
module's callers use for everything but the run loop."""

import array
import json
import os

import _socket

from . import wire

_RECEIVE = wire.FRAME_BYTES + 4096


class Closed(Exception):
    """The agent's end is gone: nobody waits for us any more."""


class Channel:
    """One end of the SOCK_SEQPACKET pair. Not thread-safe; owns the descriptor."""

    def __init__(self, fd):
        self.fd = fd
        self._sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET, 0, fd)
        self._sock.setblocking(True)
        self._number = 0

    def send(self, kind, body=b"", count=0):
        self._number += 1
        if wire.HEADER.size + len(body) > wire.FRAME_BYTES:
            self._send_memfd(kind, body, count)
            return
        head = wire.HEADER.pack(wire.MAGIC, kind, 0, count, self._number)
        self._sendmsg([head, body], [])

    def send_json(self, kind, value):
        self.send(kind, json.dumps(value).encode("ascii"))

    def note(self, message, level="warning"):
        self.send_json(wire.NOTE, {"level": level, "message": message})

    def _send_memfd(self, kind, body, count):
        head = wire.HEADER.pack(wire.MAGIC, kind, wire.FLAG_MEMFD, count, self._number)
        fd = memory_file()
        try:
            view = memoryview(body)
            while len(view):
                view = view[os.write(fd, view) :]
            rights = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, array.array("i", [fd]))]
            self._sendmsg([head, wire.MEMFD_LENGTH.pack(len(body))], rights)
        finally:
            os.close(fd)

    def _sendmsg(self, parts, ancillary):
        try:
            self._sock.sendmsg(parts, ancillary, _socket.MSG_NOSIGNAL)
        except (BrokenPipeError, ConnectionResetError):
            raise Closed() from None

    def peek_kind(self):
        """Type of the next message, which stays where it is."""
        try:
            head = self._sock.recv(wire.HEADER.size, _socket.MSG_PEEK)
        except ConnectionResetError:
            raise Closed() from None
        if not head:
            raise Closed()
        return self._parse(head)[1]

    def receive(self):
        """(type, count, body) of the next frame; Closed at the end of the stream."""
        try:
            data, ancillary, _, _ = self._sock.recvmsg(
                _RECEIVE, _socket.CMSG_SPACE(64), _socket.MSG_CMSG_CLOEXEC
            )
        except ConnectionResetError:
            raise Closed() from None
        fds = received_fds(ancillary)
        try:
            if not data:
                raise Closed()
            _, kind, flags, count, _ = self._parse(data)
            body = memoryview(data)[wire.HEADER.size :]
            if flags & wire.FLAG_MEMFD:
                body = _read_memfd(fds, body)
            return kind, count, body
        finally:
            for fd in fds:
                os.close(fd)

    @staticmethod
    def _parse(data):
        if len(data) < wire.HEADER.size:
            raise wire.WireError("message of %d bytes has no header" % len(data))
        fields = wire.HEADER.unpack_from(data)
        if fields[0] != wire.MAGIC:
            raise wire.WireError("message with a foreign magic number")
        return fields


def _read_memfd(fds, body):
    if len(fds) != 1 or len(body) != wire.MEMFD_LENGTH.size:
        raise wire.WireError("memfd frame without its descriptor or length")
    length = wire.MEMFD_LENGTH.unpack(body)[0]
    if os.fstat(fds[0]).st_size < length:
        raise wire.WireError("memfd is shorter than its frame says")
    out = bytearray()
    while len(out) < length:
        piece = os.pread(fds[0], min(length - len(out), 1 << 24), len(out))
        if not piece:
            raise wire.WireError("memfd ended early")
        out += piece
    return memoryview(bytes(out))


def received_fds(ancillary):
    fds = array.array("i")
    for level, kind, data in ancillary:
        if level == _socket.SOL_SOCKET and kind == _socket.SCM_RIGHTS:
            fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
    return list(fds)


def memory_file():
    """A descriptor of memory: memfd, or an unlinked temporary file where Python has none."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("paralleljob", os.MFD_CLOEXEC)
    flags = os.O_RDWR | os.O_CLOEXEC | getattr(os, "O_TMPFILE", 0)
    return os.open("/dev/shm", flags, 0o600)
