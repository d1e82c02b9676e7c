"""The examples as pods of a real Kubernetes: same rows as on one machine, byte for byte.

Those of `./dev demo --cluster` are run by it, the others beside them.
"""

import dataclasses
import json
import os
import pathlib
import subprocess
import sys

import cluster_demo
import pod_jobs
import pytest

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples"
CASES = [("hello", "job.yaml"), ("iris", "job.yaml"), ("iris", "pipeline.yml"),
         ("sales", "job.yaml"), ("sales", "pipeline.yml"), ("digits", "job.yaml"),
         ("digits", "pipeline.yml")]
BESIDE = [case for case in CASES if case not in cluster_demo.EXAMPLE_FILES.items()]


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """The folder with a folder of data for each example."""
    folder = tmp_path_factory.mktemp("made")
    for name in pod_jobs.INPUTS:
        subprocess.run([sys.executable, EXAMPLES / name / "make_data.py", folder / name],
                       check=True)
    return folder


@dataclasses.dataclass
class Demo:
    """A run of `./dev demo --cluster`, on the cluster of all tests."""
    process: subprocess.Popen
    output: pathlib.Path

    def told(self):
        """What it printed, once it has ended well."""
        if not hasattr(self, "printed"):
            self.printed, errors = self.process.communicate(timeout=cluster_demo.DEADLINE)
            assert self.process.returncode == 0, f"{self.printed}\n{errors}"
        return self.printed


@pytest.fixture(scope="session")
def demo(cluster, installed_chart, user_image, data, tmp_path_factory):
    user_image(cluster_demo.USER_PYTHON, *pod_jobs.DISTRIBUTIONS)
    output = tmp_path_factory.mktemp("demo") / "output"
    process = subprocess.Popen(
        [sys.executable, cluster_demo.__file__, "--cache", cluster.programs.cache, "--name",
         cluster.folder.name, "--data", data, "--output", output],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    yield Demo(process, output)
    process.kill()
    process.wait()
    cluster.kubectl("delete", "namespace", cluster_demo.NAMESPACE, "--wait=false", check=False)
    cluster.kubectl("delete", "persistentvolume", f"data-{cluster_demo.NAMESPACE}",
                    "--wait=false", check=False)


@pytest.fixture(scope="session")
def beside(cluster, demo, data, user_image, tmp_path_factory):
    """(example, file) → its job and manifest, for what the demonstration leaves out."""
    space = pod_jobs.Space(cluster, "examples", tmp_path_factory.mktemp("volume") / "data")
    image = user_image(cluster_demo.USER_PYTHON, *pod_jobs.DISTRIBUTIONS)
    applied = {}
    for name, file in BESIDE:
        cluster_demo.add_data(space, name, data / name)
        places = {pod_jobs.INPUTS[name]: f"{name}-data", "model": f"{name}-model"}
        manifest = space.from_example(EXAMPLES / name / file, places, image)
        applied[name, file] = space.apply(manifest), manifest
    yield applied
    space.end()


@pytest.mark.turn(2)
def test_they_begin(demo, beside):
    """Others are tested while they run."""
    assert demo.process.poll() is None
    for job, _ in beside.values():
        job.wait_for("an operator's word", lambda status: status.get("state"))


def run_here(file, name, folder, output):
    """The same on this machine; its summary."""
    # What a person set for numerical libraries, their kernels for one, does not reach pods.
    alike = {key: value for key, value in os.environ.items() if not key.startswith("OPENBLAS_")}
    done = subprocess.run([os.environ["PARALLELJOB"], "run", "-f", file, "--input",
                           f"{pod_jobs.INPUTS[name]}={folder}", "--output", output, "-o", "json"],
                          capture_output=True, text=True, check=False, env=alike)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def bytes_below(path):
    """File → bytes of a file or a folder."""
    if path.is_file():
        return {"": path.read_bytes()}
    return {str(file.relative_to(path)): file.read_bytes()
            for file in sorted(path.rglob("*")) if file.is_file()}


def result_of(cluster, demo, beside, case):
    """The status of a job that has ended, and the path of its only output."""
    if case in beside:
        job, manifest = beside[case]
        (output,) = manifest["spec"]["outputs"]
        return job.wait_until_complete(), job.space.folder / output["path"]
    demo.told()
    job = cluster.get("paralleljobs", f"--namespace={cluster_demo.NAMESPACE}",
                      f"{pod_jobs.manifest_of(EXAMPLES / case[0] / case[1])['metadata']['name']}")
    (output,) = job["spec"]["outputs"]
    return job["status"], demo.output / output["path"]


@pytest.mark.parametrize("name, file", CASES, ids=lambda value: value)
def test_same_bytes_as_on_one_machine(cluster, demo, beside, data, tmp_path, name, file):
    here = run_here(EXAMPLES / name / file, name, data / name, tmp_path / "here")
    status, there = result_of(cluster, demo, beside, (name, file))
    assert status["state"] == "Complete"
    assert status["miniBatches"]["total"] == here["miniBatches"]["total"]
    assert status["miniBatches"]["left"] == status["miniBatches"]["failed"] == 0
    assert status["items"] == here["items"]
    (local,) = map(pathlib.Path, here["outputs"].values())
    expected = bytes_below(local)
    assert expected
    assert bytes_below(there) == expected


def test_the_demonstration_shows_progress_and_where_the_results_are(cluster, demo):
    printed = demo.told()
    for name in pod_jobs.INPUTS:
        assert f"-- kubectl apply: {name}" in printed
    lines = printed.splitlines()
    assert sum(line.split()[1:2] == ["Complete"] for line in lines) == len(pod_jobs.INPUTS)
    results = lines[lines.index("-- results") + 1:][:len(pod_jobs.INPUTS)]
    for line in results:
        path = pathlib.Path(line.strip())
        assert path.is_relative_to(demo.output) and bytes_below(path)


def test_what_the_demonstration_hints_at_works(cluster, demo):
    hints = [line.partition("./dev cluster exec kubectl ")[2]
             for line in demo.told().splitlines() if "./dev cluster exec kubectl" in line]
    assert hints == list(cluster_demo.HINTS)
    shown = [cluster.kubectl(*hint.split()).stdout for hint in hints]
    assert "paralleljob.paralleljob.dev/iris" in shown[0] and "Complete" in shown[1]
    assert "./dev cluster down" in demo.told()
