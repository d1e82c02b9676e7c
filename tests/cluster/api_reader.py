"""`kubectl get` without a process: tests that wait ask often, and each kubectl takes 50 ms of a
processor that the jobs need."""

import base64
import ctypes
import http.client
import json
import os
import pathlib
import socket
import ssl
import threading
import urllib.parse

CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)
CORE, BATCH, OURS = "api/v1", "apis/batch/v1", "apis/paralleljob.dev/v1alpha1"
RBAC = "apis/rbac.authorization.k8s.io/v1"
# Plural → where the API has it. kubectl is asked for all others.
NAMESPACED = {
    "configmaps": CORE, "events": CORE, "persistentvolumeclaims": CORE, "pods": CORE,
    "serviceaccounts": CORE, "jobs": BATCH, "paralleljobs": OURS, "roles": RBAC,
    "rolebindings": RBAC, "leases": "apis/coordination.k8s.io/v1"}


def paths_of(arguments: tuple) -> list:
    """The API's paths that answer `kubectl get` with these words; empty for a kind or an option
    that is not known here."""
    options, words = {"namespace": "default"}, []
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if word in ("-n", "-l", "--namespace", "--selector"):
            word = f"{word}={rest.pop(0)}"
        if not word.startswith("-"):
            words += word.split("/")
            continue
        key, _, value = word.lstrip("-").partition("=")
        options[{"n": "namespace", "l": "selector"}.get(key, key)] = value
    if not words or len(words) > 2 or set(options) - {"namespace", "selector", "field-selector"}:
        return []
    kinds = [kind if kind.endswith("s") else f"{kind}s" for kind in words[0].split(",")]
    if not set(kinds) <= set(NAMESPACED):
        return []
    name = f"/{words[1]}" if len(words) == 2 else ""
    query = urllib.parse.urlencode({key: options[option] for option, key in (
        ("selector", "labelSelector"), ("field-selector", "fieldSelector")) if option in options})
    return [f"/{NAMESPACED[kind]}/namespaces/{options['namespace']}/{kind}{name}?{query}"
            for kind in kinds]


class Reader:
    """Asks the API server in the network of process `first`. For any number of threads."""

    def __init__(self, first: int, kubeconfig: pathlib.Path):
        self.first, self.network = first, f"/proc/{first}/ns/net"
        self.mine = threading.local()
        given = json.loads(kubeconfig.read_text())
        (cluster,), (user,) = given["clusters"], given["users"]
        self.server = urllib.parse.urlsplit(cluster["cluster"]["server"])
        self.context = ssl.create_default_context(
            cadata=base64.b64decode(cluster["cluster"]["certificate-authority-data"]).decode())
        folder = kubeconfig.parent / "pki"
        self.context.load_cert_chain(folder / f"{user['name']}.crt", folder / f"{user['name']}.key")

    def get(self, paths: list) -> dict:
        """As kubectl answers: the object, or a list of all that the paths name."""
        found = [self._ask(path) for path in paths]
        for each in found:
            for item in each.get("items", [each]):
                item["metadata"].pop("managedFields", None)
        if "items" not in found[0]:
            return found[0]
        items = [{"apiVersion": each["apiVersion"],
                  "kind": each["kind"].removesuffix("List")} | item
                 for each in found for item in each["items"]]
        return {"apiVersion": "v1", "kind": "List", "items": items}

    def _ask(self, path: str) -> dict:
        try:
            status, body = self._answer(path)
        except (OSError, http.client.HTTPException) as error:
            raise RuntimeError(f"GET {path}: {error}") from error
        if status != http.HTTPStatus.OK:
            raise RuntimeError(f"GET {path}: {status} {body.decode(errors='replace')}")
        return json.loads(body)

    def _answer(self, path: str) -> tuple:
        """By this thread's connection. One that was idle may have ended: then a fresh one."""
        if kept := getattr(self.mine, "connection", None):
            try:
                return self._exchange(kept, path)
            except (OSError, http.client.HTTPException):
                pass
        return self._exchange(self._connection(), path)

    def _exchange(self, connection: http.client.HTTPSConnection, path: str) -> tuple:
        self.mine.connection = None
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            body = answer.read()
        except BaseException:
            connection.close()
            raise
        self.mine.connection = connection
        return answer.status, body

    def _connection(self) -> http.client.HTTPSConnection:
        made = http.client.HTTPSConnection(self.server.hostname, self._port(), timeout=60)
        made.auto_open = 0  # it would do so in the network of this thread
        made.sock = self.context.wrap_socket(self._connect(), server_hostname=made.host)
        return made

    def _port(self) -> int:
        return self.server.port or 443

    def _connect(self) -> socket.socket:
        """A thread of its own goes there: this one must stay in the network of its processes."""
        made = []

        def go():
            try:
                with open(self.network, "rb") as network:
                    if LIBC.setns(network.fileno(), CLONE_NEWNET):
                        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
                made.append(socket.create_connection((self.server.hostname, self._port()), 60))
            except OSError as error:
                made.append(error)

        thread = threading.Thread(target=go)
        thread.start()
        thread.join()
        if isinstance(made[0], OSError):
            raise made[0]
        return made[0]
