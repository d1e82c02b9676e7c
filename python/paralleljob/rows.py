"""What run() returned → bytes of rows: text, csv, jsonl."""

import datetime
import io
import json
import math
import sys

import _csv  # the C part alone: csv itself costs some milliseconds

from . import pandas_version
from .transport import native_module
from .wire import ROWS_BYTES


def _quotes_return():
    """Whether this Python's csv.writer quotes a lone carriage return."""
    out = io.StringIO()
    _csv.writer(out, lineterminator="\n").writerow(["a\rb"])
    return '"' in out.getvalue()


_QUOTES_RETURN = _quotes_return()
# pandas' own arrays whose values are plain objects or missing.
_AS_OBJECTS = ("str", "string")
_AGREED = {}
_NOTHING = object()


def is_dataframe(result):
    pandas = sys.modules.get("pandas")
    frame = getattr(pandas, "DataFrame", None)
    return frame is not None and isinstance(result, frame)


def items_returned(result):
    """len() of a DataFrame, list or tuple; anything else is the contract's TypeError."""
    if isinstance(result, (list, tuple)) or is_dataframe(result):
        return len(result)
    raise TypeError(
        "run() returned %s; it must return a DataFrame, a list or a tuple" % type(result).__name__
    )


def check_size(size):
    if size > ROWS_BYTES:
        raise ValueError(
            "run() returned %d bytes of rows; the limit of one mini-batch is %d"
            % (size, ROWS_BYTES)
        )


def writer(append_format, header, note_once):
    """A function: result → (bytes, number of rows, columns as JSON or None)."""
    if append_format == "csv":
        return _csv
    if append_format == "jsonl":
        return _jsonl
    return lambda result: _text(result, header, note_once)


def columns_json(names):
    text = json.dumps([str(name) for name in names], ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace")


# --- text -------------------------------------------------------------------------------------


def _text(result, header, note_once):
    if is_dataframe(result):
        data = frame_lines(result, " ")
        columns = columns_json(result.columns) if header and len(result) else None
        return data, len(result), columns
    texts = [item if type(item) is str else str(item) for item in result]
    check_size(sum(map(len, texts)) + len(texts))  # before the memory is taken
    text = "\n".join(texts)
    if text.count("\n") >= len(result) > 0:
        note_newlines(note_once)
    if len(result):
        text += "\n"
    return text.encode("utf-8", "backslashreplace"), len(result), None


def note_newlines(note_once):
    note_once(
        "text-newline",
        "a text row holds a newline: readers of the output will see more lines than rows",
    )


def frame_lines(frame, separator):
    """A DataFrame as pandas' to_csv writes it, without header and index."""
    if not len(frame):
        return b""
    native = native_module()
    if native is not None:
        columns = _column_arrays(frame)
        if columns is not None:
            data = native.format_columns(columns, len(frame), separator, _QUOTES_RETURN)
            if data is not None:
                return data
    pandas_version.check(sys.modules["pandas"])
    text = frame.to_csv(sep=separator, header=False, index=False, lineterminator="\n")
    return text.encode("utf-8", "backslashreplace")


def _digits_agree(dtype):
    """Whether this numpy writes such floats as repr() does: some versions differ for float32."""
    known = _AGREED.get(dtype)
    if known is None:
        import numpy

        with numpy.errstate(all="ignore"):
            probes = [d * 10.0**p for p in range(-9, 20) for d in (1.0, -1.23456789, 9.876543e-3)]
            values = numpy.array(probes, dtype=dtype)
        made = native_module().format_columns([values], len(values), ",", False)
        known = made is not None and made.decode().split("\n")[:-1] == values.astype(str).tolist()
        _AGREED[dtype] = known
    return known


def _column_arrays(frame):
    """Each column as an array that the native module reads, or as a list; None: ask pandas."""
    columns = []
    get = getattr(frame, "_get_column_array", None)
    for at in range(frame.shape[1]):
        values = get(at) if get is not None else frame.iloc[:, at].array
        kind = getattr(values.dtype, "kind", "?")
        name = str(values.dtype)
        if hasattr(values, "to_numpy") and name in _AS_OBJECTS:
            objects = values.astype(object)
            objects[values.isna()] = None
            columns.append(objects.tolist())
        elif kind == "O" and type(values).__name__ in ("ndarray", "PandasArray"):
            columns.append(values.tolist())
        elif kind == "f" and type(values).__name__ == "ndarray" and not _digits_agree(values.dtype):
            texts = values.astype(str).astype(object)
            texts[values != values] = None
            columns.append(texts.tolist())
        elif kind in "biuf" and type(values).__name__ == "ndarray":
            columns.append(values)
        else:
            return None
    return columns


# --- csv --------------------------------------------------------------------------------------


def _csv(result):
    if is_dataframe(result):
        columns = columns_json(result.columns) if len(result) else None
        return frame_lines(result, ","), len(result), columns
    if not len(result):
        return b"", 0, None
    kinds = {_row_kind(item) for item in result}
    if len(kinds) > 1:
        raise TypeError(
            "csv rows of one mini-batch must be all dicts, all tuples, or all single values; got %s"
            % " and ".join(sorted(kinds))
        )
    kind = kinds.pop()
    columns = None
    if kind == "dicts":
        names = list(result[0])
        columns = columns_json(names)
        lines = [_csv_line(_by_name(item, names)) for item in result]
    elif kind == "tuples":
        lines = [_csv_line(item) for item in result]
    else:
        lines = [_csv_line((item,)) for item in result]
    return "".join(lines).encode("utf-8", "backslashreplace"), len(result), columns


def _row_kind(item):
    if isinstance(item, dict):
        return "dicts"
    if isinstance(item, (tuple, list)) or (_is_array(item) and item.ndim == 1):
        return "tuples"
    return "single values"


def _is_array(item):
    numpy = sys.modules.get("numpy")
    array = getattr(numpy, "ndarray", None)
    return array is not None and isinstance(item, array)


def _by_name(item, names):
    if len(item) != len(names) or any(name not in item for name in names):
        missing = [str(name) for name in names if name not in item]
        extra = [str(name) for name in item if name not in names]
        raise ValueError(
            "csv rows of one mini-batch have different columns: missing %s, additional %s"
            % (missing, extra)
        )
    return [item[name] for name in names]


def _csv_line(cells):
    line = ",".join([_csv_cell(cell) for cell in cells])
    # An empty line would be no record at all.
    return '""\n' if not line else line + "\n"


def _csv_cell(cell):
    if type(cell) is not str:
        if _is_array(cell):
            cell = _texts(cell)  # str() of an array leaves out the middle of a long one
        if _is_missing(cell):
            return ""
        cell = str(cell)
    if any(char in cell for char in ',"\n\r'):
        return '"' + cell.replace('"', '""') + '"'
    return cell


def _listed(array):
    """Its values as Python's; of dates and durations, for which tolist() may give bare numbers, as
    numpy's."""
    if array.dtype.kind not in "mM":
        return array.tolist()
    return list(array) if array.ndim else array[()]


def _texts(value):
    """As _listed(), with dates and durations as numpy writes them."""
    if not _is_array(value):
        return str(value)
    listed = _listed(value)
    return [_texts(each) for each in listed] if value.dtype.kind in "mM" and value.ndim else listed


def _is_missing(cell):
    """None, NaN, NaT, pandas.NA. Nothing else is compared: arrays answer with an array."""
    if cell is None:
        return True
    if isinstance(cell, (float, complex)):
        return cell != cell
    if isinstance(cell, (int, list, tuple, dict)):
        return False
    pandas = sys.modules.get("pandas")
    if cell is getattr(pandas, "NA", _NOTHING) or cell is getattr(pandas, "NaT", _NOTHING):
        return True
    scalar = getattr(sys.modules.get("numpy"), "generic", None)
    if scalar is not None and isinstance(cell, scalar):
        return cell.dtype.kind in "fcmM" and bool(cell != cell)
    decimal = getattr(sys.modules.get("decimal"), "Decimal", None)
    return decimal is not None and isinstance(cell, decimal) and cell.is_nan()


# --- jsonl ------------------------------------------------------------------------------------


def _jsonl(result):
    if is_dataframe(result):
        items = frame_records(result)
    else:
        items = result
    dump = _ENCODER.encode
    lines = []
    for item in items:
        try:
            line = dump(item)
        except (ValueError, TypeError):
            line = dump(plain(item))  # NaN, numpy keys…
        lines.append(line)
    if lines:
        lines.append("")
    return "\n".join(lines).encode("utf-8", "backslashreplace"), len(result), None


def frame_records(frame):
    names = [str(name) for name in frame.columns]
    if len(set(names)) != len(names):
        double = sorted({name for name in names if names.count(name) > 1})
        raise ValueError("jsonl: the DataFrame has columns of the same name: %s" % double)
    columns = [frame.iloc[:, at].tolist() for at in range(len(names))]
    if not columns:
        return [{} for _ in range(len(frame))]
    return [dict(zip(names, cells)) for cells in zip(*columns)]


def plain(value):
    """Python's own JSON types; NaN, NaT, infinities become null; what has no JSON form raises."""
    if value is None or value is True or value is False or isinstance(value, (str, int)):
        return value if type(value) in (str, int, bool, type(None)) else _subclass(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, dict):
        return {_key(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return plain(_default(value))


def _subclass(value):
    return str.__str__(value) if isinstance(value, str) else int(value)


def _key(key):
    if isinstance(key, str):
        return key
    key = plain(key)
    if isinstance(key, (dict, list)) or key is None:
        raise TypeError("jsonl: a dict key of type %s has no JSON form" % type(key).__name__)
    return key if isinstance(key, str) else json.dumps(key)


def _default(value):
    """One step towards JSON for what the encoder does not know."""
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return None if value != value else value.isoformat()
    pandas = sys.modules.get("pandas")
    if pandas is not None and (value is getattr(pandas, "NA", None) or is_dataframe(value)):
        return None if value is pandas.NA else frame_records(value)
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        if isinstance(value, (numpy.datetime64, numpy.timedelta64)) and numpy.isnat(value):
            return None
        if isinstance(value, numpy.datetime64):
            return str(value)
        # A duration is numpy's integer, too; its unit would be lost.
        if isinstance(value, numpy.timedelta64):
            raise TypeError("jsonl: a duration has no JSON form; convert it in run()")
        if isinstance(value, (numpy.bool_, numpy.integer, numpy.floating, numpy.str_)):
            return value.item()
        if isinstance(value, numpy.ndarray):
            return _listed(value)
    raise TypeError(
        "jsonl: a value of type %s has no JSON form; convert it in run()" % type(value).__name__
    )


_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, default=_default)
