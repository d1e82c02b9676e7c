"""What the API server's audit log says of a large job: few writes, none late, none refused.

It is evidence from outside: nothing here asks our own programs.
"""

import collections

import chart_objects
import enclosure
import ledger_replay
import objects
import pod_jobs
import pytest

pytestmark = pytest.mark.turn(6)
COUNT = 100_000
FEW = 40
WRITES = ("create", "update", "patch", "delete")
OPERATOR = ":paralleljob:pj-operator"
# Rights of the operator that no request may need: why it has them.
UNSHOWN = {
    ("paralleljobs/finalizers", "update"): "clusters that check owner references ask whether "
                                           "whoever names an owner may do this",
    ("configmaps", "get"): "is there a result: asked before another Job is made for one that is "
                           "gone; and nobody can grant to workers what he has not",
}
# Rights that other files show, which a run may leave out: what of a job needs them.
SHOWN_IN = {
    "test_nodes": {("pods", "get"), ("pods/status", "update"),  # a lost worker is marked as failed
                   ("pods", "delete")},  # and what is left of jobs that are gone
    "test_survival": {("configmaps", "update"),  # a drain
                      ("roles", "get"), ("rolebindings", "get")},  # compared by a new operator
}
SCRIPT = """\
import os, threading
nap = threading.Event().wait
def run(mini_batch):
    nap(0.001)
    return [os.path.basename(path) for path in mini_batch]
"""


@pytest.fixture(scope="session")
def space(cluster, installed_chart, tmp_path_factory):
    space = pod_jobs.Space(cluster, "audited", tmp_path_factory.mktemp("volume") / "data")
    source = space.folder / "in"
    objects.linked_files(source, COUNT)
    yield space
    space.end()


class Log:
    """The events of one namespace since this object was made."""

    def __init__(self, cluster, namespace):
        self.cluster, self.namespace, self.since = cluster, namespace, cluster.audit_size()

    def events(self):
        return [event for event in self.cluster.audit(self.since)
                if event.get("objectRef", {}).get("namespace") == self.namespace
                and event["stage"] == "ResponseComplete"]

    def by(self, *accounts):
        """Those of our own service accounts: the operator's, or ending as a worker's."""
        return [event for event in self.events()
                if event["user"].get("username", "").endswith(accounts)]


def ours(log):
    return log.by("-worker", ":pj-operator")


def writes(events):
    return [event for event in events if event["verb"] in WRITES]


def used(events):
    """(resource, verb) of what was granted."""
    found = set()
    for event in events:
        ref = event["objectRef"]
        resource = "/".join(filter(None, (ref["resource"], ref.get("subresource"))))
        found.add((resource, event["verb"]))
    return found


def rights(rules):
    """The same of a role."""
    return {(resource, verb) for rule in rules for resource in rule["resources"]
            for verb in rule["verbs"]}


@pytest.fixture(scope="session")
def begun(space, cluster, user_image):
    """The job, applied, and the log of all that happens in its life."""
    log = Log(cluster, space.name)
    manifest = space.small_job("counted", SCRIPT, user_image("3.11"))
    job = space.apply(manifest)
    role = enclosure.wait_until("the worker's Role", 60, lambda: next(iter(cluster.get(
        "roles", f"--namespace={space.name}")["items"]), None))
    return job, manifest, log, role


@pytest.mark.turn(1)
def test_they_begin(begun, whole_life):
    """Others are tested while they run."""
    assert not whole_life.done()
    job, *_ = begun
    job.wait_for("an operator's word", lambda status: status.get("state"))


@pytest.mark.turn(4)
def test_the_volume_tells_of_it_while_it_runs(begun):
    """What the pods are allowed is enough to tell of all of it."""
    job, *_ = begun
    job.wait_for("a mini-batch", lambda status: status.get("miniBatches", {}).get("succeeded"))
    logs = f"paralleljob/{job.name}-*/logs"
    overview = enclosure.wait_until("an overview", 60, lambda: next(
        job.space.folder.glob(f"{logs}/job_progress_overview.*.txt"), None))
    assert f" of {COUNT} mini-batches done" in overview.read_text(encoding="utf-8")
    assert list(job.space.folder.glob(f"{logs}/sys/job_report/processed_mini-batches.csv"))


@pytest.fixture(scope="session")
def counted(begun):
    job, manifest, log, role = begun
    return job, manifest, log, role, job.wait_until_complete(300)


def test_few_writes_for_many_mini_batches(counted):
    job, _, log, _, status = counted
    assert status["miniBatches"]["succeeded"] == COUNT
    names = collections.Counter(f"{event['verb']} {event['objectRef']['resource']}"
                                for event in writes(ours(log)))
    per_thousand = 1000 * names.total() / COUNT
    print(f"{per_thousand:.3f} writes per 1,000 mini-batches of 1 ms: {dict(names)}")
    assert 0 < per_thousand <= 3
    everybody = [event for event in writes(log.events())
                 if not event.get("userAgent", "").startswith("kubectl")]
    in_all = 1000 * len(everybody) / COUNT
    print(f"{in_all:.3f} with those of all others: kubelets, controllers, scheduler")
    assert per_thousand < in_all <= 3
    assert job.rows().split() == [f"{number:06d}".encode() for number in range(COUNT)]


def test_nothing_is_refused_and_each_right_is_used(counted):
    _, _, log, role, _ = counted
    codes = {event["responseStatus"]["code"] for event in ours(log)}
    assert not codes & {401, 403}
    assert rights(role["rules"]) == used(log.by("-worker"))


def test_the_workers_level_takes_all_that_they_may_ask(counted, found_programs):
    """flowSchemas: what it leaves out would crowd out others, and be crowded out."""
    _, _, _, role, _ = counted
    made = chart_objects.template(found_programs, "--set=flowSchemas.enabled=true")
    workers = chart_objects.only(chart_objects.parsed(found_programs, made), "FlowSchema",
                                 "-workers")
    (rule,) = workers["spec"]["rules"]
    assert rights(role["rules"]) == rights(rule["resourceRules"])


@pytest.fixture(scope="session")
def whole_life(cluster, installed_chart, user_image, aside, tmp_path_factory):
    """A job that is scaled, and whose children expire: what an operator does in the long run.
    The future of all that."""
    space = pod_jobs.Space(cluster, "whole-life", tmp_path_factory.mktemp("volume") / "data")
    objects.linked_files(space.folder / "few", FEW)
    # One whose pods are refused: only Events tell why, and reading them is a right of its own.
    stuck = space.apply(space.small_job("stuck", SCRIPT, user_image("3.11"),
                                        podTemplate={"serviceAccountName": "nobody"}))
    job = space.apply(space.small_job(
        "whole", SCRIPT.replace("0.001", "0.5"), user_image("3.11"),
        inputs=[{"name": "files", "path": "few", "volume": space.claim}],
        instanceCount=1, maxConcurrencyPerInstance=1, ttlSecondsAfterFinished=1))

    def live():
        job.wait_for("a worker", lambda now: now.get("workers", {}).get("ready") == 1)
        job.kubectl("scale", "paralleljob", job.name, "--replicas=2")
        job.wait_for("two workers", lambda now: now["workers"]["ready"] == 2)
        job.wait_until_complete()
        enclosure.wait_until("its children to expire", 60, lambda: not job.children())
        assert job.status()["state"] == "Complete" and len(job.rows().split()) == FEW
        stuck.wait_for("the cause", lambda now: any(
            each["reason"] == "FailedCreate" for each in now["conditions"]), 60)

    yield aside(live)
    space.end()


@pytest.mark.turn(11)
def test_each_right_of_the_operator_is_used_or_has_a_reason(counted, whole_life, cluster, request):
    """Of all that it did since it was started, in the other files' tests too."""
    whole_life.result()
    done = used(event for event in cluster.audit()
                if event["user"].get("username", "").endswith(OPERATOR) and "objectRef" in event
                # What everybody may ask: `helm test` asks under the same account.
                and event["objectRef"].get("apiGroup") != "authorization.k8s.io")
    granted = rights(cluster.get("clusterrole", "pj-operator")["rules"])
    assert done <= granted
    assert set(UNSHOWN).union(*SHOWN_IN.values()) <= granted
    run = {item.path.stem for item in request.session.items}
    excused = set(UNSHOWN).union(*(shown for file, shown in SHOWN_IN.items() if file not in run))
    assert granted - done <= excused


@pytest.mark.turn(11)
def test_the_operator_was_never_refused_a_right(counted, cluster):
    """In the whole log. What a namespace that is being deleted refuses is no matter of rights."""
    events = [event for event in cluster.audit() if not cluster.was_starting(event)]
    own = [event for event in events if event["user"].get("username", "").endswith(OPERATOR)]
    assert len(own) > 100
    refused = [event for event in own
               if event.get("annotations", {}).get("authorization.k8s.io/decision") != "allow"]
    # Who is not known has no name but that of his program.
    unknown = [event for event in events if event.get("responseStatus", {}).get("code") == 401
               and event.get("userAgent") == "paralleljob-operator"]
    assert [(event["requestURI"], event["stage"], event["requestReceivedTimestamp"],
             event.get("responseStatus"), event.get("annotations"))
            for event in refused + unknown] == []
    assert any(event.get("userAgent") == "paralleljob-operator" for event in own)


def test_applying_a_hundred_times_changes_nothing(counted, cluster, space):
    job, manifest, _, _, _ = counted
    before = job.get()
    log = Log(cluster, space.name)
    for _ in range(100):
        space.apply(manifest)
    assert job.get() == before
    assert writes(ours(log)) == [], "a finished job and an unchanged spec: no write at all"


def says_complete(status):
    return any(condition["type"] == "Complete" and condition["status"] == "True"
               for condition in status.get("conditions", []))


def test_no_write_after_the_end(counted):
    """Between the terminal condition and now, which is a hundred applies later."""
    job, _, log, _, _ = counted
    done = writes(ours(log))
    told = [i for i, event in enumerate(done)
            if event["objectRef"].get("subresource") == "status"
            and event["objectRef"]["resource"] == "paralleljobs"
            and says_complete(event["requestObject"]["status"])]
    assert told, "somebody must have told of the end"
    # The Event that tells of the end may follow; nothing else.
    assert {event["objectRef"]["resource"] for event in done[told[0] + 1:]} <= {"events"}
    assert job.status()["state"] == "Complete"


def test_a_stranger_recounts_the_ledger(counted):
    _, _, log, role, _ = counted
    seen = ledger_replay.check(log.events(), role["metadata"]["name"].removesuffix("-worker"),
                               COUNT)
    assert seen["shards"] >= 2 and seen["writes"] > seen["shards"]


def test_the_stranger_sees_what_is_wrong(counted):
    """The same events with one commit left out, or one told twice, are not taken for right."""
    _, _, log, role, _ = counted
    prefix = role["metadata"]["name"].removesuffix("-worker")
    events = log.events()
    commits = [event for event in events if event["verb"] == "update"
               and event["objectRef"].get("name", "").startswith(f"{prefix}-s-")
               and event["responseStatus"]["code"] == 200]
    lost = [event for event in events if event is not commits[len(commits) // 2]]
    with pytest.raises(AssertionError, match="a write to"):
        ledger_replay.check(lost, prefix, COUNT)
    with pytest.raises(AssertionError, match="a write to"):
        ledger_replay.check([*events, commits[0]], prefix, COUNT)
