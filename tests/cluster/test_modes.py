"""Settings that only pods have, or that they carry out in another way, as jobs side by side."""

import base64
import json
import random

import enclosure
import pod_jobs
import pytest

FILES = 12
NODE = "node-1"
LONG_NAMES = 2500  # of 225 characters by chance: packed still more than a plan's object takes
SCRIPT = """\
import os, sys
print("printed by the script")
def run(mini_batch):
    lines = []
    for path in mini_batch:
        with open(path, encoding="utf-8") as file:
            lines.append(file.read() + " " + os.environ.get("GREETING", "-") + " " + path)
    return lines
"""
NAMES = """\
import os
def run(mini_batch):
    return [os.path.basename(path) for path in mini_batch]
"""
TEMPLATE = {"nodeSelector": {"kubernetes.io/hostname": NODE},
            "env": [{"name": "GREETING", "value": "hello"}],
            "serviceAccountName": "trainer",
            "labels": {"team": "blue"}, "annotations": {"example.com/why": "a test"},
            "resources": {"requests": {"memory": "48Mi"}, "limits": {"memory": "256Mi"}}}


@pytest.fixture(scope="session")
def space(cluster, installed_chart, tmp_path_factory):
    source = tmp_path_factory.mktemp("made")
    for number in range(FILES):
        (source / f"{number:02d}.txt").write_text(str(number * number), encoding="utf-8")
    many = tmp_path_factory.mktemp("many")
    chance = random.Random(5)
    for _ in range(LONG_NAMES):
        name = base64.urlsafe_b64encode(chance.randbytes(168)).decode()
        (many / f"f{name}").touch()
    space = pod_jobs.Space(cluster, "modes", tmp_path_factory.mktemp("volume") / "data")
    space.add_data(source, "in")
    space.add_data(many, "many")
    cluster.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "trainer"}},
                  namespace=space.name)
    yield space
    space.end()


def with_code(cluster, builder, base, folder):
    """The name of an image with the script in /app, on the nodes."""
    name = "localhost/user-with-code:1"
    (folder / "entry.py").write_text(NAMES, encoding="utf-8")
    (folder / "Dockerfile").write_text(f"FROM {base}\nCOPY entry.py /app/entry.py\n")
    cluster.load_built(builder, builder.build(folder, name), name)
    return name


@pytest.fixture(scope="session")
def from_elsewhere(cluster, builder, space, user_image, tmp_path_factory):
    """Jobs whose code lies on a volume, or in the image."""
    image, folder = user_image("3.11"), tmp_path_factory.mktemp("code")
    full = with_code(cluster, builder, image, folder)
    space.add_data(folder, "scripts/names")
    made = {}
    for name, image, code in (
            ("from-volume", image, {"volume": space.claim | {"path": "scripts/names"}}),
            ("from-image", full, {"image": "/app"})):
        job = space.small_job(name, "not to be run\n", image)
        job["spec"]["task"]["code"] = code
        made[name] = space.apply(job)
    return made


@pytest.fixture(scope="session")
def of_others(space, user_image):
    """A job that another operator shall manage."""
    return space.apply(space.small_job("of-others", NAMES, user_image("3.11"),
                                       managedBy="example.com/another"))


FIRST_FAILS = """\
def run(mini_batch, context):
    if context.minibatch_index == 0:
        raise ValueError("the first one")
    return mini_batch
"""


@pytest.fixture(scope="session")
def overdue(space, user_image, aside):
    """A job that hangs half-way until its time is over, and the future of its status then."""
    job = space.apply(space.small_job("overdue", pod_jobs.gated("06"), user_image("3.11")))

    def live():
        job.wait_for("rows", lambda now: now.get("miniBatches", {}).get("succeeded", 0) > 0)
        job.patch(activeDeadlineSeconds=1)
        return job.wait_for("Failed", lambda now: now if now["state"] == "Failed" else None)

    return job, aside(live)


@pytest.fixture(scope="session")
def jobs(space, user_image):
    image = user_image("3.11")
    mounted = {"name": "files", "volume": space.claim}
    given = {
        "plain": (SCRIPT, {}),
        "quiet": (SCRIPT, {"logs": "none"}),
        "copied": (SCRIPT, {"inputs": [mounted | {"path": "in", "mode": "download"}]}),
        "placed": (SCRIPT, {"podTemplate": TEMPLATE}),
        "planned": (NAMES, {"inputs": [mounted | {"path": "many"}], "miniBatchSize": 100}),
    }
    made = {name: space.small_job(name, script, image, **spec)
            for name, (script, spec) in given.items()}
    # Nothing to keep, and no volume that its pods would share.
    made["scattered"] = space.small_job("scattered", FIRST_FAILS, image, logs="none",
                                        retrySettings={"maxRetries": 0})
    del made["scattered"]["spec"]["outputs"], made["scattered"]["spec"]["task"]["appendRowTo"]
    return {name: space.apply(job) for name, job in made.items()}


@pytest.mark.turn(2)
def test_they_begin(jobs, from_elsewhere, of_others, overdue):
    """Others are tested while they run."""
    assert of_others.get()["spec"]["managedBy"]
    for job in (*jobs.values(), *from_elsewhere.values(), overdue[0]):
        job.wait_for("an operator's word", lambda status: status.get("state"))


def rows(job):
    """(square, greeting, path) of each file, in order, of a job that has ended."""
    status = job.wait_until_complete()
    assert status["items"] == {"total": FILES, "succeeded": FILES, "failed": 0}
    found = [line.split(" ") for line in job.rows().decode().splitlines()]
    assert [int(square) for square, _, _ in found] == [n * n for n in range(FILES)]
    return found


def work_folder(space, name):
    (folder,) = (space.folder / "paralleljob").glob(f"{name}-*")
    return folder


def test_no_logs_are_kept_when_none_are_wanted(space, jobs):
    rows(jobs["quiet"])
    rows(jobs["plain"])
    kept = work_folder(space, "plain") / "logs"
    printed = [path.read_text(encoding="utf-8") for path in kept.rglob("*.stdout.txt")]
    assert "printed by the script" in "".join(printed)
    below = work_folder(space, "quiet")
    assert not [path for path in (below / "logs").rglob("*") if path.is_file()]


def test_a_job_without_any_volume_of_its_own_ends(jobs):
    """What each pod wrote is gone with it: the ledger tells what there is to tell."""
    status = jobs["scattered"].wait_until_complete()
    assert status["miniBatches"] == {"total": FILES, "succeeded": FILES - 1, "failed": 1,
                                     "left": 0}
    assert [(error["count"], error["message"]) for error in status["errors"]] == [
        (1, "ValueError: the first one")], status["errors"]


def test_a_change_of_a_finished_job_is_seen_and_no_more(jobs):
    """kstatus, and with it Flux and Argo CD, waits until it is."""
    job = jobs["plain"]
    job.wait_until_complete()
    before = job.get()
    job.kubectl("scale", "paralleljob", job.name, "--replicas=3")
    job.patch(ttlSecondsAfterFinished=100_000)
    generation = before["metadata"]["generation"] + 2
    enclosure.wait_until("the new generation", 60, lambda: (
        job.status()["observedGeneration"] == generation))
    after = job.status()
    assert after == before["status"] | {"observedGeneration": generation}
    assert job.get()["metadata"]["generation"] == generation


def test_a_downloaded_input_is_a_copy(jobs):
    mounted = {path for _, _, path in rows(jobs["plain"])}
    copies = {path for _, _, path in rows(jobs["copied"])}
    assert all(path.startswith("/paralleljob/inputs/files/") for path in mounted)
    assert len(copies) == FILES
    assert not any(path.startswith("/paralleljob/inputs/") for path in copies)


def test_a_pod_template_is_seen_on_the_pods(jobs):
    job = jobs["placed"]
    assert {greeting for _, greeting, _ in rows(job)} == {"hello"}
    pods = job.pods()
    assert len(pods) == 2 and {pod["spec"]["nodeName"] for pod in pods} == {NODE}
    for pod in pods:
        assert pod["spec"]["serviceAccountName"] == "trainer"
        assert pod["metadata"]["labels"]["team"] == "blue"
        assert pod["metadata"]["annotations"]["example.com/why"] == "a test"
        containers = pod["spec"]["containers"] + pod["spec"]["initContainers"]
        (user,) = [each for each in containers if each["name"] == "user"]
        assert user["resources"]["limits"]["memory"] == "256Mi"


def test_a_plan_too_large_for_an_object_lies_in_a_file(space, jobs):
    job = jobs["planned"]
    status = job.wait_until_complete()
    assert status["miniBatches"]["total"] == LONG_NAMES / 100
    names = sorted(path.name for path in (space.folder / "many").iterdir())
    assert job.rows().decode().splitlines() == names
    (plan,) = (work_folder(space, "planned") / "plans").iterdir()
    assert plan.stat().st_size > 256 << 10
    objects = job.cluster.get("configmaps", f"--namespace={space.name}",
                              f"--selector={pod_jobs.LABEL}=planned")["items"]
    assert max(len(json.dumps(each)) for each in objects) < 64 << 10


@pytest.mark.parametrize("where", ["from-volume", "from-image"])
def test_code_lies_where_the_job_says(from_elsewhere, where):
    job = from_elsewhere[where]
    job.wait_until_complete()
    assert job.rows().decode().splitlines() == [f"{number:02d}.txt" for number in range(FILES)]
    (user,) = [each for each in job.pods()[0]["spec"]["initContainers"] if each["name"] == "user"]
    mounted = {mount["mountPath"] for mount in user["volumeMounts"]}
    assert ("/paralleljob/code" in mounted) == (where == "from-volume")


def test_a_job_of_another_operator_is_left_alone(jobs, of_others):
    """Jobs that were applied after it have ended."""
    for job in jobs.values():
        job.wait_until_complete()
    assert of_others.children() == []
    assert of_others.get()["status"] == {"observedGeneration": -1}


def test_a_job_whose_time_is_over_keeps_what_was_committed(overdue):
    """Its pods hang in a call of the script when that happens."""
    job, future = overdue
    status = future.result()
    conditions = {each["type"]: each for each in status["conditions"]}
    assert conditions["Failed"]["reason"] == "DeadlineExceeded"
    assert conditions["Stalled"]["status"] == "True"
    kept = job.rows("rows.txt.partial").decode().splitlines()
    assert len(kept) == status["miniBatches"]["succeeded"] > 0
    assert set(kept) <= {f"{number:02d}.txt" for number in range(6)}
    assert not job.space.output(job.name, "rows.txt").exists()
    assert not [pod for pod in job.pods() if pod["status"]["phase"] == "Running"]
