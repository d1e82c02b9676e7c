"""`./dev bench --cluster`: what the operator and worker pods cost on a real Kubernetes.

A control plane without nodes for the operator alone; two nodes for worker pods.
"""

import argparse
import collections
import csv
import datetime
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "tests" / "cluster"))

import cluster_demo  # noqa: E402
import enclosure  # noqa: E402
import images  # noqa: E402
import kube_cluster  # noqa: E402
import objects  # noqa: E402
import operator_process  # noqa: E402
import pod_jobs  # noqa: E402
import programs  # noqa: E402

WARM_UP, JOBS, RATE = 100, 1000, 50
NOOP, NAPS = 200_000, 100_000
NOOP_SCRIPT = "def run(mini_batch):\n    return mini_batch\n"
NAP_SCRIPT = """\
import os, time
def run(mini_batch):
    with open(os.environ["AZUREML_BI_OUTPUT_PATH"] + "/starts", "a") as file:
        file.write(f"{time.time_ns()}\\n")
    time.sleep(0.01)
    return mini_batch
"""
REPORT = "logs/sys/job_report/processed_mini-batches.csv"
WRITES = ("create", "update", "patch", "delete")


def row(what, value, gate, remark=""):
    print(f"  {what:52s} {value:>12s}   gate {gate:10s} {remark}", flush=True)


def memory(process):
    """Resident megabytes."""
    for line in pathlib.Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"process {process} is gone")


def child_of(process):
    """The operator itself, below the program that entered the network."""
    children = pathlib.Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return child_of(int(children[0])) if children else process


# --- The operator alone ------------------------------------------------------------------------

def create_at_a_rate(plane, space, count):
    """So many ParallelJobs, RATE a second if the machine can; how long it took."""
    plane.apply(objects.namespace(space))
    plane.apply(objects.unbound_claim(), namespace=space)
    creator = pathlib.Path(__file__).with_name("create_at_rate.py")
    done = plane.run(sys.executable, creator, plane.kubeconfig, space, count, RATE,
                     given=json.dumps(operator_process.job("many", 1)), seconds=300)
    enclosure.wait_until("all Jobs", 300, lambda: len(
        plane.get("jobs", "-n", space)["items"]) == count)
    return float(done.stdout)


def delays(plane, space, mark):
    """Seconds from each ParallelJob's creation to its Job's, by the API server's own times."""
    owners = {item["metadata"]["name"]: item["metadata"]["labels"][pod_jobs.LABEL]
              for item in plane.get("jobs", "-n", space)["items"]}
    asked, made = {}, {}
    for event in plane.audit(mark):
        ref = event.get("objectRef", {})
        if event["verb"] != "create" or ref.get("namespace") != space:
            continue
        at = datetime.datetime.fromisoformat(event["stageTimestamp"].rstrip("Z"))
        if ref["resource"] == "paralleljobs":
            asked[ref["name"]] = at
        elif ref["resource"] == "jobs":
            made[owners[ref["name"]]] = at
    return sorted((made[name] - asked[name]).total_seconds() for name in asked)


def operator_alone(plane):
    print("\nthe operator on a control plane without nodes")
    plane.kubectl("apply", f"--filename={REPOSITORY}/crds/paralleljobs.paralleljob.dev.yaml")
    enclosure.wait_until("the resource", 60, lambda: plane.kubectl(
        "get", "paralleljobs", check=False).returncode == 0)
    with operator_process.Operator(plane, 18090) as operator:
        operator.wait_until_ready()
        process = child_of(operator.process.pid)
        row("resident memory, idle", f"{memory(process):.1f} MB", "25 MB")
        # A control plane that has just come up takes seconds until it answers as it will.
        create_at_a_rate(plane, "warm-up", WARM_UP)
        enclosure.wait_until("their states", 300, lambda: all(
            each.get("status", {}).get("state")
            for each in plane.get("paralleljobs", "-n", "warm-up")["items"]))
        mark = plane.audit_size()
        took = create_at_a_rate(plane, "bench", JOBS)
        found = delays(plane, "bench", mark)
        row(f"ParallelJob created to Job created, p99 at {JOBS / took:.0f}/s",
            f"{found[int(0.99 * len(found))] * 1000:.0f} ms", "300 ms",
            f"median {found[len(found) // 2] * 1000:.0f} ms")
        row(f"resident memory, {WARM_UP + JOBS} jobs", f"{memory(process):.1f} MB", "60 MB")


# --- Worker pods -------------------------------------------------------------------------------

def seconds_of(report):
    """From the first mini-batch's start to the last one's end, by processed_mini-batches.csv."""
    with open(report, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    starts = [datetime.datetime.fromisoformat(each["Start Time"]) for each in rows]
    ends = [start + datetime.timedelta(seconds=float(each["Elapsed Seconds"]))
            for start, each in zip(starts, rows)]
    return (max(ends) - min(starts)).total_seconds()


def run_here(manifest, data, folder):
    """The same job on this machine; its report."""
    (folder / "code").mkdir()
    (folder / "code/entry.py").write_text(NOOP_SCRIPT, encoding="utf-8")
    spec = manifest["spec"] | {
        "inputs": [{"name": "files", "type": "uri_folder", "path": str(data)}],
        "outputs": [{"name": "rows", "type": "uri_file", "path": "rows.txt"}],
        "task": {"code": {"local": "code"}, "entryScript": "entry.py",
                 "appendRowTo": "${{outputs.rows}}"}}
    (folder / "job.yaml").write_text(json.dumps(manifest | {"spec": spec}), encoding="utf-8")
    subprocess.run([os.environ["PARALLELJOB"], "run", "-f", folder / "job.yaml", "--output",
                    folder / "out"], check=True, capture_output=True)
    return folder / "out" / REPORT


def noop(space, image):
    """No-op mini-batches in one pod with two slots, beside the same on this machine."""
    objects.linked_files(space.folder / "noop-files", NOOP)
    manifest = space.small_job("noop", NOOP_SCRIPT, image, instanceCount=1)
    manifest["spec"]["inputs"][0]["path"] = "noop-files"
    space.apply(manifest).wait_until_complete(300)
    (report,) = space.folder.glob(f"paralleljob/noop-*/{REPORT}")
    in_pod = seconds_of(report)
    with tempfile.TemporaryDirectory() as folder:
        here = seconds_of(run_here(manifest, space.folder / "noop-files", pathlib.Path(folder)))
    row("no-op mini-batch in a pod ÷ on this machine", f"{in_pod / here:.2f} ×", "1.2",
        f"{in_pod / NOOP * 1e6:.2f} µs, {here / NOOP * 1e6:.2f} µs")


def naps(space, image):
    """Writes to the API, and the time that a killed agent costs, with mini-batches of 10 ms."""
    objects.linked_files(space.folder / "naps-files", NAPS)
    manifest = space.small_job("naps", NAP_SCRIPT, image)
    manifest["spec"]["inputs"][0]["path"] = "naps-files"
    manifest["spec"]["maxConcurrencyPerInstance"] = 4
    mark = space.cluster.audit_size()
    job = space.apply(manifest)
    job.wait_until_complete(600)
    writes = collections.Counter(
        (event["user"]["username"].rsplit(":", 1)[-1], event["objectRef"]["resource"])
        for event in space.cluster.audit(mark)
        if event["verb"] in WRITES and event["stage"] == "ResponseComplete"
        and event.get("objectRef", {}).get("namespace") == space.name)
    ours = {who: count for who, count in writes.items()
            if who[0].endswith("-worker") or who[0] == "pj-operator"}
    row(f"API writes per 1,000 mini-batches of 10 ms ({NAPS})",
        f"{1000 * sum(ours.values()) / NAPS:.2f}", "3",
        f"operator and agents; with all others {1000 * writes.total() / NAPS:.2f}")
    for (who, resource), count in writes.most_common():
        print(f"    {count:5d} {resource} by {who}")


def killed_agent(space, image):
    """One pod, so that the next mini-batch is the restarted agent's."""
    manifest = space.small_job("killed", NAP_SCRIPT, image, instanceCount=1)
    manifest["spec"]["inputs"][0]["path"] = "naps-files"
    job = space.apply(manifest)
    gaps = []
    starts = space.output("killed", "starts")
    for _ in range(5):
        before = len(starts.read_text().splitlines()) if starts.exists() else 0
        enclosure.wait_until("work", 60, lambda before=before: starts.exists() and len(
            starts.read_text().splitlines()) > before + 100)
        (process,) = {one for pod in job.pods()
                      for one in pod_jobs.processes_of(pod, "paralleljob-worker agent")}
        killed = time.time_ns()
        os.kill(process, signal.SIGKILL)

        def next_start(killed=killed):
            later = [int(line) for line in starts.read_text().split() if int(line) > killed + 2e7]
            return later[0] if later else None

        gaps.append((enclosure.wait_until("the next mini-batch", 60, next_start) - killed) / 1e9)
    row("agent SIGKILLed to next mini-batch", f"{statistics.median(gaps):.2f} s", "3 s",
        f"worst of {len(gaps)}: {max(gaps):.2f} s")
    job.kubectl("delete", "paralleljob", job.name)


def worker_pods(cluster, options):
    print("\nworker pods on two nodes")
    ccache = pathlib.Path(os.environ.get("CCACHE_DIR") or options.cache / "ccache")
    image = cluster_demo.load_images(cluster, images.Builder(options.cache / "images", ccache))
    cluster_demo.install_chart(cluster)
    with tempfile.TemporaryDirectory() as folder:
        space = pod_jobs.Space(cluster, "bench", pathlib.Path(folder) / "data")
        naps(space, image)
        noop(space, image)
        killed_agent(space, image)
        space.end()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=pathlib.Path, required=True)
    parser.add_argument("--only", choices=("operator", "pods"))
    options = parser.parse_args()
    found = programs.Programs(options.cache)
    for kind, nodes, measure in (("operator", 0, operator_alone),
                                 ("pods", 2, lambda one: worker_pods(one, options))):
        if options.only not in (None, kind):
            continue
        name = kube_cluster.name_of(__file__, f"bench-{kind}")
        cluster = kube_cluster.Cluster(options.cache / "cluster" / name, found)
        cluster.down()
        try:
            cluster.up(nodes, dies_with_caller=True)
            measure(cluster)
        finally:
            cluster.down()


if __name__ == "__main__":
    main()
