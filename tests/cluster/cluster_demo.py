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
import time

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
EXAMPLE_FILES = {"hello": "job.yaml", "iris": "job.yaml", "sales": "pipeline.yml",
                 "digits": "job.yaml"}
HINTS = (f"get paralleljobs,jobs,pods --namespace={NAMESPACE}",
         f"describe paralleljob iris --namespace={NAMESPACE}",
         f"get configmaps,leases --namespace={NAMESPACE}",
         "explain paralleljob.spec.retrySettings")
DEADLINE = 600


def say(text):
    print(text, flush=True)


def load_images(cluster, builder):
    """Builds what the Dockerfile describes, and the users' image; returns the latter's name."""
    say("   Compiled inside the images: some minutes the first time, and after a change of the")
    say("   base; else seconds, from the compiler's cache. Nothing is printed meanwhile.")
    for target in TARGETS:
        say(f"   image paralleljob-{target}, from the Dockerfile …")
        start = time.monotonic()
        name = f"localhost/paralleljob-{target}:0.1.0"
        identity = builder.build(REPOSITORY, name, (f"--target={target}",))
        cluster.load_built(builder, identity, name)
        say(f"   … built and on all nodes after {time.monotonic() - start:.0f} s")
    say(f"   a user's image: Python {USER_PYTHON} with what the scripts import …")
    identity, name = builder.build_user_image(USER_PYTHON, *pod_jobs.DISTRIBUTIONS)
    cluster.load_built(builder, identity, name)
    return name


def install_chart(cluster):
    cluster.run("helm", "upgrade", "--install", "pj", REPOSITORY / "charts/paralleljob",
                f"--namespace={RELEASE_NAMESPACE}", "--create-namespace", "--take-ownership",
                "--wait", "--timeout=120s", "--set=clusterScope=true,image.pullPolicy=Never,"
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


def line_of(job, status):
    counts = status.get("miniBatches", {})
    return (f"   {job.name:16} {status.get('state', 'Pending'):10} "
            f"{status.get('progress', '0%'):>4}  "
            f"workers {status.get('workers', {}).get('summary', '-')}  "
            f"failed {counts.get('failed', 0)}  {status.get('duration', '')}")


def follow(jobs):
    """A line whenever a job's progress changes, until all have ended."""
    shown = {}

    def ended():
        states = set()
        for job in jobs:
            status = job.status()
            line = line_of(job, status)
            if line != shown.get(job.name):
                shown[job.name] = line
                say(line)
            if status.get("state") in pod_jobs.ENDED and status["state"] != "Complete":
                sys.exit(f"error: {job.name}: {status['conditions']}\n{job.story()}")
            states.add(status.get("state"))
        return states == {"Complete"}

    enclosure.wait_until("the end of all jobs", DEADLINE, ended)


def demo(cluster, options):
    say("\n-- images")
    ccache = pathlib.Path(os.environ.get("CCACHE_DIR") or options.cache / "ccache")
    image = load_images(cluster, images.Builder(options.cache / "images", ccache))
    say("\n-- helm install")
    install_chart(cluster)
    space = fresh_space(cluster, options.output)
    made, jobs = [], []
    for name, file in EXAMPLE_FILES.items():
        say(f"\n-- kubectl apply: {name}, from {file}")
        add_data(space, name, options.data / name)
        places = {pod_jobs.INPUTS[name]: f"{name}-data", "model": f"{name}-model"}
        job = space.from_example(EXAMPLES / name / file, places, image)
        jobs.append(space.apply(job))
        made += [space.folder / output["path"] for output in job["spec"]["outputs"]]
    say("\n-- all of them as pods")
    follow(jobs)
    say("\n-- results")
    for path in made:
        say(f"   {path}")
    say("\n-- the cluster stays up; look around:")
    for words in HINTS:
        say(f"   ./dev cluster exec kubectl {words}")
    say("   ./dev cluster exec paralleljob status --namespace demo")
    say("   ./dev cluster down")
    say(f"\n-- for a job of your own (docs/kubernetes.md): an image with pandas is {image}")


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
