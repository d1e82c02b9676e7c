"""The examples as pods of a real Kubernetes on this machine: `./dev demo --cluster`.

Brings a cluster up, installs the chart, applies the examples, shows their progress, and leaves the
rows in a folder. The cluster stays up, to look around.
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import enclosure
import images
import kube_cluster
import pod_jobs
import programs

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
EXAMPLES = REPOSITORY / "examples"
NAMESPACE, RELEASE_NAMESPACE = "demo", "paralleljob"
TARGETS = ("operator", "worker")
USER_PYTHON = "3.11"
DEADLINE = 600


def say(text):
    print(text, flush=True)


def load_images(cluster, builder):
    """Builds what the Dockerfile describes, and the users' image; returns the latter's name."""
    with tempfile.TemporaryDirectory(dir=builder.cache) as folder:
        folder = pathlib.Path(folder)
        for target in TARGETS:
            say(f"   image paralleljob-{target}, from the Dockerfile")
            archive = folder / f"{target}.tar"
            builder.build(REPOSITORY, f"localhost/paralleljob-{target}:0.1.0", archive,
                          (f"--target={target}",))
            cluster.load(archive)
        say(f"   a user's image: Python {USER_PYTHON} with what the scripts import")
        name, archive = builder.build_user_image(USER_PYTHON, folder, *pod_jobs.MODULES)
        cluster.load(archive)
    return name


def install_chart(cluster):
    cluster.run("helm", "upgrade", "--install", "pj", REPOSITORY / "charts/paralleljob",
                f"--namespace={RELEASE_NAMESPACE}", "--create-namespace", "--wait",
                "--timeout=120s", "--set=clusterScope=true,image.pullPolicy=Never,"
                "operator.imagePullPolicy=Never", seconds=180)


def fresh_space(cluster, folder):
    """The namespace and the volume, without what an earlier demo left."""
    cluster.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--timeout=90s")
    cluster.kubectl("delete", "persistentvolume", f"data-{NAMESPACE}", "--ignore-not-found",
                    "--timeout=30s")
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    return pod_jobs.Space(cluster, NAMESPACE, folder)


def add_data(space, name, folder):
    if not folder.exists():
        subprocess.run([sys.executable, EXAMPLES / name / "make_data.py", folder], check=True)
    space.add_data(folder, f"{name}-data")
    if (EXAMPLES / name / "model").is_dir():
        space.add_data(EXAMPLES / name / "model", f"{name}-model")


def follow(job):
    """A line whenever the progress changes, until the job has ended."""
    shown = [None]

    def ended():
        status = job.status()
        counts = status.get("miniBatches", {})
        workers = status.get("workers", {}).get("summary", "-")
        line = (f"   {job.name:16} {status.get('state', 'Pending'):10} "
                f"{status.get('progress', '0%'):>4}  workers {workers}  "
                f"failed {counts.get('failed', 0)}  {status.get('duration', '')}")
        if line != shown[0]:
            shown[0] = line
            say(line)
        return status if status.get("state") in pod_jobs.ENDED else None

    status = enclosure.wait_until(f"the end of {job.name}", DEADLINE, ended)
    if status["state"] != "Complete":
        sys.exit(f"error: {job.name}: {status['conditions']}\n{job.story()}")


def demo(cluster, options):
    say("\n-- images")
    ccache = pathlib.Path(os.environ.get("CCACHE_DIR") or options.cache / "ccache")
    image = load_images(cluster, images.Builder(options.cache / "images", ccache))
    say("\n-- helm install")
    install_chart(cluster)
    space = fresh_space(cluster, options.output)
    made = []
    for name, given in pod_jobs.INPUTS.items():
        file = EXAMPLES / name / ("pipeline.yml" if name == "sales" else "job.yaml")
        say(f"\n-- kubectl apply: {name}, from {file.name}")
        add_data(space, name, options.data / name)
        job = space.from_example(file, {given: f"{name}-data", "model": f"{name}-model"}, image)
        follow(space.apply(job))
        made += [space.folder / output["path"] for output in job["spec"]["outputs"]]
    say("\n-- results")
    for path in made:
        say(f"   {path}")
    say("\n-- the cluster stays up; look around:")
    for words in (f"get paralleljobs,jobs,pods --namespace={NAMESPACE}",
                  f"describe paralleljob iris --namespace={NAMESPACE}",
                  f"get configmaps,leases --namespace={NAMESPACE}",
                  "explain paralleljob.spec.retrySettings"):
        say(f"   ./dev cluster exec kubectl {words}")
    say("   ./dev cluster down")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("cache", "data", "output"):
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
    parser.add_argument("--name", required=True, help="of the cluster")
    options = parser.parse_args()
    found = programs.Programs(options.cache)
    found.build()
    cluster = kube_cluster.Cluster(options.cache / "cluster" / options.name, found)
    say("\n-- a Kubernetes of two nodes")
    cluster.up(2)
    demo(cluster, options)


if __name__ == "__main__":
    try:
        main()
    except (RuntimeError, TimeoutError, enclosure.CannotRun) as error:
        sys.exit(f"error: {error}")
