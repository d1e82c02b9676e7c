"""Small jobs that differ in a few fields, as manifest and as Azure YAML, and what came of them."""

import dataclasses
import json
import pathlib
import sqlite3
import textwrap

import jobs

PLAIN = """
    import os
    def init():
        pass
    def run(mini_batch):
        return [os.path.basename(path) for path in mini_batch]
    """


@dataclasses.dataclass(frozen=True)
class Case:
    """Fields that one job shows the effect of: `shows` maps each to a check of what came out.

    `spec` is laid over the plain manifest; each of `azure` (door → keys) over the plain step, its
    `flags` being program_arguments. `words` are more of the command line.
    """

    shows: dict
    spec: dict = dataclasses.field(default_factory=dict)
    azure: dict = dataclasses.field(default_factory=dict)
    metadata: dict = dataclasses.field(default_factory=dict)
    pipeline: dict = dataclasses.field(default_factory=dict)
    script: str = PLAIN
    words: tuple = ()
    code: int = 0

    def doors(self):
        return ["manifest", *self.azure]


def laid_over(below, above):
    """`above` wins; mappings are merged, None takes a key away."""
    out = dict(below)
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(out.get(key), dict)
        out[key] = laid_over(out[key], value) if both else value
    return {key: value for key, value in out.items() if value is not None}


def manifest(case):
    spec = {"inputs": [{"name": "files", "type": "uri_folder", "path": "data"}],
            "inputData": "${{inputs.files}}", "miniBatchSize": 2, "instanceCount": 1,
            "maxConcurrencyPerInstance": 1,
            "task": {"code": {"local": "code"}, "entryScript": "entry.py"}}
    return {"apiVersion": "paralleljob.dev/v1alpha1", "kind": "ParallelJob",
            "metadata": {"name": "effects", **case.metadata}, "spec": laid_over(spec, case.spec)}


def pipeline(case, door):
    keys = dict(case.azure[door])
    flags = keys.pop("flags", None)
    step = {"type": "parallel", "inputs": {"files": {"type": "uri_folder", "path": "./data"}},
            "input_data": "${{inputs.files}}", "mini_batch_size": "2",
            "resources": {"instance_count": 1}, "max_concurrency_per_instance": 1,
            "task": {"type": "run_function", "code": "./code", "entry_script": "entry.py"}}
    step = laid_over(step, keys)
    if flags:
        step["task"]["program_arguments"] = flags
    return {"type": "pipeline", "name": "effects", "jobs": {"score": step}, **case.pipeline}


class Ran:
    """One finished run, and where to look for effects."""

    def __init__(self, case, door, cli):
        self.case, self.door, self.cli = case, door, cli
        code, data, table = cli.folder / "code", cli.folder / "data", cli.folder / "table"
        for folder in (code, data, table / "north", table / "south"):
            folder.mkdir(parents=True)
        other = cli.folder / "other" / "inner"
        other.mkdir(parents=True)
        for script in (code / "entry.py", other / "other.py"):
            script.write_text(textwrap.dedent(case.script))
        for helper in (code / "helper.py", other.parent / "helper.py"):
            helper.write_text("NAME = 'beside the script'\n")
        for number in range(6):
            (data / f"{number}.txt").write_text(f"{number}\n")
            (table / ("north" if number < 4 else "south") / f"{number}.txt").write_text("x\n")
        (table / "MLTable").write_text(
            "paths: [{pattern: ./*/*.txt}]\ntransformations:\n"
            '  - extract_columns_from_partition_format: "{Region}/{file}.txt"\n')
        self.file = cli.folder / ("job.yaml" if door == "manifest" else "pipeline.yml")
        document = manifest(case) if door == "manifest" else pipeline(case, door)
        text = json.dumps(document).replace("FOLDER", str(cli.folder))
        self.file.write_text(text, encoding="utf-8")
        words = [word.replace("FOLDER", str(cli.folder)) for word in case.words]
        env = {"XDG_CACHE_HOME": str(cli.folder.parent / "cache")}
        self.ended = cli.run(self.file, *words, env=env)

    @property
    def azure(self):
        return self.door != "manifest"

    @property
    def summary(self):
        return self.ended.json

    @property
    def logs(self):
        return pathlib.Path(self.summary["logs"])

    def attempts(self, status=None):
        rows = jobs.processed(self.summary)
        return [row for row in rows if status in (None, row["Status"])]

    def slots(self, node):
        """Those in which processes were started."""
        lines = self.text(f"sys/node/{node}/*.txt").splitlines()
        return {line.split("started in slot ")[1] for line in lines if "started in slot " in line}

    def text(self, pattern):
        """All logs that match, one behind the other."""
        return "".join(path.read_text() for path in sorted(self.logs.glob(pattern)))

    def output(self, name="rows"):
        run = self.summary["steps"][0] if self.azure else self.summary
        path = pathlib.Path(run["outputs"][name])
        return path / "parallel_run_step.txt" if name == "rows" and path.is_dir() else path

    def rows(self, name="rows"):
        return self.output(name).read_text(encoding="utf-8").splitlines()

    def stored(self):
        """The job's object in the run's store."""
        store = sqlite3.connect(self.cli.out / "state.db")
        try:
            for row in store.execute("select * from objects"):
                if str(row[1]).endswith("/paralleljobs"):
                    return json.loads(row[-1])
        finally:
            store.close()
        raise AssertionError("the store has no ParallelJob")

