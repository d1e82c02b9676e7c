"""An entry script that looks for the API token, the agent or other jobs' data finds none."""

import json

import objects
import pod_jobs
import pytest

SCRIPT = r"""
import glob, json, os, ssl, urllib.error, urllib.request

def readable(path):
    try:
        with open(path, "rb") as file:
            return file.read(4096)
    except OSError:
        return b""

def tokens():
    # A service account's token is three base64 parts that begin with a JSON object.
    found = []
    for folder, _, files in os.walk("/"):
        if folder.split("/")[1:2] in (["proc"], ["sys"], ["usr"], ["lib"]):
            continue
        for name in files:
            path = os.path.join(folder, name)
            if os.path.isfile(path) and readable(path).startswith(b"eyJ"):
                found.append(path)
    return found

def anonymous():
    # What the API server says to whoever has no token.
    host = os.environ.get("KUBERNETES_SERVICE_HOST", "")
    port = os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        url = f"https://{host}:{port}/api/v1/namespaces/isolated/configmaps"
        return urllib.request.urlopen(url, timeout=10, context=context).status
    except urllib.error.HTTPError as error:
        return error.code

def written(path):
    try:
        with open(path, "w"):
            return True
    except OSError:
        return False

def run(mini_batch):
    commands = {name: readable(name).replace(b"\0", b" ").decode(errors="replace")
                for name in glob.glob("/proc/[0-9]*/cmdline")}
    return [json.dumps({
        "tokens": tokens(),
        "token in the environment": [k for k, v in os.environ.items() if v.startswith("eyJ")],
        "agents": [line for line in commands.values() if "paralleljob-worker" in line],
        "segments": glob.glob("/paralleljob/work/segments/*"),
        "others": [path for path in glob.glob("/paralleljob/**/secret.txt", recursive=True)],
        "api": anonymous(),
        "root is writable": written("/etc/x") or written("/paralleljob/runtime/x"),
        "user": os.getuid(),
    })]
"""


@pytest.fixture(scope="session")
def curious(cluster, installed_chart, user_image, tmp_path_factory):
    space = pod_jobs.Space(cluster, "isolated", tmp_path_factory.mktemp("volume") / "data")
    source = tmp_path_factory.mktemp("made")
    (source / "one.txt").write_text("1", encoding="utf-8")
    space.add_data(source, "in")
    (source / "secret.txt").write_text("of another job", encoding="utf-8")
    space.add_data(source, "elsewhere")
    yield space.apply(space.small_job("curious", SCRIPT, user_image("3.11")))
    space.end()


@pytest.mark.turn(2)
def test_it_begins(curious):
    """Others are tested while it runs."""
    curious.wait_for("an operator's word", lambda status: status.get("state"))


@pytest.fixture(scope="module")
def findings(curious):
    curious.wait_until_complete()
    return json.loads(curious.rows())


def test_no_token(findings):
    assert findings["tokens"] == [] and findings["token in the environment"] == []
    assert findings["api"] in (401, 403)


def test_no_agent_and_no_segments(findings):
    assert findings["agents"] == [] and findings["segments"] == []


def test_no_data_of_others(findings):
    assert findings["others"] == []


def test_it_is_nobody_and_writes_nothing_outside(findings):
    assert findings["user"] == objects.UID
    assert not findings["root is writable"]
