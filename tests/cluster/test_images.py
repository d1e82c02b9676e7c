"""Images without any registry: a Dockerfile's, the product's own, and users'."""

import ast
import hashlib
import json
import pathlib
import re
import sys

import images
import objects
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
MB = 1_000_000
PROGRAM = "usr/local/bin/paralleljob-operator"
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
    archive = tmp_path / "greet.tar"
    builder.build(tmp_path, "localhost/greet:1", archive)
    cluster.load(archive)
    spec = objects.pod_spec("localhost/greet:1", "greet; cat /data.txt; id -u")
    cluster.apply(objects.indexed_job("greet", 2, spec), namespace=namespace)
    cluster.kubectl("wait", "-n", namespace, "job/greet", "--for=condition=Complete",
                    "--timeout=60s")
    logs = cluster.kubectl("logs", "-n", namespace, "--selector=job-name=greet").stdout
    assert logs == f"hello from debian 12\ndata\n{objects.UID}\n" * 2


# --- The operator's image ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def files(operator_image):
    """Path → (TarInfo, bytes) of all that is in the operator's image."""
    return images.contents(operator_image.archive)


def test_the_operators_image_is_small(files):
    size = sum(info.size for info, _ in files.values())
    print(f"operator image: {size / MB:.1f} MB uncompressed", file=sys.stderr)
    assert size < 80 * MB


def test_it_holds_no_program_but_ours(files):
    executable = {name for name, (info, _) in files.items() if info.isfile() and info.mode & 0o111}
    assert PROGRAM in executable
    others = {pathlib.PurePath(name).name for name in executable - {PROGRAM}}
    assert others <= {"libc.so.6", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"}
    assert not [name for name, (info, _) in files.items() if info.mode & 0o6000]


def test_its_user_is_a_number_and_nothing_belongs_to_it(builder, operator_image, files):
    assert re.fullmatch("[1-9][0-9]*:[1-9][0-9]*",
                        builder.inspect(operator_image.name)["config"]["User"])
    assert {(info.uid, info.gid) for info, _ in files.values()} == {(0, 0)}


def test_its_program_finds_its_libraries(builder, operator_image):
    assert builder.run(operator_image.name, f"/{PROGRAM}", "--version").strip() == version()
    assert "--leader-elect" in builder.run(operator_image.name, f"/{PROGRAM}", "--help")


def version():
    chart = (ROOT / "charts/paralleljob/Chart.yaml").read_text(encoding="utf-8")
    return re.search('^appVersion: "(.*)"$', chart, re.MULTILINE).group(1)


def test_each_library_has_its_package_and_licence(files):
    owners = {}
    for name, (_, data) in files.items():
        if name.endswith(".md5sums"):
            for line in data.decode().splitlines():
                digest, _, place = line.partition("  ")
                owners[place] = (pathlib.PurePath(name).stem, digest)
    libraries = [name for name in files if re.search(r"\.so(\.[0-9]+)*$", name)]
    assert any("libssl" in name for name in libraries)
    for name in libraries:
        package, digest = owners[name]
        assert digest == hashlib.md5(files[name][1]).hexdigest()
        assert f"Package: {package}\n" in files[f"var/lib/dpkg/status.d/{package}"][1].decode()
        assert "opyright" in files[f"usr/share/doc/{package}/copyright"][1].decode()
    assert files["usr/share/doc/paralleljob/LICENSE"][1] == (ROOT / "LICENSE").read_bytes()


def test_it_says_what_it_is(builder, operator_image):
    labels = builder.inspect(operator_image.name)["config"]["Labels"]
    said = {key.removeprefix("org.opencontainers.image."): value for key, value in labels.items()}
    assert said["title"] == "paralleljob-operator" and said["licenses"] == "Apache-2.0"
    assert said["version"] == version() and said["description"] and said["revision"]


def test_made_again_it_is_the_same(builder, operator_image, tmp_path):
    again = tmp_path / "again.tar"
    # Another argument, so that everything is compiled, linked and gathered anew.
    builder.build(ROOT, "localhost/paralleljob-operator:again", again,
                  ("--target=operator", "--build-arg=JOBS=1"))
    assert builder.layers("localhost/paralleljob-operator:again") == builder.layers(
        operator_image.name)
    assert images.contents(again).keys() == images.contents(operator_image.archive).keys()


def test_nothing_in_it_has_a_time(files):
    assert {info.mtime for info, _ in files.values()} == {0}


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


@pytest.mark.parametrize("python", list(images.PYTHONS))
def test_a_users_image_has_what_the_slots_need(cluster, namespace, user_image, python):
    script = (f"import sys, {', '.join(needed_modules())}; "
              "print(json.dumps(list(sys.version_info[:2])))")
    spec = objects.pod_spec(user_image(python), "", container_fields={
        "command": ["python3", "-c", script]})
    cluster.apply(objects.indexed_job("needs", 1, spec), namespace=namespace)
    cluster.kubectl("wait", "-n", namespace, "job/needs", "--for=condition=Complete",
                    "--timeout=60s")
    logs = cluster.kubectl("logs", "-n", namespace, "--selector=job-name=needs").stdout
    assert json.loads(logs) == [int(part) for part in python.split(".")]
