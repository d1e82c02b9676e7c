"""The CustomResourceDefinition in the tree is what the field table gives: one truth."""

import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "crds"))

import generate  # noqa: E402


def fields():
    listing = subprocess.run([os.environ["PARALLELJOB"], "validate", "--fields", "-o", "json"],
                             capture_output=True, text=True, check=True)
    return json.loads(listing.stdout)


def test_the_files_are_what_the_field_table_gives():
    made = generate.render(fields())
    for file in (generate.FILE, generate.CHART_FILE):
        assert file.read_text(encoding="utf-8") == made, f"{file} is old: ./dev crds"


def test_everything_that_may_be_large_is_bounded():
    unbounded = []

    def walk(schema, path):
        kind = schema.get("type")
        bound = {"string": "maxLength", "array": "maxItems"}.get(kind)
        if kind == "object" and "additionalProperties" in schema:
            bound = "maxProperties"
        if bound and bound not in schema and "enum" not in schema and \
                schema.get("format") != "date-time":
            unbounded.append(path)
        for name, child in schema.get("properties", {}).items():
            walk(child, f"{path}.{name}")
        if "items" in schema:
            walk(schema["items"], path + "[]")

    version = generate.definition(fields())["spec"]["versions"][0]
    walk(version["schema"]["openAPIV3Schema"], "")
    assert unbounded == [".apiVersion", ".kind"]  # the API server's own
