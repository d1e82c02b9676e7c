"""The operator as a process beside a control plane, and a ParallelJob to give it."""

import json
import os
import pathlib
import re
import signal
import subprocess

import enclosure

PROGRAM = "operator/paralleljob-operator"


def job(name, instances=2, **spec):
    """A ParallelJob that the operator takes; its pods need a node."""
    claim = {"persistentVolumeClaim": {"claimName": "shared"}}
    return {
        "apiVersion": "paralleljob.dev/v1alpha1", "kind": "ParallelJob",
        "metadata": {"name": name},
        "spec": {
            "inputs": [{"name": "data", "path": "in", "volume": claim}],
            "outputs": [{"name": "rows", "type": "uri_file", "path": "out/rows.csv",
                         "volume": claim}],
            "inputData": "${{inputs.data}}", "miniBatchSize": 5, "instanceCount": instances,
            "task": {"code": {"configMap": {"name": "code"}}, "entryScript": "score.py",
                     "environment": {"image": "python:3.11"},
                     "appendRowTo": "${{outputs.rows}}"}} | spec}


def permissions(*flags):
    """The rules of the role that the operator says it needs."""
    program = pathlib.Path(os.environ["PARALLELJOB_BUILD"]) / PROGRAM
    return json.loads(subprocess.run([program, "--permissions", *flags], capture_output=True,
                                     text=True, check=True).stdout)


def config_of(plane, account, namespace):
    """A kubeconfig, for clients that are to be a service account."""
    token = plane.kubectl("create", "token", account, f"--namespace={namespace}").stdout.strip()
    config = plane.folder / f"{namespace}-{account}.kubeconfig"
    admin = json.loads(plane.kubectl("config", "view", "--raw", "--output=json").stdout)
    admin["users"] = [{"name": user["name"], "user": {"token": token}} for user in admin["users"]]
    config.write_text(json.dumps(admin), encoding="utf-8")
    return config


class Operator:
    """Runs until stop() or the end of a with block."""

    def __init__(self, plane, port, *flags):
        self.plane = plane
        self.port = port
        program = pathlib.Path(os.environ["PARALLELJOB_BUILD"]) / PROGRAM
        self.log = (plane.folder / f"operator-{port}.log").open("w+", encoding="utf-8")
        self.process = plane.popen(str(program), f"--health-address=127.0.0.1:{port}", *flags,
                                   stdout=subprocess.DEVNULL, stderr=self.log)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop(signal.SIGKILL)
        self.log.close()

    def wait_until_ready(self):
        enclosure.wait_until("a ready operator", 30, lambda: self.get("/readyz") == "ok\n")

    def wait_until_it_leads(self):
        enclosure.wait_until("a leading operator", 30,
                             lambda: "reconciling" in self.text() or None)

    def get(self, path):
        """A page of its health server; empty while there is none."""
        if self.process.poll() is not None:
            raise RuntimeError(f"the operator ended: {self.text()}")
        reader = ("import sys, urllib.request as u; "
                  "print(u.urlopen(sys.argv[1], timeout=5).read().decode(), end='')")
        return self.plane.run("python3", "-c", reader, f"http://127.0.0.1:{self.port}{path}",
                              check=False).stdout

    def metric(self, name):
        """The sum of a metric's values."""
        found = re.findall(rf"^paralleljob_{name}(?:{{.*}})? (.*)$", self.get("/metrics"), re.M)
        return sum(float(value) for value in found)

    def text(self):
        with open(self.log.name, encoding="utf-8") as log:
            return log.read()

    def stop(self, number=signal.SIGTERM):
        """Its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(30)
