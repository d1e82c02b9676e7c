"""Replays a job's shards from the API server's audit log, and says what was wrong.

It shares no code with the programs: records are read here by the protocol's description of them
(docs/ARCHITECTURE.md, src/ledger/README.md), and the rules are checked from outside: who owned what
and when, that nothing done was ever undone, done twice, or done by somebody else than its owner.
"""

import base64
import dataclasses
import struct


@dataclasses.dataclass
class Shard:
    """What of a record the rules speak of."""
    lo: int
    hi: int
    holder: str
    incarnation: str
    epoch: int
    write: tuple
    horizon: int
    done: frozenset
    tickets: tuple
    sealed: bool


class _Reader:
    def __init__(self, data: bytes):
        self.data, self.at = data, 0

    def byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def number(self) -> int:
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7f) << shift
            if byte < 0x80:
                return value
            shift += 7

    def bytes(self) -> bytes:
        size = self.number()
        self.at += size
        return self.data[self.at - size:self.at]

    def text(self) -> str:
        return self.bytes().decode()

    def skip(self, size: int) -> None:
        self.at += size

    def members(self, base: int) -> set:
        """A set, as runs or as bits."""
        found = set()
        if self.byte() == 0:
            at = base
            for _ in range(self.number()):
                at += self.number()
                length = self.number()
                found.update(range(at, at + length))
                at += length
            return found
        first = base + self.number()
        for place, byte in enumerate(self.bytes()):
            found.update(first + 8 * place + bit for bit in range(8) if byte >> bit & 1)
        return found


def decode(record: bytes) -> Shard:
    """A shard record; the checksum is the API server's business as little as ours."""
    assert record[:4] == b"PJS\1", record[:8]
    reader = _Reader(record[4:-4])
    reader.bytes()  # the job's UID
    reader.number()  # its run
    lo = reader.number()
    hi = lo + reader.number()
    holder, incarnation, epoch = reader.text(), reader.text(), reader.number()
    write = (reader.text(), reader.number())
    horizon, low = lo + reader.number(), lo + reader.number()
    done = set(range(lo, low)) | reader.members(lo)
    reader.members(lo)  # the failed ones, which are done too
    for _ in range(2 * reader.number()):  # attempts of unfinished ones
        reader.number()
    for _ in range(2 * reader.number()):  # alone
        reader.number()
    for _ in range(reader.number()):  # committed output
        reader.bytes()
        for _ in range(3):
            reader.number()
        reader.skip(struct.calcsize("<I"))
    for _ in range(6):  # counters
        reader.number()
    for _ in range(reader.number()):  # groups of errors
        reader.skip(struct.calcsize("<Q"))
        reader.number()
        for _ in range(reader.number()):
            reader.number()
        reader.bytes()
        reader.bytes()
    reader.number(), reader.number()  # progress, epochs without any
    tickets = []
    for _ in range(reader.number()):
        mid = reader.number()
        tickets.append((mid, mid + reader.number()))
    return Shard(lo, hi, holder, incarnation, epoch, write, horizon, frozenset(done),
                 tuple(tickets), reader.byte() == 1)


def shard_writes(events: list, prefix: str):
    """(version before or "", version after, Shard) of each write that succeeded, as they came."""
    written = []
    for event in events:
        ref = event.get("objectRef", {})
        if (ref.get("resource") != "configmaps" or event["stage"] != "ResponseComplete"
                or event["verb"] not in ("create", "update")
                or not 200 <= event["responseStatus"]["code"] < 300):
            continue
        stored = event["responseObject"]
        if not stored["metadata"]["name"].startswith(f"{prefix}-s-"):
            continue
        before = event["requestObject"]["metadata"].get("resourceVersion", "")
        after = stored["metadata"]["resourceVersion"]
        record = base64.b64decode(stored["binaryData"]["record"])
        written.append((before if event["verb"] == "update" else "", after, decode(record)))
    return sorted(written, key=lambda each: int(each[1]))


def check(events: list, prefix: str, total: int) -> dict:
    """Raises AssertionError for any rule broken; returns counts of what was seen."""
    latest = {}  # lo → (version, Shard)
    seen = {"writes": 0, "take-overs": 0, "splits": 0}
    done_by = {}
    for before, after, now in shard_writes(events, prefix):
        seen["writes"] += 1
        version, was = latest.get(now.lo, ("", None))
        assert before == version, f"shard {now.lo}: a write to {before}, not to {version}"
        if was is not None:
            _check_step(was, now, seen)
        _check_done(was, now, done_by)
        latest[now.lo] = (after, now)
    shards = sorted((shard for _, shard in latest.values()), key=lambda shard: shard.lo)
    _check_partition(shards, total)
    assert len(done_by) == total, f"{len(done_by)} of {total} are done"
    return seen | {"shards": len(shards), "epochs": sum(shard.epoch for shard in shards)}


def _check_step(was: Shard, now: Shard, seen: dict) -> None:
    where = f"shard {now.lo}, {was.write} to {now.write}"
    assert not was.sealed, f"{where}: written after the seal"
    assert now.write != was.write, f"{where}: the same write id twice"
    assert now.hi <= was.hi, f"{where}: grew"
    assert was.done <= now.done | set(range(now.hi, was.hi)), f"{where}: something became undone"
    if now.hi < was.hi:
        seen["splits"] += 1
        assert now.hi > max(was.done, default=-1), f"{where}: finished work was given away"
        assert (now.hi, was.hi) in now.tickets, f"{where}: no ticket for what was cut off"
    changed = (now.holder, now.incarnation) != (was.holder, was.incarnation)
    if changed and now.holder and was.holder:
        seen["take-overs"] += 1
        assert now.epoch > was.epoch, f"{where}: another owner without a new epoch"
    assert now.epoch >= was.epoch, f"{where}: the epoch fell"
    if now.epoch > was.epoch:
        assert now.done == was.done, f"{where}: results of an epoch that had not begun"


def _check_done(was: Shard | None, now: Shard, done_by: dict) -> None:
    fresh = now.done - (was.done if was else frozenset())
    assert not fresh or max(fresh) < now.horizon, f"shard {now.lo}: done beyond its horizon"
    for mini_batch in fresh:
        assert mini_batch not in done_by, (
            f"mini-batch {mini_batch}: done by {done_by[mini_batch]} and by {now.write}")
        done_by[mini_batch] = now.write


def _check_partition(shards: list, total: int) -> None:
    at = 0
    for shard in shards:
        assert shard.lo == at, f"nobody has [{at}, {shard.lo})"
        assert shard.sealed, f"shard {shard.lo} is not sealed"
        at = shard.hi
    assert at == total, f"nobody has [{at}, {total})"
