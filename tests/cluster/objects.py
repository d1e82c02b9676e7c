"""Kubernetes objects for tests, as dicts; everything passes Pod Security *restricted*."""

import os

UID = 65532
LINKS = 50_000  # a file system has a limit; ext4 has 65,000


def metadata(name, **labels):
    return {"name": name, "labels": labels} if labels else {"name": name}


def linked_files(folder, count):
    """A folder of `count` small files that cost little: names of few inodes, in number order."""
    folder.mkdir()
    for number in range(count):
        path = folder / f"{number:06d}"
        if number % LINKS == 0:
            first = path
            path.write_text("x", encoding="utf-8")
        else:
            os.link(first, path)


def namespace(name, level="restricted"):
    return {"apiVersion": "v1", "kind": "Namespace",
            "metadata": metadata(name, **{"pod-security.kubernetes.io/enforce": level})}


def container(image, script, **more):
    """Runs `script` by the image's shell."""
    return {"name": "main", "image": image, "imagePullPolicy": "Never",
            "command": ["/bin/sh", "-ec", script],
            "securityContext": {"allowPrivilegeEscalation": False,
                                "readOnlyRootFilesystem": True,
                                "capabilities": {"drop": ["ALL"]}}} | more


def pod_spec(image, script, volumes=None, container_fields=None, **more):
    """`volumes`: place in the container → volume source."""
    volumes = volumes or {}
    mounts = [{"name": f"v{i}", "mountPath": place} for i, place in enumerate(volumes)]
    return {
        "restartPolicy": "Never", "terminationGracePeriodSeconds": 1,
        "securityContext": {"runAsNonRoot": True, "runAsUser": UID, "runAsGroup": UID,
                            "fsGroup": UID, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container(image, script, volumeMounts=mounts, **(container_fields or {}))],
        "volumes": [{"name": f"v{i}"} | source for i, source in enumerate(volumes.values())],
    } | more


def pod(name, spec):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata(name), "spec": spec}


def indexed_job(name, count, spec, **more):
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata(name),
            "spec": {"completionMode": "Indexed", "completions": count, "parallelism": count,
                     "backoffLimit": 0, "template": {"spec": spec}} | more}


def shared_volume(name, folder, claim_namespace):
    """A volume that is a folder of this machine, and a claim on it that all nodes may write."""
    common = {"accessModes": ["ReadWriteMany"], "storageClassName": ""}
    volume = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": metadata(name),
              "spec": common | {"capacity": {"storage": "1Gi"}, "hostPath": {"path": str(folder)},
                                "persistentVolumeReclaimPolicy": "Retain",
                                "claimRef": {"namespace": claim_namespace, "name": name}}}
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata(name),
             "spec": common | {"volumeName": name, "resources": {"requests": {"storage": "1Gi"}}}}
    return volume, claim


def unbound_claim(name="shared"):
    """A claim that all nodes may write and that nothing stands behind: no pod is to start."""
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata(name),
            # A volume that never comes: nobody tells of that, as of a claim that nothing fits.
            "spec": {"accessModes": ["ReadWriteMany"], "storageClassName": "", "volumeName": "none",
                     "resources": {"requests": {"storage": "1Gi"}}}}


def role(name, rules, account="default", account_namespace=""):
    """A role and its binding to a service account."""
    group = "rbac.authorization.k8s.io"
    return ({"apiVersion": f"{group}/v1", "kind": "Role", "metadata": metadata(name),
             "rules": rules},
            {"apiVersion": f"{group}/v1", "kind": "RoleBinding", "metadata": metadata(name),
             "roleRef": {"apiGroup": group, "kind": "Role", "name": name},
             "subjects": [{"kind": "ServiceAccount", "name": account,
                           "namespace": account_namespace}]})


def widget_definition():
    """A small resource with a rule that compares old and new, and a scale."""
    whole = {"type": "integer", "minimum": 0}
    schema = {"type": "object", "required": ["spec"], "properties": {
        "spec": {"type": "object", "required": ["size", "replicas"],
                 "properties": {"size": whole, "replicas": whole},
                 "x-kubernetes-validations": [
                     {"rule": "self.size == oldSelf.size", "message": "size is immutable"}]},
        "status": {"type": "object", "properties": {"replicas": whole}}}}
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": metadata("widgets.test.paralleljob.dev"),
            "spec": {"group": "test.paralleljob.dev", "scope": "Namespaced",
                     "names": {"kind": "Widget", "plural": "widgets", "singular": "widget"},
                     "versions": [{"name": "v1", "served": True, "storage": True,
                                   "schema": {"openAPIV3Schema": schema},
                                   "subresources": {"status": {}, "scale": {
                                       "specReplicasPath": ".spec.replicas",
                                       "statusReplicasPath": ".status.replicas"}}}]}}


def widget(name, size, replicas):
    return {"apiVersion": "test.paralleljob.dev/v1", "kind": "Widget", "metadata": metadata(name),
            "spec": {"size": size, "replicas": replicas}}
