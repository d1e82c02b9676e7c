"""The slot's wire format in pure Python; worker/wire.h is the text that both sides keep to."""

import os
import struct

MAGIC = 0x31464A50
HEADER = struct.Struct("<IBBHQ")  # magic, type, flags, count, frame number
ENTRY = struct.Struct("<QIII")  # mini-batch, attempt, page entry, payload length
RESULT = struct.Struct("<QIBBHqqqqQQQ")
LENGTH = struct.Struct("<I")
MEMFD_LENGTH = struct.Struct("<Q")
FLAG_MEMFD = 1

RUN = 1
SHUTDOWN = 2
START = 3
READY = 16
INIT_ERROR = 17
RESULTS = 18
NOTE = 19
BYE = 20

# ledger::AttemptStatus, those that a slot may say.
RUN_DONE = 0
RUN_EXCEPTION = 1
RUN_SHORT = 3
LOAD_EXCEPTION = 5

HAS_COLUMNS = 1

# Page entry states.
FREE = 0
SENT = 1
LOADING = 2
RUNNING = 3
ENDED = 4
WITHDRAWN = 5
PAGE_ENTRIES = 128
PAGE_BYTES = PAGE_ENTRIES * 32

FRAME_BYTES = 64 << 10
ROWS_BYTES = 1 << 30
MESSAGE_BYTES = 4 << 10
TRACEBACK_BYTES = 64 << 10

FILES = 1
TABLE = 2


class WireError(Exception):
    """A message that no agent of this version sends."""


class FileRef:
    """One file of a list, with the fingerprint taken when the plan was made."""

    __slots__ = ("path", "size", "mtime_ns")

    def __init__(self, path, size, mtime_ns):
        self.path = path
        self.size = size
        self.mtime_ns = mtime_ns


class TableRange(FileRef):
    """A record-aligned piece of one delimited file."""

    __slots__ = ("offset", "length", "records", "header")


class Payload:
    """One mini-batch as it came over the wire."""

    __slots__ = ("kind", "keys", "parts")

    def __init__(self, kind, keys, parts):
        self.kind = kind
        self.keys = keys  # dict, in the order of partition_keys
        self.parts = parts  # FileRefs or TableRanges

    def items(self):
        if self.kind == FILES:
            return len(self.parts)
        return sum(part.records for part in self.parts)


def read_varint(data, at):
    value = 0
    shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise WireError("varint longer than 64 bits")


def write_varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append((value & 0x7F) | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_bytes(data, at):
    length, at = read_varint(data, at)
    if at + length > len(data):
        raise WireError("text beyond the end of the payload")
    return bytes(data[at : at + length]), at + length


def _read_file(data, at, part):
    raw, at = _read_bytes(data, at)
    part.path = os.fsdecode(raw)
    part.size, at = read_varint(data, at)
    part.mtime_ns = int.from_bytes(data[at : at + 8], "little", signed=True)
    if at + 8 > len(data):
        raise WireError("file entry beyond the end of the payload")
    return at + 8


def _read_range(data, at, part):
    at = _read_file(data, at, part)
    part.offset, at = read_varint(data, at)
    part.length, at = read_varint(data, at)
    part.records, at = read_varint(data, at)
    part.header, at = read_varint(data, at)
    return at


def decode_payload(data):
    """bytes → Payload; anything malformed is a WireError."""
    try:
        return _decode_payload(data)
    except IndexError:
        raise WireError("payload ends too early") from None


def _decode_payload(data):
    kind = data[0]
    if kind not in (FILES, TABLE):
        raise WireError("unknown kind of payload: %d" % kind)
    count, at = read_varint(data, 1)
    keys = {}
    for _ in range(count):
        name, at = _read_bytes(data, at)
        value, at = _read_bytes(data, at)
        keys[name.decode("utf-8", "surrogateescape")] = value.decode("utf-8", "surrogateescape")
    count, at = read_varint(data, at)
    parts = []
    for _ in range(count):
        if kind == FILES:
            part = FileRef("", 0, 0)
            at = _read_file(data, at, part)
        else:
            part = TableRange("", 0, 0)
            at = _read_range(data, at, part)
        parts.append(part)
    if at != len(data):
        raise WireError("%d bytes behind the payload's end" % (len(data) - at))
    return Payload(kind, keys, parts)


def split_run(body, count):
    """Yields (mini_batch, attempt, page entry, payload bytes) of a RUN frame's body."""
    at = 0
    view = memoryview(body)
    for _ in range(count):
        if at + ENTRY.size > len(view):
            raise WireError("frame ends within an entry")
        mini_batch, attempt, entry, length = ENTRY.unpack_from(view, at)
        at += ENTRY.size
        if at + length > len(view) or entry >= PAGE_ENTRIES:
            raise WireError("frame ends within a payload, or names a page entry that is none")
        yield mini_batch, attempt, entry, bytes(view[at : at + length])
        at += length
    if at != len(view):
        raise WireError("bytes behind the last entry")
