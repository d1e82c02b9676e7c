"""Jobs that lose what they run on: each row still comes out once, whole and in order.

All jobs run at the same time; each has its own misfortune when it is half-way. The last two hit
everybody: the API server killed, and the operator away for a while, in which others test what
needs no operator.
"""

import concurrent.futures
import json
import os
import signal
import time

import cluster_demo
import enclosure
import pod_jobs
import pytest

pytestmark = pytest.mark.turn(6)
FILES = 1600
SCRIPT = """\
import os, threading
nap = threading.Event().wait
def run(mini_batch):
    nap(0.04)
    lines = []
    for path in mini_batch:
        with open(path, encoding="utf-8") as file:
            lines.append(f"{os.path.basename(path)} {file.read().strip()}")
    return lines
"""
# Once in the job's life, half-way, a process takes more memory than its container may have.
HUNGRY = SCRIPT + """\
easy = run
def run(mini_batch):
    mark = os.path.join(os.environ["AZUREML_BI_OUTPUT_PATH"], "eaten")
    if mini_batch[0].endswith("00700.txt") and not os.path.exists(mark):
        open(mark, "x").close()
        hold = []
        while True:
            hold.append(bytearray(16 << 20))
    return easy(mini_batch)
"""
# The last mini-batches wait for a file beside the rows.
HELD = SCRIPT + """\
easy = run
def run(mini_batch):
    gate = os.path.join(os.environ["AZUREML_BI_OUTPUT_PATH"], "gate")
    while mini_batch[0][-9:] >= "01400.txt" and not os.path.exists(gate):
        nap(0.05)
    return easy(mini_batch)
"""
EXPECTED = "".join(f"{number:05d}.txt {number * number}\n" for number in range(FILES)).encode()


def kill(job, words, forked=False):
    """SIGKILL to one process of one of the job's pods; `forked`: to all that another such one
    started, since one of them may be a spare with nothing to lose."""
    def victims():
        for pod in job.pods():
            found = pod_jobs.processes_of(pod, words)
            children = [process for process in found if pod_jobs.parent_of(process) in found]
            if chosen := children if forked else found[:1]:
                return chosen
        return None

    for process in enclosure.wait_until(f"a process of {words}", 30, victims):
        os.kill(process, signal.SIGKILL)


def agent_killed(job):
    job.wait_until_half_way()
    kill(job, "paralleljob-worker agent")


def slots_killed(job):
    job.wait_until_half_way()
    kill(job, "python", forked=True)


def out_of_memory(job):
    """The kernel kills the process that ate, or with control groups of version 2 the container."""
    job.wait_for("a meal", lambda _: job.space.output(job.name, "eaten").exists())


def pod_deleted(job):
    job.wait_until_half_way()
    name = job.pods()[0]["metadata"]["name"]
    job.kubectl("delete", "pod", name, "--grace-period=0", "--force", "--wait=false")
    job.wait_for("another pod", lambda _: name not in [
        pod["metadata"]["name"] for pod in job.pods()])


def suspended(job):
    job.wait_until_half_way()
    job.patch(suspend=True)
    status = job.wait_for("Suspended", lambda now: now if now["state"] == "Suspended" else None)
    # As with a Job's own Suspended, the last of the pods may still be on their way out.
    job.wait_for("no running pod", lambda _: not [
        pod for pod in job.pods() if pod["status"]["phase"] == "Running"])
    assert status["miniBatches"]["left"] > 0
    job.patch(suspend=False)


def scaled(job):
    """Much is held back until all four are there, however long they took to start."""
    job.wait_until_half_way(high=0.6)
    job.kubectl("scale", "paralleljob", job.name, "--replicas=4")
    job.wait_for("four workers", lambda now: now["workers"]["ready"] == 4)
    job.kubectl("scale", "paralleljob", job.name, "--replicas=1")
    job.space.output(job.name, "gate").touch()
    job.wait_for("one worker", lambda now: now["workers"]["active"] == 1)


def scaled_to_none(job):
    job.wait_until_half_way()
    job.kubectl("scale", "paralleljob", job.name, "--replicas=0")
    job.wait_for("no running pod", lambda now: now["workers"]["active"] == 0 and not [
        pod for pod in job.pods() if pod["status"]["phase"] == "Running"])
    status = job.wait_for("the cause", lambda now: now if "ScaledToZero" in [
        condition["reason"] for condition in now["conditions"]] else None)
    assert status["miniBatches"]["left"] > 0, status
    job.kubectl("scale", "paralleljob", job.name, "--replicas=2")


def applied_again(job):
    job.wait_until_half_way()
    uid = job.get()["metadata"]["uid"]
    manifest = job.get()
    job.kubectl("delete", "paralleljob", job.name, "--timeout=60s")
    job.space.apply({key: manifest[key] for key in ("apiVersion", "kind", "spec")}
                    | {"metadata": {"name": job.name}})
    assert job.get()["metadata"]["uid"] != uid


MISFORTUNES = {
    "agent-killed": (agent_killed, SCRIPT, {}),
    "slot-killed": (slots_killed, SCRIPT, {}),
    "out-of-memory": (out_of_memory, HUNGRY, {
        "podTemplate": {"resources": {"limits": {"memory": "192Mi", "cpu": "1"}}}}),
    "pod-deleted": (pod_deleted, SCRIPT, {}),
    "suspended": (suspended, SCRIPT, {}),
    "scaled": (scaled, HELD.replace("01400", "00900"), {"retrySettings": {"timeoutSeconds": 600}}),
    "scaled-to-none": (scaled_to_none, SCRIPT, {}),
    "applied-again": (applied_again, SCRIPT, {}),
}


@pytest.fixture(scope="session")
def space(cluster, installed_chart, tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    for number in range(FILES):
        (folder / f"{number:05d}.txt").write_text(f"{number * number}\n", encoding="utf-8")
    space = pod_jobs.Space(cluster, "survival", tmp_path_factory.mktemp("volume") / "data")
    space.add_data(folder, "in")
    yield space
    space.end()


@pytest.fixture(scope="session")
def held(space, user_image):
    """A job that does not end before somebody lets it."""
    return space.apply(space.small_job("held", HELD, user_image("3.11"),
                                       retrySettings={"timeoutSeconds": 600}))


@pytest.fixture(scope="session")
def damaged(space, user_image, aside):
    """A job that is cancelled when it has no workers, and of which a segment is damaged then; and
    the future of what its status said before that was mended, and at its end."""
    job = space.apply(space.small_job("damaged", SCRIPT, user_image("3.11")))

    def state(wanted):
        return enclosure.wait_until(f"damaged {wanted}", 120, lambda: (
            status if (status := job.status()).get("state") == wanted else None))

    def live():
        job.wait_until_half_way()
        job.patch(suspend=True)
        state("Suspended")
        segment = max((space.folder / "paralleljob").glob("damaged-*/segments/*.rows"),
                      key=lambda file: file.stat().st_size)
        good = segment.read_bytes()
        segment.write_bytes(b"?" * len(good))
        job.patch(cancel=True)
        stalled = state("Stalled")
        segment.write_bytes(good)
        return segment.name, stalled, state("Failed")

    return job, aside(live)


@pytest.fixture(scope="session")
def runs(space, user_image, held, damaged):
    """Misfortune → the job that met it, as a future of its end."""
    image = user_image("3.11")

    def run(name):
        misfortune, script, spec = MISFORTUNES[name]
        job = space.apply(space.small_job(name, script, image, **spec))
        misfortune(job)
        return job, job.wait_until_complete(300)

    with concurrent.futures.ThreadPoolExecutor(len(MISFORTUNES)) as pool:
        yield {name: pool.submit(run, name) for name in MISFORTUNES}


@pytest.mark.parametrize("name", MISFORTUNES)
def test_every_row_once_whole_and_in_order(runs, name):
    job, status = runs[name].result()
    assert job.rows() == EXPECTED
    assert status["items"] == {"total": FILES, "succeeded": FILES, "failed": 0}
    assert status["miniBatches"]["failed"] == 0
    if name in ("out-of-memory", "slot-killed"):
        assert status["retries"] + status["infrastructureLosses"] > 0


def test_a_finaliser_that_meets_damage_says_so_until_it_is_mended(damaged):
    job, future = damaged
    segment, stalled, failed = future.result()
    told = {each["type"]: each for each in stalled["conditions"]}
    assert told["Stalled"]["status"] == "True"
    assert told["Stalled"]["reason"] == "LedgerCorrupt" and segment in told["Stalled"]["message"]
    told = {each["type"]: each for each in failed["conditions"]}
    assert told["Stalled"]["reason"] == told["Failed"]["reason"] == "Cancelled"
    kept = job.rows("rows.txt.partial").splitlines(keepends=True)
    assert len(kept) == failed["miniBatches"]["succeeded"] > 0
    assert kept == [line for line in EXPECTED.splitlines(keepends=True) if line in set(kept)]


def test_deleting_leaves_nothing(runs):
    job, _ = runs["scaled"].result()
    started = time.monotonic()
    job.kubectl("delete", "paralleljob", job.name, "--timeout=60s")
    enclosure.wait_until("nothing left", 30, lambda: not job.children())
    assert time.monotonic() - started <= 30


def operator_pod(cluster):
    (pod,) = cluster.get("pods", f"--namespace={cluster_demo.RELEASE_NAMESPACE}",
                         "--selector=app.kubernetes.io/name=paralleljob-operator")["items"]
    return pod


def operator(cluster):
    """(its pod, its process)"""
    pod = operator_pod(cluster)
    (process,) = pod_jobs.processes_of(pod, "paralleljob-operator")
    return pod, process


def test_top_tells_what_busy_workers_do(held, cluster):
    """Of a job that runs: its state, and for each worker its slots and what it has done."""
    held.wait_for("most of what the gate lets through", lambda now: now.get(
        "miniBatches", {}).get("succeeded", 0) >= FILES // 2)
    done = held.status()["miniBatches"]["succeeded"]
    asked = (os.environ["PARALLELJOB"], "top", held.name, "-n", held.space.name)
    told = json.loads(cluster.run(*asked, "-o", "json").stdout)
    assert [(pod["instance"], pod["status"], pod["slots"]) for pod in told["pods"]] == [
        (0, "Working", 2), (1, "Working", 2)], told["pods"]
    assert sum(pod["done"] for pod in told["pods"]) >= done, (done, told["pods"])
    assert all(pod["node"].startswith("node-") for pod in told["pods"]), told["pods"]
    lines = cluster.run(*asked).stdout.splitlines()
    assert lines[0].startswith("Running: ") and f"/{FILES} mini-batches" in lines[0], lines
    assert [line.split()[:3] for line in lines[2:]] == [["0", "Working", "2"],
                                                        ["1", "Working", "2"]], lines


def test_operator_killed(runs, held, cluster):
    """SIGKILL, when the others no longer need it."""
    concurrent.futures.wait(runs.values())
    held.wait_for("most of what the gate lets through", lambda now: now.get(
        "miniBatches", {}).get("succeeded", 0) >= FILES // 2)

    def restarts(pod):
        return pod["status"]["containerStatuses"][0]["restartCount"]

    pod, process = operator(cluster)
    os.kill(process, signal.SIGKILL)
    enclosure.wait_until("another process of it", 60, lambda: restarts(
        operator_pod(cluster)) == restarts(pod) + 1)
    held.space.output(held.name, "gate").touch()
    status = held.wait_until_complete()
    assert held.rows() == EXPECTED
    assert status["items"] == {"total": FILES, "succeeded": FILES, "failed": 0}
    assert status["retries"] == status["infrastructureLosses"] == 0


def test_api_server_killed(runs, cluster, space, user_image):
    """Nobody can commit for a while; then all go on."""
    concurrent.futures.wait(runs.values())
    job = space.apply(space.small_job("no-api-server", SCRIPT, user_image("3.11")))
    job.wait_until_half_way()
    with cluster.without_api_server():
        refused = cluster.kubectl("get", "--raw=/readyz", check=False)
        assert refused.returncode != 0
    job.wait_until_complete()
    assert job.rows() == EXPECTED


class Absence:
    """Without an operator for a minute, and a job that was half-way when it was killed: it neither
    gave up the lead nor did anything else on its way out."""

    def __init__(self, job, namespace):
        self.job, self.cluster, self.namespace = job, job.cluster, namespace
        job.wait_until_half_way()
        pod, process = operator(self.cluster)
        os.kill(process, signal.SIGSTOP)
        self._scale(0)
        self.since, self.away = time.monotonic(), True
        enclosure.wait_until("its pod told to end", 60, lambda: "deletionTimestamp" in
                             self.cluster.get("pod", pod["metadata"]["name"],
                                              f"--namespace={namespace}")["metadata"])
        os.kill(process, signal.SIGKILL)
        self.cluster.kubectl("wait", "pods", "--for=delete", f"--namespace={namespace}",
                             "--selector=app.kubernetes.io/name=paralleljob-operator",
                             "--timeout=60s")

    def _scale(self, count):
        self.cluster.kubectl("scale", "deployment/pj-operator", f"--namespace={self.namespace}",
                             f"--replicas={count}")

    def end(self):
        if self.away:
            self.away = False
            self._scale(1)


@pytest.fixture(scope="session")
def absence(space, user_image, installed_chart):
    job = space.apply(space.small_job("no-operator", SCRIPT, user_image("3.11")))
    absence = Absence(job, installed_chart)
    yield absence
    absence.end()


@pytest.mark.turn(7)
def test_agents_publish_without_an_operator(absence, space):
    """What needs no operator is tested next, at turn 8."""
    enclosure.wait_until("the rows without any operator", 120,
                         lambda: space.output("no-operator", "rows.txt").exists())
    assert absence.job.rows() == EXPECTED


@pytest.mark.turn(9)
def test_an_operator_that_was_away_judges_what_happened(absence):
    enclosure.wait_until("a minute", 90, lambda: time.monotonic() - absence.since >= 60)
    assert absence.job.status()["state"] != "Complete"
    absence.end()
    absence.job.wait_until_complete()
    assert absence.job.rows() == EXPECTED
