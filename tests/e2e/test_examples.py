"""The examples, by manifest and by Azure pipeline: right rows, in order, on both instances."""

import csv
import json
import math
import pathlib
import shutil

import pytest
from conftest import EXAMPLES

import jobs

FEATURES = ["sepal_length", "sepal_width", "petal_length", "petal_width"]


def both_instances_worked(summary):
    shares = jobs.shares(summary)
    assert len(shares) == 2 and min(shares.values()) >= 0.2, shares


def only_output(summary):
    (path,) = summary["outputs"].values()
    return pathlib.Path(path)


def expected_iris(folder):
    """[flower, four measurements, variety] of each row, worked out without the example's script."""
    model = json.loads((EXAMPLES / "iris" / "model" / "iris.json").read_text())
    with open(folder / "flowers.csv", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            values = [float(row[name]) for name in FEATURES]
            scores = [sum(map(lambda pair: pair[0] * pair[1], zip(weights, values))) + intercept
                      for weights, intercept in zip(model["coefficients"], model["intercepts"])]
            yield [row["flower"], *map(repr, values), model["varieties"][scores.index(max(scores))]]


def check_iris(summary, folder, delimiter, header):
    with open(folder / "flowers.csv", encoding="utf-8") as file:
        flowers = sum(1 for _ in file) - 1
    total = summary["miniBatches"]["total"]
    assert flowers >= 20_000 and total >= 100
    jobs.check_summary(summary, total=total, items=flowers)
    with open(only_output(summary), encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter=delimiter))
    if header:
        assert rows.pop(0) == ["flower", *FEATURES, "predicted", "certainty"]
    certainties = [float(row.pop()) for row in rows]
    assert rows == list(expected_iris(folder))
    assert all(0.2 <= certainty <= 1 for certainty in certainties)
    assert 0.5 < sum(certainty == 1 for certainty in certainties) / len(rows) < 1
    both_instances_worked(summary)


def test_iris_by_its_manifest(cli, data):
    ended = cli.run(EXAMPLES / "iris" / "job.yaml", "--input", f"flowers={data('iris')}")
    assert ended.code == 0, ended
    check_iris(ended.json, data("iris"), ",", header=True)
    assert cli.verify().code == 0


def test_iris_by_its_azure_pipeline(cli, data):
    ended = cli.run(EXAMPLES / "iris" / "pipeline.yml", "--input", f"flowers={data('iris')}")
    assert ended.code == 0, ended
    check_iris(ended.json, data("iris"), " ", header=False)
    assert [step["name"] for step in ended.json["steps"]] == ["score"]
    assert cli.verify().code == 0


@pytest.mark.parametrize("manifest", ["job.yaml", "pipeline.yml"])
def test_sales(cli, data, manifest):
    ended = cli.run(EXAMPLES / "sales" / manifest, "--input", f"sales={data('sales')}")
    assert ended.code == 0, ended
    jobs.check_summary(ended.json, total=99, items=99 * 121)
    models = sorted(only_output(ended.json).rglob("model.json"))
    assert len(models) == 99
    for path in models:
        model = json.loads(path.read_text())
        assert [model["Store"], model["Brand"]] == list(path.parts[-3:-1])
        assert model["weeks"] == 121 and math.isfinite(model["mape"]) and model["mape"] < 0.5
        assert len(model["low"]) == len(model["high"]) == 20
        assert all(0 < low < high for low, high in zip(model["low"], model["high"]))
    assert all(row["Total"] == "121" for row in jobs.processed(ended.json))
    both_instances_worked(ended.json)
    assert cli.verify().code == 0


@pytest.mark.parametrize("manifest", ["job.yaml", "pipeline.yml"])
def test_digits(cli, data, manifest):
    from sklearn.datasets import load_digits

    ended = cli.run(EXAMPLES / "digits" / manifest, "--input", f"images={data('digits')}")
    assert ended.code == 0, ended
    jobs.check_summary(ended.json, total=200, items=1000)
    lines = only_output(ended.json).read_text(encoding="utf-8").splitlines()
    assert [line.split(": ")[0] for line in lines] == [f"digit_{n:04d}.png" for n in range(1000)]
    truth = load_digits().target
    right = sum(int(line.split(": ")[1]) == truth[n] for n, line in enumerate(lines))
    assert right >= 900
    both_instances_worked(ended.json)
    assert cli.verify().code == 0


def test_hello(cli, data):
    ended = cli.run(EXAMPLES / "hello" / "job.yaml", "--input", f"names={data('hello')}")
    assert ended.code == 0, ended
    jobs.check_summary(ended.json, total=5, items=10)
    names = [path.read_text().strip() for path in sorted(data("hello").glob("*.txt"))]
    assert only_output(ended.json).read_text() == "".join(f"Hello, {name}!\n" for name in names)
    assert len((EXAMPLES / "hello" / "src" / "hello.py").read_text().splitlines()) <= 10


@pytest.mark.parametrize("name", ["hello", "iris", "sales", "digits"])
def test_every_example_is_valid_to_the_letter(cli, data, name):
    inputs = {"hello": "names", "iris": "flowers", "sales": "sales", "digits": "images"}
    files = [path for path in (EXAMPLES / name).glob("*.y*ml") if path.name != "conda.yml"]
    for path in files:
        given = f"{inputs[name]}={data(name)}"
        ended = cli.call("validate", "-f", path, "--input", given)
        assert ended.code == 0, ended
        assert "error" not in ended.err, ended


@pytest.mark.parametrize("name", ["iris", "sales", "digits"])
def test_a_converted_pipeline_is_a_manifest_that_converts_to_itself(cli, name):
    first = cli.call("convert", "-f", EXAMPLES / name / "pipeline.yml")
    assert first.code == 0, first
    folder = cli.folder / name  # relative paths count from the file that names them
    shutil.copytree(EXAMPLES / name, folder)
    manifest = folder / "converted.yaml"
    manifest.write_text(first.out, encoding="utf-8")
    second = cli.call("convert", "-f", manifest)
    assert second.code == 0, second
    assert second.out == first.out
