"""Fixtures over real clusters. `./dev test` builds Kubernetes first; see README.md.

A machine that cannot hold a cluster skips these tests and says why; with PJ_REQUIRE_CLUSTER set,
as CI has it, they fail instead.
"""

import concurrent.futures
import functools
import itertools
import os
import pathlib
import shutil
import signal

import pytest

import cluster_demo
import enclosure
import images
import kube_cluster
import objects
import programs

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
CACHE /= "paralleljob"
NUMBERS = itertools.count(1)
UP = []  # the clusters of this run


def pytest_addoption(parser):
    parser.addoption("--half", choices=("nodes", "plane"),
                     help="only the tests on the cluster of two nodes, or only the others")


def pytest_configure(config):
    config.addinivalue_line("markers", "turn(number): when a test or a file of tests is run, if "
                                       "not at 5; README.md has the plan")
    # A half in the background shall end by Ctrl-C too; its shell has it ignored.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config, items):
    """The halves share nothing but the images' cache, and run at the same time."""
    if half := config.getoption("--half"):
        kept = [item for item in items if ("cluster" in item.fixturenames) == (half == "nodes")]
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = kept
    items.sort(key=_turn)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    """What fails may do so because a component is no longer there: its log tells why."""
    report = yield
    if report.failed:
        for cluster in UP:
            report.sections += cluster.ended()
    return report


def _turn(item):
    """Its own mark goes before its file's."""
    mark = item.get_closest_marker("turn")
    return mark.args[0] if mark else 5


@pytest.fixture(scope="session")
def found_programs():
    """Kubernetes' programs, which `./dev cluster build` made."""
    found = programs.Programs(CACHE)
    if not found.ready():
        pytest.fail("Kubernetes is not built: ./dev cluster build")
    return found


@pytest.fixture(scope="session")
def able():
    """Skips where no cluster can be."""
    try:
        enclosure.check_machine()
    except enclosure.CannotRun as reason:
        if os.environ.get("PJ_REQUIRE_CLUSTER"):
            pytest.fail(f"PJ_REQUIRE_CLUSTER is set, but {reason}")
        pytest.skip(f"NO CLUSTER ON THIS MACHINE: {reason}")


def _session_cluster(found, kind, nodes):
    """A cluster that ends with this run of the tests, however that ends."""
    name = kube_cluster.name_of(__file__, kind)
    cluster = kube_cluster.Cluster(CACHE / "cluster" / name, found)
    cluster.down()  # of a run that was killed
    try:
        cluster.up(nodes, dies_with_caller=True)
        UP.append(cluster)
        yield cluster
    finally:
        if logs := os.environ.get("PJ_CLUSTER_LOGS"):
            _keep_logs(cluster.folder, pathlib.Path(logs) / kind)
        cluster.down()


def _keep_logs(folder, target):
    target.mkdir(parents=True, exist_ok=True)
    for log in folder.glob("*.log"):
        if log.name != "audit.log":
            shutil.copy(log, target / log.name)


@pytest.fixture(scope="session")
def cluster(able, found_programs):
    """A cluster of two nodes, shared by all tests: leave its API server and nodes alone."""
    yield from _session_cluster(found_programs, "nodes", 2)


@pytest.fixture(scope="session")
def control_plane(able, found_programs):
    """A control plane without nodes, where a test may stop the API server for a while."""
    yield from _session_cluster(found_programs, "plane", 0)


@pytest.fixture
def namespace(cluster):
    """A fresh namespace under Pod Security *restricted*; gone afterwards."""
    name = f"test-{next(NUMBERS)}"
    cluster.apply(objects.namespace(name))
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def space(plane, request):
    """A fresh namespace of the control plane that a module calls `plane`, with a claim `shared`;
    gone afterwards."""
    name = request.node.name.replace("_", "-")[:40].strip("-")
    plane.apply(objects.namespace(name))
    plane.apply(objects.unbound_claim(), namespace=name)
    yield name
    plane.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="session")
def aside():
    """aside(function, …): what it returns, as a future, while others are tested."""
    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        yield pool.submit


@pytest.fixture(scope="session")
def builder(able):
    """Builds images from Dockerfiles."""
    ccache = pathlib.Path(os.environ.get("CCACHE_DIR") or CACHE / "ccache")
    return images.Builder(CACHE / "images", ccache)


class Built:
    """An image that a Dockerfile gave, known by its id: another clone may take its name."""

    def __init__(self, builder, target, folder):
        self.builder, self.folder = builder, folder
        self.name = f"localhost/paralleljob-{target}:0.1.0"  # the chart's default
        self.identity = builder.build(REPOSITORY, self.name, (f"--target={target}",))

    @functools.cached_property
    def archive(self):
        file = self.folder / "image.tar"
        self.builder.save(self.identity, self.name, file)
        return file


@pytest.fixture(scope="session")
def operator_image(builder, tmp_path_factory):
    """The operator's image."""
    return Built(builder, "operator", tmp_path_factory.mktemp("operator"))


@pytest.fixture(scope="session")
def worker_image(builder, tmp_path_factory):
    """The image of worker pods."""
    return Built(builder, "worker", tmp_path_factory.mktemp("worker"))


@pytest.fixture(scope="session")
def installed_chart(cluster, builder, operator_image, worker_image):
    """The namespace of a release that works in all namespaces."""
    name = cluster_demo.RELEASE_NAMESPACE
    for built in (operator_image, worker_image):
        cluster.load_built(builder, built.identity, built.name)
    cluster.apply(objects.namespace(name))
    cluster_demo.install_chart(cluster)
    yield name
    cluster.run("helm", "uninstall", "pj", f"--namespace={name}", "--wait", check=False)
    cluster.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="session")
def user_image(cluster, builder):
    """user_image("3.11", "pandas"): the name of an image with that Python (images.PYTHONS) and
    those packages, as they are here; nodes have it."""
    @functools.cache
    def need(python, *distributions):
        identity, name = builder.build_user_image(python, *distributions)
        cluster.load_built(builder, identity, name)
        return name

    return need


@pytest.fixture(scope="session")
def toolbox(cluster, found_programs, tmp_path_factory):
    """The name of an image with busybox's shell and tools, and kubectl; all nodes have it."""
    name = "localhost/toolbox:1"
    archive = tmp_path_factory.mktemp("toolbox") / "toolbox.tar"
    commands = ("sh", "cat", "echo", "grep", "head", "id", "ls", "sleep", "tail", "test", "true",
                "false", "wget")
    images.pack(images.Image(
        name, {"/bin/busybox": "/bin/busybox", "/bin/kubectl": found_programs.path("kubectl")},
        ["/bin/sh"], {f"/bin/{command}": "busybox" for command in commands}), archive)
    cluster.load(archive)
    return name


@pytest.fixture(scope="session")
def crd(control_plane):
    """A control plane that knows ParallelJobs."""
    file = REPOSITORY / "crds/paralleljobs.paralleljob.dev.yaml"
    control_plane.kubectl("apply", f"--filename={file}")  # client side: the object must be small
    # Served, and its documentation published; both come a moment later.
    for what in (("get", "paralleljobs"), ("explain", "paralleljob.spec.task")):
        enclosure.wait_until(f"kubectl {' '.join(what)}", 60, lambda what=what:
                             control_plane.kubectl(*what, check=False).returncode == 0)
    return control_plane
