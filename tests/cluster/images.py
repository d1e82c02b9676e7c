"""Images for the nodes: from plain files, or from a Dockerfile by buildah; no registry anywhere."""

import dataclasses
import fcntl
import functools
import hashlib
import inspect
import io
import json
import os
import pathlib
import shutil
import subprocess
import tarfile
import tempfile

import python_packages

OCI = "application/vnd.oci.image"
DEBIAN = {"bullseye": "11", "bookworm": "12", "trixie": "13"}
MIRROR = "http://deb.debian.org/debian"
CCACHE_ID = "paralleljob-ccache"
RECIPE = "paralleljob.dev.recipe"
MAX_LAYERS = 60
# What a user's image needs: a Python (python3-minimal lacks json and mmap), nothing of ours.
USER_IMAGE = """FROM docker.io/library/debian:{number}-slim
RUN apt-get update -q \\
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends python3 \\
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*
"""
WITH_PACKAGES = "COPY . /usr/local/lib/python{python}/dist-packages/\n"
PYTHONS = {"3.9": "bullseye", "3.11": "bookworm", "3.13": "trixie"}


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

    Bases and layers are kept in `cache`, and the compiler's results in `ccache`: building the same
    again takes seconds. Of one folder, or one user's image, there is one build at a time on a
    machine: whoever comes second finds its layers. Others go on beside it: the store has locks of
    its own, and layers are only thrown away while nobody uses it.
    """

    def __init__(self, cache: pathlib.Path, ccache: pathlib.Path):
        self.cache, self.ccache = cache, ccache

    def build(self, context: pathlib.Path, name: str, options: tuple = (),
              suite: str = "bookworm") -> str:
        """Builds `context`/Dockerfile (or --file of the options) as `name`; the image's id.

        The base `docker.io/library/debian:N-slim` of `suite` is there; nothing is pulled.
        """
        with self._lock(f"build-{_digest(str(context))}"):
            return self._build(context, name, options, suite)

    def save(self, identity: str, name: str, archive: pathlib.Path) -> None:
        """Writes an image as a docker archive under a name."""
        archive.unlink(missing_ok=True)
        self._buildah("push", "--quiet", identity, f"docker-archive:{archive}:{name}")

    def inspect(self, name: str) -> dict:
        """An image's configuration, as the OCI describes it."""
        return json.loads(self._buildah("inspect", "--type", "image", name).stdout)["OCIv1"]

    def layers(self, name: str) -> list:
        """The digests of its uncompressed layers, and of its configuration."""
        found = json.loads(self._buildah("inspect", "--type", "image", name).stdout)
        return [*found["OCIv1"]["rootfs"]["diff_ids"], found["FromImageID"]]

    def build_user_image(self, python: str, *distributions: str) -> tuple:
        """The id and the name of an image with one of PYTHONS.

        `distributions`: of those that this process could import, "pandas" for one, with all that
        they need; the same files, so that both compute the same bytes.
        """
        suite = PYTHONS[python]
        name = f"localhost/user-python:{'-'.join([python, *distributions])}"
        text = USER_IMAGE.format(number=DEBIAN[suite])
        if distributions:
            text += WITH_PACKAGES.format(python=python)
        recipe = _digest(text + python_packages.versions(distributions) + MAKING_A_BASE +
                         _sources(suite))
        with self._lock(f"build-{_digest(name)}"), \
                tempfile.TemporaryDirectory(dir=self.cache) as folder:
            known, identity = self._recipe_of(name)
            if known == recipe:
                return identity, name
            file, context = pathlib.Path(folder) / "Dockerfile", pathlib.Path(folder) / "packages"
            context.mkdir()
            file.write_text(text)
            if distributions:
                python_packages.copy(distributions, python, context)
            options = (f"--file={file}", f"--label={RECIPE}={recipe}")
            return self._build(context, name, options, suite), name

    def _build(self, context: pathlib.Path, name: str, options: tuple, suite: str) -> str:
        self._forget_old_layers()
        with self._in_use():
            self._need_base(suite)
            done = self._buildah("build", "--pull=never", "--layers", "--tag", name, *options,
                                 context)
        return done.stdout.split()[-1]

    def run(self, name: str, *argv) -> str:
        """What a program of an image prints, started by root; no cluster is needed."""
        with self._in_use():
            container = self._buildah("from", "--pull-never", name).stdout.strip()
            try:
                # Not `buildah run`: on a busy machine it sometimes loses what the program prints.
                tree = self._buildah("mount", container).stdout.strip()
                return _run(["chroot", tree, *argv], os.environ).stdout
            finally:
                self._buildah("rm", container)

    def _need_base(self, suite: str) -> None:
        with self._lock(f"base-{suite}"):
            self._make_base_if_missing(suite)

    def _make_base_if_missing(self, suite: str) -> None:
        name = f"docker.io/library/debian:{DEBIAN[suite]}-slim"
        sources = _sources(suite)
        recipe = _digest(MAKING_A_BASE + sources)
        if self._recipe_of(name)[0] != recipe:
            self._commit(self._make_base(suite, sources), name, recipe)

    def _recipe_of(self, name: str) -> tuple:
        """Of an image that we labelled so, and its id; empty when there is none."""
        found = self._buildah("inspect", "--type", "image", "--format",
                              f'{{{{index .OCIv1.Config.Labels "{RECIPE}"}}}} {{{{.FromImageID}}}}',
                              name, check=False)
        words = found.stdout.split() if found.returncode == 0 else []
        return tuple(words) if len(words) == 2 else ("", "")

    def _make_base(self, suite: str, sources: str) -> pathlib.Path:
        """A folder with the suite's smallest system. A change of this function makes it again."""
        tree = self.cache / f"{suite}.tree"
        shutil.rmtree(tree, ignore_errors=True)
        _run(["debootstrap", "--variant=minbase", suite, tree, _mirror()], os.environ)
        for waste in ("var/cache/apt/archives", "var/lib/apt/lists", "usr/share/man",
                      "usr/share/locale"):
            shutil.rmtree(tree / waste, ignore_errors=True)
        (tree / "var/cache/apt/archives/partial").mkdir(parents=True)
        (tree / "etc/apt/sources.list").write_text(sources)
        return tree

    def _commit(self, tree: pathlib.Path, name: str, recipe: str) -> None:
        tarball = tree.with_suffix(".tar")
        _run(["tar", "-C", tree, "--one-file-system", "-cf", tarball, "."], os.environ)
        container = self._buildah("from", "scratch").stdout.strip()
        self._buildah("add", "--quiet", container, tarball, "/")
        self._buildah("config", "--cmd", "bash", "--label", f"{RECIPE}={recipe}", container)
        self._buildah("commit", "--quiet", "--rm", container, name)
        shutil.rmtree(tree)
        tarball.unlink()

    def _forget_old_layers(self) -> None:
        """Layers of older trees; what they hold is made again from the compiler's cache."""
        dangling = self._buildah("images", "--quiet", "--filter", "dangling=true", check=False)
        if len(dangling.stdout.split()) <= MAX_LAYERS:
            return
        try:
            with self._flock("lock", fcntl.LOCK_EX | fcntl.LOCK_NB):
                self._buildah("rm", "--all")  # of builds that were killed: they hold layers
                self._buildah("rmi", "--prune")
        except BlockingIOError:
            return  # somebody may be about to use one of them; another build comes

    def _buildah(self, command: str, *arguments, check: bool = True):
        temporary = self.cache / "tmp"
        mounted = temporary / "buildah-cache" / CCACHE_ID  # of the Dockerfile's RUN --mount
        mounted.parent.mkdir(parents=True, exist_ok=True)
        self.ccache.mkdir(parents=True, exist_ok=True)
        if not mounted.is_symlink():
            mounted.symlink_to(self.ccache)
        environment = dict(os.environ, BUILDAH_ISOLATION="chroot", TMPDIR=str(temporary))
        argv = ["buildah", "--root", self.cache / "storage", "--runroot", self.cache / "run",
                command, *arguments]
        return _run(argv, environment, check)

    def _lock(self, what: str):
        """Held by one process of this machine at a time, until its end or that of a with block."""
        return self._flock(f"{what}.lock", fcntl.LOCK_EX)

    def _in_use(self):
        """Keeps all layers: held by any number of processes."""
        return self._flock("lock", fcntl.LOCK_SH)

    def _flock(self, what: str, kind: int):
        self.cache.mkdir(parents=True, exist_ok=True)
        lock = open(self.cache / what, "w", encoding="utf-8")
        try:
            fcntl.flock(lock, kind)
        except OSError:
            lock.close()
            raise
        return lock


MAKING_A_BASE = inspect.getsource(Builder._make_base)  # now: the file may change while this runs


def contents(archive: pathlib.Path) -> dict:
    """Of a docker archive of one layer: path → (TarInfo, bytes; None for what is no file)."""
    found = {}
    with tarfile.open(archive) as outer:
        (image,) = json.load(outer.extractfile("manifest.json"))
        (layer,) = image["Layers"]
        with tarfile.open(fileobj=outer.extractfile(layer)) as inner:
            for info in inner:
                data = inner.extractfile(info).read() if info.isfile() else None
                found[info.name.removeprefix("./")] = (info, data)
    return found


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@functools.cache  # apt reads all its lists for that: a second
def _mirror(security: bool = False) -> str:
    """Where this machine gets its own Debian packages from."""
    done = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(ORIGIN)"],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    for line in done.stdout.splitlines():
        uri, _, origin = line.partition(" ")
        if origin == "Debian" and ("security" in uri) == security:
            return uri
    return f"{MIRROR}-security" if security else MIRROR


def _sources(suite: str) -> str:
    """A base gets fixes from where Debian's own images do."""
    return "".join(f"deb {uri} {name} main\n" for uri, name in (
        (_mirror(), suite), (_mirror(), f"{suite}-updates"),
        (_mirror(security=True), f"{suite}-security")))


def _run(argv: list, environment, check: bool = True) -> subprocess.CompletedProcess:
    done = subprocess.run(list(map(str, argv)), stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, check=False, env=dict(environment))
    if check and done.returncode:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-30:])
        raise RuntimeError(f"{' '.join(map(str, argv))} ended with {done.returncode}:\n{tail}")
    return done
