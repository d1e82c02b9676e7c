"""Rows as bytes: text, csv, jsonl; native columns against pandas' to_csv, over dtypes, values."""

import csv
import datetime
import io
import json
import math
import random
import struct

import pytest

from paralleljob import pandas_version, rows, transport

NO_NOTE = {}.setdefault


def write(append_format, result, header=False):
    return rows.writer(append_format, header, NO_NOTE)(result)


# --- lists and tuples -------------------------------------------------------------------------


def test_text_is_str_of_each_item():
    data, count, columns = write("text", ["a", 1, 2.5, ("x", 1), None, "ü", "\udc80"])
    assert data.decode() == "a\n1\n2.5\n('x', 1)\nNone\nü\n\\udc80\n"
    assert count == 7 and columns is None
    assert write("text", ()) == (b"", 0, None)


def test_csv_of_scalars_tuples_and_dicts():
    assert write("csv", ["a,b", 'q"', "", None, 1.5, float("nan"), True, "x\ny", "r\r"]) == (
        b'"a,b"\n"q"""\n""\n""\n1.5\n""\nTrue\n"x\ny"\n"r\r"\n', 9, None,
    )  # fmt: skip
    assert write("csv", [(1, "a"), [2, None]])[:2] == (b"1,a\n2,\n", 2)
    data, count, columns = write("csv", [{"k": 1, "ä": "x"}, {"ä": "y", "k": 2}])
    assert data == b"1,x\n2,y\n" and json.loads(columns) == ["k", "ä"] and count == 2


@pytest.mark.parametrize(
    "result,error,message",
    [
        ([{"a": 1}, {"b": 1}], ValueError, "missing ['a'], additional ['b']"),
        ([{"a": 1}, (1,)], TypeError, "all dicts"),
        ([1, (1,)], TypeError, "single values and tuples"),
    ],
)
def test_csv_rows_must_fit_each_other(result, error, message):
    with pytest.raises(error) as caught:
        write("csv", result)
    assert message in str(caught.value)


def test_jsonl_values():
    day = datetime.date(2024, 1, 2)
    data, count, columns = write(
        "jsonl",
        [{"a": float("nan"), "b": [math.inf, 1]}, [1, "ü\n"], day, None, True, {1: 2}, "\udc80"],
    )
    lines = data.decode().split("\n")
    assert lines == [
        '{"a": null, "b": [null, 1]}', '[1, "ü\\n"]', '"2024-01-02"', "null", "true", '{"1": 2}',
        '"\\udc80"', "",
    ]  # fmt: skip
    assert count == 7 and columns is None


@pytest.mark.parametrize("value", [b"x", {"k": b"x"}, [object()], {("a",): 1}, {1, 2}])
def test_jsonl_names_what_has_no_json_form(value):
    with pytest.raises(TypeError) as caught:
        write("jsonl", [value])
    assert "no JSON form" in str(caught.value)


def test_wrong_types_are_named():
    cases = ((None, "NoneType"), ({}, "dict"), ("x", "str"), (iter(()), "tuple_iterator"))
    for result, name in cases:
        with pytest.raises(TypeError, match="run\\(\\) returned %s" % name):
            rows.items_returned(result)


# --- DataFrames -------------------------------------------------------------------------------

numpy = pytest.importorskip("numpy")
pandas = pytest.importorskip("pandas")


def test_jsonl_of_numpy_and_dataframes():
    frame = pandas.DataFrame({
        "i": [1, 2], "f": [0.5, numpy.nan], "s": ["a", None], "b": [True, False],
        "t": pandas.to_datetime(["2024-01-02T03:04:05", None]),
    })  # fmt: skip
    lines = write("jsonl", frame)[0].decode().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"i": 1, "f": 0.5, "s": "a", "b": True, "t": "2024-01-02T03:04:05"},
        {"i": 2, "f": None, "s": None, "b": False, "t": None},
    ]
    items = [numpy.int32(1), numpy.float64(0.5), numpy.float32("nan"), numpy.bool_(True),
             numpy.array([1, 2]), pandas.NA, pandas.NaT,
             numpy.datetime64("2024-01-02")]  # fmt: skip
    got = write("jsonl", items)[0].decode().splitlines()
    assert got == ["1", "0.5", "null", "true", "[1, 2]", "null", "null", '"2024-01-02"']


def test_dates_in_arrays_stay_dates():
    days = numpy.array(["2020-01-01", "NaT"], "datetime64[ns]")
    got = write("jsonl", [days, numpy.array(days[0]), {"days": numpy.array([days[:1]])}])[0]
    assert [json.loads(line) for line in got.decode().splitlines()] == [
        ["2020-01-01T00:00:00.000000000", None], "2020-01-01T00:00:00.000000000",
        {"days": [["2020-01-01T00:00:00.000000000"]]}]
    csv = write("csv", [("a", days[:1]), ("b", numpy.array([1, 2]))])[0].decode()
    assert csv == "a,['2020-01-01T00:00:00.000000000']\nb,\"[1, 2]\"\n"


@pytest.mark.parametrize("unit", ["ns", "s"])
def test_durations_have_no_json_form(unit):
    one = numpy.timedelta64(5, unit)
    for value in (one, [one], {"took": numpy.array([one])}, pandas.Timedelta(5, unit)):
        with pytest.raises(TypeError, match="convert it in run"):
            write("jsonl", [value])
    assert write("jsonl", [numpy.timedelta64("NaT")])[0] == b"null\n"
    assert write("csv", [("a", numpy.array([one]))])[0].startswith(b"a,['5 ")


def test_jsonl_refuses_columns_of_one_name():
    with pytest.raises(ValueError, match="same name"):
        write("jsonl", pandas.DataFrame([[1, 2]], columns=["x", "x"]))


def test_columns_are_sent_with_rows_only():
    frame = pandas.DataFrame({"x": [1], 2: ["b"]})
    assert json.loads(write("csv", frame)[2]) == ["x", "2"]
    assert write("csv", frame[:0]) == (b"", 0, None)
    assert write("text", frame) == (b"1 b\n", 1, None)
    assert json.loads(write("text", frame, header=True)[2]) == ["x", "2"]


def expected(frame, separator):
    text = frame.to_csv(sep=separator, header=False, index=False, lineterminator="\n")
    return text.encode("utf-8", "backslashreplace")


def native_bytes(frame, separator):
    native = transport.native_module()
    columns = rows._column_arrays(frame) if native is not None else None
    if columns is None:
        return None
    return native.format_columns(columns, len(frame), separator, rows._QUOTES_RETURN)


def check(frame, must_be_native=True):
    for separator in (",", " "):
        want = expected(frame, separator)
        assert rows.frame_lines(frame, separator) == want
        made = native_bytes(frame, separator)
        if transport.native_module() is not None and must_be_native:
            assert made is not None, "not written natively: %s" % dict(frame.dtypes)
        assert made is None or made == want


def random_doubles(random_, count):
    """Every bit pattern, and those near the borders of repr()'s two forms."""
    patterns = [struct.pack("<Q", random_.getrandbits(64)) for _ in range(count)]
    made = [struct.unpack("<d", pattern)[0] for pattern in patterns]
    for power in range(-8, 20):
        for value in (10.0**power, random_.random() * 10.0**power, float(round(10.0**power))):
            made += [value, -value, float(numpy.nextafter(value, 0))]
    made += [0.0, -0.0, math.inf, -math.inf, math.nan, 5e-324, 1.7976931348623157e308, 2.0**53]
    made += [random_.randrange(-(10**6), 10**6) / 1000 for _ in range(count)]
    return made


@pytest.mark.parametrize("seed", range(5))
def test_doubles_as_pandas(seed):
    values = random_doubles(random.Random(seed), 2000)
    check(pandas.DataFrame({"x": numpy.array(values), "y": 1}))
    check(pandas.DataFrame({"x": numpy.array(values)}))


@pytest.mark.parametrize("seed", range(3))
def test_floats_as_pandas(seed):
    random_ = random.Random(seed)
    raw = b"".join(struct.pack("<I", random_.getrandbits(32)) for _ in range(3000))
    values = numpy.concatenate([
        numpy.frombuffer(raw, dtype="float32"),
        numpy.array([10.0**p for p in range(-8, 20)] + [0.1, 16777216.0, -0.0], dtype="float32"),
    ])  # fmt: skip
    with numpy.errstate(all="ignore"):
        check(pandas.DataFrame({"x": values, "y": values[::-1].astype("float64")}))


@pytest.mark.parametrize("bits", [8, 16, 32, 64])
def test_integers_as_pandas(bits):
    random_ = random.Random(bits)
    signed = [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1, 0, -1]
    signed += [random_.randrange(signed[0], signed[1]) for _ in range(500)]
    unsigned = [value + 2 ** (bits - 1) for value in signed]
    check(pandas.DataFrame({
        "s": numpy.array(signed, dtype="int%d" % bits),
        "u": numpy.array(unsigned, dtype="uint%d" % bits),
        "b": [value % 2 == 0 for value in signed],
    }))  # fmt: skip


PIECES = ["a", "", ",", " ", '"', '""', "\n", "\r", "\r\n", "ü", "日本", "\u2028", "\t", "'"]
PIECES += ["\\", "0"]


@pytest.mark.parametrize("seed", range(5))
def test_texts_as_pandas(seed):
    random_ = random.Random(seed)

    def text():
        return "".join(random_.choice(PIECES) for _ in range(random_.randrange(5)))

    texts = [text() for _ in range(500)]
    mixed = [random_.choice([text(), None, math.nan, 1, 2.5, True, -0.0, 10**30]) for _ in texts]
    small = [random_.choice([text(), None, math.nan, 1, 1e300, False]) for _ in texts]
    check(pandas.DataFrame({"x": texts}))
    check(pandas.DataFrame({"x": numpy.array(texts, dtype=object), "n": range(500)}))
    check(pandas.DataFrame({"x": numpy.array(small, dtype=object)}))
    check(pandas.DataFrame({"x": numpy.array(mixed, dtype=object)}), must_be_native=False)
    check(pandas.DataFrame({"x": pandas.array(texts + [None], dtype="string")}))


def test_lone_surrogates_as_in_messages():
    frame = pandas.DataFrame({"x": numpy.array(["\udc80"], dtype=object)})
    assert rows.frame_lines(frame, ",") == b"\\udc80\n"


def test_what_only_pandas_knows_goes_through_pandas():
    times = pandas.to_datetime(["2024-01-02", None, "2024-01-02T03:04:05.5"], format="mixed") \
        if int(pandas.__version__.split(".")[0]) >= 2 else pandas.to_datetime(
            ["2024-01-02", None, "2024-01-02T03:04:05.5"])  # fmt: skip
    frame = pandas.DataFrame({
        "t": times, "c": pandas.Categorical(["a", "b", None]), "d": times - times[0],
        "i": pandas.array([1, None, 3], dtype="Int64"), "h": numpy.array([1, 2, 3], "float16"),
        "z": [1 + 2j, 0, 1],
    })  # fmt: skip
    for name in frame.columns:
        check(frame[[name]], must_be_native=False)
    check(frame, must_be_native=False)


def test_strided_sliced_and_duplicate_columns():
    block = numpy.arange(60, dtype="float64").reshape(10, 6) / 7
    frame = pandas.DataFrame(block, columns=list("aabcde"))
    for view in (frame, frame[::-1], frame.iloc[::3, ::2], frame.T, frame.iloc[:, [0, 0]]):
        check(view)
    check(pandas.DataFrame(numpy.asfortranarray(block)))


def test_csv_cells_that_are_missing_or_arrays():
    import decimal

    missing = [pandas.NA, pandas.NaT, numpy.float32("nan"), numpy.datetime64("NaT"), float("nan"),
               decimal.Decimal("nan"), numpy.array(numpy.nan), None]  # fmt: skip
    assert write("csv", [{"a": 1, "b": cell} for cell in missing])[0] == b"1,\n" * len(missing)
    assert write("csv", [pandas.NA])[0] == b'""\n'
    cells = (numpy.arange(3), numpy.array(["x"]), numpy.float32(1.5), numpy.int64(2), [1.0], b"x")
    assert write("csv", [cells])[0] == b"\"[0, 1, 2]\",['x'],1.5,2,[1.0],b'x'\n"
    assert write("csv", [(numpy.arange(2000),)])[0] == b'"%s"\n' % str([*range(2000)]).encode()
    assert write("csv", [(numpy.eye(2), decimal.Decimal("1.50"))])[0] == (
        b'"[[1.0, 0.0], [0.0, 1.0]]",1.50\n'
    )


def test_csv_cells_of_objects_that_cannot_be_compared():
    class Odd:
        def __ne__(self, other):
            raise TypeError("no")

        def __str__(self):
            return "odd"

    assert write("csv", [(1, Odd())])[0] == b"1,odd\n"


def test_rows_of_both_transports_hold_missing_values_and_arrays(zygote, files):
    from harness import files_payload

    z = zygote(append_format="csv").script(
        "import numpy, pandas\n"
        "def run(b): return [{'a': 1, 'b': pandas.NA}, {'a': numpy.arange(2), 'b': 2}]\n"
    ).start()  # fmt: skip
    slot = z.ready()
    slot.run([(1, 1, files_payload(files(1)))])
    (result,) = slot.results(1)
    assert result.rows == b'1,\n"[0, 1]",2\n'


def test_an_old_pandas_is_named_where_it_is_needed(monkeypatch):
    monkeypatch.setattr(pandas, "__version__", "1.4.4")
    with pytest.raises(Exception, match="pandas 1.4.4 of .* is too old, 1.5 is needed"):
        write("csv", pandas.DataFrame({"a": pandas.Categorical(["x"])}))


def test_versions_of_pandas():
    class Module:
        pass

    for version, fits in {"1.5.0": True, "3.0.0rc1": True, "2.2": True, "10.1": True,
                          "1.4.4": False, "0.25.3": False, "unknown": False}.items():  # fmt: skip
        Module.__version__ = version
        assert (pandas_version.problem(Module) is None) == fits, version
    assert "of no version" in pandas_version.problem(object())


def test_a_frame_without_columns():
    assert rows.frame_lines(pandas.DataFrame(index=[1, 2]), ",") == expected(
        pandas.DataFrame(index=[1, 2]), ","
    )


def test_values_that_raise_in_the_middle_leave_nothing_behind():
    class Loud:
        def __str__(self):
            raise OSError("no")

    with pytest.raises(OSError):
        write("text", ["a", Loud()])


def test_a_list_that_shrinks_while_it_is_written(zygote, files):
    from harness import files_payload

    z = zygote().script(
        "rows = []\n"
        "class Shrink:\n"
        "    def __str__(self):\n        del rows[2:]\n        return 'gone'\n"
        "def run(b):\n    rows[:] = ['a', Shrink()] + ['x'] * 1000\n    return rows\n"
    ).start()  # fmt: skip
    slot = z.ready()
    slot.run([(1, 1, files_payload(files(1)))])
    (result,) = slot.results(1)
    assert result.rows.startswith(b"a\ngone\n") and result.rows.count(b"\n") == result.count


def test_csv_reads_back(tmp_path):
    items = [("a\nb", 'q"x', ",", ""), ("", "", "", ""), (None, 1, 2.5, True)]
    data = write("csv", items)[0].decode()
    assert list(csv.reader(io.StringIO(data))) == [
        ["a\nb", 'q"x', ",", ""], ["", "", "", ""], ["", "1", "2.5", "True"],
    ]  # fmt: skip
