"""Errors as the agent wants them: category, one message, the user's frames only; all bounded."""

import linecache
import os
import traceback

from . import wire

_OURS = os.path.dirname(os.path.abspath(__file__)) + os.sep
_CUT = "\n… %d characters left out …\n"
_code = ""  # the folder of the script


def show_without(code):
    """Tracebacks name files of the script as they lie in `code`: a slot's copy of it goes away."""
    global _code
    _code = code.rstrip(os.sep) + os.sep


class LoadError(Exception):
    """A mini-batch's data could not be loaded as planned; `category` groups such failures."""

    def __init__(self, category, message):
        super().__init__(message)
        self.category = category


class ScriptError(Exception):
    """The entry script does not keep to the contract (no run(), wrong parameters…)."""


def escape(text, keep_newlines=False):
    """Control characters and lone surrogates become visible escapes."""
    out = []
    for char in text:
        code = ord(char)
        if code == 10 and keep_newlines:
            out.append(char)
        elif code < 32 or 127 <= code < 160 or code in (0x2028, 0x2029):
            out.append("\\x%02x" % code if code < 256 else "\\u%04x" % code)
        elif 0xD800 <= code < 0xE000:
            out.append("\\u%04x" % code)
        else:
            out.append(char)
    return "".join(out)


def bounded(text, limit):
    """UTF-8 of `text`, its middle left out when it is longer than `limit` bytes."""
    raw = text.encode("utf-8", "backslashreplace")
    if len(raw) <= limit:
        return raw
    room = limit - 64
    head, tail = raw[: room // 2], raw[len(raw) - room // 2 :]
    cut = (_CUT % (len(raw) - room)).encode("utf-8")
    head = head.decode("utf-8", "ignore").encode("utf-8")
    return head + cut + tail.decode("utf-8", "ignore").encode("utf-8")


def _is_ours(frame):
    name = frame.filename
    return name.startswith(_OURS) or name.startswith("<frozen importlib")


def _users_frames(summary):
    """Cuts the frames above the user's first one: ours, and the import machinery."""
    seen = set()
    while summary is not None and id(summary) not in seen:
        seen.add(id(summary))
        stack = summary.stack
        first = 0
        while first < len(stack) and _is_ours(stack[first]):
            first += 1
        del stack[:first]
        summary = summary.__cause__ or summary.__context__


def last_line(exc):
    """'Type: text', like the last line of a traceback."""
    name = type(exc).__name__
    try:
        text = str(exc)
    except Exception:
        text = "<str() of it failed>"
    return "%s: %s" % (name, text) if text else name


def shown_traceback(exc):
    linecache.checkcache()
    try:
        summary = traceback.TracebackException(
            type(exc), exc, exc.__traceback__, capture_locals=False
        )
        _users_frames(summary)
        text = "".join(summary.format())
        if _code:
            text = text.replace('File "' + _code, 'File "')
    except Exception as broken:
        text = "%s\n(the traceback could not be formatted: %s)" % (
            last_line(exc),
            type(broken).__name__,
        )
    return text


def describe(exc):
    """(category, message, traceback) as bytes within their limits."""
    try:
        if isinstance(exc, LoadError):
            return exc.category.encode(), bounded(escape(str(exc)), wire.MESSAGE_BYTES), b""
        category = escape(type(exc).__name__)
        message = escape(last_line(exc), keep_newlines=True)
        shown = escape(shown_traceback(exc), keep_newlines=True)
        return (
            category.encode("utf-8", "backslashreplace")[:256],
            bounded(message, wire.MESSAGE_BYTES),
            bounded(shown, wire.TRACEBACK_BYTES),
        )
    except MemoryError:
        return b"MemoryError", b"MemoryError: not even enough memory left to say where", b""
