"""Jobs whose pods cannot start: a condition names the cause, and they go on once it is gone."""

import objects
import pod_jobs
import pytest

FILES = 12
SCRIPT = """\
import os
def run(mini_batch):
    return [os.path.basename(path) for path in mini_batch]
"""
EXPECTED = "".join(f"{number:02d}\n" for number in range(FILES)).encode()
LATE_IMAGE = "localhost/late:1"
LABEL = "example.com/late"


@pytest.fixture(scope="session")
def space(cluster, installed_chart, tmp_path_factory):
    source = tmp_path_factory.mktemp("made")
    for number in range(FILES):
        (source / f"{number:02d}").touch()
    space = pod_jobs.Space(cluster, "waiting", tmp_path_factory.mktemp("volume") / "data")
    space.add_data(source, "in")
    yield space
    space.end()


def wait_until_named(job, reason, words=""):
    """What the condition says that has this reason, once it holds the words."""
    def message(status):
        for condition in status.get("conditions", []):
            if (condition["type"], condition["reason"]) == ("Reconciling", reason):
                assert condition["status"] == "True"
                return condition["message"] if words in condition["message"] else None
        return None

    return job.wait_for(f"the reason {reason}", message)


@pytest.fixture(scope="session")
def without_image(cluster, space, user_image, aside):
    """A job, and the future of what its condition said before the nodes had its image."""
    job, image = space.apply(space.small_job("no-image", SCRIPT, LATE_IMAGE)), user_image("3.11")

    def live():
        told = wait_until_named(job, "ErrImageNeverPull")
        for node in cluster.nodes():
            node.tag(image, LATE_IMAGE)
        job.wait_until_complete()
        return told

    return job, aside(live)


@pytest.fixture(scope="session")
def without_node(cluster, space, user_image, aside):
    """A job, and the future of what its condition said before a node had its label."""
    job = space.apply(space.small_job("no-node", SCRIPT, user_image("3.11"),
                                      podTemplate={"nodeSelector": {LABEL: "yes"}}))

    def live():
        told = wait_until_named(job, "Unschedulable")
        cluster.kubectl("label", "node", "node-1", f"{LABEL}=yes")
        job.wait_until_complete()
        return told

    yield job, aside(live)
    cluster.kubectl("label", "node", "node-1", f"{LABEL}-")


@pytest.fixture(scope="session")
def without_room(space, user_image, aside):
    """A job that no node can hold, and the future of what its condition said, and of how it ended
    when somebody gave it up."""
    job = space.apply(space.small_job(
        "no-room", SCRIPT, user_image("3.11"),
        podTemplate={"resources": {"requests": {"cpu": "1000"}}}))

    def live():
        told = wait_until_named(job, "Unschedulable", "Insufficient cpu")  # its claim comes first
        job.patch(cancel=True)
        return told, job.wait_for(
            "Failed", lambda status: status if status.get("state") == "Failed" else None)

    return job, aside(live)


@pytest.fixture(scope="session")
def without_claim(cluster, space, user_image, aside):
    """A job, and the future of what its condition said before its claim was there."""
    manifest = space.small_job("no-claim", SCRIPT, user_image("3.11"))
    manifest["spec"]["inputs"][0]["volume"] = {
        "persistentVolumeClaim": {"claimName": "late-waiting"}}
    job = space.apply(manifest)

    def live():
        told = wait_until_named(job, "ClaimNotFound")
        cluster.apply(*objects.shared_volume("late-waiting", space.folder, space.name),
                      namespace=space.name)
        job.wait_until_complete()
        return told

    yield job, aside(live)
    cluster.kubectl("delete", "persistentvolume", "late-waiting", "--wait=false")


@pytest.fixture(scope="session")
def without_code(space, user_image, aside):
    """A job, and the future of what its condition said before the ConfigMap of its code was
    there."""
    manifest = space.small_job("no-code", SCRIPT, user_image("3.11"))
    space.cluster.kubectl("delete", "configmap", "no-code-code", f"--namespace={space.name}")
    job = space.apply(manifest)

    def live():
        told = wait_until_named(job, "FailedMount")
        space.small_job("no-code", SCRIPT, "any")
        job.wait_until_complete()
        return told

    return job, aside(live)


@pytest.fixture(scope="session")
def without_rights(space, user_image, aside):
    """A job, and the future of what its condition said before its pods might write their rows."""
    folder = space.folder / "no-rights"
    folder.mkdir(mode=0o755)
    job = space.apply(space.small_job("no-rights", SCRIPT, user_image("3.11")))

    def live():
        told = wait_until_named(job, "VolumeUnusable")
        folder.chmod(0o777)
        job.wait_until_complete()
        return told

    return job, aside(live)


@pytest.fixture(scope="session")
def all_that_wait(without_image, without_node, without_room, without_claim, without_code,
                  without_rights):
    return (without_image, without_node, without_room, without_claim, without_code, without_rights)


@pytest.mark.turn(2)
def test_they_begin(all_that_wait):
    """Others are tested while they run."""
    for job, _ in all_that_wait:
        job.wait_for("an operator's word", lambda status: status.get("state"))


def check_end(job):
    assert job.rows() == EXPECTED
    status = job.status()
    assert status["retries"] == status["infrastructureLosses"] == 0
    (condition,) = [each for each in status["conditions"] if each["type"] == "Reconciling"]
    assert condition["status"] == "False"


def test_a_missing_image_is_named_and_waited_for(without_image):
    job, future = without_image
    told = future.result()
    assert "container user" in told and LATE_IMAGE in told
    check_end(job)


def test_a_missing_node_is_named_and_waited_for(without_node):
    job, future = without_node
    assert "0/2 nodes are available" in future.result()
    check_end(job)
    assert {pod["spec"]["nodeName"] for pod in job.pods()} == {"node-1"}


def test_too_large_a_request_is_named_and_the_job_can_be_given_up(without_room):
    job, future = without_room
    told, status = future.result()
    assert "0/2 nodes are available" in told
    (failed,) = [each for each in status["conditions"] if each["type"] == "Failed"]
    assert failed["reason"] == "Cancelled"
    assert not [pod for pod in job.pods() if pod["status"]["phase"] == "Pending"]


def test_a_missing_claim_is_named_and_waited_for(without_claim):
    job, future = without_claim
    assert "no PersistentVolumeClaim late-waiting" in future.result()
    check_end(job)


def test_missing_code_is_named_and_waited_for(without_code):
    job, future = without_code
    assert 'configmap "no-code-code" not found' in future.result()
    check_end(job)


def test_a_volume_that_may_not_be_written_is_named_and_waited_for(without_rights):
    job, future = without_rights
    told = future.result()
    assert "user 65532, group 65532 cannot work in /paralleljob/outputs/rows" in told, told
    check_end(job)
