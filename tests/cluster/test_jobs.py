"""The examples as pods of a real Kubernetes: same rows as on one machine, byte for byte."""

import json
import os
import pathlib
import subprocess
import sys

import pod_jobs
import pytest

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples"
CASES = [("hello", "job.yaml"), ("iris", "job.yaml"), ("iris", "pipeline.yml"),
         ("sales", "job.yaml"), ("sales", "pipeline.yml"), ("digits", "job.yaml"),
         ("digits", "pipeline.yml")]


@pytest.fixture(scope="module")
def space(cluster, installed_chart, tmp_path_factory):
    space = pod_jobs.Space(cluster, "examples", tmp_path_factory.mktemp("volume") / "data")
    yield space
    space.end()


@pytest.fixture(scope="module")
def data(space, tmp_path_factory):
    """data("iris"): the folder of its data, which is on the volume too, as `iris-data`."""
    made = {}

    def make(name):
        if name not in made:
            folder = tmp_path_factory.mktemp("made") / name
            subprocess.run([sys.executable, EXAMPLES / name / "make_data.py", folder], check=True)
            space.add_data(folder, f"{name}-data")
            if (EXAMPLES / name / "model").is_dir():
                space.add_data(EXAMPLES / name / "model", f"{name}-model")
            made[name] = folder
        return made[name]

    return make


def run_here(file, name, folder, output):
    """The same on this machine; its summary."""
    done = subprocess.run([os.environ["PARALLELJOB"], "run", "-f", file, "--input",
                           f"{pod_jobs.INPUTS[name]}={folder}", "--output", output, "-o", "json"],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def bytes_below(path):
    """File → bytes of a file or a folder."""
    if path.is_file():
        return {"": path.read_bytes()}
    return {str(file.relative_to(path)): file.read_bytes()
            for file in sorted(path.rglob("*")) if file.is_file()}


def check_models(there, expected):
    """Two trees of JSON files: the same names and words, numbers nearly the same."""
    assert list(there) == list(expected)
    for file, content in expected.items():
        model, other = json.loads(content), json.loads(there[file])
        assert list(model) == list(other)
        for key, value in model.items():
            number = not isinstance(value, str)
            assert other[key] == (pytest.approx(value, rel=1e-6) if number else value), key


@pytest.mark.parametrize("name, file", CASES, ids=lambda value: value)
def test_same_bytes_as_on_one_machine(space, data, user_image, tmp_path, name, file):
    folder = data(name)
    job = space.from_example(EXAMPLES / name / file,
                             {pod_jobs.INPUTS[name]: f"{name}-data", "model": f"{name}-model"},
                             user_image("3.11", *pod_jobs.MODULES))
    applied = space.apply(job)
    here = run_here(EXAMPLES / name / file, name, folder, tmp_path / "here")
    status = applied.wait_until_complete()
    assert status["miniBatches"]["total"] == here["miniBatches"]["total"]
    assert status["miniBatches"]["left"] == status["miniBatches"]["failed"] == 0
    assert status["items"] == here["items"]
    made = {output["name"]: space.folder / output["path"] for output in job["spec"]["outputs"]}
    paths = {key: pathlib.Path(path) for key, path in here["outputs"].items()}
    assert len(made) == len(paths) == 1
    (there,), (local,) = made.values(), paths.values()
    expected = bytes_below(local)
    assert expected
    if name == "sales":  # another build of numpy adds up in another order: the last digits differ
        check_models(bytes_below(there), expected)
    else:
        assert bytes_below(there) == expected
