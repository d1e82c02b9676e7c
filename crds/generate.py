"""Writes the CustomResourceDefinition of ParallelJob from the field table of the C++ types.

    paralleljob validate --fields -o json | python3 crds/generate.py

Types, ranges, limits, defaults and descriptions of `spec` come from the table; rules over several
fields from schema_rules.py; `status`, columns and the rest from schema_status.py.
tests/e2e/test_crd_file.py checks that the written files are what this gives.
"""

import json
import pathlib
import sys

import schema_rules as rules
import schema_status as status

HERE = pathlib.Path(__file__).resolve().parent
NAME = "paralleljobs.paralleljob.dev"
FILE = HERE / f"{NAME}.yaml"
CHART_FILE = HERE.parent / "charts/paralleljob/files" / FILE.name
ANY = "x-kubernetes-preserve-unknown-fields"
KINDS_OF_VOLUME = ("persistentVolumeClaim", "csi", "nfs", "configMap", "secret", "image",
                   "emptyDir", "ephemeral", "projected")
REFUSES_OBJECTS = {"minProperties": 1, "maxProperties": 0}  # no object satisfies both
REFUSES_LISTS = {"minItems": 1, "maxItems": 0}
REFUSES_NUMBERS = {"minimum": 1, "maximum": 0}


def describe(field):
    """What `kubectl explain` prints."""
    parts = [field["meaning"][0].upper() + field["meaning"][1:] + "."]
    if field["type"] == "integer":
        parts.append(f"From {field['min']} to {field['max']}.")
    if field["default"]:
        parts.append(f"Default: {field['default']}.")
    if field["azure"]:
        parts.append(f"Azure ML: {field['azure']}.")
    if field["mutable"]:
        parts.append("May be changed later.")
    return " ".join(parts)


def text(field):
    limits = {"type": "string", "maxLength": field["maxLength"]}
    return limits | ({"minLength": field["minLength"]} if field["minLength"] else {})


def map_of(field, value):
    return {"type": "object", "maxProperties": field["maxItems"], "additionalProperties": value}


def quantity(field):
    return {"x-kubernetes-int-or-string": True, "maxLength": field["maxLength"],
            "anyOf": [{"type": "integer"}, {"type": "string"}]}


def list_of(field, items):
    return {"type": "array", "maxItems": field["maxItems"], "items": items,
            "x-kubernetes-list-type": "atomic"}


def choice(field):
    known = [name for name in field["choices"].split() if name != field["laterChoice"]]
    return {"type": "string", "enum": known}


MAKERS = {
    "integer": lambda f: {"type": "integer", "format": "int64",
                          "minimum": f["min"], "maximum": f["max"]},
    "boolean": lambda f: {"type": "boolean"},
    "text": text,
    "choice": choice,
    "integerOrText": quantity,
    # Lists of texts and texts: neither a structural type, so the rest is refused one by one.
    "textOrList": lambda f: {ANY: True, "maxItems": f["maxItems"], "minItems": 1,
                             "maxLength": f["maxLength"]} | REFUSES_OBJECTS | REFUSES_NUMBERS
    | {"not": {"enum": [True, False]}},
    "textList": lambda f: list_of(f, text(f)),
    "textMap": lambda f: map_of(f, {"type": "string", "maxLength": f["maxLength"]}),
    "quantityMap": lambda f: map_of(f, quantity(f)),
    "literal": lambda f: {ANY: True, "maxLength": f["maxLength"]} | REFUSES_OBJECTS
    | REFUSES_LISTS,
    "fragment": lambda f: {"type": "object", ANY: True},
    "volume": lambda f: {"type": "object"},
    "object": lambda f: {"type": "object"},
    "objectList": lambda f: list_of(f, {"type": "object"}),
    "volumeList": lambda f: list_of(f, {"type": "object"}),
}


def spec_schema(fields):
    """The schema of `spec`."""
    made = {}
    known = [field for field in fields if field["used"] != "not supported yet"]
    for field in known:
        path = field["field"]
        if path != "spec" and not path.startswith("spec."):
            continue
        schema = {"description": describe(field)} | MAKERS[field["type"]](field)
        if path != "spec":
            parent, name = path.rsplit(".", 1)
            above = below(made, parent)
            above.pop(ANY, None)  # its parts are known
            above.setdefault("properties", {})[name] = schema
            if field["required"]:
                above.setdefault("required", []).append(name)
        made[path] = schema
    volumes(made, known)
    rules.add(made, known)
    return made["spec"]


def below(made, path):
    """The schema that holds the keys right below a path of the table."""
    return made[path[:-2]]["items"] if path.endswith("[]") else made[path]


def volumes(made, fields):
    """Exactly one source in each volume."""
    for field in fields:
        if field["type"] == "volume":
            made[field["field"]].update(minProperties=1, maxProperties=1)
        if field["type"] == "volumeList":
            made[field["field"]]["items"].update(minProperties=2, maxProperties=2)
    code = made["spec.task.code.volume"]
    sources = ", ".join(f"has(self.{kind})" for kind in KINDS_OF_VOLUME)
    rules.rule(code, f"[{sources}].filter(x, x).size() == 1",
               "name exactly one volume source, and path beside it")


def definition(fields):
    """The whole object."""
    schema = {
        "type": "object", "required": ["spec"],
        "description": "Runs an entry script over mini-batches of its input, in parallel, in "
                       "worker pods; shaped after Azure ML's parallel jobs.",
        "properties": {
            "apiVersion": {"type": "string", "description": "Version of this format."},
            "kind": {"type": "string", "description": "Kind of this document."},
            "metadata": {"type": "object"},
            "spec": spec_schema(fields), "status": status.SCHEMA}}
    rules.add_name(schema, next(f for f in fields if f["field"] == "metadata.name"))
    version = {"name": "v1alpha1", "served": True, "storage": True,
               "schema": {"openAPIV3Schema": schema},
               "additionalPrinterColumns": status.COLUMNS, "subresources": status.SUBRESOURCES}
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": NAME},
            "spec": {"group": "paralleljob.dev", "scope": "Namespaced",
                     "names": {"kind": "ParallelJob", "listKind": "ParallelJobList",
                               "plural": "paralleljobs", "singular": "paralleljob",
                               "shortNames": ["pj"], "categories": ["parallel"]},
                     "versions": [version]}}


def to_yaml(value, depth=0):
    """Lines of YAML; every text in JSON's quotes, which YAML reads alike."""
    pad = "  " * depth
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from entry(f"{pad}{key}:", item, depth)
    elif isinstance(value, list) and value:
        for item in value:
            if isinstance(item, (dict, list)) and item:
                lines = list(to_yaml(item, depth + 1))
                yield f"{pad}- {lines[0].lstrip()}"
                yield from lines[1:]
            else:
                yield f"{pad}- {json.dumps(item, ensure_ascii=False)}"


def entry(head, item, depth):
    if isinstance(item, (dict, list)) and item:
        yield head
        yield from to_yaml(item, depth + 1)
    else:
        yield f"{head} {json.dumps(item, ensure_ascii=False)}"


def render(fields):
    """The text of the file."""
    head = "# Made by crds/generate.py from the field table: `./dev crds`. Do not edit.\n"
    return head + "\n".join(to_yaml(definition(fields))) + "\n"


if __name__ == "__main__":
    written = render(json.load(sys.stdin))
    for file in (FILE, CHART_FILE):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(written, encoding="utf-8")
