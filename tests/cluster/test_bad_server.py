"""Our client's watch of a real API server through a proxy that misbehaves, and over the server's
own deaths. Whatever happens, its cache ends up as the server's list, and it says what was wrong."""

import json
import os
import pathlib
import signal
import sys

import pytest

import enclosure
import objects

HERE = pathlib.Path(__file__).resolve().parent
PORT = 6444
HTML = b"<html><body>Bad gateway</body></html>"


def http(status, body, *headers):
    """A whole HTTP answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


# name → (the proxy's mode, its answer if that is "answer", a word of the error that is to come)
BAD = {
    "connections-end": ("drop", None, ""),
    "nothing-comes": ("hold", None, ""),
    "half-open": ("mute", None, ""),
    "cut-in-the-headers": ("cut 40", None, ""),
    "cut-in-the-body": ("cut 700", None, ""),
    "429-with-retry-after": ("answer", http("429 Too Many Requests", b"", "Retry-After: 1"), "429"),
    "429": ("answer", http("429 Too Many Requests", b"slow down"), "429"),
    "500-empty": ("answer", http("500 Internal Server Error", b""), "500"),
    "502-html": ("answer", http("502 Bad Gateway", HTML, "Content-Type: text/html"), "502"),
    "200-html": ("answer", http("200 OK", HTML, "Content-Type: text/html"), ""),
    "200-broken-json": ("answer", http("200 OK", b'{"kind":"ConfigMapList","items":[{"met'), ""),
    "no-http": ("answer", b"SSH-2.0-OpenSSH_9.2\r\n\r\n", ""),
}


class Lines:
    """A program that answers each line with a line."""

    def __init__(self, plane, *argv):
        self.process = plane.popen(*argv, stdin=-1)

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.read()

    def read(self):
        answer = self.process.stdout.readline()
        assert answer, f"{self.process.args} ended with {self.process.wait(10)}"
        return answer

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        finally:
            self.process.kill()


@pytest.fixture(name="proxy", scope="module")
def _proxy(control_plane):
    pki = control_plane.folder / "pki"
    control_plane.plane.authority.issue("proxy", "proxy", addresses="IP:127.0.0.1")
    with Lines(control_plane, sys.executable, str(HERE / "bad_proxy.py"), str(PORT),
               "127.0.0.1:443", str(pki)) as proxy:
        assert proxy.read() == "ok\n"
        yield proxy


@pytest.fixture(name="space")
def _space(control_plane, request):
    name = "bad-" + request.node.name.partition("[")[2].strip("]") if "[" in request.node.name \
        else "bad-" + request.node.name.removeprefix("test_").replace("_", "-")
    control_plane.apply(objects.namespace(name))
    yield name
    control_plane.kubectl("delete", "namespace", name, "--wait=false")


class Watcher(Lines):
    """Our client in the middle of it."""

    def __init__(self, plane, space, server, silence, token_file=None):
        """As the admin; with a token's file, as whom it names."""
        config = plane.plane.authority.kubeconfig("admin", server)
        if token_file is not None:
            config = json.dumps(json.loads(config) | {"users": [
                {"name": "admin", "user": {"tokenFile": str(token_file)}}]})
        path = plane.folder / f"{space}.kubeconfig"
        path.write_text(config, encoding="utf-8")
        path.chmod(0o600)
        program = pathlib.Path(os.environ["PARALLELJOB_BUILD"]) / "tests" / "kube_watcher"
        super().__init__(plane, str(program), str(path), space, str(silence))
        self.plane, self.space = plane, space

    def look(self):
        return json.loads(self.ask("look"))

    def server_has(self):
        listed = self.plane.get("--namespace", self.space, "configmaps")["items"]
        return {one["metadata"]["name"]: one["metadata"]["resourceVersion"] for one in listed}

    def wait_for_truth(self, seconds=60):
        """Until the cache is what the server has."""
        truth = self.server_has()
        enclosure.wait_until(f"the cache to hold {len(truth)} objects", seconds,
                             lambda: self.look()["objects"] == truth)
        return self.look()


def config_map(name, text="x"):
    """A small one."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name},
            "data": {"text": text}}


def fill(plane, space):
    """More than one page of the watcher's lists."""
    plane.apply(*(config_map(f"c{number}") for number in range(12)), namespace=space)


def change(plane, space):
    """What a watcher that cannot see must learn later: one new, one changed, one gone, and one
    that came back as another."""
    plane.kubectl("delete", "--namespace", space, "configmap", "c1", "c2")
    plane.apply(config_map("c2", "again"), config_map("c3", "changed"), config_map("new"),
                namespace=space)


@pytest.mark.parametrize("name", BAD)
def test_what_a_bad_proxy_does_is_survived(control_plane, proxy, space, name, tmp_path):
    mode, answer, word = BAD[name]
    if answer is not None:
        (tmp_path / "answer").write_bytes(answer)
        mode = f"{mode} {tmp_path / 'answer'}"
    proxy.ask("pass")
    fill(control_plane, space)
    server = f"https://127.0.0.1:{PORT}"
    with Watcher(control_plane, space, server, silence=2) as watcher:
        before = watcher.wait_for_truth()
        proxy.ask(mode)
        change(control_plane, space)
        enclosure.wait_until("the watcher to notice", 30, lambda: (
            watcher.look()["failures"] + watcher.look()["silent"]
            >= before["failures"] + before["silent"] + 2))
        blind = watcher.look()
        assert "new" not in blind["objects"] and "c1" in blind["objects"], "never half a list"
        assert word in blind["lastError"], blind
        proxy.ask("pass")
        watcher.wait_for_truth()


def test_a_watcher_that_starts_behind_a_bad_proxy_comes_up_with_it(control_plane, proxy, space):
    fill(control_plane, space)
    proxy.ask("cut 700")
    with Watcher(control_plane, space, f"https://127.0.0.1:{PORT}", silence=2) as watcher:
        enclosure.wait_until("the watcher to notice", 30,
                             lambda: watcher.look()["failures"] >= 2)
        assert not watcher.look()["synced"] and not watcher.look()["objects"]
        proxy.ask("pass")
        watcher.wait_for_truth()


def test_slow_answers_are_whole_answers(control_plane, proxy, space):
    fill(control_plane, space)
    proxy.ask("dribble")
    with Watcher(control_plane, space, f"https://127.0.0.1:{PORT}", silence=5) as watcher:
        watcher.wait_for_truth()
        change(control_plane, space)
        after = watcher.wait_for_truth()
        assert after["failures"] == 0, after
    proxy.ask("pass")


def test_the_servers_own_death_is_survived(control_plane, space):
    fill(control_plane, space)
    with Watcher(control_plane, space, "https://127.0.0.1:443", silence=150) as watcher:
        before = watcher.wait_for_truth()
        with control_plane.without_api_server():
            enclosure.wait_until("the watcher to notice", 30,
                                 lambda: watcher.look()["failures"] > before["failures"])
        change(control_plane, space)
        watcher.wait_for_truth(90)


def test_a_history_that_is_gone_means_a_new_list(control_plane, proxy, space):
    """410: what happened meanwhile cannot be told any more, deletions neither."""
    fill(control_plane, space)
    with Watcher(control_plane, space, f"https://127.0.0.1:{PORT}", silence=150) as watcher:
        before = watcher.wait_for_truth()
        proxy.ask("drop")
        enclosure.wait_until("the watcher to notice", 30,
                             lambda: watcher.look()["failures"] > before["failures"])
        change(control_plane, space)
        control_plane.forget_history()
        proxy.ask("pass")
        after = watcher.wait_for_truth(90)
        assert after["expired"] == before["expired"] + 1, after
        assert after["lists"] == before["lists"] + 1, after


def token_for(plane, space, secret):
    """A token of the account `watcher` that ends with a Secret."""
    plane.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": secret}},
                namespace=space)
    return plane.kubectl("create", "token", "watcher", "--namespace", space, "--duration=10m",
                         "--bound-object-kind=Secret", f"--bound-object-name={secret}").stdout


@pytest.mark.parametrize("when", ["before-the-old-one-ends", "after-it-was-refused"])
def test_a_token_that_is_rotated_is_followed(control_plane, space, when, tmp_path):
    """As the kubelet rotates those of pods: the file changes, and the old token ends."""
    control_plane.apply({"apiVersion": "v1", "kind": "ServiceAccount",
                         "metadata": {"name": "watcher"}}, namespace=space)
    control_plane.kubectl("create", "rolebinding", "watcher", "--namespace", space,
                          "--clusterrole=view", f"--serviceaccount={space}:watcher")
    file = tmp_path / "token"
    file.write_text(token_for(control_plane, space, "first"), encoding="utf-8")
    fill(control_plane, space)
    with Watcher(control_plane, space, "https://127.0.0.1:443", silence=150,
                 token_file=file) as watcher:
        watcher.wait_for_truth()
        second = token_for(control_plane, space, "second")
        if when == "before-the-old-one-ends":
            file.write_text(second, encoding="utf-8")
        control_plane.kubectl("delete", "secret", "first", "--namespace", space)
        before = watcher.look()
        with control_plane.without_api_server():  # so that the watch must come again
            enclosure.wait_until("the watcher to notice", 30,
                                 lambda: watcher.look()["failures"] > before["failures"])
        change(control_plane, space)
        if when == "after-it-was-refused":
            enclosure.wait_until("the refusal", 60,
                                 lambda: "Unauthorized" in watcher.look()["lastError"])
            assert "new" not in watcher.look()["objects"]
            file.write_text(second, encoding="utf-8")
        watcher.wait_for_truth(90)
