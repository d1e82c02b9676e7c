"""The examples, by manifest and by Azure pipeline: right rows, in order, on both instances."""

import csv
import json
import math
import pathlib
import re
import shutil
import subprocess
import sys

import pytest
from conftest import EXAMPLES

import jobs

FEATURES = ["sepal_length", "sepal_width", "petal_length", "petal_width"]


# The example's own script, but that no instance begins before both have imported it: how long that
# takes is the machine's affair.
TOGETHER = """\
import os, threading, time
import {script} as example
from {script} import run

def init():
    getattr(example, "init", lambda: None)()
    end = time.monotonic() + 60
    open(os.path.join(os.environ["MEET"], os.environ["PARALLELJOB_NODE"]), "a").close()
    while len(os.listdir(os.environ["MEET"])) < 2:
        assert time.monotonic() < end, "the other instance does not come"
        threading.Event().wait(0.01)
"""


def run_together(cli, name, file, *words):
    """The summary of a run of the example `name` by `file`, by both instances."""
    folder = cli.folder / name
    shutil.copytree(EXAMPLES / name, folder, ignore=shutil.ignore_patterns("data"))
    (script,) = (folder / "src").glob("*.py")
    (folder / "src" / "together.py").write_text(TOGETHER.format(script=script.stem))
    text = (folder / file).read_text()
    assert text.count(f": {script.name}") == 1
    (folder / file).write_text(text.replace(f": {script.name}", ": together.py"))
    meet = cli.folder / "meet"
    meet.mkdir()
    ended = cli.run(folder / file, *words, env={"MEET": str(meet)})
    assert ended.code == 0, ended
    shares = jobs.shares(ended.json)
    assert len(shares) == 2 and min(shares.values()) >= 0.2, shares
    assert cli.verify().code == 0
    return ended.json


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


def test_iris_by_its_manifest(cli, data):
    summary = run_together(cli, "iris", "job.yaml", "--input", f"flowers={data('iris')}")
    check_iris(summary, data("iris"), ",", header=True)


def test_iris_by_its_azure_pipeline(cli, data):
    summary = run_together(cli, "iris", "pipeline.yml", "--input", f"flowers={data('iris')}")
    check_iris(summary, data("iris"), " ", header=False)
    assert [step["name"] for step in summary["steps"]] == ["score"]


@pytest.mark.parametrize("manifest", ["job.yaml", "pipeline.yml"])
def test_sales(cli, data, manifest):
    summary = run_together(cli, "sales", manifest, "--input", f"sales={data('sales')}")
    jobs.check_summary(summary, total=99, items=99 * 121)
    models = sorted(only_output(summary).rglob("model.json"))
    assert len(models) == 99
    for path in models:
        model = json.loads(path.read_text())
        assert [model["Store"], model["Brand"]] == list(path.parts[-3:-1])
        assert model["weeks"] == 121 and math.isfinite(model["mape"]) and model["mape"] < 0.5
        assert len(model["low"]) == len(model["high"]) == 20
        assert all(0 < low < high for low, high in zip(model["low"], model["high"]))
    assert all(row["Total"] == "121" for row in jobs.processed(summary))


@pytest.mark.parametrize("manifest", ["job.yaml", "pipeline.yml"])
def test_digits(cli, data, manifest):
    from sklearn.datasets import load_digits

    summary = run_together(cli, "digits", manifest, "--input", f"images={data('digits')}")
    jobs.check_summary(summary, total=200, items=1000)
    lines = only_output(summary).read_text(encoding="utf-8").splitlines()
    assert [line.split(": ")[0] for line in lines] == [f"digit_{n:04d}.png" for n in range(1000)]
    truth = load_digits().target
    right = sum(int(line.split(": ")[1]) == truth[n] for n, line in enumerate(lines))
    assert right >= 900


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


@pytest.fixture
def clone(tmp_path):
    """A folder with the examples as a clone has them: without data."""
    shutil.copytree(EXAMPLES, tmp_path / "examples", ignore=shutil.ignore_patterns("data"))
    return tmp_path


def test_the_page_of_the_examples_typed_as_it_stands(clone, program):
    """Everything but the first line, whose PATH is the test's own."""
    page = (clone / "examples/README.md").read_text(encoding="utf-8")
    blocks = "".join(re.findall(r"^```\n(.*?)^```", page, re.M | re.S))
    path_line, _, lines = blocks.partition("\n")
    assert path_line.startswith("export PATH="), blocks
    python, ours = (pathlib.Path(name).parent for name in (sys.executable, program))
    script = f"export HOME={clone} PATH={ours.resolve()}:{python}:$PATH\n{lines}"
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=clone, text=True,
                          capture_output=True, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == 0, done
    for told in ("Hello, Ada!", "flower,sepal_length", '"Brand": "tropicana"', "digit_0000.png: "):
        assert told in done.stdout, (told, done)
    assert (clone / "flowers-output/outputs/scored/scored.csv").is_file()


@pytest.mark.parametrize("name", ["hello", "iris", "sales", "digits"])
def test_a_python_without_packages_makes_data_or_says_what_is_missing(clone, name):
    """-I -S: the standard library alone."""
    script = clone / "examples" / name / "make_data.py"

    def bare(*words):
        return subprocess.run([sys.executable, "-I", "-S", script, *words], text=True,
                              capture_output=True, stdin=subprocess.DEVNULL, check=False)

    helped = bare("--help")
    assert helped.returncode == 0 and "usage: make_data.py" in helped.stdout, helped
    done = bare()
    if name == "hello":
        assert done.returncode == 0 and len(list((script.parent / "data").iterdir())) == 10, done
    else:
        assert done.returncode == 1 and not (script.parent / "data").exists(), done
        assert "does not have numpy" in done.stderr and "pip install" in done.stderr, done
        assert "Traceback" not in done.stderr, done
