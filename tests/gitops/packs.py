"""Scripts and expressions out of the files of examples/gitops, as their readers get them."""

import pathlib
import re
import textwrap

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / "examples/gitops"


def block(text, key):
    """What stands below `key: |` or `key: >-` of a YAML text, dedented; folded for >-."""
    found = re.search(rf"^( *)(?:- )?{re.escape(key)}: (\||>-)\n((?:\1 +.*\n|\n)+)", text, re.M)
    assert found, key
    content = textwrap.dedent(found[3])
    return content if found[2] == "|" else " ".join(content.split())


def argocd():
    """Names → Lua scripts: health, discovery, and the actions."""
    text = (FOLDER / "argocd/argocd-cm.yaml").read_text(encoding="utf-8")
    prefix, kind = "resource.customizations.", ".paralleljob.dev_ParallelJob"
    actions = block(text, f"{prefix}actions{kind}")
    out = {"health": block(text, f"{prefix}health{kind}"),
           "discovery": block(actions, "discovery.lua")}
    for part in actions.partition("definitions:")[2].split("- name: ")[1:]:
        out[part.split()[0]] = block(part, "action.lua")
    return out


def flux():
    """inProgress, failed, current → CEL, in the order in which Flux asks."""
    text = (FOLDER / "flux/jobs.yaml").read_text(encoding="utf-8")
    return {key: block(text, key) for key in ("inProgress", "failed", "current")}
