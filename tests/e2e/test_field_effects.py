"""No field is parsed and then ignored: each one of the listing has an effect, a note or a refusal.

The table is in field_cases.py; a field that is new in the listing fails here until it has its case.
"""

import concurrent.futures
import json
import zipfile

import pytest

import field_cases as table
import jobs
from field_jobs import Case, Ran, laid_over, manifest, pipeline

RUNS = [(name, door) for name, case in table.CASES.items() for door in case.doors()]
PLAIN = Case({})


@pytest.fixture(scope="module")
def fields(program, tmp_path_factory):
    """Field → its row of the listing; without the insides of Kubernetes' own types."""
    cli = jobs.CommandLine(program, tmp_path_factory.mktemp("fields"))
    listed = cli.call("validate", "--fields", "-o", "json").json
    inside = [row["field"] + end for row in listed if row["type"] in ("volume", "fragment")
              for end in (".", "[")]
    return {row["field"]: row for row in listed if not row["field"].startswith(tuple(inside))}


def wheel(folder, name):
    with zipfile.ZipFile(folder / f"{name}-1-py3-none-any.whl", "w") as archive:
        info = f"{name}-1.dist-info/"
        archive.writestr(f"{name}.py", "")
        archive.writestr(info + "METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
        archive.writestr(info + "WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n"
                                         "Tag: py3-none-any\n")
        archive.writestr(info + "RECORD", "")


def run(program, folder, name, door):
    folder.mkdir()
    for package in ("one_wheel", "two_wheel"):
        wheel(folder, package)
    (folder / "more.txt").write_text("# none\n")
    return Ran(table.CASES[name], door, jobs.CommandLine(program, folder))


@pytest.fixture(scope="module")
def runs(program, tmp_path_factory, request):
    """(case, door) → its run. Most of them wait most of the time: so several at a time."""
    wanted = [item.callspec.params["run"] for item in request.session.items
              if getattr(item, "originalname", "") == "test_effects"]
    folder = tmp_path_factory.mktemp("runs")
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        yield {key: pool.submit(run, program, folder / str(number), *key)
               for number, key in enumerate(wanted)}


def test_the_table_covers_exactly_the_listing(fields):
    shown = {field for case in table.CASES.values() for field in case.shows}
    cluster = set(table.CLUSTER) | set(table.ELSEWHERE)
    assert cluster == {f for f, row in fields.items() if row["used"] == "cluster"}
    assert set(table.LATER) == {f for f, row in fields.items()
                                if row["used"] == "not supported yet"}
    covered = shown | cluster | set(table.LATER) | set(table.FIXED) | set(table.TAKEN_FOR_ANOTHER)
    # What holds other fields has their effects.
    holds = {field for field, row in fields.items() if row["type"] in ("object", "objectList")
             and any(other.startswith((field + ".", field + "[]")) for other in covered)}
    assert covered | holds == set(fields)


def test_each_azure_key_has_a_case(fields):
    doors = {field for case in table.CASES.values() if case.azure for field in case.shows}
    keys = {field for field, row in fields.items() if row["azure"]
            and row["used"] == "everywhere" and not row["type"].startswith("object")}
    others = {"spec.task.type", "spec.outputs[].mode"}  # below
    assert keys - doors == others


@pytest.mark.parametrize("run", RUNS, ids=lambda run: f"{run[0]}-{run[1]}".replace(" ", "_"))
def test_effects(runs, fields, run):
    ran = runs[run].result()
    case = table.CASES[run[0]]
    assert ran.ended.code == case.code, ran.ended
    for field, shows in case.shows.items():
        if not ran.azure or fields[field]["azure"]:
            assert shows(ran), (field, ran.ended)


def notes(ended):
    return [line.split("note: ", 1)[1] for line in ended.err.splitlines() if "note: " in line]


def errors(ended):
    """Each error as (place, field and message, way out)."""
    lines = [line for line in ended.err.splitlines() if " error: " in line]
    return [(*line.split(" error: ", 1)[0:1], *line.split(" error: ", 1)[1].split("; ", 1))
            for line in lines]


def with_spec(spec):
    """The plain manifest with some fields; another source of code takes the folder's place."""
    document = manifest(PLAIN)
    if "code" in spec.get("task", {}):
        del document["spec"]["task"]["code"]
    return laid_over(document, {"spec": spec})


def written(cli, document, name="job.yaml"):
    cli.job("def run(mini_batch):\n    return mini_batch\n", files=2)
    (cli.folder / name).write_text(json.dumps(document), encoding="utf-8")
    return cli.folder / name


def test_what_only_a_cluster_knows_is_noted_once(cli):
    document = manifest(PLAIN)
    for change in table.CLUSTER.values():
        document = laid_over(document, change)
    ended = cli.run(written(cli, document))
    assert ended.code == 0, ended
    names = {field.replace("outputs[]", "outputs[rows]") for field in table.CLUSTER}
    assert sorted(note.split(" ")[0] for note in notes(ended)) == sorted(names)


def test_what_only_a_cluster_knows_is_noted_once_from_azure(cli):
    case = Case({}, azure={"step": {"flags": " ".join(table.NO_EFFECT)}})
    step = pipeline(case, "step")
    for change in table.CLUSTER_AZURE.values():
        step = laid_over(step, {"jobs": {"score": change}})
    ended = cli.run(written(cli, step, "pipeline.yml"))
    assert ended.code == 0, ended
    said = notes(ended)
    for name in (*table.CLUSTER_AZURE, *(flag.split(" ")[0] for flag in table.NO_EFFECT)):
        assert sum(name + " " in note for note in said) == 1, (name, said)
    assert len(said) == len(table.CLUSTER_AZURE) + len(table.NO_EFFECT), said


def test_modes_that_make_no_difference_say_so(cli):
    for mode in table.TAKEN_FOR_ANOTHER["spec.outputs[].mode"]:
        native = laid_over(manifest(PLAIN), {"spec": {"outputs": [
            {"name": "rows", "path": "x", "mode": mode}]}})
        azure = laid_over(pipeline(Case({}, azure={"step": {}}), "step"), {"jobs": {"score": {
            "outputs": {"rows": {"mode": mode}}}}})
        for document in (native, azure):
            ended = cli.call("validate", "-f", written(cli, document))
            assert ended.code == 0, ended
            assert f"mode: {mode} is treated as rw_mount" in ended.err, ended


@pytest.mark.parametrize("field", table.ELSEWHERE)
def test_what_only_a_cluster_can_reach_is_refused_with_the_way_out(cli, field):
    spec, way_out = table.ELSEWHERE[field]
    ended = cli.run(written(cli, with_spec(spec)))
    ((place, what, hint),) = errors(ended)
    assert ended.code == 2 and way_out in hint and "job.yaml:1:" in place, ended
    assert what.startswith(field.rsplit(".", 1)[0].split("[]")[0]), ended


@pytest.mark.parametrize("command", ["run", "validate", "plan", "convert"])
@pytest.mark.parametrize("field", [*table.LATER, *table.LATER_FORMAT])
def test_what_comes_later_is_refused_with_place_and_way_out(cli, field, command):
    spec = {**table.LATER, **table.LATER_FORMAT}[field]
    ended = cli.call(command, "-f", written(cli, with_spec(spec)))
    ((place, what, hint),) = errors(ended)
    assert ended.code == 2 and "job.yaml:1:" in place and hint, ended
    assert field.rsplit(".", 1)[1] in what and "not supported yet" in what, ended


@pytest.mark.parametrize("field", table.FIXED)
def test_the_only_value_is_the_only_one(cli, field):
    ended = cli.call("validate", "-f", written(cli, laid_over(manifest(PLAIN), table.FIXED[field])))
    assert ended.code == 2 and field in ended.err, ended


def test_azure_spells_the_only_task_type_in_several_ways(cli):
    for spelt, code in (("run_function", 0), ("Function", 0), (None, 0), ("model", 2)):
        step = pipeline(Case({}, azure={"step": {"task": {"type": spelt}}}), "step")
        ended = cli.call("convert", "-f", written(cli, step, "pipeline.yml"), "-o", "json")
        assert ended.code == code, ended
        assert code or ended.json["spec"]["task"]["type"] == "run_function"
