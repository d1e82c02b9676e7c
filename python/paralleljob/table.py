"""Byte ranges of delimited files → one pandas DataFrame with the plan's columns and types.

Every mini-batch of a job gets the same dtypes. Exceptions: integers with missing values become
float64 in that batch, booleans with missing values objects. What does not fit its column's type
becomes null; it is counted and noted.
"""

import io
import os
import re
import warnings

import pandas

from . import pandas_version
from .errors import LoadError

_ENCODINGS = {
    "utf8": "utf-8",
    "utf8bom": "utf-8",
    "iso88591": "latin-1",
    "latin1": "latin-1",
    "ascii": "ascii",
    "utf16": "utf-16",
    "utf32": "utf-32",
    "windows1252": "cp1252",
}
_TRUE = ["True", "TRUE", "true"]
_FALSE = ["False", "FALSE", "false"]
_EXACT = 2**53  # integers up to here survive as float64
_VERSION = pandas_version.parse(pandas.__version__)
_FIRST_NS = pandas.Timestamp.min
_LAST_NS = pandas.Timestamp.max
_DTYPES = {"integer": "int64", "float": "float64", "boolean": bool, "string": str, "datetime": str}


class Reader:
    """Reads the mini-batches of one table; `note_once(key, message)` hears of misfits."""

    def __init__(self, table, note_once):
        options = table.get("options", table)
        self._delimiter = options.get("delimiter", ",")
        self._multi_line = options.get("support_multi_line", False)
        self._empty_as_string = options.get("empty_as_string", False)
        self._with_path = options.get("include_path_column", False)
        name = re.sub("[-_ ]", "", options.get("encoding", "utf8").lower())
        self._encoding = _ENCODINGS[name]
        self._headers = table.get("headers") or [table["columns"]]
        self._path_columns = table.get("path_columns") or []
        pattern = table.get("path_pattern")
        self._path_pattern = re.compile(pattern, re.DOTALL) if pattern else None
        self._note_once = note_once
        self._byte_orders = {}
        self._misfits = {}  # (column, type) → [values, mini-batches] of all that were read
        self._found = {}  # the same → values of the mini-batch that is being read

    def read(self, payload):
        """The DataFrame of a table payload (wire.Payload)."""
        self._found.clear()
        frames = [
            self._read_group(parts, payload.keys)
            for parts in _by_header(payload.parts)
        ]  # fmt: skip
        for column, values in self._found.items():
            all_of_it = self._misfits.setdefault(column, [0, 0])
            all_of_it[0] += values
            all_of_it[1] += 1
        if len(frames) == 1:
            return frames[0]
        return pandas.concat(frames, ignore_index=True)

    def note_totals(self):
        """Of columns with misfits in more than the one mini-batch that was noted at once."""
        for (name, kind), (values, mini_batches) in self._misfits.items():
            if mini_batches > 1:
                self._note_once(
                    ("misfits", name),
                    "column %r: %d values in %d mini-batches are no %s and became null"
                    % (name, values, mini_batches, kind),
                )

    def _read_group(self, parts, keys):
        """Ranges with one header: parsed in one go where that is safe."""
        columns = self._headers[parts[0].header]
        pieces = [self._bytes_of(part) for part in parts]
        planned = sum(part.records for part in parts)
        frame = self._try_parse(b"".join(pieces), columns, planned, parts)
        if frame is None:
            frames = [
                self._parse_carefully(piece, columns, part) for piece, part in zip(pieces, parts)
            ]
            counts = [len(each) for each in frames]
            frame = pandas.concat(frames, ignore_index=True) if len(frames) > 1 else frames[0]
        else:
            counts = [part.records for part in parts]
        return self._add_path_columns(frame, parts, counts, keys)

    # --- bytes ----------------------------------------------------------------------------------

    def _bytes_of(self, part):
        data = _pread(part)
        if self._encoding in ("utf-16", "utf-32"):
            data = data.decode(self._byte_order(part), "replace").encode("utf-8")
        if data and not data.endswith(b"\n"):
            data += b"\n"
        return data

    def _byte_order(self, part):
        known = self._byte_orders.get(part.path)
        if known is None:
            with open(part.path, "rb") as file:
                head = file.read(4)
            if self._encoding == "utf-16":
                known = "utf-16-be" if head.startswith(b"\xfe\xff") else "utf-16-le"
            else:
                known = "utf-32-be" if head == b"\x00\x00\xfe\xff" else "utf-32-le"
            self._byte_orders[part.path] = known
        return known

    # --- parsing --------------------------------------------------------------------------------

    def _try_parse(self, data, columns, planned, parts):
        """All ranges at once; None when the parser saw other records than the plan."""
        try:
            frame = self._parse(data, columns)
        except pandas.errors.ParserError:
            return None
        if len(frame) != planned:
            self._found.clear()
            return None
        return frame

    def _parse_carefully(self, data, columns, part):
        """One range; without support_multi_line each newline ends a record, whatever the quotes."""
        if not self._multi_line:
            data = _close_quotes(data, self._delimiter)
        try:
            frame = self._parse(data, columns)
        except pandas.errors.ParserError as error:
            raise LoadError(
                "ParserError",
                "table cannot be parsed: %s, bytes %d to %d: %s"
                % (part.path, part.offset, part.offset + part.length, error),
            ) from None
        if len(frame) != part.records:
            self._note_once(
                "records",
                "%s, bytes %d to %d: %d records where the plan counts %d"
                % (part.path, part.offset, part.offset + part.length, len(frame), part.records),
            )
        return frame

    def _parse(self, data, columns):
        dtypes = {str(at): _DTYPES[column["type"]] for at, column in enumerate(columns)}
        frame, done = self._read_typed(data, columns, dtypes)
        made = {}
        for at, column in enumerate(columns):
            values = frame[str(at)]
            if column["type"] not in done:
                values = self._convert(values, column)
            made[at] = values
        frame = pandas.DataFrame(made, copy=False)
        frame.columns = [column["name"] for column in columns]
        return frame

    def _read_typed(self, data, columns, dtypes):
        """(frame, kinds of columns that are ready): the fastest of three ways that works."""
        width = len(columns)
        try:
            return self._read_csv(data, width, dtypes), ("integer", "float", "boolean")
        except ValueError as error:
            if isinstance(error, pandas.errors.ParserError):
                raise
        # Missing values: integers by way of doubles, as long as those are exact.
        relaxed = {name: {"int64": "float64", bool: str}.get(t, t) for name, t in dtypes.items()}
        try:
            frame = self._read_csv(data, width, relaxed)
            integers = [name for name, dtype in dtypes.items() if dtype == "int64"]
            if all(_is_integral(frame[name]) for name in integers):
                for name in integers:
                    if frame[name].notna().all():
                        frame[name] = frame[name].astype("int64")
                return frame, ("integer", "float")
        except ValueError as error:
            if isinstance(error, pandas.errors.ParserError):
                raise
        # Unfitting values: read texts, convert column by column.
        return self._read_csv(data, width, dict.fromkeys(dtypes, str)), ()

    def _read_csv(self, data, width, dtypes):
        # A header line of our own fixes the width: short records get nulls, longer ones are cut.
        names = [str(at) for at in range(width)]
        head = self._delimiter.join(names).encode("ascii") + b"\n"
        text_columns = {name for name, dtype in dtypes.items() if dtype is str}
        empty = {name: [""] for name in names}
        if self._empty_as_string:
            empty = {name: [""] for name in names if name not in text_columns}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return pandas.read_csv(
                io.BytesIO(head + data),
                sep=self._delimiter,
                header=0,
                index_col=False,
                usecols=names,
                dtype=dtypes,
                na_values=empty,
                keep_default_na=False,
                true_values=_TRUE,
                false_values=_FALSE,
                encoding="utf-8" if self._encoding.startswith("utf") else self._encoding,
                encoding_errors="replace",
                engine="c",
                low_memory=False,
                **_precision(),
            )

    # --- types ----------------------------------------------------------------------------------

    def _convert(self, values, column):
        kind = column["type"]
        if kind == "string":
            return values.fillna("") if self._empty_as_string else values
        made = _CONVERT[kind](values)
        given = values.notna() & (values != "")
        misfits = int((given & made.isna()).sum())
        if kind == "float" and misfits:
            words = values.str.strip().str.lower()
            misfits -= int((given & words.isin(["nan", "+nan", "-nan"])).sum())
        if misfits:
            key = (column["name"], kind)
            self._found[key] = self._found.get(key, 0) + misfits
            self._note_once(
                ("misfit", column["name"]),
                "column %r: %d values of a mini-batch are no %s and became null"
                % (column["name"], misfits, kind),
            )
        return made

    # --- columns that come from the path --------------------------------------------------------

    def _add_path_columns(self, frame, parts, counts, keys):
        if self._with_path:
            frame.insert(0, "Path", _repeat([part.path for part in parts], counts))
        if not self._path_columns:
            return frame
        values = [self._path_values(part.path, keys) for part in parts]
        for at, name in enumerate(self._path_columns):
            frame[name] = _repeat([each[at] for each in values], counts)
        return frame

    def _path_values(self, path, keys):
        match = self._path_pattern.search(path) if self._path_pattern else None
        if match is not None:
            return match.groups()
        missing = [name for name in self._path_columns if name not in keys]
        if missing:
            raise LoadError(
                "PathMismatch", "path does not fit partition_format: %s: no %s" % (path, missing)
            )
        return [keys[name] for name in self._path_columns]


def _by_header(parts):
    """Neighbours with the same header together; one empty group is none."""
    groups = []
    for part in parts:
        if groups and groups[-1][0].header == part.header:
            groups[-1].append(part)
        else:
            groups.append([part])
    return groups


def _pread(part):
    try:
        # Not blocking: a FIFO that took the file's place must not hold us up.
        fd = os.open(part.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise LoadError(
            "InputUnreadable", "input cannot be read: %s: %s" % (part.path, error.strerror)
        ) from None
    try:
        pieces, left, offset = [], part.length, part.offset
        while left:
            piece = os.pread(fd, min(left, 1 << 26), offset)
            if not piece:
                raise LoadError(
                    "InputChanged",
                    "input ends early: %s: %d bytes planned at %d, %d are missing"
                    % (part.path, part.length, part.offset, left),
                )
            pieces.append(piece)
            left -= len(piece)
            offset += len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)
    finally:
        os.close(fd)


def _precision():
    # Newer pandas parses to the nearest double by itself.
    return {"float_precision": "round_trip"} if _VERSION < (3, 0) else {}


def _repeat(texts, counts):
    """A column of strings: each text as often as its count says."""
    out = []
    for text, count in zip(texts, counts):
        out.extend([text] * count)
    return pandas.array(out, dtype=str) if _VERSION >= (3, 0) else out


def _close_quotes(data, delimiter):
    """Closes the quotes that are still open at the end of a line."""
    lines = re.split(b"(\r\n|\n|\r)", data)
    separator = delimiter.encode("utf-8")
    for at in range(0, len(lines), 2):
        if b'"' in lines[at] and _ends_quoted(lines[at], separator):
            lines[at] += b'"'
    return b"".join(lines)


def _ends_quoted(line, separator):
    quoted, at_start, at = False, True, 0
    while at < len(line):
        char = line[at : at + 1]
        if quoted:
            if char == b'"':
                if line[at + 1 : at + 2] == b'"':
                    at += 1
                else:
                    quoted = False
        elif char == b'"' and at_start:
            quoted = True
        at_start = not quoted and char == separator
        at += 1
    return quoted


def _is_integral(values):
    """Whole numbers or missing, none so large that a double may have rounded it."""
    given = values.dropna()
    return bool(((given.abs() < _EXACT) & (given % 1 == 0)).all())


def _to_integer(values):
    text = values.str.strip()
    fits = text.str.fullmatch(r"[+-]?[0-9]{1,19}").fillna(False).astype(bool)
    numbers = text[fits].map(int)
    numbers = numbers[(numbers >= -(2**63)) & (numbers < 2**63)]
    if len(numbers) == len(values):
        return numbers.astype("int64")
    return numbers.astype("float64").reindex(values.index)


def _to_float(values):
    return values.map(_float_or_nan).astype("float64")


def _float_or_nan(text):
    if text != text or text is None or "_" in text:
        return float("nan")
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _to_boolean(values):
    made = values.str.strip().str.lower().map({"true": True, "false": False})
    if made.notna().all():
        return made.astype(bool)
    made = made.astype(object)
    return made.where(made.notna(), None)


def _to_datetime(values):
    text = values.str.strip().str.replace("/", "-", regex=False)
    options = {"format": "ISO8601"} if _VERSION >= (2, 0) else {}
    made = pandas.to_datetime(text, errors="coerce", utc=True, **options).dt.tz_localize(None)
    inside = (made >= _FIRST_NS) & (made <= _LAST_NS)
    return made.where(inside).astype("datetime64[ns]")


_CONVERT = {
    "integer": _to_integer,
    "float": _to_float,
    "boolean": _to_boolean,
    "datetime": _to_datetime,
}
