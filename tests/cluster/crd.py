"""A ParallelJob resource that takes every spec and status: for tests of clients, not of schemas."""

ANYTHING = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
NAME = "paralleljobs.paralleljob.dev"


def definition() -> dict:
    schema = {"type": "object", "properties": {"spec": ANYTHING, "status": ANYTHING}}
    version = {"name": "v1alpha1", "served": True, "storage": True,
               "schema": {"openAPIV3Schema": schema}, "subresources": {"status": {}}}
    names = {"kind": "ParallelJob", "plural": "paralleljobs", "singular": "paralleljob"}
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": NAME},
            "spec": {"group": "paralleljob.dev", "scope": "Namespaced", "names": names,
                     "versions": [version]}}
