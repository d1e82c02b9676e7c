"""A Dockerfile becomes an image of the nodes, without any registry."""

import objects

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
