"""Byte ranges → DataFrames: types that stay the same, nulls, quotes, encodings, path columns."""

import os

import pytest

pandas = pytest.importorskip("pandas")

from harness import encode_keys, range_entry, table_payload  # noqa: E402

from paralleljob import wire  # noqa: E402
from paralleljob.errors import LoadError  # noqa: E402
from paralleljob.table import Reader  # noqa: E402

COLUMNS = [
    {"name": "name", "type": "string"},
    {"name": "count", "type": "integer"},
    {"name": "price", "type": "float"},
    {"name": "open", "type": "boolean"},
    {"name": "day", "type": "datetime"},
]
GOOD = "a,1,0.1,true,2024-01-02\nb,2,1e3,False,2024-01-02T03:04:05\n"


class Table:
    """A reader over one file per call of `read`; collects the notes."""

    def __init__(self, folder, columns=COLUMNS, **options):
        self.folder = folder
        self.notes = {}
        table = {"columns": columns, "headers": [columns], "path_columns": [], **options}
        self.reader = Reader(table, self.notes.setdefault)

    def write(self, data, name="t.csv"):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return str(path)

    def read(self, data, records=None):
        path = self.write(data)
        size = os.path.getsize(path)
        text = data if isinstance(data, str) else data.decode("latin-1")
        return self.ranges([(path, 0, size, text.count("\n") if records is None else records)])

    def ranges(self, ranges, keys=None):
        return self.reader.read(wire.decode_payload(table_payload(ranges, keys)))


def types(frame):
    return [str(dtype) for dtype in frame.dtypes]


def test_types_come_from_the_plan(tmp_path):
    table = Table(tmp_path)
    frame = table.read(GOOD)
    assert list(frame.columns) == ["name", "count", "price", "open", "day"]
    assert types(frame)[1:] == ["int64", "float64", "bool", "datetime64[ns]"]
    assert frame["open"].tolist() == [True, False]
    assert frame["price"].tolist() == [0.1, 1000.0]
    assert frame["day"][1] == pandas.Timestamp("2024-01-02T03:04:05")
    digits = table.read("1,2,3,true,2024-01-01\n")
    assert types(digits) == types(frame) and digits["name"][0] == "1"


def test_a_missing_integer_makes_float64_in_that_batch_only(tmp_path):
    table = Table(tmp_path)
    frame = table.read("a,,1,true,2024-01-01\nb,7,2,true,2024-01-01\n")
    assert types(frame)[1:3] == ["float64", "float64"]
    assert frame["count"].isna().tolist() == [True, False] and frame["count"][1] == 7.0
    assert types(table.read(GOOD))[1] == "int64" and not table.notes


def test_missing_values_of_every_kind(tmp_path):
    frame = Table(tmp_path).read(",,,,\n")
    assert frame.isna().all(axis=None) and len(frame) == 1
    assert types(frame)[1:3] == ["float64", "float64"] and types(frame)[4] == "datetime64[ns]"


def test_misfits_become_null_and_are_noted(tmp_path):
    table = Table(tmp_path)
    frame = table.read("a,x,y,maybe,someday\nb,2,1.5,TRUE,2024/01/02\n")
    assert frame.iloc[0, 1:].isna().all()
    assert frame["count"][1] == 2 and frame["open"][1] is True
    assert frame["day"][1] == pandas.Timestamp("2024-01-02")
    assert len(table.notes) == 4
    assert "'count': 1 values of a mini-batch are no integer" in table.notes[("misfit", "count")]


def test_misfits_of_all_mini_batches_are_counted(tmp_path):
    table = Table(tmp_path)
    table.read("a,x,1,true,2024-01-01\n")
    table.reader.note_totals()
    assert ("misfits", "count") not in table.notes, "told already"
    table.read(GOOD)
    table.read("a,x,y,true,2024-01-01\nb,z,1,true,2024-01-01\n")
    table.reader.note_totals()
    assert table.notes["misfits", "count"] == (
        "column 'count': 3 values in 2 mini-batches are no integer and became null")
    assert ("misfits", "price") not in table.notes


def test_words_that_pandas_takes_for_null_are_texts(tmp_path):
    frame = Table(tmp_path).read("NA,1,1,true,2024-01-01\nnull,2,2,true,2024-01-01\n")
    assert frame["name"].tolist() == ["NA", "null"]


@pytest.mark.parametrize("way", ["fast", "slow"])
def test_floats_are_the_nearest_doubles(tmp_path, way):
    texts = ["0.1", "1.7976931348623157e308", "5e-324", "9007199254740993.0", "123456.789012345678"]
    texts += ["2.2250738585072014e-308", "0.30000000000000004", "-0.0", "inf", "-inf"]
    lines = ["a,1,%s,true,2024-01-01" % text for text in texts]
    if way == "slow":
        lines.append("a,bad,1,true,2024-01-01")
    frame = Table(tmp_path).read("\n".join(lines) + "\n")
    assert [repr(v) for v in frame["price"][: len(texts)]] == [repr(float(t)) for t in texts]


def test_large_integers_stay_exact(tmp_path):
    table = Table(tmp_path)
    frame = table.read(
        "a,9007199254740993,1,true,2024-01-01\nb,-9223372036854775808,1,,2024-01-01\n"
    )
    assert frame["count"].tolist() == [9007199254740993, -(2**63)]
    assert types(frame)[1] == "int64"


def test_empty_as_string(tmp_path):
    table = Table(tmp_path, empty_as_string=True)
    frame = table.read(",1,1,true,2024-01-01\n,,,,\n")
    assert frame["name"].tolist() == ["", ""]
    assert frame.iloc[1, 1:].isna().all()


def test_short_and_long_records(tmp_path):
    frame = Table(tmp_path).read("a,1\nb,2,3,true,2024-01-01,more,and more\n")
    assert len(frame) == 2 and len(frame.columns) == 5
    assert frame["price"].isna().tolist() == [True, False]
    assert Table(tmp_path).read("a,1\nb,2\n").shape == (2, 5)


def test_quotes_protect_newlines_only_where_asked(tmp_path):
    columns = [{"name": "x", "type": "string"}, {"name": "y", "type": "string"}]
    data = '"one\ntwo",2\nthree,4\n'
    whole = Table(tmp_path, columns, support_multi_line=True).read(data, records=2)
    assert whole["x"].tolist() == ["one\ntwo", "three"]
    split = Table(tmp_path, columns).read(data, records=3)
    assert split["x"].tolist() == ["one", 'two"', "three"]
    assert split["y"].isna().tolist() == [True, False, False]


def test_quotes_and_delimiters(tmp_path):
    columns = [{"name": "x", "type": "string"}, {"name": "y", "type": "integer"}]
    frame = Table(tmp_path, columns, delimiter=";").read('"a;""b""";1\nc,d;2\n')
    assert frame["x"].tolist() == ['a;"b"', "c,d"] and frame["y"].tolist() == [1, 2]


@pytest.mark.parametrize(
    "encoding,codec", [("utf8", "utf-8"), ("iso88591", "latin-1"), ("windows1252", "cp1252"),
                       ("utf16", "utf-16-le"), ("utf32", "utf-32-le"), ("UTF-8", "utf-8")]
)  # fmt: skip
def test_encodings(tmp_path, encoding, codec):
    table = Table(tmp_path, [{"name": "x", "type": "string"}], encoding=encoding)
    data = "süß\nñ\n".encode(codec)
    assert table.read(data, records=2)["x"].tolist() == ["süß", "ñ"]


def test_big_endian_by_its_mark_at_the_files_start(tmp_path):
    table = Table(tmp_path, [{"name": "x", "type": "string"}], encoding="utf16")
    data = b"\xfe\xff" + "ä\nö\n".encode("utf-16-be")
    path = table.write(data)
    frame = table.ranges([(path, 6, 4, 1)])
    assert frame["x"].tolist() == ["ö"]


def test_bytes_that_are_no_text_are_replaced(tmp_path):
    frame = Table(tmp_path, [{"name": "x", "type": "string"}]).read(b"a\xffb\n", records=1)
    assert frame["x"].tolist() == ["a\ufffdb"]


def test_several_ranges_of_several_files(tmp_path):
    table = Table(tmp_path, include_path_column=True, path_columns=["Store"],
                  path_pattern=r"([^/]+)/[^/]+$")  # fmt: skip
    first = table.write("header\n" + GOOD + GOOD, "10/a.csv")
    second = table.write(GOOD.rstrip("\n"), "20/b.csv")
    line = len(GOOD.split("\n")[0]) + 1
    frame = table.ranges([(first, 7, line, 1), (first, 7 + len(GOOD), len(GOOD), 2),
                          (second, 0, len(GOOD) - 1, 2)])  # fmt: skip
    assert frame["name"].tolist() == ["a", "a", "b", "a", "b"]
    assert frame["Path"].tolist() == [first] * 3 + [second] * 2
    assert frame["Store"].tolist() == ["10"] * 3 + ["20"] * 2
    assert frame.columns[0] == "Path" and frame.columns[-1] == "Store"
    assert frame.index.tolist() == [0, 1, 2, 3, 4]


def test_path_columns_fall_back_on_the_keys(tmp_path):
    table = Table(tmp_path, path_columns=["Store"])
    path = table.write(GOOD)
    frame = table.ranges([(path, 0, len(GOOD), 2)], {"Store": "007"})
    assert frame["Store"].tolist() == ["007", "007"]
    with pytest.raises(LoadError, match="partition_format"):
        table.ranges([(path, 0, len(GOOD), 2)])


def test_files_with_different_headers(tmp_path):
    other = [{"name": "count", "type": "integer"}, {"name": "extra", "type": "string"}]
    reader = Reader({"columns": COLUMNS, "headers": [COLUMNS, other]}, {}.setdefault)
    path = tmp_path / "x.csv"
    path.write_text("5,z\n")
    payload = encode_keys(wire.TABLE, {}) + wire.write_varint(1)
    frame = reader.read(wire.decode_payload(payload + range_entry(str(path), 0, 4, 1, 1)))
    assert list(frame.columns) == ["count", "extra"] and frame["count"][0] == 5


def test_duplicate_column_names(tmp_path):
    columns = [{"name": "x", "type": "integer"}, {"name": "x", "type": "string"}]
    frame = Table(tmp_path, columns).read("1,a\n")
    assert list(frame.columns) == ["x", "x"] and frame.iloc[0].tolist() == [1, "a"]


def test_a_truncated_file_names_what_is_missing(tmp_path):
    table = Table(tmp_path)
    path = table.write(GOOD)
    with pytest.raises(LoadError, match="ends early"):
        table.ranges([(path, 0, len(GOOD) + 10, 2)])


def test_blank_lines_and_carriage_returns(tmp_path):
    columns = [{"name": "x", "type": "string"}]
    frame = Table(tmp_path, columns).read("a\r\n\r\nb\rc\n \n", records=3)
    assert frame["x"].tolist() == ["a", "b", "c"]


def test_a_table_job_end_to_end(zygote, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("x,y\n1,a\n2,b\n3,\n")
    columns = [{"name": "x", "type": "integer"}, {"name": "y", "type": "string"}]
    z = zygote(import_pandas=True, append_format="csv", count_rows=True, table={
        "delimiter": ",", "columns": columns, "headers": [columns], "path_columns": [],
    }).script(
        "def run(df):\n    df['z'] = df['x'] * 0.5\n    return df if len(df) == 2 else df[:0]\n"
    ).start()  # fmt: skip
    assert z.hello["pandas"] == pandas.__version__
    slot = z.ready()
    other = tmp_path / "other.csv"
    other.write_text("1,a\n")
    stale = table_payload([(str(other), 0, 4, 1)])
    other.write_text("1,a\n2,b\n")
    payloads = [
        table_payload([(str(path), 4, 8, 2)]),
        table_payload([(str(path), 12, 3, 1)]),
        stale,
    ]
    slot.run([(number, 1, payload) for number, payload in enumerate(payloads)])
    first, short, changed = slot.results(3)
    assert first.rows == b"1,a,0.5\n2,b,1.0\n" and first.columns == ["x", "y", "z"]
    assert (first.total, first.returned, first.count) == (2, 2, 2)
    assert short.status == wire.RUN_SHORT and short.rows == b"" and short.columns is None
    assert changed.status == wire.LOAD_EXCEPTION and changed.category == "InputChanged"
    assert changed.total == 1 and "size 8, planned 4" in changed.message
