"""The API server and our own validator say the same of hundreds of manifests."""

import json
import os
import subprocess

import crd_manifests
import pytest

CASES = crd_manifests.cases()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """File → name of the case in it."""
    folder = tmp_path_factory.mktemp("manifests")
    (folder / "src").mkdir()
    (folder / "src/score.py").write_text("def run(batch):\n    return batch\n", encoding="utf-8")
    written = {}
    for number, (name, manifest, *_) in enumerate(CASES):
        file = folder / f"{number:04}.json"
        file.write_text(json.dumps(manifest), encoding="utf-8")
        written[str(file)] = name
    return written


def test_the_schema_is_small_enough_for_client_side_apply(crd):
    made = crd.get("crd", "paralleljobs.paralleljob.dev")
    spec = {key: made[key] for key in ("apiVersion", "kind", "spec")}
    assert len(json.dumps(spec, separators=(",", ":"))) < 200_000


@pytest.fixture(scope="module")
def accepted_by_server(crd, files):
    """Names of the cases that the API server takes; one kubectl asks for all."""
    done = crd.kubectl("create", "--dry-run=server", "--output=name",
                       f"--filename={os.path.dirname(next(iter(files)))}", check=False,
                       seconds=300)
    return {line.rpartition("/")[2] for line in done.stdout.splitlines()}, done.stderr


@pytest.fixture(scope="module")
def refused_by_validator(files):
    """Name of a case → its first finding."""
    done = subprocess.run([os.environ["PARALLELJOB"], "validate", "-o", "json",
                           *[word for file in files for word in ("-f", file)]],
                          capture_output=True, text=True, check=False, timeout=300)
    refused = {}
    for finding in json.loads(done.stdout)["findings"]:
        if finding["severity"] == "error":
            refused.setdefault(files[finding["file"]], f"{finding['field']}: {finding['message']}")
    return refused


def test_the_table_is_large_and_names_are_unique():
    names = [name for name, *_ in CASES]
    assert len(CASES) >= 150 and len(set(names)) == len(names)
    for verdict in (crd_manifests.GOOD, crd_manifests.BAD):
        assert sum(case[2] == verdict for case in CASES) >= 70


def test_the_api_server_says_what_is_right(accepted_by_server):
    accepted, errors = accepted_by_server
    wrong = [f"{name} is {'accepted' if name in accepted else 'refused'}, {verdict}: {changes}"
             for name, _, verdict, changes in CASES
             if (name in accepted) != (verdict != crd_manifests.BAD)]
    assert not wrong, "\n".join(wrong) + "\n" + errors[-20000:]


def test_our_validator_says_what_is_right(refused_by_validator):
    wrong = [f"{name}: {refused_by_validator.get(name, 'accepted')}, {verdict}: {changes}"
             for name, _, verdict, changes in CASES
             if (name not in refused_by_validator) != (verdict == crd_manifests.GOOD)]
    assert not wrong, "\n".join(wrong)
