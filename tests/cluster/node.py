"""One node of a cluster: a containerd and a kubelet inside the enclosure."""

import json
import pathlib
import signal
import subprocess

import control_plane
import enclosure

ADDRESS = "10.99.0.{}"
PAUSE = "localhost/pause:1"
CNI_PLUGINS = "/usr/lib/cni"
GROUPS = pathlib.Path("/sys/fs/cgroup")

CONTAINERD = """version = 2
root = "{folder}/containerd/root"
state = "{folder}/containerd/state"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
                    "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]
[grpc]
  address = "{folder}/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "{folder}/containerd/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "{snapshotter}"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{plugins}"
    conf_dir = "{folder}/cni"
"""


class Node:
    """Number 1 is `node-1`, with the processes `containerd-1` and `kubelet-1`."""

    def __init__(self, number: int, plane: control_plane.ControlPlane, group: str):
        """`group`: the control group below which its pods' groups lie."""
        self.number, self.plane, self.home = number, plane, plane.home
        self.name, self.address = f"node-{number}", ADDRESS.format(number)
        self.folder = self.home.folder / self.name
        self.inside = f"{enclosure.INSIDE}/{self.name}"
        self.group = f"{group}/{self.name}"
        self.socket = f"{self.inside}/containerd.sock"
        self.log = self.home.folder / f"containerd-{number}.log"

    def prepare(self) -> None:
        (self.folder / "cni").mkdir(parents=True)
        (self.folder / "kubelet").mkdir()
        (self.folder / "logs").mkdir()
        self.plane.authority.issue(self.name, f"system:node:{self.name}", "system:nodes",
                                   f"DNS:{self.name},IP:{self.address}")
        self.plane.write_kubeconfig(self.name)
        (self.folder / "cni" / "10-bridge.conflist").write_text(json.dumps(self._network()))
        (self.folder / "containerd.toml").write_text(CONTAINERD.format(
            folder=self.inside, pause=PAUSE, plugins=CNI_PLUGINS, snapshotter=self._snapshotter()))
        (self.folder / "kubelet.yaml").write_text(json.dumps(self._kubelet()))

    def start_containerd(self) -> None:
        self.log_before = self.log.stat().st_size if self.log.exists() else 0
        self.home.start(f"containerd-{self.number}",
                        ["containerd", f"--config={self.inside}/containerd.toml"])

    def start_kubelet(self) -> None:
        self.home.start(f"kubelet-{self.number}", [
            self.plane.programs.path("kubelet"), f"--config={self.inside}/kubelet.yaml",
            f"--kubeconfig={enclosure.INSIDE}/{self.name}.kubeconfig",
            f"--hostname-override={self.name}", f"--node-ip={self.address}",
            f"--root-dir={self.inside}/kubelet", f"--cert-dir={self.inside}/kubelet/pki"])

    def _containerd_ready(self) -> bool:
        """It refuses kubelets, which end then, until it has looked after its old containers."""
        with open(self.log, "rb") as log:
            log.seek(self.log_before)
            serves = b"Start streaming server" in log.read()
        return serves and self._ctr(["version"], check=False).returncode == 0

    def load(self, archive: pathlib.Path) -> None:
        """Makes the images of an archive (OCI or `docker save`) known to the node."""
        with open(archive, "rb") as data:
            self._ctr(["images", "import", "-"], stdin=data)

    def tag(self, image: str, name: str) -> None:
        """Gives an image that the node has another name."""
        self._ctr(["images", "tag", image, name])

    def lose(self) -> None:
        """As when its plug is pulled: all its processes end at once, and nobody is told."""
        for part in ("kubelet", "containerd"):
            self.home.stop(f"{part}-{self.number}", signal.SIGKILL)
        kill_group(self.group)

    def come_back(self) -> None:
        self.start_containerd()
        self.wait_for_containerd()
        self.start_kubelet()

    def wait_for_containerd(self) -> None:
        self.home.wait_for(f"containerd of {self.name}", 60, self._containerd_ready,
                           f"containerd-{self.number}")

    def _ctr(self, arguments: list, check: bool = True, stdin=subprocess.DEVNULL):
        argv = ["ctr", "--address", self.socket, "--namespace", "k8s.io", *arguments]
        done = subprocess.run(self.home.enter(argv, network_only=False), stdin=stdin,
                              capture_output=True, text=True, check=False)
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(argv)} failed: {done.stderr.strip()}")
        return done

    def _snapshotter(self) -> str:
        """Overlay mounts where the file system below can carry them."""
        places = [self.folder / name for name in ("lower", "upper", "work", "merged")]
        for place in places:
            place.mkdir()
        lower, upper, work, merged = (f"{self.inside}/{place.name}" for place in places)
        script = (f"mount -t overlay overlay -o lowerdir={lower},upperdir={upper},workdir={work} "
                  f"{merged} && umount {merged}")
        done = subprocess.run(self.home.enter(["sh", "-c", script], network_only=False),
                              stdin=subprocess.DEVNULL, capture_output=True, check=False)
        return "native" if done.returncode else "overlayfs"

    def _network(self) -> dict:
        return {"cniVersion": "1.0.0", "name": self.name, "plugins": [{
            "type": "bridge", "bridge": f"pods{self.number}", "isGateway": True, "ipMasq": False,
            "ipam": {"type": "host-local", "dataDir": f"{self.inside}/addresses",
                     "ranges": [[{"subnet": f"10.88.{self.number}.0/24"}]],
                     "routes": [{"dst": "0.0.0.0/0"}]}}]}

    def _kubelet(self) -> dict:
        pki = control_plane.PKI
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
            "address": self.address, "healthzBindAddress": self.address,
            "authentication": {"anonymous": {"enabled": False}, "webhook": {"enabled": True},
                               "x509": {"clientCAFile": f"{pki}/ca.crt"}},
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": f"{pki}/{self.name}.crt",
            "tlsPrivateKeyFile": f"{pki}/{self.name}.key",
            "containerRuntimeEndpoint": f"unix://{self.socket}",
            # Pods' groups lie below our own, whatever manages the rest of this machine.
            "cgroupDriver": "cgroupfs", "cgroupRoot": self.group, "cgroupsPerQOS": False,
            "enforceNodeAllocatable": [],
            # A kubelet removes from there, each minute, what it does not know: the others' logs.
            "podLogsDir": f"{self.inside}/logs",
            "failSwapOn": False, "localStorageCapacityIsolation": False,
            "makeIPTablesUtilChains": False, "registerNode": True,
            "clusterDNS": ["10.96.0.10"], "clusterDomain": "cluster.local", "resolvConf": "",
            "nodeStatusUpdateFrequency": "4s", "nodeLeaseDurationSeconds": 16,
            "syncFrequency": "10s", "evictionHard": {"memory.available": "100Mi"},
            "imageGCHighThresholdPercent": 100, "shutdownGracePeriod": "0s",
        }


def kill_group(group: str) -> None:
    """Ends every process of a control group and those below it, and removes the groups."""
    for root in (GROUPS, *GROUPS.glob("*/")):
        top = root / group.lstrip("/")
        if not top.is_dir():
            continue
        enclosure.wait_until(f"an empty {top}", 20, lambda place=top: _emptied(place))


def _emptied(top: pathlib.Path) -> bool:
    """Kills what is there, removes what has become empty; true when nothing is left."""
    folders = [top, *(path for path in top.rglob("*") if path.is_dir())]
    for folder in reversed(folders):
        try:
            pids = (folder / "cgroup.procs").read_text().split()
            if pids:
                subprocess.run(["kill", "-9", *pids], stdin=subprocess.DEVNULL,
                               capture_output=True, check=False)
            folder.rmdir()
        except OSError:
            continue
    return not top.exists()
