"""ParallelJobs as pods: data and rows on a volume that is a folder of this machine."""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile

import enclosure
import objects

LABEL = "paralleljob.dev/job"
# Example → the input that its data goes to; another input lies beside the manifest.
INPUTS = {"hello": "names", "iris": "flowers", "sales": "sales", "digits": "images"}
# What their scripts import, by the names of pip.
DISTRIBUTIONS = ("pandas", "scikit-learn", "pillow")
CHILDREN = "configmaps,jobs,pods,leases,serviceaccounts,roles,rolebindings"
ENDED = ("Complete", "Failed", "Stalled")
DEADLINE = 180


def manifest_of(file):
    """A manifest or an Azure file as a ParallelJob (dict), read as the command line reads it."""
    return json.loads(subprocess.run(
        [os.environ["PARALLELJOB"], "convert", "-f", str(file), "-o", "json"],
        capture_output=True, text=True, check=True).stdout)


def gated(first):
    """A script that gives names of files; those from `first` on wait for a file `gate` beside its
    rows."""
    return f"""\
import os, threading
nap = threading.Event().wait
def run(mini_batch):
    name = os.path.basename(mini_batch[0])
    gate = os.path.join(os.environ["AZUREML_BI_OUTPUT_PATH"], "gate")
    while name >= {first!r} and not os.path.exists(gate):
        nap(0.05)
    return [name]
"""


class Space:
    """A namespace with a claim `data`; `folder` is what the volume holds."""

    def __init__(self, cluster, name, folder):
        self.cluster, self.name, self.folder = cluster, name, folder
        folder.mkdir(parents=True)
        folder.chmod(0o777)  # what the kubelet makes below it for a subPath has the same mode
        cluster.apply(objects.namespace(name))
        volume, claim = objects.shared_volume(f"data-{name}", folder, name)
        cluster.apply(volume, claim, namespace=name)
        self.claim = {"persistentVolumeClaim": {"claimName": f"data-{name}"}}

    def end(self):
        self.cluster.kubectl("delete", "namespace", self.name, "--wait=false")
        self.cluster.kubectl("delete", "persistentvolume", f"data-{self.name}", "--wait=false")

    def add_data(self, source, name):
        """A folder of this machine as `name` on the volume."""
        shutil.copytree(source, self.folder / name, dirs_exist_ok=True)
        subprocess.run(["chown", "-R", f"{objects.UID}:{objects.UID}", self.folder / name],
                       check=True)

    def from_example(self, file, places, image):
        """The job in `file`, as `convert --out` makes it for pods; its code is applied.

        `places`: input → its path on the volume.
        """
        job = manifest_of(file)
        name, claim = job["metadata"]["name"], f"pvc:data-{self.name}"
        words = ["--image", f"{name}={image}"]
        for given in job["spec"]["inputs"]:
            if "value" not in given:
                words += ["--input", f"{given['name']}={claim}/{places[given['name']]}"]
        for made in job["spec"].get("outputs", []):
            path = pathlib.PurePath(made.get("path") or made["name"]).name
            words += ["--output", f"{made['name']}={claim}/{name}/{path}"]
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([os.environ["PARALLELJOB"], "convert", "-f", str(file), *words,
                            "--out", folder], capture_output=True, check=True)
            for path in pathlib.Path(folder).glob(f"{name}-*.yaml"):
                self.cluster.kubectl("apply", f"--namespace={self.name}", f"--filename={path}")
            return manifest_of(pathlib.Path(folder) / "paralleljob.yaml")

    def small_job(self, name, script, image, **spec):
        """Lines of a script over the files in `in`, appended to <name>/rows.txt."""
        self.cluster.apply({"apiVersion": "v1", "kind": "ConfigMap",
                            "metadata": {"name": f"{name}-code"}, "data": {"entry.py": script}},
                           namespace=self.name)
        return {"apiVersion": "paralleljob.dev/v1alpha1", "kind": "ParallelJob",
                "metadata": {"name": name}, "spec": {
                    "inputs": [{"name": "files", "path": "in", "volume": self.claim}],
                    "outputs": [{"name": "rows", "type": "uri_file", "path": f"{name}/rows.txt",
                                 "volume": self.claim}],
                    "inputData": "${{inputs.files}}", "miniBatchSize": 1, "instanceCount": 2,
                    "maxConcurrencyPerInstance": 2,
                    "task": {"code": {"configMap": {"name": f"{name}-code"}},
                             "entryScript": "entry.py", "environment": {"image": image},
                             "appendRowTo": "${{outputs.rows}}"}} | spec}

    def apply(self, job):
        self.cluster.apply(job, namespace=self.name)
        return Job(self, job["metadata"]["name"])

    def output(self, job, file):
        return self.folder / job / file


class Job:
    """A ParallelJob that was applied."""

    def __init__(self, space, name):
        self.space, self.name, self.cluster = space, name, space.cluster

    def kubectl(self, *arguments, **options):
        return self.cluster.kubectl(*arguments, f"--namespace={self.space.name}", **options)

    def get(self):
        return self.cluster.get("paralleljob", self.name, f"--namespace={self.space.name}")

    def status(self):
        return self.get().get("status", {})

    def pods(self):
        return self.cluster.get("pods", f"--namespace={self.space.name}",
                                f"--selector={LABEL}={self.name}")["items"]

    def children(self):
        return self.cluster.get(CHILDREN, f"--namespace={self.space.name}",
                                f"--selector={LABEL}={self.name}")["items"]

    def patch(self, **spec):
        self.kubectl("patch", "paralleljob", self.name, "--type=merge",
                     f"--patch={json.dumps({'spec': spec})}")

    def wait_for(self, what, check, seconds=DEADLINE):
        """`check(status)` true; an error of the test shows how far the job is."""
        def probe():
            status = self.status()
            return check(status) or (self._stop(status) if status.get("state") in ENDED else None)

        try:
            return enclosure.wait_until(what, seconds, probe)
        except Exception as error:
            raise AssertionError(f"{what}: {error}\n{self.story()}") from error

    @staticmethod
    def _stop(status):
        raise RuntimeError(f"the job is {status['state']}: {status['conditions']}")

    def wait_until_complete(self, seconds=DEADLINE):
        return self.wait_for(f"{self.name} Complete",
                             lambda status: status if status.get("state") == "Complete" else None,
                             seconds)

    def wait_until_half_way(self, low=0.1, high=0.9):
        """Some of the mini-batches are committed, some not."""
        def half(status):
            counts = status.get("miniBatches", {})
            done = 1 - counts.get("left", 0) / max(counts.get("total", 0), 1)
            return counts.get("total") and low <= done <= high

        self.wait_for(f"{self.name} half-way", half)

    def rows(self, file="rows.txt"):
        return (self.space.folder / self.name / file).read_bytes()

    def story(self):
        """What a person would look at."""
        told = [json.dumps(self.status(), indent=1)]
        for pod in self.pods():
            name = pod["metadata"]["name"]
            told.append(json.dumps({"pod": name, "status": pod["status"]}, indent=1)[-3000:])
            for container in ("agent", "user"):
                logs = self.kubectl("logs", name, f"--container={container}", "--tail=40",
                                    check=False)
                told.append(f"--- {name} {container}\n{logs.stdout}{logs.stderr}")
        return "\n".join(told)


def processes_of(pod, words):
    """Ids, as this machine sees them, of a pod's processes whose command line holds `words`."""
    containers = [status["containerID"].rpartition("/")[2]
                  for kind in ("containerStatuses", "initContainerStatuses")
                  for status in pod["status"].get(kind, []) if status.get("containerID")]
    found = []
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            groups = (folder / "cgroup").read_text()
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if words in line and any(container in groups for container in containers):
            found.append(int(folder.name))
    return found


def parent_of(process):
    """As this machine sees it; 0 when the process is gone."""
    try:
        stat = pathlib.Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return 0
    return int(stat.rpartition(")")[2].split()[1])
