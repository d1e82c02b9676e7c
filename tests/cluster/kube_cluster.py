"""A whole Kubernetes in an enclosure: what the command line and the tests work with."""

import concurrent.futures
import contextlib
import datetime
import fcntl
import hashlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

import api_reader
import certificates
import control_plane
import enclosure
import images
import node
import programs

MAX_NODES = 9
POST = "import sys, urllib.request as r; r.urlopen(sys.argv[1], sys.argv[2].encode(), 60).read()"


def name_of(file: str, kind: str) -> str:
    """The name of a test's cluster: each clone of the tree has its own."""
    return f"test-{hashlib.sha256(file.encode()).hexdigest()[:12]}-{kind}"


def _text(path: pathlib.Path) -> str:
    return path.read_text() if path.exists() else ""


def _now() -> str:
    """As the audit log writes times."""
    return f"{datetime.datetime.now(datetime.timezone.utc):%Y-%m-%dT%H:%M:%S.%fZ}"


class Cluster:
    """All that is known of it lies in `folder`: any process of this machine may use it.

    kubectl and other clients run in its network, with the files of this machine. Not for use by
    several threads, except run(), kubectl() and get().
    """

    def __init__(self, folder: pathlib.Path, found: programs.Programs):
        self.folder, self.programs = folder, found
        self.home = enclosure.Enclosure(folder)
        self.plane = control_plane.ControlPlane(self.home, found,
                                                certificates.Authority(folder / "pki"))
        self.kubeconfig = folder / "admin.kubeconfig"
        self._reader = None
        self.starts = []  # (begin, ready) of API servers that this object started again
        self.audit_log = folder / control_plane.AUDIT_LOG
        # Not the folder's name: control groups are the machine's.
        self.group = "/paralleljob-" + hashlib.sha256(str(folder).encode()).hexdigest()[:12]

    # --- Up and down -----------------------------------------------------------------------------

    def up(self, nodes: int, dies_with_caller: bool = False) -> None:
        """Starts it, or adds what it lacks. What an earlier, killed one left is removed first."""
        if not 0 <= nodes <= MAX_NODES:
            raise ValueError(f"{nodes} nodes: a cluster has 0 to {MAX_NODES}")
        with self._locked():
            if not self.is_up():
                self._clear()
                enclosure.check_machine()
                self._create(nodes, dies_with_caller)
            self._add_nodes(nodes)

    def is_up(self) -> bool:
        return self.home.pid != 0 and (self.folder / "up").exists()

    def down(self) -> None:
        """Ends every process of the cluster, and nothing else; forgets all its state."""
        with self._locked():
            self._clear()

    def ended(self) -> list:
        """A title and the end of its log for each process that ended by itself."""
        return [(f"{name} of {self.folder.name} has ended", self.home.log_end(name))
                for name in self.home.names() if not self.home.running(name)]

    def nodes(self) -> list:
        """Those that were started."""
        numbers = sorted(int(path.name[5:]) for path in self.folder.glob("node-[0-9]"))
        return [self.node(number) for number in numbers]

    def node(self, number: int) -> node.Node:
        return node.Node(number, self.plane, self.group)

    def _create(self, nodes: int, dies_with_caller: bool) -> None:
        self.folder.mkdir(parents=True)
        addresses = [control_plane.SERVICE_ADDRESS,
                     *(node.ADDRESS.format(number) for number in range(1, MAX_NODES + 1))]
        self.home.create(self.programs.path("pause"), addresses, dies_with_caller)
        self.plane.prepare()
        self.plane.start_etcd()
        self.plane.start_api_server()
        self._prepare_nodes(range(1, nodes + 1))  # while the API server starts
        self.wait_for_api_server()
        self.plane.start_controllers(with_scheduler=nodes > 0)
        self._start_nodes(range(1, nodes + 1))
        self.home.wait_for("the default service account", 60, lambda: self.kubectl(
            "get", "serviceaccount", "default", check=False).returncode == 0,
            "etcd", "apiserver", "controller-manager")
        (self.folder / "up").touch()

    def _add_nodes(self, nodes: int) -> None:
        missing = range(len(self.nodes()) + 1, nodes + 1)
        self._prepare_nodes(missing)
        self._start_nodes(missing)

    def _prepare_nodes(self, numbers) -> None:
        added = [self.node(number) for number in numbers]
        for one in added:
            one.prepare()
            one.start_containerd()
        for one in added:
            one.wait_for_containerd()
        if added:
            self.load(self._pause_image(), added)

    def _start_nodes(self, numbers) -> None:
        names = [f"node/node-{number}" for number in numbers]
        for number in numbers:
            self.node(number).start_kubelet()
        if names:
            kubelets = [f"kubelet-{number}" for number in numbers]
            self.home.wait_for("registered nodes", 60, lambda: self.kubectl(
                "get", *names, check=False).returncode == 0, *kubelets)
            self.home.wait_for("ready nodes", 60, lambda: self.kubectl(
                "wait", "--for=condition=Ready", "--timeout=2s", *names,
                check=False).returncode == 0, *kubelets)

    def _pause_image(self) -> pathlib.Path:
        archive = self.folder / "pause.tar"
        images.pack(images.Image(node.PAUSE, {"/pause": self.programs.path("pause")}, ["/pause"]),
                    archive)
        return archive

    def _clear(self) -> None:
        self.home.end()
        node.kill_group(self.group)
        if self.folder.exists():  # removing images takes long on a slow disk
            os.replace(self.folder, f"{self.folder}.old-{time.time_ns()}")
        old = list(self.folder.parent.glob(f"{self.folder.name}.old-*"))
        if old:
            subprocess.Popen(["rm", "-rf", *old], stdin=subprocess.DEVNULL,
                             start_new_session=True)

    @contextlib.contextmanager
    def _locked(self):
        """One change at a time."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        with open(f"{self.folder}.lock", "w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    # --- Clients ---------------------------------------------------------------------------------

    def environment(self) -> dict:
        """For programs that run in the cluster's network."""
        mine = {key: value for key, value in os.environ.items()
                if not key.lower().endswith("_proxy")}
        return mine | {"KUBECONFIG": str(self.kubeconfig),
                       "PATH": f"{self.programs.bin}:{mine.get('PATH', os.defpath)}"}

    def run(self, *argv, given: str = "", check: bool = True, seconds: float = 120):
        """Runs a program in the cluster's network, `given` on its stdin; its CompletedProcess."""
        done = subprocess.run(self.home.enter(argv), input=given, capture_output=True, text=True,
                              check=False, env=self.environment(), timeout=seconds)
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(map(str, argv))} ended with {done.returncode}: "
                               f"{done.stderr.strip()}{done.stdout[-2000:]}")
        return done

    def popen(self, *argv, **options) -> subprocess.Popen:
        """The same, not waited for; it gets subprocess's options."""
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "text": True} | options
        return subprocess.Popen(self.home.enter(argv), env=self.environment(), **options)

    def kubectl(self, *arguments, **options):
        return self.run("kubectl", *arguments, **options)

    def apply(self, *objects, namespace: str = "default", check: bool = True):
        """Applies objects (dicts)."""
        given = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
        return self.kubectl("apply", "--namespace", namespace, "--filename=-", given=given,
                            check=check)

    def get(self, *arguments) -> dict:
        """`kubectl get` of one thing or a list; what api_reader knows needs no kubectl."""
        if paths := api_reader.paths_of(arguments):
            if self._reader is None or self._reader.first != self.home.pid:
                self._reader = api_reader.Reader(self.home.pid, self.kubeconfig)
            return self._reader.get(paths)
        return json.loads(self.kubectl("get", "--output=json", *arguments).stdout)

    def load(self, archive: pathlib.Path, nodes: list = ()) -> None:
        """Makes an image archive known to all nodes. Pods use it by `imagePullPolicy: Never`."""
        with concurrent.futures.ThreadPoolExecutor() as pool:
            list(pool.map(lambda one: one.load(archive), nodes or self.nodes()))

    def load_built(self, builder: images.Builder, identity: str, name: str) -> None:
        """The same for an image that a builder has; nodes that have it already stay as they are."""
        mark = f"{hashlib.sha256(name.encode()).hexdigest()[:12]}.image"
        lacking = [one for one in self.nodes() if _text(one.folder / mark) != identity]
        if not lacking:
            return
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            archive = pathlib.Path(folder) / "image.tar"
            builder.save(identity, name, archive)
            self.load(archive, lacking)
        for one in lacking:
            (one.folder / mark).write_text(identity)

    # --- The API server --------------------------------------------------------------------------

    def wait_for_api_server(self, seconds: float = 60) -> None:
        self.home.wait_for("a ready API server", seconds, lambda: self.kubectl(
            "get", "--raw=/readyz", check=False).returncode == 0, "etcd", "apiserver")

    def stop_api_server(self, number: int = signal.SIGTERM) -> None:
        """SIGTERM lets it wait for the end of watches, a minute."""
        self.home.stop("apiserver", number, 90)

    def start_api_server(self, *flags: str) -> None:
        """Back after a stop; flags win over the usual ones."""
        begin = _now()
        self.plane.start_api_server(*flags)
        self.wait_for_api_server()
        self.starts.append((begin, _now()))

    def was_starting(self, event: dict) -> bool:
        """Of the audit log: the API server answered before it was ready. Until it has read the
        accounts and roles it refuses whoever comes, and means nothing by it."""
        at = event["requestReceivedTimestamp"]
        return any(begin <= at <= ready for begin, ready in self.starts)

    @contextlib.contextmanager
    def without_api_server(self):
        """It is killed; whatever happens meanwhile, the next test finds it at work again."""
        try:
            self.stop_api_server(signal.SIGKILL)
            yield
        finally:
            if not self.home.running("apiserver"):
                self.start_api_server()

    def forget_history(self) -> None:
        """Versions before now are gone, for watches and for pages: etcd is compacted, and the API
        server starts with an empty cache of events."""
        listed = self.kubectl("get", "--raw=/api/v1/namespaces?limit=1").stdout
        wish = json.dumps({"revision": json.loads(listed)["metadata"]["resourceVersion"],
                           "physical": True})
        with self.without_api_server():
            self.run(sys.executable, "-c", POST, f"{control_plane.ETCD}/v3/kv/compaction", wish)

    def audit(self, since: int = 0) -> list:
        """The audit log's events behind `since` bytes (audit_size() at an earlier time)."""
        with open(self.audit_log, "rb") as log:
            log.seek(since)
            return [json.loads(line) for line in log if line.endswith(b"\n")]

    def audit_size(self) -> int:
        return self.audit_log.stat().st_size if self.audit_log.exists() else 0
