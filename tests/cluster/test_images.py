"""Images without any registry: a Dockerfile's, the product's own, and users'."""

import ast
import concurrent.futures
import dataclasses
import hashlib
import json
import os
import pathlib
import re
import sys

import images
import objects
import pytest

pytestmark = pytest.mark.turn(8)
ROOT = pathlib.Path(__file__).resolve().parents[2]
MB = 1_000_000
RUNTIME = "usr/local/lib/paralleljob/python"
PROGRAMS = {"operator": {"usr/local/bin/paralleljob-operator"},
            "worker": {"usr/local/bin/paralleljob-worker",
                       "usr/local/lib/paralleljob/bin/paralleljob-host"}}
KNOWN_HELP = {"operator": "--leader-elect", "worker": "supervise"}
DOCKERFILE = """
FROM docker.io/library/debian:12-slim AS build
RUN printf '#!/bin/sh\\n. /etc/os-release; echo hello from $ID $VERSION_ID\\n' >/greet
RUN chmod 755 /greet
FROM docker.io/library/debian:12-slim
COPY --from=build /greet /usr/local/bin/greet
COPY data.txt /data.txt
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/greet"]
"""


def test_a_dockerfile_runs_as_a_pod(cluster, namespace, builder, tmp_path):
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    (tmp_path / "data.txt").write_text("data\n")
    name = "localhost/greet:1"
    cluster.load_built(builder, builder.build(tmp_path, name), name)
    spec = objects.pod_spec("localhost/greet:1", "greet; cat /data.txt; id -u")
    cluster.apply(objects.indexed_job("greet", 2, spec), namespace=namespace)
    cluster.kubectl("wait", "-n", namespace, "job/greet", "--for=condition=Complete",
                    "--timeout=60s")
    logs = cluster.kubectl("logs", "-n", namespace, "--selector=job-name=greet").stdout
    assert logs == f"hello from debian 12\ndata\n{objects.UID}\n" * 2


def test_an_image_does_not_wait_for_the_build_of_another(builder, aside, tmp_path):
    slow, quick, gate = (tmp_path / name for name in ("slow", "quick", "gate"))
    for folder in (slow, quick, gate):
        folder.mkdir()
    os.mkfifo(gate / "fifo")
    # No layer of an earlier run is like it.
    base = "FROM docker.io/library/debian:12-slim\n"
    (slow / "Dockerfile").write_text(f"{base}RUN read word </gate/fifo; echo $word {slow} >/word\n")
    (quick / "Dockerfile").write_text(f"{base}RUN echo quick >/word\n")
    going = aside(builder.build, slow, "localhost/slow:1", ("--volume", f"{gate}:/gate"))
    opening = aside((gate / "fifo").open, "w", encoding="utf-8")  # until somebody reads
    done, _ = concurrent.futures.wait((going, opening), 120, concurrent.futures.FIRST_COMPLETED)
    assert opening in done, going.result()
    with opening.result() as fifo:
        built = builder.build(quick, "localhost/quick:1")
        assert builder.run(built, "cat", "/word") == "quick\n"
        assert not going.done()
        fifo.write("slow\n")
    assert builder.run(going.result(), "cat", "/word") == f"slow {slow}\n"


def test_what_killed_builds_left_is_cleared_when_nobody_builds(able, tmp_path, monkeypatch):
    monkeypatch.setattr(images, "MAX_LAYERS", 0)
    builder = images.Builder(tmp_path / "images", tmp_path / "ccache")

    def buildah(*arguments):
        return builder._buildah(*arguments).stdout.split()

    (container,) = buildah("from", "scratch")
    (layer,) = buildah("commit", "--quiet", container)
    buildah("from", layer)
    with builder._in_use():
        builder._forget_old_layers()
        assert len(buildah("containers", "--quiet")) == 2
    builder._forget_old_layers()
    assert buildah("containers", "--quiet") == buildah("images", "--quiet") == []


# --- Our images ----------------------------------------------------------------------------------


@dataclasses.dataclass
class Ours:
    kind: str
    built: object
    files: dict  # path → (TarInfo, bytes) of all that is in it

    @property
    def program(self):
        return f"usr/local/bin/paralleljob-{self.kind}"


@pytest.fixture(scope="module", params=list(PROGRAMS))
def ours(request):
    built = request.getfixturevalue(f"{request.param}_image")
    return Ours(request.param, built, images.contents(built.archive))


def test_our_images_are_small(ours):
    size = sum(info.size for info, _ in ours.files.values())
    print(f"{ours.kind} image: {size / MB:.1f} MB uncompressed", file=sys.stderr)
    assert size < 80 * MB


def test_they_hold_no_program_but_ours(ours):
    executable = {name for name, (info, _) in ours.files.items()
                  if info.isfile() and info.mode & 0o111}
    assert PROGRAMS[ours.kind] <= executable
    others = {pathlib.PurePath(name).name for name in executable - PROGRAMS[ours.kind]}
    assert others <= {"libc.so.6", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"}
    assert not [name for name, (info, _) in ours.files.items() if info.mode & 0o6000]


def test_their_user_is_a_number_and_nothing_belongs_to_it(builder, ours):
    assert re.fullmatch("[1-9][0-9]*:[1-9][0-9]*",
                        builder.inspect(ours.built.identity)["config"]["User"])
    assert {(info.uid, info.gid) for info, _ in ours.files.values()} == {(0, 0)}
    unreadable = [name for name, (info, _) in ours.files.items()
                  if not info.issym() and not info.mode & 0o004]
    assert not unreadable


def test_their_programs_find_their_libraries(builder, ours):
    assert builder.run(ours.built.identity, f"/{ours.program}", "--version").strip() == version()
    assert KNOWN_HELP[ours.kind] in builder.run(ours.built.identity, f"/{ours.program}", "--help")


def version():
    chart = (ROOT / "charts/paralleljob/Chart.yaml").read_text(encoding="utf-8")
    return re.search('^appVersion: "(.*)"$', chart, re.MULTILINE).group(1)


def test_each_library_has_its_package_and_licence(ours):
    owners = {}
    for name, (_, data) in ours.files.items():
        if name.endswith(".md5sums"):
            for line in data.decode().splitlines():
                digest, _, place = line.partition("  ")
                owners[place] = (pathlib.PurePath(name).stem, digest)
    libraries = [name for name in ours.files if re.search(r"\.so(\.[0-9]+)*$", name)
                 and not name.startswith(RUNTIME)]
    assert any("libssl" in name for name in libraries)
    for name in libraries:
        package, digest = owners[name]
        assert digest == hashlib.md5(ours.files[name][1]).hexdigest()
        status = ours.files[f"var/lib/dpkg/status.d/{package}"][1]
        assert f"Package: {package}\n" in status.decode()
        assert "opyright" in ours.files[f"usr/share/doc/{package}/copyright"][1].decode()
    assert ours.files["usr/share/doc/paralleljob/LICENSE"][1] == (ROOT / "LICENSE").read_bytes()


def test_they_say_what_they_are(builder, ours):
    labels = builder.inspect(ours.built.identity)["config"]["Labels"]
    said = {key.removeprefix("org.opencontainers.image."): value for key, value in labels.items()}
    assert said["title"] == f"paralleljob-{ours.kind}" and said["licenses"] == "Apache-2.0"
    assert said["version"] == version() and said["description"] and said["revision"]


@pytest.mark.parametrize("kind", list(PROGRAMS))
def test_made_again_they_are_the_same(builder, operator_image, worker_image, tmp_path, kind):
    name, archive = f"localhost/paralleljob-{kind}:again", tmp_path / "again.tar"
    built = {"operator": operator_image, "worker": worker_image}[kind]
    # Another argument, so that everything is compiled, linked and gathered anew (once for both).
    again = builder.build(ROOT, name, (f"--target={kind}", "--build-arg=JOBS=1"))
    builder.save(again, name, archive)
    assert builder.layers(again) == builder.layers(built.identity)
    assert images.contents(archive).keys() == images.contents(built.archive).keys()


def test_nothing_in_them_has_a_time(ours):
    assert {info.mtime for info, _ in ours.files.values()} == {0}


def test_the_worker_image_has_the_whole_python_runtime(worker_image):
    files = images.contents(worker_image.archive)
    sources = {f"{RUNTIME}/{path.relative_to(ROOT / 'python')}": path.read_bytes()
               for package in ("paralleljob", "azureml_user")
               for path in (ROOT / "python" / package).rglob("*.py")}
    assert len(sources) > 10
    assert {name: files[name][1] for name in sources} == sources
    natives = {name for name in files if name.startswith(f"{RUNTIME}/_paralleljob_native.cpython")}
    assert len(natives) == 1
    assert {name for name, (info, _) in files.items()
            if name.startswith(RUNTIME) and info.isfile()} == natives | set(sources)


# --- Users' images -------------------------------------------------------------------------------


def needed_modules():
    """What the slot runtime imports at its start, of Python's own library."""
    sources = [*ROOT.glob("python/paralleljob/*.py"), *ROOT.glob("python/azureml_user/*.py")]
    assert len(sources) > 10
    found = set()
    for source in sources:
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                found.add(node.module)
    own = {"paralleljob", "_paralleljob_native", "pandas", "numpy", "azureml_user"}
    return sorted(name for name in found if name.partition(".")[0] not in own)


@pytest.fixture(scope="module")
def needs(cluster, user_image):
    """The namespace of a Job for each Python, side by side."""
    name = "needs"
    script = (f"import sys, {', '.join(needed_modules())}; "
              "print(json.dumps(list(sys.version_info[:2])))")
    jobs = [objects.indexed_job(f"needs-{number}", 1, objects.pod_spec(
        user_image(python), "", container_fields={"command": ["python3", "-c", script]}))
            for number, python in enumerate(images.PYTHONS)]
    cluster.apply(objects.namespace(name))
    cluster.apply(*jobs, namespace=name)
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")


@pytest.mark.parametrize("number, python", list(enumerate(images.PYTHONS)))
def test_a_users_image_has_what_the_slots_need(cluster, needs, number, python):
    job = f"needs-{number}"
    cluster.kubectl("wait", "-n", needs, f"job/{job}", "--for=condition=Complete",
                    "--timeout=60s")
    logs = cluster.kubectl("logs", "-n", needs, f"--selector=job-name={job}").stdout
    assert json.loads(logs) == [int(part) for part in python.split(".")]
