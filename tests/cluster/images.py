"""Images for the nodes: from plain files, or from a Dockerfile by buildah; no registry anywhere."""

import dataclasses
import fcntl
import hashlib
import io
import json
import os
import pathlib
import shutil
import subprocess
import tarfile

OCI = "application/vnd.oci.image"
DEBIAN = {"bullseye": "11", "bookworm": "12", "trixie": "13"}
MIRROR = "http://deb.debian.org/debian"


@dataclasses.dataclass
class Image:
    """What a small image consists of: `files` maps paths inside to files of this machine."""
    name: str
    files: dict
    entrypoint: list
    links: dict = dataclasses.field(default_factory=dict)  # path → target


def pack(image: Image, archive: pathlib.Path) -> None:
    """Writes an OCI archive of one layer. Same files, same bytes; one reading, little memory."""
    layer = archive.with_suffix(".layer")
    _write_layer(image, layer)
    with open(layer, "rb") as data:
        digest = hashlib.file_digest(data, "sha256").hexdigest()
    config = json.dumps({
        "architecture": "amd64", "os": "linux", "config": {"Entrypoint": image.entrypoint},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]}}).encode()
    manifest = json.dumps({
        "schemaVersion": 2, "mediaType": f"{OCI}.manifest.v1+json",
        "config": _descriptor(config, "config.v1+json"),
        "layers": [{"mediaType": f"{OCI}.layer.v1.tar", "digest": f"sha256:{digest}",
                    "size": layer.stat().st_size}]}).encode()
    index = json.dumps({"schemaVersion": 2, "manifests": [
        _descriptor(manifest, "manifest.v1+json") | {
            "annotations": {"io.containerd.image.name": image.name}}]}).encode()
    with tarfile.open(archive, "w") as tar:
        _add(tar, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        _add(tar, "index.json", index)
        for blob in (config, manifest):
            _add(tar, f"blobs/sha256/{hashlib.sha256(blob).hexdigest()}", blob)
        with open(layer, "rb") as data:
            info = _entry(f"blobs/sha256/{digest}", layer.stat().st_size)
            tar.addfile(info, data)
    layer.unlink()


def _write_layer(image: Image, layer: pathlib.Path) -> None:
    with tarfile.open(layer, "w") as tar:
        for place, source in sorted(image.files.items()):
            with open(source, "rb") as data:
                info = _entry(place.lstrip("/"), os.fstat(data.fileno()).st_size)
                info.mode = os.fstat(data.fileno()).st_mode & 0o755
                tar.addfile(info, data)
        for place, target in sorted(image.links.items()):
            info = _entry(place.lstrip("/"), 0)
            info.type, info.linkname = tarfile.SYMTYPE, target
            tar.addfile(info)


def _entry(name: str, size: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o644
    return info


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    tar.addfile(_entry(name, len(data)), io.BytesIO(data))


def _descriptor(blob: bytes, kind: str) -> dict:
    return {"mediaType": f"{OCI}.{kind}", "size": len(blob),
            "digest": f"sha256:{hashlib.sha256(blob).hexdigest()}"}


class Builder:
    """Builds Dockerfiles with buildah, on bases made with debootstrap. Needs root.

    Bases and intermediate layers are kept in `cache`. One use at a time on a machine: the others
    wait.
    """

    def __init__(self, cache: pathlib.Path):
        self.cache = cache

    def build(self, context: pathlib.Path, name: str, archive: pathlib.Path,
              options: tuple = (), suite: str = "bookworm") -> None:
        """Builds `context`/Dockerfile (or --file of the options) and writes a docker archive.

        The base `docker.io/library/debian:N-slim` of `suite` is there; nothing is pulled.
        """
        archive.unlink(missing_ok=True)
        with self._alone():
            self._need_base(suite)
            self._buildah("build", "--pull=never", "--layers", "--tag", name, *options, context)
            self._buildah("push", "--quiet", name, f"docker-archive:{archive}:{name}")

    def base(self, suite: str) -> str:
        """The name of a suite's base image, which exists after this."""
        with self._alone():
            return self._need_base(suite)

    def _need_base(self, suite: str) -> str:
        name = f"docker.io/library/debian:{DEBIAN[suite]}-slim"
        if self._buildah("inspect", "--type", "image", name, check=False).returncode == 0:
            return name
        tree = self.cache / f"{suite}.tree"
        tarball = self.cache / f"{suite}.tar"
        shutil.rmtree(tree, ignore_errors=True)
        _run(["debootstrap", "--variant=minbase", suite, tree, _mirror()], os.environ)
        for waste in ("var/cache/apt/archives", "var/lib/apt/lists", "usr/share/doc",
                      "usr/share/man", "usr/share/locale"):
            shutil.rmtree(tree / waste, ignore_errors=True)
        (tree / "var/cache/apt/archives/partial").mkdir(parents=True)
        _run(["tar", "-C", tree, "--one-file-system", "-cf", tarball, "."], os.environ)
        container = self._buildah("from", "scratch").stdout.strip()
        self._buildah("add", "--quiet", container, tarball, "/")
        self._buildah("config", "--cmd", "bash", container)
        self._buildah("commit", "--quiet", "--rm", container, name)
        shutil.rmtree(tree)
        tarball.unlink()
        return name

    def _buildah(self, command: str, *arguments, check: bool = True):
        environment = dict(os.environ, STORAGE_DRIVER="vfs", BUILDAH_ISOLATION="chroot")
        argv = ["buildah", "--root", self.cache / "storage", "--runroot", self.cache / "run",
                command, *arguments]
        return _run(argv, environment, check)

    def _alone(self):
        self.cache.mkdir(parents=True, exist_ok=True)
        lock = open(self.cache / "lock", "w", encoding="utf-8")
        fcntl.flock(lock, fcntl.LOCK_EX)
        return lock


def _mirror() -> str:
    """Where this machine gets its own Debian packages from."""
    done = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(ORIGIN)"],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    for line in done.stdout.splitlines():
        uri, _, origin = line.partition(" ")
        if origin == "Debian" and "security" not in uri:
            return uri
    return MIRROR


def _run(argv: list, environment, check: bool = True) -> subprocess.CompletedProcess:
    done = subprocess.run(list(map(str, argv)), stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, check=False, env=dict(environment))
    if check and done.returncode:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-30:])
        raise RuntimeError(f"{' '.join(map(str, argv))} ended with {done.returncode}:\n{tail}")
    return done
