"""A worker pod's agent as processes of this machine, beside a control plane without nodes.

Stands in for kubelet and supervisor: reads the pod that the Job controller made, lays its volumes
out below a root of its own, gives the container its environment and a token of the pod's account,
and tells the API how the pod stands.
"""

import base64
import json
import os
import pathlib
import signal
import subprocess
import sys

import control_plane
import enclosure

PROGRAM = "worker/paralleljob-worker"
RUNTIME = "/paralleljob/runtime"
INDEX = "batch.kubernetes.io/job-completion-index"

# $1 the new root, $2 the pod's folder, then the command. mounts: a line "source<tab>target" each.
ENTER = """set -eu
root=$1 pod=$2; shift 2
mount --make-rprivate /
mount -t tmpfs -o mode=0755 tmpfs "$root"
for entry in /*; do
  name=$(basename "$entry")
  case $name in tmp | run | paralleljob) continue ;; esac
  if [ -L "$entry" ]; then cp -P "$entry" "$root/$name"; continue; fi
  [ -d "$entry" ] || continue
  mkdir "$root/$name"
  mount --rbind "$entry" "$root/$name"
done
mkdir "$root/run" "$root/tmp" "$root/paralleljob"
while IFS="$(printf '\\t')" read -r source target; do
  case $target in /var/run/*) target=${target#/var} ;; esac
  mkdir -p "$root$target"
  mount --bind "$source" "$root$target"
done <"$pod/mounts"
cd /
exec chroot "$root" "$@"
"""


class Pods:
    """The pods of one job. `claims`: claim name → folder of this machine."""

    def __init__(self, plane, space, folder, claims):
        self.plane, self.space, self.claims = plane, space, claims
        self.folder = pathlib.Path(folder)
        self.agents = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for agent in self.agents:
            agent.end()

    def find(self, job, ordinal, component="worker"):
        """The pod of that index, once the Job controller has made one that is not over."""
        selector = (f"--selector=paralleljob.dev/job={job},"
                    f"app.kubernetes.io/component={component}")

        def pod():
            for item in self.plane.get("pods", "-n", self.space, selector)["items"]:
                over = item["status"].get("phase") in ("Succeeded", "Failed")
                going = "deletionTimestamp" in item["metadata"]
                if not over and not going and \
                        item["metadata"]["annotations"][INDEX] == str(ordinal):
                    return item
            return None

        return enclosure.wait_until(f"pod {ordinal} of {job}", 60, pod)

    def start(self, job, ordinal, component="worker"):
        """A running agent (or finaliser) in that pod."""
        (agent,) = self.start_all(job, (ordinal,), component)
        return agent

    def start_all(self, job, ordinals=(0, 1), component="worker"):
        """A running agent in each of those pods. None starts before all have their files: the first
        may end the job, and with it go the maps that the next would be laid out from."""
        agents = [Agent(self, self.find(job, ordinal, component)) for ordinal in ordinals]
        for agent in agents:
            agent.start()
            self.agents.append(agent)
        return agents

    def work(self, job):
        """The run's folder on the work volume."""
        return next(self.claims["shared"].glob(f"paralleljob/{job}-*"))

    def lease(self, job, ordinal):
        """Who holds that worker's Lease; empty: nobody."""
        for item in self.plane.get("leases", "-n", self.space,
                                   f"--selector=paralleljob.dev/job={job}")["items"]:
            if item["metadata"]["name"].endswith(f"-w-{ordinal}"):
                return item["spec"].get("holderIdentity", "")
        return None

    def tell(self, pod, phase):
        """What a kubelet would say of the pod."""
        name = pod["metadata"]["name"]
        ready = "True" if phase == "Running" else "False"
        status = {"status": {"phase": phase, "conditions": [{"type": "Ready", "status": ready}]}}
        self.plane.kubectl("patch", "pod", name, "-n", self.space, "--subresource=status",
                           "--type=merge", f"--patch={json.dumps(status)}")


class Agent:
    """The main container of one pod; start() again is a new incarnation."""

    def __init__(self, pods, pod):
        self.pods, self.pod = pods, pod
        self.name = pod["metadata"]["name"]
        self.folder = pods.folder / self.name
        self.process = None
        self.host = None  # the slot host: the user container's PID 1
        self.log = None
        (self.folder / "root").mkdir(parents=True)
        self._lay_out()

    def start(self):
        program = pathlib.Path(os.environ["PARALLELJOB_BUILD"]) / PROGRAM
        command = self._container()["command"][1:]
        command = ["agent"] if command == ["supervise"] else command
        self.log = (self.folder / "log").open("a", encoding="utf-8")
        if self.host is None and self._user() is not None:
            self.host = self._enter(self._user_environment(), *self._user()["command"])
        self.process = self._enter(self._environment(), str(program), *command)
        self.pods.tell(self.pod, "Running")
        return self

    def _enter(self, environment, *command):
        """That program in the pod's own view of the files."""
        return self.pods.plane.popen(
            "unshare", "--mount", "sh", "-c", ENTER, "sh", str(self.folder / "root"),
            str(self.folder), "env", "-i", *environment, *command,
            stdout=subprocess.DEVNULL, stderr=self.log)

    def end(self):
        """The pod is gone, the slot host too."""
        self.kill()
        if self.host is not None:
            self.host.kill()
            self.host.wait(60)

    def kill(self, number=signal.SIGKILL):
        """Ends the process; its exit code. The pod stays."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(60)

    def stop(self):
        """As a kubelet when its pod is deleted: SIGTERM, then the exit code."""
        return self.kill(signal.SIGTERM)

    def wait(self, seconds=60):
        """Its exit code; tells the API how the pod ended."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"{self.name} goes on: {self.text()[-3000:]}") from None
        self.pods.tell(self.pod, "Succeeded" if code == 0 else "Failed")
        return code

    def text(self):
        return (self.folder / "log").read_text(encoding="utf-8")

    def _container(self):
        return next(c for c in self.pod["spec"]["containers"] if c["name"] == "agent")

    def _environment(self):
        """As the template says, and what a kubelet adds."""
        values = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8",
                  "KUBERNETES_SERVICE_HOST": control_plane.SERVICE_ADDRESS,
                  "KUBERNETES_SERVICE_PORT": "443"}
        for entry in self._container()["env"]:
            values[entry["name"]] = entry.get("value") or self._field(entry)
        return [f"{name}={value}" for name, value in values.items()]

    def _user(self):
        containers = self.pod["spec"].get("initContainers", [])
        return next((c for c in containers if c["name"] == "user"), None)

    def _user_environment(self):
        """As the template says, beside an image whose python3 is ours."""
        folder = pathlib.Path(sys.executable).parent
        values = {"PATH": f"{folder}:{os.environ['PATH']}", "LANG": "C.UTF-8"}
        values |= {entry["name"]: entry.get("value", "") for entry in self._user()["env"]}
        return [f"{name}={value}" for name, value in values.items()]

    def _field(self, entry):
        path = entry["valueFrom"]["fieldRef"]["fieldPath"]
        meta = self.pod["metadata"]
        return {"metadata.name": meta["name"], "metadata.uid": meta["uid"],
                "spec.nodeName": "this-machine", "status.podIP": "10.0.0.7",
                f"metadata.labels['{INDEX}']": meta["annotations"][INDEX],
                f"metadata.annotations['{INDEX}']": meta["annotations"][INDEX]}[path]

    # --- Volumes ---------------------------------------------------------------------------------

    def _lay_out(self):
        """Writes `mounts`: what lies where, in both containers; and installs the runtime."""
        volumes = {volume["name"]: volume for volume in self.pod["spec"]["volumes"]}
        spec = self.pod["spec"]
        places = {}
        for container in spec.get("initContainers", []) + spec["containers"]:
            if container["name"] == "install":
                continue
            for mount in container["volumeMounts"]:
                source = self._source(volumes[mount["name"]]) / mount.get("subPath", "")
                source.mkdir(parents=True, exist_ok=True)
                places[mount["mountPath"]] = source  # the agent's own win: they come last
        lines = [f"{places[place]}\t{place}\n" for place in sorted(places, key=len)]
        (self.folder / "mounts").write_text("".join(lines), encoding="utf-8")
        if RUNTIME in places:
            program = pathlib.Path(os.environ["PARALLELJOB_BUILD"]) / PROGRAM
            subprocess.run([str(program), "install", str(places[RUNTIME])], check=True)

    def _source(self, volume):
        folder = self.folder / "volumes" / volume["name"]
        if "persistentVolumeClaim" in volume:
            return pathlib.Path(self.pods.claims[volume["persistentVolumeClaim"]["claimName"]])
        if folder.exists():
            return folder
        folder.mkdir(parents=True)
        if "configMap" in volume:
            self._write_map(volume["configMap"]["name"], folder)
        if "projected" in volume:
            self._write_account(folder)
        return folder

    def _write_map(self, name, folder):
        found = self.pods.plane.get("configmap", name, "-n", self.pods.space)
        for key, text in found.get("data", {}).items():
            (folder / key).write_text(text, encoding="utf-8")
        for key, text in found.get("binaryData", {}).items():
            (folder / key).write_bytes(base64.b64decode(text))

    def _write_account(self, folder):
        plane, space = self.pods.plane, self.pods.space
        token = plane.kubectl("create", "token", self.pod["spec"]["serviceAccountName"], "-n",
                              space, "--bound-object-kind=Pod", f"--bound-object-name={self.name}",
                              f"--bound-object-uid={self.pod['metadata']['uid']}")
        (folder / "token").write_text(token.stdout.strip(), encoding="utf-8")
        (folder / "namespace").write_text(space, encoding="utf-8")
        authority = plane.get("configmap", "kube-root-ca.crt", "-n", space)
        (folder / "ca.crt").write_text(authority["data"]["ca.crt"], encoding="utf-8")
