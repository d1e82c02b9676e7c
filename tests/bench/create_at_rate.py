"""Creates numbered copies of a ParallelJob at a steady rate, over four connections: one that waits
for an answer must not hold back the next.

create_at_rate.py KUBECONFIG NAMESPACE COUNT RATE <manifest.json; prints the seconds that it took.
kubectl would cost more of the machine than what is measured.
"""

import base64
import concurrent.futures
import http.client
import json
import ssl
import sys
import tempfile
import time
import urllib.parse

CONNECTIONS = 4


def connect(kubeconfig):
    with open(kubeconfig, encoding="utf-8") as file:
        config = json.load(file)
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    context = ssl.create_default_context(
        cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
    with tempfile.NamedTemporaryFile() as certificate, tempfile.NamedTemporaryFile() as key:
        certificate.write(base64.b64decode(user["client-certificate-data"]))
        key.write(base64.b64decode(user["client-key-data"]))
        certificate.flush()
        key.flush()
        context.load_cert_chain(certificate.name, key.name)
    server = urllib.parse.urlsplit(cluster["server"])
    return http.client.HTTPSConnection(server.hostname, server.port, context=context, timeout=30)


def create(connection, path, job, numbers, due):
    """Those numbers' jobs, each when it is due."""
    for number in numbers:
        pause = due(number) - time.monotonic()
        if pause > 0:
            time.sleep(pause)
        body = json.dumps(job | {"metadata": {"name": f"{job['metadata']['name']}-{number}"}})
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != 201:
            raise RuntimeError(f"{answer.status} {text.decode()}")


def main():
    kubeconfig, namespace, count, rate = sys.argv[1:]
    job = json.load(sys.stdin)
    path = f"/apis/paralleljob.dev/v1alpha1/namespaces/{namespace}/paralleljobs"
    connections = [connect(kubeconfig) for _ in range(CONNECTIONS)]
    started = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(CONNECTIONS) as pool:
        for done in [pool.submit(create, connection, path, job,
                                 range(first, int(count), CONNECTIONS),
                                 lambda number: started + number / float(rate))
                     for first, connection in enumerate(connections)]:
            done.result()
    print(time.monotonic() - started)


if __name__ == "__main__":
    main()
